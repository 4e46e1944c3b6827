"""Replies written to a connection, whole or broken in the way that a fault wants."""

from __future__ import annotations

import asyncio  # noqa: TID251 - the server runs on a loop of its own, in its own thread
import socket
import struct
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_REASONS: Final = {status.value: status.phrase for status in HTTPStatus} | {529: "Overloaded"}
_JSON: Final = "application/json"
_PAGE: Final = b"<!DOCTYPE html><html><body><h1>Bad gateway</h1></body></html>"
# So much is gathered before it is sent, unless each piece has its own time.
_GATHERED: Final = 16 * 1024


class Broken(Exception):  # noqa: N818 - nothing is wrong: a fault was asked for
    """Raised when a reply was broken on purpose, so that the connection cannot go on."""


class Replies:
    """The sending half of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(
        self,
        status: int,
        body: bytes,
        headers: Mapping[str, str],
        *,
        content_type: str = _JSON,
        missing: int = 0,
    ) -> None:
        """Send a whole reply, or all but its last `missing` bytes.

        Raises:
            Broken: Some were held back.
        """
        head = _head(status, content_type, headers, f"content-length: {len(body)}")
        self._writer.write(head + body[: len(body) - missing])
        await self._writer.drain()
        if missing:
            raise Broken

    def begin(self, length: int, headers: Mapping[str, str]) -> None:
        """Send the head of a reply of this length, and nothing after it."""
        self._writer.write(_head(200, _JSON, headers, f"content-length: {length}"))

    async def send_page(self, headers: Mapping[str, str]) -> None:
        """Send a page of HTML with status 200, as a proxy might."""
        await self.send(200, _PAGE, headers, content_type="text/html; charset=utf-8")

    def begin_stream(self, headers: Mapping[str, str]) -> None:
        """Send the head of a stream of events."""
        kind = "text/event-stream; charset=utf-8"
        self._writer.write(_head(200, kind, headers, "transfer-encoding: chunked"))

    async def send_events(self, events: Iterable[bytes], pause_s: float = 0.0) -> None:
        """Send events, each as a chunk of its own, with a pause after each."""
        gathered = bytearray()
        for event in events:
            gathered += b"%x\r\n%b\r\n" % (len(event), event)
            if pause_s or len(gathered) > _GATHERED:
                self._writer.write(bytes(gathered))
                gathered.clear()
                await self._writer.drain()
                if pause_s:
                    await asyncio.sleep(pause_s)
        self._writer.write(bytes(gathered))
        await self._writer.drain()

    async def end_stream(self) -> None:
        """Send the end of a stream."""
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    async def hang(self) -> None:
        """Send nothing more, until the client has gone.

        Raises:
            Broken: It has.
        """
        await self._writer.drain()
        while await self._reader.read(65536):
            pass
        raise Broken

    async def close(self) -> None:
        """Close the connection where it is.

        Raises:
            Broken: The connection is gone.
        """
        await self._writer.drain()
        raise Broken

    def reset(self) -> None:
        """Break the connection at once, with a TCP reset.

        Raises:
            Broken: The connection is gone.
        """
        connection: socket.socket | None = self._writer.get_extra_info("socket")
        if connection is not None:
            # To linger for no time at all makes the kernel send a reset.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()
        raise Broken


def _head(status: int, content_type: str, headers: Mapping[str, str], length: str) -> bytes:
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, '')}", f"content-type: {content_type}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, length, "\r\n"]).encode("latin-1")

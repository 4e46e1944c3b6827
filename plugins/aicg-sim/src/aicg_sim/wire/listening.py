"""The listening socket, and the loop that serves its connections."""

from __future__ import annotations

import asyncio  # noqa: TID251 - the server runs on a loop of its own, in its own thread
import contextlib
import signal
import threading
from typing import TYPE_CHECKING, Final

import aicg
from aicg_sim.faults import FaultPlan
from aicg_sim.wire.app import App
from aicg_sim.wire.reading import LARGEST_HEAD, BadHTTPError, read_request
from aicg_sim.wire.replies import Broken, Replies

if TYPE_CHECKING:
    from collections.abc import Callable

    from aicg_sim.settings import SimSettings
    from aicg_sim.wire.stats import Stats

_BACKLOG: Final = 4096


class Listener:
    """Listens at one address until it is stopped.

    Attributes:
        stats: What it has served.
        url: Where it listens, once it is ready.
    """

    def __init__(self, settings: SimSettings, plan: FaultPlan | None, host: str, port: int) -> None:
        plan = plan or FaultPlan.parse(settings.faults, seed=settings.seed)
        self._app = App(settings, plan)
        self.stats: Stats = self._app.stats
        self.url = ""
        self._host = host
        self._port = port
        self._ready = threading.Event()
        self._fault: OSError | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._connections: set[asyncio.Task[None]] = set()

    def run(self, on_ready: Callable[[], None] | None = None) -> None:
        """Serve until stopped.

        With `on_ready`, which is called when requests can come, this is the program's own work:
        it runs in the main thread, and ends at Ctrl-C too.
        """
        try:
            asyncio.run(self._serve(on_ready))
        except OSError as error:
            self._fault = error
        finally:
            self._ready.set()

    def wait_until_ready(self) -> None:
        """Return when requests can come.

        Raises:
            ConfigurationError: They never will: the address cannot be listened at.
        """
        self._ready.wait()
        if self._fault is not None:
            raise aicg.ConfigurationError(
                f"cannot listen at {self._host}:{self._port}: {self._fault.strerror}; "
                f"give another host or port; port 0 takes a free one",
                key="port",
            ) from self._fault

    def stop(self) -> None:
        """Have the server close, from any thread."""
        if self._loop is not None and self._stopping is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)

    async def _serve(self, on_ready: Callable[[], None] | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        server = await asyncio.start_server(
            self._connected, self._host, self._port, backlog=_BACKLOG, limit=LARGEST_HEAD
        )
        host, port = server.sockets[0].getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._ready.set()
        if on_ready is not None:
            self._stop_on_signals()
            on_ready()
        try:
            await self._stopping.wait()
        finally:
            server.close()
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    def _stop_on_signals(self) -> None:
        """Close in an orderly way at Ctrl-C, and when a service manager ends the process."""
        if self._loop is None or self._stopping is None:
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            # Windows has no such handlers; there Ctrl-C cancels the loop's main task.
            with contextlib.suppress(NotImplementedError):
                self._loop.add_signal_handler(number, self._stopping.set)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            await self._converse(reader, writer)
        except (ConnectionError, Broken):
            pass  # The client has gone, or was to see the connection break.
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        replies = Replies(reader, writer)
        keep_alive = True
        while keep_alive:
            try:
                incoming = await read_request(reader, writer)
            except BadHTTPError as error:
                await replies.send(400, str(error).encode(), {"connection": "close"})
                return
            if incoming is None:
                return
            keep_alive = incoming.keep_alive
            await self._app.respond(incoming, replies)

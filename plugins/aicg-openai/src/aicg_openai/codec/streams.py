"""A streamed answer: bytes to events, events to chunks, and all of them to one whole answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from aicg import Chunk
from aicg_openai.codec.payloads import WireError, parse
from aicg_openai.codec.responses import calls_of, text_of, thoughts_of
from aicg_openai.codec.usage import read_usage

if TYPE_CHECKING:
    from aicg import Usage

DONE: Final = b"[DONE]"


class StreamedError(Exception):
    """Raised when an event of a stream tells of an error in place of an answer.

    Attributes:
        event: The event.
    """

    def __init__(self, event: Mapping[str, Any]) -> None:
        super().__init__("an error within a stream")
        self.event = event


class EventSplitter:
    """Splits server-sent events into their data, however the bytes arrive."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the data of each event that the piece completes."""
        buffer = self._rest + piece
        # A carriage return at the end may be half of a line's end.
        end = max(buffer.rfind(b"\n"), buffer.rfind(b"\r", 0, len(buffer) - 1)) + 1
        self._rest = buffer[end:]
        for line in buffer[:end].splitlines():
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif not line and self._data:
                yield b"\n".join(self._data)
                self._data.clear()


class _StreamedCall:
    def __init__(self) -> None:
        self.id: str | None = None
        self.name = ""
        self.arguments: list[Any] = []

    def whole(self) -> dict[str, Any]:
        pieces = self.arguments
        # A server that sends arguments as an object, and not as text, sends them in one piece.
        arguments = pieces[0] if pieces and not isinstance(pieces[0], str) else "".join(pieces)
        function = {"name": self.name, "arguments": arguments}
        return {"id": self.id, "type": "function", "function": function}


class StreamDecoder:
    """Makes chunks of the events of one answer, and in the end the answer itself.

    Attributes:
        usage: The usage stated last, as it came.
        finish_reason: Why the answer ended; None while it has not.
    """

    def __init__(self) -> None:
        self.usage: object = None
        self.finish_reason: object = None
        self._head: dict[str, Any] = {}
        self._texts: dict[str, list[str]] = {}
        self._calls: list[_StreamedCall] = []
        self._open_calls: dict[str, _StreamedCall] = {}

    def feed(self, data: bytes) -> Chunk | None:
        """Return the chunk that an event makes, if it makes one.

        Raises:
            StreamedError: The event tells of an error.
            WireError: The event is not in the form of a chunk.
        """
        event = parse(data)
        if event.get("error"):
            raise StreamedError(event)
        for key in ("id", "model"):
            if event.get(key):
                self._head.setdefault(key, event[key])
        usage = None
        if event.get("usage"):
            self.usage = event["usage"]
            usage = read_usage(self.usage)
        choices = event.get("choices")
        if not choices:
            return Chunk(usage=usage) if usage else None
        if not isinstance(choices, list) or not isinstance(choices[0], Mapping):
            raise WireError("an event of the stream has choices of a strange form")
        return self._add(choices[0], usage)

    def payload(self) -> dict[str, Any]:
        """Return the answer so far, as it would have come in one piece."""
        message: dict[str, Any] = {"role": "assistant", "content": None}
        message |= {name: "".join(texts) for name, texts in self._texts.items()}
        if self._calls:
            message["tool_calls"] = [call.whole() for call in self._calls]
        choice = {"index": 0, "message": message, "finish_reason": self.finish_reason}
        payload = {**self._head, "object": "chat.completion", "choices": [choice]}
        return payload if self.usage is None else {**payload, "usage": self.usage}

    def _add(self, choice: Mapping[str, Any], usage: Usage | None) -> Chunk | None:
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        delta = choice.get("delta")
        if not isinstance(delta, Mapping):
            return Chunk(usage=usage) if usage else None
        text = self._keep("content", text_of(delta.get("content")))
        text += self._keep("refusal", text_of(delta.get("refusal")))
        thoughts = self._keep("reasoning_content", thoughts_of(delta))
        for call in calls_of(delta):
            self._add_call(call)
        if text or thoughts or usage:
            return Chunk(text=text, reasoning=thoughts, usage=usage)
        return None

    def _keep(self, name: str, text: str) -> str:
        if text:
            self._texts.setdefault(name, []).append(text)
        return text

    def _add_call(self, piece: object) -> None:
        function = piece.get("function") if isinstance(piece, Mapping) else None
        if not isinstance(piece, Mapping) or not isinstance(function, Mapping):
            raise WireError("an event of the stream has a tool call of a strange form")
        # Some servers give no index, and some give every call the same.
        index, call_id = str(piece.get("index")), piece.get("id")
        call = self._open_calls.get(index)
        if call is None or (call_id and call.id and call_id != call.id):
            call = self._open_calls[index] = _StreamedCall()
            self._calls.append(call)
        call.id = call.id or call_id
        call.name = call.name or function.get("name") or ""
        if function.get("arguments"):
            call.arguments.append(function["arguments"])

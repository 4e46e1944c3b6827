"""Anthropic's Messages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import aicg
from aicg_sim.wire.dialect import (
    NOTHING,
    Asked,
    Dialect,
    EventKind,
    dumps,
    needed,
    of_type,
    refused,
)

if TYPE_CHECKING:
    from aicg_sim.engine import Answer

_ERROR_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    529: "overloaded_error",
}
_CHOICES: Final = {"any": "required", "auto": "auto", "none": "none"}
_CREATED_AT: Final = "2026-01-01T00:00:00Z"


class Anthropic(Dialect):
    """Messages, plain and streamed, without thinking."""

    request_id_header = "request-id"

    def read(self, body: Mapping[str, Any]) -> Asked:
        """Return what the body of a request asks.

        Raises:
            InvalidRequestError: It is not in the vendor's form.
        """
        needed(body, "max_tokens", int)
        return self.read_count(body)

    def read_count(self, body: Mapping[str, Any]) -> Asked:
        """Return what the body of a request asks, or of a request to count its tokens.

        Raises:
            InvalidRequestError: It is not in the vendor's form.
        """
        thinking = of_type(body, "thinking", dict) or NOTHING
        if thinking.get("type", "disabled") != "disabled":
            raise refused("thinking is not simulated: leave it out", "thinking")
        turns = needed(body, "messages", list)
        request = aicg.Request(
            model=f"sim:{needed(body, 'model', str)}",
            system=_text(of_type(body, "system", (str, list)) or "") or None,
            messages=tuple(message for turn in turns for message in _messages(turn)),
            tools=tuple(_tool(tool) for tool in of_type(body, "tools", list) or ()),
            tool_choice=_tool_choice(of_type(body, "tool_choice", dict) or NOTHING),
            output_schema=_schema(body),
            max_output_tokens=of_type(body, "max_tokens", int),
            temperature=of_type(body, "temperature", (int, float)),
            top_p=of_type(body, "top_p", (int, float)),
            stop=tuple(map(str, of_type(body, "stop_sequences", list) or ())),
            reasoning_effort="none",
        )
        return Asked(request, bool(body.get("stream")))

    def write(self, answer: Answer, asked: Asked, answer_id: str) -> dict[str, Any]:
        """Return the body of an answer."""
        content: list[dict[str, Any]] = [_tool_use(call) for call in answer.calls]
        if answer.pieces:
            content.append({"type": "text", "text": answer.text})
        return {
            "id": f"msg_{answer_id}",
            "type": "message",
            "role": "assistant",
            "model": asked.request.model_name,
            "content": content,
            "stop_reason": _stop_reason(answer),
            "stop_sequence": answer.stopped_by,
            "usage": _usage(answer.usage, answer.usage.total_output_tokens),
        }

    def without(self, body: dict[str, Any], what: Literal["finish", "usage"]) -> dict[str, Any]:
        """Return the body of an answer that lacks its finish reason, or its usage."""
        if what == "usage":
            return {name: value for name, value in body.items() if name != "usage"}
        return {**body, "stop_reason": None}

    def events(
        self, answer: Answer, asked: Asked, answer_id: str
    ) -> Iterator[tuple[EventKind, bytes]]:
        """Yield the events of a streamed answer."""
        message = {
            **self.write(answer, asked, answer_id),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": _usage(answer.usage, 1),
        }
        if not asked.with_usage:
            message = self.without(message, "usage")
        yield "start", _event("message_start", message=message)
        yield "start", _event("ping")
        if answer.pieces:
            yield from _block(0, {"type": "text", "text": ""}, "text_delta", answer.pieces)
        for index, call in enumerate(answer.calls):
            opened = {**_tool_use(call), "input": {}}
            pieces = (json.dumps(dict(call.arguments)),)
            yield from _block(index, opened, "input_json_delta", pieces)
        delta = {"stop_reason": _stop_reason(answer), "stop_sequence": answer.stopped_by}
        usage = {"usage": {"output_tokens": answer.usage.total_output_tokens}}
        yield "end", _event("message_delta", delta=delta, **usage if asked.with_usage else NOTHING)
        yield "end", _event("message_stop")

    def error(self, status: int, code: str, message: str, request_id: str) -> dict[str, Any]:  # noqa: ARG002 - only OpenAI has codes
        """Return the body of an error."""
        kind = _ERROR_TYPES.get(status, "api_error")
        error = {"type": kind, "message": message}
        return {"type": "error", "error": error, "request_id": request_id}

    def error_event(self, request_id: str) -> bytes:
        """Return an event that says that the model has failed."""
        error = {"type": "overloaded_error", "message": "fault plan: error event"}
        return _event("error", error=error, request_id=request_id)

    def junk_event(self) -> bytes:
        """Return an event whose data is not JSON."""
        return b'event: content_block_delta\ndata: {"type": "content_block_del\n\n'

    def models(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the list of models."""
        data = [self.model(name) for name in names]
        return {"data": data, "has_more": False, "first_id": names[0], "last_id": names[-1]}

    def model(self, name: str) -> dict[str, Any]:
        """Return one model of the list."""
        display = f"Sim {name.title()}"
        return {"type": "model", "id": name, "display_name": display, "created_at": _CREATED_AT}

    def limits(self, used: int) -> Mapping[str, str]:
        """Return the headers that tell the rate limits."""
        return {
            "anthropic-ratelimit-requests-limit": "10000",
            "anthropic-ratelimit-requests-remaining": str(max(0, 10_000 - used)),
            "anthropic-ratelimit-tokens-limit": "10000000",
            "anthropic-ratelimit-tokens-remaining": str(max(0, 10_000_000 - 1_000 * used)),
        }


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + dumps({"type": kind, **fields}) + b"\n\n"


def _block(
    index: int, opened: dict[str, Any], delta: str, pieces: tuple[str, ...]
) -> Iterator[tuple[EventKind, bytes]]:
    field = "text" if delta == "text_delta" else "partial_json"
    yield "start", _event("content_block_start", index=index, content_block=opened)
    for piece in pieces:
        change = {"type": delta, field: piece}
        yield "piece", _event("content_block_delta", index=index, delta=change)
    yield "piece", _event("content_block_stop", index=index)


def _usage(usage: aicg.Usage, output_tokens: int) -> dict[str, int]:
    return {
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": output_tokens,
    }


def _stop_reason(answer: Answer) -> str:
    if answer.stopped_by is not None:
        return "stop_sequence"
    return {"length": "max_tokens", "tool_calls": "tool_use"}.get(answer.finish_reason, "end_turn")


def _tool_use(call: aicg.ToolCall) -> dict[str, Any]:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": dict(call.arguments)}


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    config = of_type(body, "output_config", dict) or NOTHING
    form = of_type(config, "format", dict) or of_type(body, "output_format", dict)
    schema: Mapping[str, Any] | None = of_type(form, "schema", dict) if form else None
    return schema


def _tool(tool: Any) -> aicg.Tool:
    if not isinstance(tool, Mapping):
        raise refused("each tool is an object", "tools")
    return aicg.Tool(
        name=needed(tool, "name", str),
        description=of_type(tool, "description", str) or "",
        parameters=of_type(tool, "input_schema", dict) or {"type": "object", "properties": {}},
    )


def _tool_choice(choice: Mapping[str, Any]) -> str:
    if choice.get("type") == "tool":
        return str(needed(choice, "name", str))
    return _CHOICES.get(choice.get("type", "auto"), "auto")


def _text(content: str | list[Any]) -> str:
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))


def _messages(turn: Any) -> Iterator[aicg.Message]:
    if not isinstance(turn, Mapping):
        raise refused("each message is an object", "messages")
    role = needed(turn, "role", str)
    if role not in ("assistant", "user"):
        raise refused(f"there is no role {role!r}; instructions go into system", "messages")
    content = needed(turn, "content", (str if isinstance(turn.get("content"), str) else list))
    if isinstance(content, str):
        yield aicg.Message(role, content)
        return
    results: list[aicg.Part] = []
    others: list[aicg.Part] = []
    for part in map(_part, content):
        if part is not None:
            (results if isinstance(part, aicg.ToolResult) else others).append(part)
    if results:
        yield aicg.Message("tool", results)
    if others:
        yield aicg.Message(role, others)


def _part(block: Any) -> aicg.Part | None:
    kind = block.get("type") if isinstance(block, Mapping) else None
    match kind:
        case "text":
            return aicg.Text(needed(block, "text", str))
        case "image":
            return aicg.Image(url="attached")
        case "document":
            return aicg.Document(url="attached")
        case "thinking" | "redacted_thinking":
            return None
        case "tool_use":
            return aicg.ToolCall(
                id=needed(block, "id", str),
                name=needed(block, "name", str),
                arguments=of_type(block, "input", dict) or {},
            )
        case "tool_result":
            return aicg.ToolResult(
                call_id=needed(block, "tool_use_id", str),
                content=_text(of_type(block, "content", (str, list)) or ""),
                is_error=bool(block.get("is_error")),
            )
    raise refused(f"there is no content of type {kind!r}", "messages")

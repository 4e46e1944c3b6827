"""OpenAI's Chat Completions."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import aicg
from aicg import ReasoningEffort
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

_JSON_OBJECT: Final = {"type": "object"}
_EFFORTS: Final = get_args(ReasoningEffort)
_ERROR_TYPES: Final = {
    401: "authentication_error",
    402: "insufficient_quota",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
    529: "server_error",
}
_CREATED: Final = 1_760_000_000


class OpenAI(Dialect):
    """Chat Completions, plain and streamed."""

    request_id_header = "x-request-id"

    def read(self, body: Mapping[str, Any]) -> Asked:
        """Return what the body of a request asks.

        Raises:
            InvalidRequestError: It is not in the vendor's form.
        """
        if of_type(body, "n", int) not in (None, 1):
            raise refused("only one answer a request is simulated", "n")
        stop = of_type(body, "stop", (str, list)) or ()
        options = of_type(body, "stream_options", dict) or NOTHING
        request = aicg.Request(
            model=f"sim:{needed(body, 'model', str)}",
            messages=tuple(_message(turn) for turn in needed(body, "messages", list)),
            tools=tuple(_tool(tool) for tool in of_type(body, "tools", list) or ()),
            tool_choice=_tool_choice(body.get("tool_choice")),
            output_schema=_schema(of_type(body, "response_format", dict) or NOTHING),
            max_output_tokens=_cap(body),
            temperature=of_type(body, "temperature", (int, float)),
            top_p=of_type(body, "top_p", (int, float)),
            stop=(stop,) if isinstance(stop, str) else tuple(map(str, stop)),
            seed=of_type(body, "seed", int),
            reasoning_effort=_effort(body),
        )
        return Asked(request, bool(body.get("stream")), bool(options.get("include_usage")))

    def write(self, answer: Answer, asked: Asked, answer_id: str) -> dict[str, Any]:
        """Return the body of an answer."""
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None if answer.calls else answer.text,
            "refusal": None,
        }
        if answer.calls:
            message["tool_calls"] = [_call(call) for call in answer.calls]
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": answer.finish_reason,
        }
        return {
            "id": f"chatcmpl-{answer_id}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": asked.request.model_name,
            "choices": [choice],
            "usage": _usage(answer.usage),
            "system_fingerprint": "fp_sim",
        }

    def without(self, body: dict[str, Any], what: Literal["finish", "usage"]) -> dict[str, Any]:
        """Return the body of an answer that lacks its finish reason, or its usage."""
        if what == "usage":
            return {name: value for name, value in body.items() if name != "usage"}
        return {**body, "choices": [{**body["choices"][0], "finish_reason": None}]}

    def events(
        self, answer: Answer, asked: Asked, answer_id: str
    ) -> Iterator[tuple[EventKind, bytes]]:
        """Yield the events of a streamed answer."""
        frame = {
            "id": f"chatcmpl-{answer_id}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": asked.request.model_name,
            "system_fingerprint": "fp_sim",
        }
        if asked.with_usage:
            frame["usage"] = None

        def event(delta: dict[str, Any], reason: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
            return _data({**frame, "choices": [choice]})

        yield "start", event({"role": "assistant", "content": "", "refusal": None})
        # Most of an event is the same each time; a mark stands where the text goes.
        before, after = event({"content": "\0"}).split(b'"\\u0000"')
        for piece in answer.pieces:
            yield "piece", before + dumps(piece) + after
        for index, call in enumerate(answer.calls):
            opened = {**_call(call), "function": {"name": call.name, "arguments": ""}}
            yield "piece", event({"tool_calls": [{"index": index, **opened}]})
            arguments = {"index": index, "function": {"arguments": _arguments(call)}}
            yield "piece", event({"tool_calls": [arguments]})
        yield "end", event({}, answer.finish_reason)
        if asked.with_usage:
            yield "usage", _data({**frame, "choices": [], "usage": _usage(answer.usage)})
        yield "end", b"data: [DONE]\n\n"

    def error(self, status: int, code: str, message: str, request_id: str) -> dict[str, Any]:  # noqa: ARG002 - only Anthropic repeats it
        """Return the body of an error."""
        kind = _ERROR_TYPES.get(status, "invalid_request_error")
        return {"error": {"message": message, "type": kind, "param": None, "code": code}}

    def error_event(self, request_id: str) -> bytes:
        """Return an event that says that the model has failed."""
        return _data(self.error(500, "server_error", "fault plan: error event", request_id))

    def junk_event(self) -> bytes:
        """Return an event whose data is not JSON."""
        return b'data: {"id": "chatcmpl-junk", "choices": [{"delta": {"con\n\n'

    def models(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the list of models."""
        return {"object": "list", "data": [self.model(name) for name in names]}

    def model(self, name: str) -> dict[str, Any]:
        """Return one model of the list."""
        return {"id": name, "object": "model", "created": _CREATED, "owned_by": "aicg-sim"}

    def limits(self, used: int) -> Mapping[str, str]:
        """Return the headers that tell the rate limits."""
        return {
            "x-ratelimit-limit-requests": "10000",
            "x-ratelimit-remaining-requests": str(max(0, 10_000 - used)),
            "x-ratelimit-reset-requests": "6ms",
            "x-ratelimit-limit-tokens": "10000000",
            "x-ratelimit-remaining-tokens": str(max(0, 10_000_000 - 1_000 * used)),
            "x-ratelimit-reset-tokens": "6ms",
        }


def _data(value: object) -> bytes:
    return b"data: " + dumps(value) + b"\n\n"


def _usage(usage: aicg.Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.total_input_tokens,
        "completion_tokens": usage.total_output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _arguments(call: aicg.ToolCall) -> str:
    return json.dumps(dict(call.arguments), ensure_ascii=False)


def _call(call: aicg.ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": _arguments(call)}
    return {"id": call.id, "type": "function", "function": function}


def _cap(body: Mapping[str, Any]) -> int | None:
    cap = of_type(body, "max_completion_tokens", int)
    return of_type(body, "max_tokens", int) if cap is None else cap  # type: ignore[no-any-return]


def _effort(body: Mapping[str, Any]) -> ReasoningEffort | None:
    effort = of_type(body, "reasoning_effort", str)
    if effort is not None and effort not in _EFFORTS:
        raise refused(f"expected one of {', '.join(_EFFORTS)}: got {effort!r}", "reasoning_effort")
    return effort  # type: ignore[no-any-return]


def _schema(form: Mapping[str, Any]) -> Mapping[str, Any] | None:
    match form.get("type", "text"):
        case "text":
            return None
        case "json_object":
            return _JSON_OBJECT
        case "json_schema":
            named = needed(form, "json_schema", dict)
            schema: Mapping[str, Any] = of_type(named, "schema", dict) or _JSON_OBJECT
            return schema
    raise refused(f"there is no type {form.get('type')!r}", "response_format")


def _tool(tool: Any) -> aicg.Tool:
    if not isinstance(tool, Mapping) or tool.get("type") != "function":
        raise refused('each tool is an object of type "function"', "tools")
    function = needed(tool, "function", dict)
    return aicg.Tool(
        name=needed(function, "name", str),
        description=of_type(function, "description", str) or "",
        parameters=of_type(function, "parameters", dict) or {"type": "object", "properties": {}},
    )


def _tool_choice(choice: Any) -> str:
    if isinstance(choice, Mapping):
        return str(needed(needed(choice, "function", dict), "name", str))
    return "auto" if choice is None else str(choice)


def _message(turn: Any) -> aicg.Message:
    if not isinstance(turn, Mapping):
        raise refused("each message is an object", "messages")
    role = needed(turn, "role", str)
    parts = list(_parts(of_type(turn, "content", (str, list)) or []))
    if role == "tool":
        text = aicg.Message("user", parts).text
        return aicg.Message(
            "tool", aicg.ToolResult(call_id=needed(turn, "tool_call_id", str), content=text)
        )
    parts.extend(_tool_call(call) for call in of_type(turn, "tool_calls", list) or ())
    if role not in ("assistant", "developer", "system", "user"):
        raise refused(f"there is no role {role!r}", "messages")
    return aicg.Message("system" if role == "developer" else role, parts)


def _parts(content: str | list[Any]) -> Iterator[aicg.Part]:
    if isinstance(content, str):
        yield aicg.Text(content)
        return
    for part in content:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind in ("text", "refusal"):
            yield aicg.Text(str(part.get(kind) or ""))
        elif kind == "image_url":
            yield aicg.Image(url=str(needed(needed(part, "image_url", dict), "url", str)))
        elif kind in ("file", "input_audio"):
            yield aicg.Document(url="attached")
        else:
            raise refused(f"there is no content of type {kind!r}", "messages")


def _tool_call(call: Any) -> aicg.ToolCall:
    if not isinstance(call, Mapping):
        raise refused("each tool call is an object", "messages")
    function = needed(call, "function", dict)
    try:
        arguments = json.loads(of_type(function, "arguments", str) or "{}")
    except ValueError:
        arguments = {"arguments": function.get("arguments")}
    return aicg.ToolCall(
        id=needed(call, "id", str),
        name=needed(function, "name", str),
        arguments=arguments if isinstance(arguments, dict) else {"arguments": arguments},
    )

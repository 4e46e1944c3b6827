"""An answer of Chat Completions as the kernel's `Response`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from aicg import Part, Reasoning, Response, Text, ToolCall
from aicg_openai.codec.payloads import WireError

if TYPE_CHECKING:
    from aicg import FinishReason, Usage

# The key under which the arguments of a tool stand as text where they are not a JSON object.
UNPARSED: Final = "__unparsed__"

# Words of OpenAI's first, then those of servers that are compatible with it.
_FINISH_REASONS: Final[Mapping[str, FinishReason]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "max_tokens": "length",
    "model_length": "length",
    "safety": "content_filter",
}


def from_wire(
    payload: Mapping[str, Any],
    headers: Mapping[str, str],
    usage: Usage,
    *,
    model: str = "",
    include_raw: bool = False,
) -> Response:
    """Return the response that an answer is.

    Args:
        payload: The answer.
        headers: The answer's HTTP headers.
        usage: The tokens used.
        model: The model that was asked for, in case the answer names none.
        include_raw: Whether the response keeps the answer as it came.

    Raises:
        WireError: The answer does not have the form of a chat completion.
    """
    choice, message = _choice(payload)
    parts = tuple(_parts(message, str(payload.get("id"))))
    reason = choice.get("finish_reason")
    if reason == "error":
        raise WireError("the model stopped at an error")
    finish = _FINISH_REASONS.get(str(reason).lower(), "stop")
    if message.get("refusal"):
        finish = "content_filter"
    elif finish == "stop" and any(type(part) is ToolCall for part in parts):
        finish = "tool_calls"
    return Response(
        parts=parts,
        finish_reason=finish,
        model=str(payload.get("model") or model),
        usage=usage,
        response_id=payload.get("id"),
        headers=headers,
        raw=payload if include_raw else None,
    )


def output_bytes(payload: Mapping[str, Any]) -> int:
    """Return a count of tokens that the visible output does not pass: its bytes, and its frame.

    Raises:
        WireError: The answer does not have the form of a chat completion.
    """
    _, message = _choice(payload)
    texts = [text_of(message.get(name)) for name in ("content", "refusal")]
    texts += [thoughts_of(message), *map(str, calls_of(message))]
    return sum(len(text.encode(errors="replace")) + 16 for text in texts)


def _choice(payload: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the first choice, of which there is one, and its message."""
    choices = payload.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        raise WireError("the answer has no choices")
    message = choices[0].get("message")
    if not isinstance(message, Mapping):
        raise WireError("the answer has no message")
    return choices[0], message


def _parts(message: Mapping[str, Any], answer_id: str) -> list[Part]:
    parts: list[Part] = []
    if thoughts := thoughts_of(message):
        parts.append(Reasoning(thoughts))
    if text := text_of(message.get("content")) + str(message.get("refusal") or ""):
        parts.append(Text(text))
    for index, call in enumerate(calls_of(message)):
        parts.append(_tool_call(call, f"call_{answer_id}_{index}"))
    return parts


def thoughts_of(message: Mapping[str, Any]) -> str:
    """Return the thoughts of a message or a piece of one, by either name that servers use."""
    return text_of(message.get("reasoning_content")) or text_of(message.get("reasoning"))


def calls_of(message: Mapping[str, Any]) -> list[object]:
    """Return the tool calls of a message or a piece of one, as they came.

    Raises:
        WireError: They are no list.
    """
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list):
        raise WireError("the tool calls of the answer are no list")
    return calls


def text_of(content: object) -> str:
    """Return content as text; some servers send a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, Mapping)]
        return "".join([text for text in texts if isinstance(text, str)])
    return ""


def _tool_call(call: object, fallback_id: str) -> ToolCall:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(call, Mapping) or not isinstance(function, Mapping):
        raise WireError("a tool call of the answer has no function")
    return ToolCall(
        id=str(call.get("id") or fallback_id),
        name=str(function.get("name") or ""),
        arguments=_arguments(function.get("arguments")),
    )


def _arguments(text: object) -> Mapping[str, Any]:
    """Return the arguments; what is no JSON object was paid for too, and is kept as it came."""
    from jiter import from_json

    if isinstance(text, Mapping):
        return text
    if not text:
        return {}
    try:
        arguments = from_json(str(text).encode())
    except ValueError:
        arguments = None
    return arguments if isinstance(arguments, dict) else {UNPARSED: text}

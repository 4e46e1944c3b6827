"""A request in the form of Chat Completions."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final

from aicg import (
    Document,
    Image,
    InvalidRequestError,
    Message,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from aicg_openai.codec.schemas import response_format

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aicg import Request, Tool
    from aicg_openai.families import Family

# What `extra` may not replace, for the budget would no longer hold: and what to use instead.
_RESERVED: Final = {
    "max_completion_tokens": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "messages": "the prompt",
    "model": "model",
    "n": "another request for another answer",
    "service_tier": "auto, default or flex, which cost no more than is reserved",
    "stream": "session.stream",
    "stream_options": "session.stream",
    "web_search_options": "a prompt that holds what is to be known, as searches are billed apart",
}
_CHEAP_TIERS: Final = frozenset({"auto", "default", "flex"})
_TEXTUAL: Final = frozenset({"application/json", "application/xml", "application/yaml"})


def to_wire(
    request: Request, *, family: Family | None, cap_field: str, stream: bool = False
) -> dict[str, Any]:
    """Return the body of the request that asks for this.

    Args:
        request: What to ask.
        family: What the model can do, if that is known.
        cap_field: The field that caps the output.
        stream: Whether the answer is to come in pieces.

    Raises:
        InvalidRequestError: Chat Completions has no form for a part of it.
    """
    body: dict[str, Any] = {"model": request.model_name, "messages": list(_messages(request))}
    if request.max_output_tokens is not None:
        body[cap_field] = request.max_output_tokens
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        body["tool_choice"] = _tool_choice(request.tool_choice)
    if request.output_schema is not None:
        body["response_format"] = response_format(request.output_schema)
    if request.stop:
        body["stop"] = list(request.stop)
    if request.seed is not None:
        body["seed"] = request.seed
    body |= _style(request, family)
    if stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return {**body, **_extra(request)} if request.extra else body


def left_out(request: Request, family: Family | None) -> frozenset[str]:
    """Return which options of the request the model does not take, so that they are not sent."""
    return frozenset(_asked_style(request)) - frozenset(_style(request, family))


def _asked_style(request: Request) -> dict[str, Any]:
    asked = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "reasoning_effort": request.reasoning_effort,
    }
    return {name: value for name, value in asked.items() if value is not None}


def _style(request: Request, family: Family | None) -> dict[str, Any]:
    asked = _asked_style(request)
    if family is None:
        return asked
    if family.effort is None:
        asked.pop("reasoning_effort", None)
        return asked
    if request.tools and family.tools == "effort_none":
        asked.setdefault("reasoning_effort", "none")
    if asked.get("reasoning_effort", family.effort) != "none":
        asked.pop("temperature", None)
        asked.pop("top_p", None)
    return asked


def _extra(request: Request) -> dict[str, Any]:
    for name in sorted(_RESERVED.keys() & request.extra.keys()):
        if name == "service_tier" and request.extra[name] in _CHEAP_TIERS:
            continue
        raise InvalidRequestError(
            f"{request.provider_name}: extra may not set {name!r}, as the budget would no longer "
            f"hold; use {_RESERVED[name]}",
            provider=request.provider_name,
            model=request.model_name,
            code="extra_refused",
        )
    return dict(request.extra)


def _tool(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "parameters": tool.parameters}
    if tool.description:
        function["description"] = tool.description
    return {"type": "function", "function": function}


def _tool_choice(choice: str) -> str | dict[str, Any]:
    if choice in {"auto", "none", "required"}:
        return choice
    return {"type": "function", "function": {"name": choice}}


def _messages(request: Request) -> Iterator[dict[str, Any]]:
    if request.system:
        yield {"role": "system", "content": request.system}
    for message in request.messages:
        if len(message.parts) == 1 and type(message.parts[0]) is Text and message.role != "tool":
            yield {"role": message.role, "content": message.parts[0].text}
        elif message.role == "assistant":
            yield _assistant(message, request)
        else:
            yield from _turns(message, request)


def _assistant(message: Message, request: Request) -> dict[str, Any]:
    turn: dict[str, Any] = {"role": "assistant", "content": message.text}
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    if calls:
        turn["content"] = message.text or None
        turn["tool_calls"] = [_call(call) for call in calls]
    for part in message.parts:
        # Chat Completions has no place for thoughts; the model thinks anew.
        if not isinstance(part, Text | ToolCall | Reasoning):
            raise _refused(request, f"an assistant's message with {type(part).__name__}")
    return turn


def _call(call: ToolCall) -> dict[str, Any]:
    arguments = json.dumps(dict(call.arguments), ensure_ascii=False)
    function = {"name": call.name, "arguments": arguments}
    return {"id": call.id, "type": "function", "function": function}


def _turns(message: Message, request: Request) -> Iterator[dict[str, Any]]:
    """Yield the results of tools each as a turn, as the API wants them, then all the rest."""
    others = []
    for part in message.parts:
        if isinstance(part, ToolResult):
            content = f"Error: {part.content}" if part.is_error else part.content
            yield {"role": "tool", "tool_call_id": part.call_id, "content": content}
        else:
            others.append(part)
    if not others:
        return
    if message.role == "tool":
        raise _refused(request, "a tool's message with parts other than ToolResult")
    texts = [part.text for part in others if isinstance(part, Text)]
    if len(texts) == len(others):
        yield {"role": message.role, "content": "".join(texts)}
    else:
        yield {"role": message.role, "content": [_content(part, request) for part in others]}


def _content(part: Part, request: Request) -> dict[str, Any]:
    match part:
        case Text():
            return {"type": "text", "text": part.text}
        case Image():
            image = {"url": part.url or _data_url(part.data or b"", part.media_type)}
            if part.detail != "auto":
                image["detail"] = part.detail
            return {"type": "image_url", "image_url": image}
        case Document():
            return _document(part, request)
        case _:
            raise _refused(request, f"a user's message with {type(part).__name__}")


def text_of_document(document: Document) -> str | None:
    """Return what is sent of a document that is text: its name and its text; None for others."""
    if not document.media_type.startswith("text/") and document.media_type not in _TEXTUAL:
        return None
    return f"{document.name}:\n{(document.data or b'').decode(errors='replace')}"


def _document(document: Document, request: Request) -> dict[str, Any]:
    if document.data is None:
        raise _refused(request, "a document by its address: give its bytes as data")
    text = text_of_document(document)
    if text is not None:
        return {"type": "text", "text": text}
    name = document.name
    if document.media_type == "application/pdf" and not name.lower().endswith(".pdf"):
        name += ".pdf"
    content = {"filename": name, "file_data": _data_url(document.data, document.media_type)}
    return {"type": "file", "file": content}


def _data_url(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def _refused(request: Request, what: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"{request.provider_name}: Chat Completions does not take {what}",
        provider=request.provider_name,
        model=request.model_name,
        code="unsupported_part",
    )

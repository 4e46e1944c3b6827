"""Requests in the form of Chat Completions."""

from __future__ import annotations

import base64
import json
from types import MappingProxyType
from typing import Any

import attrs
import pytest

from aicg import (
    Document,
    Image,
    InvalidRequestError,
    Message,
    Reasoning,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from aicg_openai.codec import dump, left_out, to_wire
from aicg_openai.families import family_of

WEATHER = Tool(
    name="weather",
    description="Tells the weather.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}},
)
CALL = ToolCall(id="c1", name="weather", arguments={"city": "Łódź"})


def request(*messages: Message, model: str = "gpt-5.4-mini", **fields: Any) -> Request:
    asked = messages or (Message("user", "Hello"),)
    return Request(model=f"openai:{model}", messages=asked, **fields)


def wire(asked: Request, cap_field: str = "max_completion_tokens", **options: Any) -> Any:
    body = to_wire(asked, family=family_of(asked.model_name), cap_field=cap_field, **options)
    return json.loads(dump(body))


def test_a_plain_prompt_is_sent_as_plain_text() -> None:
    body = wire(request(system="Be brief.", max_output_tokens=100, metadata={"team": "a"}))

    assert body == {
        "model": "gpt-5.4-mini",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello"},
        ],
        "max_completion_tokens": 100,
    }


def test_options_are_sent_under_their_names() -> None:
    body = wire(
        request(
            model="gpt-4o", temperature=0.5, top_p=0.9, stop=("END",), seed=7, max_output_tokens=9
        ),
        cap_field="max_tokens",
    )

    assert {name: body[name] for name in body if name not in {"model", "messages"}} == {
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["END"],
        "seed": 7,
        "max_tokens": 9,
    }


def test_a_stream_asks_for_its_usage() -> None:
    body = wire(request(), stream=True)

    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("required", "required"),
        ("weather", {"type": "function", "function": {"name": "weather"}}),
    ],
)
def test_tools_are_sent_with_their_choice(choice: str, expected: Any) -> None:
    body = wire(request(tools=(WEATHER, Tool(name="now")), tool_choice=choice))

    assert body["tool_choice"] == expected
    assert body["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "weather",
                "description": "Tells the weather.",
                "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
            },
        },
        {
            "type": "function",
            "function": {"name": "now", "parameters": {"type": "object", "properties": {}}},
        },
    ]


def test_a_conversation_with_tools_keeps_its_order() -> None:
    other = ToolCall(id="c2", name="now", arguments={})
    body = wire(
        request(
            Message("user", "Weather?"),
            Message("assistant", (Reasoning("hm"), Text("I look."), CALL, other)),
            Message(
                "user",
                (
                    Text("And "),
                    ToolResult(call_id="c1", content="rain"),
                    ToolResult(call_id="c2", content="no clock", is_error=True),
                    Text("tomorrow?"),
                ),
            ),
            Message("assistant", (CALL,)),
            Message("tool", (ToolResult(call_id="c1", content="sun"),)),
        )
    )

    calls = [
        {
            "id": "c1",
            "type": "function",
            "function": {"name": "weather", "arguments": '{"city": "Łódź"}'},
        },
        {"id": "c2", "type": "function", "function": {"name": "now", "arguments": "{}"}},
    ]
    assert body["messages"] == [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "I look.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
        {"role": "tool", "tool_call_id": "c2", "content": "Error: no clock"},
        {"role": "user", "content": "And tomorrow?"},
        {"role": "assistant", "content": None, "tool_calls": calls[:1]},
        {"role": "tool", "tool_call_id": "c1", "content": "sun"},
    ]


def test_images_and_documents_are_parts_of_a_message() -> None:
    pdf, png = b"%PDF-1.7", b"\x89PNG"
    body = wire(
        request(
            Message(
                "user",
                (
                    Text("Compare."),
                    Image(data=png, detail="low"),
                    Image(url="http://127.0.0.1/a.jpg"),
                    Document(data=pdf, name="report"),
                    Document(data="Käse".encode(), name="list.txt", media_type="text/plain"),
                ),
            )
        )
    )

    assert body["messages"][0]["content"] == [
        {"type": "text", "text": "Compare."},
        {
            "type": "image_url",
            "image_url": {
                "url": f"data:image/png;base64,{base64.b64encode(png).decode()}",
                "detail": "low",
            },
        },
        {"type": "image_url", "image_url": {"url": "http://127.0.0.1/a.jpg"}},
        {
            "type": "file",
            "file": {
                "filename": "report.pdf",
                "file_data": f"data:application/pdf;base64,{base64.b64encode(pdf).decode()}",
            },
        },
        {"type": "text", "text": "list.txt:\nKäse"},
    ]


@pytest.mark.parametrize(
    "message",
    [
        Message("user", (Document(url="http://127.0.0.1/a.pdf"),)),
        Message("user", (CALL,)),
        Message("assistant", (Image(data=b"x"),)),
        Message("tool", "rain"),
    ],
    ids=["document by address", "user's call", "assistant's image", "tool's text"],
)
def test_what_chat_completions_has_no_form_for_is_refused(message: Message) -> None:
    with pytest.raises(
        InvalidRequestError, match="openai: Chat Completions does not take"
    ) as caught:
        wire(request(message))

    assert caught.value.outcome == "rejected"
    assert (caught.value.provider, caught.value.model) == ("openai", "gpt-5.4-mini")


def test_extra_fields_are_sent_as_they_are() -> None:
    extra = MappingProxyType({"logit_bias": MappingProxyType({"1": 2}), "temperature": 0.1})

    body = wire(request(temperature=0.9, extra=extra))

    assert body["logit_bias"] == {"1": 2}
    assert body["temperature"] == 0.1


@pytest.mark.parametrize("tier", ["auto", "default", "flex"])
def test_extra_may_ask_for_a_service_tier_that_costs_no_more(tier: str) -> None:
    assert wire(request(extra={"service_tier": tier}))["service_tier"] == tier


@pytest.mark.parametrize(
    "name",
    [
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "model",
        "n",
        "service_tier",
        "stream",
        "web_search_options",
    ],
)
def test_extra_may_not_set_what_the_budget_rests_on(name: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"extra may not set '{name}'"):
        wire(request(extra={name: 4}))


@pytest.mark.parametrize(
    ("model", "fields", "sent"),
    [
        ("gpt-4o", {"temperature": 1, "reasoning_effort": "low"}, {"temperature": 1}),
        ("gpt-5.4", {"temperature": 1}, {"temperature": 1}),
        ("gpt-5.4", {"temperature": 1, "reasoning_effort": "low"}, {"reasoning_effort": "low"}),
        ("gpt-5.6-luna", {"temperature": 1, "top_p": 0.5}, {}),
        (
            "gpt-5.6-luna",
            {"temperature": 1, "reasoning_effort": "none"},
            {"temperature": 1, "reasoning_effort": "none"},
        ),
        ("llama-4", {"temperature": 1, "reasoning_effort": "low"}, None),
    ],
    ids=["no reasoning", "none by default", "with effort", "medium by default", "none", "unknown"],
)
def test_what_a_model_is_known_not_to_take_is_left_out(
    model: str, fields: dict[str, Any], sent: dict[str, Any] | None
) -> None:
    asked = request(model=model, **fields)

    body = wire(asked)

    sent = fields if sent is None else sent
    assert {name: body[name] for name in fields if name in body} == sent
    assert left_out(asked, family_of(model)) == fields.keys() - sent.keys()


@pytest.mark.parametrize(
    ("model", "effort", "sent"),
    [
        ("gpt-5.6-luna", None, "none"),
        ("gpt-5.6-luna", "low", "low"),
        ("gpt-5.4", None, None),
        ("gpt-4o", None, None),
    ],
)
def test_tools_get_the_effort_that_chat_completions_wants_with_them(
    model: str, effort: Any, sent: str | None
) -> None:
    body = wire(request(model=model, tools=(WEATHER,), reasoning_effort=effort))

    assert body.get("reasoning_effort") == sent


def test_what_json_cannot_hold_is_refused() -> None:
    for extra in ({"x": float("nan")}, {"x": "\ud800"}):
        with pytest.raises(ValueError, match=r".+"):
            wire(request(extra=extra))
    with pytest.raises(TypeError, match="JSON has no form for object"):
        wire(request(extra={"x": object()}))


@attrs.frozen
class Lesson:
    title: str
    minutes: int


OPEN = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
CLOSED = {**OPEN, "additionalProperties": False}


def test_a_class_becomes_a_strict_schema() -> None:
    body = wire(request(output_schema=Lesson))

    form = body["response_format"]
    assert form["type"] == "json_schema"
    assert form["json_schema"]["strict"] is True
    assert form["json_schema"]["schema"]["required"] == ["title", "minutes"]
    assert form["json_schema"]["schema"]["additionalProperties"] is False


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (CLOSED, CLOSED),
        (OPEN, CLOSED),
        (
            {**OPEN, "title": "A list/1", "$schema": "x", "properties": {"a": {"default": "b"}}},
            {**CLOSED, "title": "A list/1", "properties": {"a": {}}},
        ),
        (
            {**OPEN, "properties": {"a": {"type": "array", "items": OPEN}}},
            {**CLOSED, "properties": {"a": {"type": "array", "items": CLOSED}}},
        ),
        (
            {**OPEN, "properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": OPEN}},
            {**CLOSED, "properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": CLOSED}},
        ),
        (
            {**OPEN, "properties": {"a": {"anyOf": [OPEN, {"type": "null"}]}}},
            {**CLOSED, "properties": {"a": {"anyOf": [CLOSED, {"type": "null"}]}}},
        ),
    ],
    ids=["closed", "open", "notes", "items", "definitions", "choice"],
)
def test_a_schema_is_strict_where_strict_mode_takes_it(schema: Any, expected: Any) -> None:
    form = wire(request(output_schema=schema))["response_format"]["json_schema"]

    assert form["strict"] is True
    assert form["schema"] == expected


@pytest.mark.parametrize(
    "schema",
    [
        {**OPEN, "required": []},
        {**OPEN, "additionalProperties": True},
        {**OPEN, "additionalProperties": {"type": "string"}},
        {**OPEN, "properties": {"a": {"type": "string", "minLength": 3}}},
        {**OPEN, "properties": {"a": {"type": "string", "format": "uri"}}},
        {**OPEN, "properties": {"a": True}},
        {**OPEN, "properties": {"a": {"allOf": [OPEN]}}},
        {"type": "array", "items": OPEN},
    ],
    ids=["optional", "open", "map", "keyword", "format", "true", "all of", "array"],
)
def test_other_schemas_are_sent_as_they_are(schema: Any) -> None:
    form = wire(request(output_schema=schema))["response_format"]["json_schema"]

    assert form == {"name": "answer", "schema": schema, "strict": False}


def test_a_schema_is_named_by_its_title() -> None:
    form = wire(request(output_schema={**OPEN, "title": "Ein Plan/1"}))["response_format"]

    assert form["json_schema"]["name"] == "Ein_Plan_1"

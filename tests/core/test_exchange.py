"""What travels between an application, its addons and a provider."""

from __future__ import annotations

import copy
import pickle
from inspect import getdoc
from typing import Any

import attrs
import pytest

import aicg
from aicg.exchange import messages_of, split_model_name

HELLO = aicg.Message("user", "Hello")


def request(**fields: Any) -> aicg.Request:
    return aicg.Request(model="fake:model", messages=(HELLO,), **fields)


@pytest.mark.parametrize(
    ("name", "halves"),
    [
        ("openai:gpt-5.4-mini", ("openai", "gpt-5.4-mini")),
        ("ollama:llama3:8b", ("ollama", "llama3:8b")),
        ("groq:meta/llama-4", ("groq", "meta/llama-4")),
    ],
)
def test_a_model_name_has_two_halves(name: str, halves: tuple[str, str]) -> None:
    asked = attrs.evolve(request(), model=name)

    assert split_model_name(name) == halves
    assert (asked.provider_name, asked.model_name) == halves


@pytest.mark.parametrize("name", ["", "gpt-5", ":", "openai:", ":gpt-5"])
def test_half_a_model_name_is_refused(name: str) -> None:
    with pytest.raises(aicg.ValidationError, match=r"provider:model, such as openai:.*got "):
        split_model_name(name)


@pytest.mark.parametrize(
    ("prompt", "messages"),
    [
        ("Hello", (HELLO,)),
        (HELLO, (HELLO,)),
        ([HELLO], (HELLO,)),
        ((aicg.Message("user", ""), HELLO), (aicg.Message("user", ""), HELLO)),
    ],
    ids=["text", "message", "list", "some of it blank"],
)
def test_a_prompt_stands_for_messages(prompt: Any, messages: tuple[aicg.Message, ...]) -> None:
    assert messages_of(prompt) == messages


@pytest.mark.parametrize(
    "prompt",
    [
        pytest.param("", id="no text"),
        pytest.param(" \n\t", id="blank text"),
        pytest.param([], id="no messages"),
        pytest.param(aicg.Message("user", ()), id="no parts"),
        pytest.param(aicg.Message("user", " "), id="blank message"),
        pytest.param([aicg.Message("user", "")] * 2, id="blank messages"),
    ],
)
def test_an_empty_prompt_is_refused(prompt: Any) -> None:
    with pytest.raises(aicg.ValidationError, match="is empty"):
        messages_of(prompt)


@pytest.mark.parametrize("prompt", [None, 5, b"Hello", ["Hello"], {"role": "user"}, [HELLO, None]])
def test_what_is_no_prompt_is_refused(prompt: Any) -> None:
    with pytest.raises(aicg.ValidationError, match="a prompt is text, a Message, a sequence of"):
        messages_of(prompt)


def test_an_image_alone_is_a_prompt() -> None:
    image = aicg.Message("user", aicg.Image(data=b"x"))

    assert messages_of(image) == (image,)


@pytest.mark.parametrize(
    "value",
    [
        request(),
        request(temperature=0.5, stop=("END",), metadata={"team": "a"}, extra={"user": "u1"}),
        aicg.Response(parts=(aicg.Text("Hi"),), usage=aicg.Usage(1, 2)),
        aicg.Chunk(text="Hi", response=aicg.Response()),
        aicg.Retry(request(), 2.0),
        aicg.Tool(name="look"),
        aicg.LogRecord(time=0.0, level="info", message="done"),
        aicg.LedgerLine(outcome="billed"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_travels_can_be_pickled_and_copied(value: object) -> None:
    copies = [pickle.loads(pickle.dumps(value)), copy.deepcopy(value), copy.copy(value)]

    assert copies == [value] * 3


@pytest.mark.parametrize("cap", [0, -1, -5_000_000])
def test_an_output_cap_below_one_is_refused(cap: int) -> None:
    with pytest.raises(aicg.ValidationError, match=f"a whole number above 0: got {cap}"):
        attrs.evolve(request(), max_output_tokens=cap)


def test_a_request_does_not_change() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        request().model = "other:model"  # type: ignore[misc]


def test_the_options_of_chat_are_the_fields_of_a_request() -> None:
    fields = set(attrs.fields_dict(aicg.Request)) - {"messages"}

    assert set(aicg.RequestOptions.__annotations__) == fields


def test_every_field_is_documented() -> None:
    for kind in (aicg.Request, aicg.Response, aicg.Chunk, aicg.Retry, aicg.Tool):
        undocumented = [
            name for name in attrs.fields_dict(kind) if f"\n    {name}: " not in str(getdoc(kind))
        ]
        assert undocumented == [], kind


def test_an_answer_shows_its_parts() -> None:
    call = aicg.ToolCall(id="1", name="look", arguments={"at": "sky"})
    response = aicg.Response(
        parts=(aicg.Reasoning("Hm. "), aicg.Text("One "), call, aicg.Text("two"))
    )

    assert response.text == "One two"
    assert response.reasoning == "Hm. "
    assert response.tool_calls == (call,)
    assert response.message == aicg.Message("assistant", response.parts)


def test_usage_adds_up_bucket_by_bucket() -> None:
    total = aicg.Usage(1, 2, 3, 4, 5, 6) + aicg.Usage(10, 20, 30, 40, 50, 60)

    assert total == aicg.Usage(11, 22, 33, 44, 55, 66)
    assert (total.total_input_tokens, total.total_output_tokens) == (11 + 33 + 44 + 55, 22 + 66)
    assert total.total_tokens == 11 + 22 + 33 + 44 + 55 + 66

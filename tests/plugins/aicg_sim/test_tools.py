"""When a model calls a tool, with what, and what it makes of the result."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import aicg
from aicg_sim.engine import Answer, Engine

WEATHER = aicg.Tool(
    name="get_weather",
    description="Tells the weather at a place.",
    parameters={
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "unit": {"enum": ["celsius", "fahrenheit"]},
            "days": {"type": "integer", "minimum": 1, "maximum": 14},
        },
        "required": ["city", "unit", "days"],
        "additionalProperties": False,
    },
)
ADD = aicg.Tool(
    name="add",
    description="Adds two numbers.",
    parameters={
        "type": "object",
        "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
        "required": ["a", "b"],
    },
)


def answer(*turns: str | aicg.Message, **fields: Any) -> Answer:
    messages = tuple(
        turn if isinstance(turn, aicg.Message) else aicg.Message("user", turn) for turn in turns
    )
    fields.setdefault("tools", (WEATHER, ADD))
    return Engine().answer(aicg.Request(model="sim:tutor", messages=messages, **fields))


@pytest.mark.parametrize(
    ("prompt", "choice", "called"),
    [
        ("What is the weather in Paris?", "auto", ["get_weather"]),
        ("Please use get_weather and add.", "auto", ["get_weather", "add"]),
        ("Explain loops in Python.", "auto", []),
        ("What is the weather in Paris?", "none", []),
        ("Adds the numbers, please.", "required", ["add"]),
        ("Explain loops in Python.", "get_weather", ["get_weather"]),
    ],
)
def test_a_tool_is_called_when_it_is_asked_for(prompt: str, choice: str, called: list[str]) -> None:
    answered = answer(prompt, tool_choice=choice)

    assert [call.name for call in answered.calls] == called
    assert (answered.finish_reason == "tool_calls") is bool(called)
    assert bool(answered.text) is not bool(called)


def test_arguments_are_taken_from_the_prompt() -> None:
    prompt = "What is the weather in New York over the next 3 days, in fahrenheit?"

    (call,) = answer(prompt).calls
    (sum_call,) = answer("Please add 3 and 4.5.").calls

    assert call.arguments == {"city": "New York", "unit": "fahrenheit", "days": 3}
    assert sum_call.arguments == {"a": 3, "b": 4.5}


@given(prompt=st.text())
@settings(deadline=None)
def test_arguments_satisfy_the_schema_whatever_the_prompt(prompt: str) -> None:
    (call,) = answer(f"weather {prompt}", tool_choice="get_weather").calls

    validator = jsonschema_rs.Draft202012Validator(dict(WEATHER.parameters), offline=True)
    assert validator.is_valid(dict(call.arguments))


def test_a_result_is_used_and_no_tool_is_called_again() -> None:
    call = aicg.ToolCall(id="c1", name="get_weather", arguments={"city": "Paris"})
    result = aicg.ToolResult(call_id="c1", content="18 degrees and sunny")
    turns = (
        "What is the weather in Paris?",
        aicg.Message("assistant", call),
        aicg.Message("tool", result),
    )

    answered = answer(*turns)
    next_question = answer(*turns, "And the weather in Rome?")

    assert not answered.calls
    assert "18 degrees and sunny" in answered.text
    assert "`get_weather`" in answered.text
    assert [call.name for call in next_question.calls] == ["get_weather"]


def test_a_call_that_does_not_fit_the_cap_is_left_out() -> None:
    answered = answer("What is the weather in Paris?", max_output_tokens=3)

    assert answered.finish_reason == "length"
    assert not answered.calls
    assert answered.usage.output_tokens == 3


def test_a_tool_without_parameters_is_called_with_none() -> None:
    (call,) = answer("Please use ping.", tools=(aicg.Tool(name="ping"),)).calls

    assert call.arguments == {}


@pytest.mark.parametrize(
    ("name", "prompt", "expected"),
    [
        ("expression", "Please use it on 3 * (4 + 5).", "3 * (4 + 5)"),
        ("expression", "Please use it.", "1 + 1"),
        ("query", 'Please use it on "bread and butter".', "bread and butter"),
        ("query", "Please use it.", "Please use it."),
        ("location", "Please use it.", "Berlin"),
        ("topic", "Please use it on recursion.", "Recursion"),
        ("language", "Please use it.", "Python"),
    ],
)
def test_an_argument_is_guessed_by_its_name(name: str, prompt: str, expected: str) -> None:
    tool = aicg.Tool(
        name="it", parameters={"properties": {name: {"type": "string"}}, "required": [name]}
    )

    (call,) = answer(prompt, tools=(tool,), tool_choice="it").calls

    assert call.arguments == {name: expected}


def test_several_results_are_all_told() -> None:
    results = (
        aicg.ToolResult(call_id="c1", name="first", content="one"),
        aicg.ToolResult(call_id="c2", name="second", content="two", is_error=True),
    )

    answered = answer("Please use both.", aicg.Message("tool", results))

    assert "- `first`: one" in answered.text
    assert "- `second`: Error: two" in answered.text


def test_a_tool_whose_schema_nothing_satisfies_is_refused() -> None:
    tool = aicg.Tool(name="never", parameters={"required": ["x"], "properties": {"x": False}})

    with pytest.raises(aicg.InvalidRequestError, match="schema"):
        answer("Please use never.", tools=(tool,))

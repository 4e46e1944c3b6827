"""What a provider need not do itself: an upper bound of the input, and answers to simple asks."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import aicg
from aicg.clock import SystemClock

TEXTS = st.text(st.characters(codec=None))
OBJECTS = st.dictionaries(TEXTS, st.none() | st.booleans() | st.integers() | TEXTS, max_size=4)


class Plain(aicg.BaseProvider):
    """Does no more than it must."""

    async def chat(self, request: aicg.Request) -> aicg.Response:
        return aicg.Response(parts=(aicg.Text("Done."),))


PROVIDER = Plain("plain", aicg.NoSettings())


def upper(*parts: aicg.Part, **fields: Any) -> int:
    """Return the upper bound of a request with these parts."""
    message = aicg.Message("user", parts)
    return PROVIDER.estimate_input(
        aicg.Request(model="plain:model", messages=(message,), **fields)
    ).upper


def size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


@given(TEXTS, TEXTS)
def test_no_text_has_more_tokens_than_the_bound(text: str, system: str) -> None:
    assert upper(aicg.Text(text), system=system) >= size(text) + size(system)


@given(OBJECTS, TEXTS)
def test_what_is_sent_as_json_is_bounded_as_json(value: dict[str, Any], text: str) -> None:
    sent = len(json.dumps(value))

    call = aicg.ToolCall(id="1", name="look", arguments=value)
    assert upper(call) >= sent
    assert upper(aicg.Reasoning(text, "signed", value)) >= sent + size(text)
    assert upper(extra=value) >= sent
    tool = aicg.Tool(name="look", description=text, parameters=value)
    assert upper(tools=(tool,)) >= sent + size(text)
    assert upper(output_schema=value) >= sent


@given(TEXTS)
def test_the_result_of_a_tool_counts(text: str) -> None:
    assert upper(aicg.ToolResult(call_id="1", content=text)) >= size(text)


@pytest.mark.parametrize(
    ("part", "bound"),
    [
        (aicg.Image(data=b"x" * 500), 500),
        (aicg.Document(url="https://example.org/a.pdf"), 25),
    ],
)
def test_images_and_documents_count_by_their_length(part: aicg.Part, bound: int) -> None:
    assert upper(part) >= bound


def test_an_output_schema_of_any_kind_counts() -> None:
    @attrs.frozen
    class Lesson:
        title: str

    assert upper(output_schema=Lesson) > upper()


@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_a_guess_is_never_above_the_bound(texts: list[str]) -> None:
    messages = tuple(aicg.Message("user", text) for text in texts)

    estimate = PROVIDER.estimate_input(aicg.Request(model="plain:model", messages=messages))

    assert 0 < estimate.likely <= estimate.upper


@pytest.mark.anyio
async def test_a_provider_says_nothing_it_does_not_know() -> None:
    assert PROVIDER.get_model_info("model") is None
    assert await PROVIDER.list_models() == ()
    assert (PROVIDER.name, PROVIDER.vendor) == ("plain", "plain")
    await PROVIDER.aclose()


@pytest.mark.anyio
async def test_listing_models_is_how_a_connection_is_tried() -> None:
    class Refusing(Plain):
        async def list_models(self) -> tuple[aicg.ModelInfo, ...]:
            raise aicg.AuthenticationError("no such key", provider=self.name)

    await PROVIDER.validate_connection()
    with pytest.raises(aicg.AuthenticationError, match="no such key"):
        await Refusing("refusing", None).validate_connection()


def test_a_provider_must_answer() -> None:
    with pytest.raises(TypeError, match=r"abstract method '?chat"):
        aicg.BaseProvider("none", None)  # type: ignore[abstract]


@pytest.mark.anyio
async def test_the_machines_clock_goes_forward() -> None:
    clock = SystemClock()
    before = clock.time(), clock.monotonic()

    await clock.sleep(0)

    assert clock.time() >= before[0] > 1_700_000_000
    assert clock.monotonic() >= before[1]

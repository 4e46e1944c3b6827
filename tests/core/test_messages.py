"""Messages hold what was said, and come back from JSON as they went."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import aicg
from aicg.messages import Role

if TYPE_CHECKING:
    from collections.abc import Callable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=3)
SOURCES = st.one_of(
    st.fixed_dictionaries({"data": st.binary()}), st.fixed_dictionaries({"url": st.text()})
)
PARTS = st.one_of(
    st.builds(aicg.Text, st.text()),
    st.builds(
        lambda source, **more: aicg.Image(**source, **more),
        SOURCES,
        media_type=st.text(),
        detail=st.sampled_from(["auto", "low", "high"]),
    ),
    st.builds(lambda source, **more: aicg.Document(**source, **more), SOURCES, name=st.text()),
    st.builds(aicg.Reasoning, st.text(), st.none() | st.text(), st.none() | OBJECTS),
    st.builds(aicg.ToolCall, id=st.text(), name=st.text(), arguments=OBJECTS),
    st.builds(
        aicg.ToolResult,
        call_id=st.text(),
        content=st.text(),
        name=st.text(),
        is_error=st.booleans(),
    ),
)
MESSAGES = st.builds(
    aicg.Message, st.sampled_from(get_args(Role)), st.lists(PARTS, max_size=4).map(tuple)
)


@given(MESSAGES)
def test_a_message_comes_back_from_json_as_it_went(message: aicg.Message) -> None:
    written = json.dumps(message.to_dict())

    assert aicg.Message.from_dict(json.loads(written)) == message


@given(st.lists(PARTS))
def test_the_text_is_that_of_the_text_parts(parts: list[aicg.Part]) -> None:
    message = aicg.Message("assistant", tuple(parts))

    texts = [part.text for part in parts if isinstance(part, aicg.Text)]
    assert message.text == "".join(texts)


def test_plain_text_is_one_part() -> None:
    assert aicg.Message("user", "Hello").parts == (aicg.Text("Hello"),)


def test_one_part_stands_for_itself() -> None:
    image = aicg.Image(url="https://example.org/cat.png")

    assert aicg.Message("user", image).parts == (image,)


def test_parts_may_come_from_any_iterable() -> None:
    parts = (aicg.Text(word) for word in "ab")

    assert aicg.Message("user", parts).text == "ab"


@pytest.mark.parametrize("content", [["text"], [5], [b"bytes"], [None]])
def test_what_is_no_part_is_refused(content: Any) -> None:
    with pytest.raises(
        aicg.ValidationError, match=r"a message holds text or parts \(text, image, .*\), not "
    ):
        aicg.Message("user", content)


@pytest.mark.parametrize("role", ["User", "Hello", "", None, []])
def test_a_role_that_does_not_exist_is_refused(role: Any) -> None:
    with pytest.raises(aicg.ValidationError, match="one of system, user, assistant, tool: got"):
        aicg.Message(role, "Hello")


@pytest.mark.parametrize("kind", [aicg.Image, aicg.Document])
@pytest.mark.parametrize("source", [{}, {"data": b"x", "url": "https://example.org"}])
def test_an_image_or_document_has_one_source(
    kind: Callable[..., object], source: dict[str, Any]
) -> None:
    with pytest.raises(aicg.ValidationError, match=r"takes either data \(bytes\) or url"):
        kind(**source)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(None, id="nothing"),
        pytest.param([], id="list"),
        pytest.param("text", id="text"),
        pytest.param({}, id="empty"),
        pytest.param({"role": "user"}, id="no parts"),
        pytest.param({"parts": []}, id="no role"),
        pytest.param({"role": "user", "parts": None}, id="parts of nothing"),
        pytest.param({"role": "user", "parts": ["text"]}, id="part of text"),
        pytest.param({"role": "user", "parts": [None]}, id="part of nothing"),
        pytest.param({"role": "user", "parts": [{"text": "x"}]}, id="part without a type"),
        pytest.param({"role": "user", "parts": [{"type": "video"}]}, id="unknown part"),
        pytest.param({"role": "user", "parts": [{"type": []}]}, id="odd type"),
        pytest.param({"role": "user", "parts": [{"type": "text"}]}, id="text without text"),
        pytest.param(
            {"role": "user", "parts": [{"type": "text", "text": "x", "more": 1}]},
            id="unknown field",
        ),
        pytest.param(
            {"role": "user", "parts": [{"type": "image", "data": "not base64!"}]}, id="bad base64"
        ),
        pytest.param({"role": "user", "parts": [{"type": "image"}]}, id="image without source"),
        pytest.param({"role": "nobody", "parts": []}, id="unknown role"),
    ],
)
def test_what_is_no_exported_message_is_refused(data: Any) -> None:
    with pytest.raises(aicg.ValidationError):
        aicg.Message.from_dict(data)

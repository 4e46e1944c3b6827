"""Estimates of the input: never below the bill, and exact where the vocabulary is known."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aicg import Document, Image, Message, Reasoning, Request, Text, Tool, ToolCall, ToolResult
from aicg_openai import OpenAIProvider, OpenAISettings, vocabularies
from aicg_openai.families import LARGEST_WINDOW, family_of
from aicg_openai.tokens import estimate
from aicg_openai.vocabularies import Vocabularies

if TYPE_CHECKING:
    from pathlib import Path

    from tiktoken import Encoding


def request(*parts: Any, model: str = "gpt-5.4-mini", **fields: Any) -> Request:
    return Request(model=f"openai:{model}", messages=(Message("user", parts),), **fields)


def upper(asked: Request, **options: Any) -> int:
    return estimate(asked, family=family_of(asked.model_name), **options).upper


def test_text_is_bound_by_its_bytes() -> None:
    text = "Größe 東京 🎉"

    bound = estimate(request(Text(text)), family=None)

    assert len(text.encode()) < bound.upper < len(text.encode()) + 40
    assert bound.likely < bound.upper


def test_text_is_counted_where_a_counter_is_given() -> None:
    asked = request(Text("one two three"), system="be brief")

    counted = estimate(asked, family=None, count=lambda text: len(text.split()))

    assert counted.likely == 3 + (4 + 2) + (4 + 3)
    assert counted.likely < counted.upper < counted.likely + 30


def test_a_text_too_long_to_count_is_bound_by_its_bytes() -> None:
    asked = request(Text("a" * 300_000))

    assert upper(asked, count=lambda _: 1) > 300_000


@pytest.mark.parametrize(
    ("more", "least"),
    [
        ({"system": "x" * 500}, 500),
        ({"tools": (Tool(name="t", description="x" * 500),)}, 500),
        ({"output_schema": {"type": "object", "description": "x" * 500}}, 500),
        ({"extra": {"prediction": "x" * 500}}, 500),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_all_that_is_sent_is_counted(more: dict[str, Any], least: int) -> None:
    assert upper(request(Text("Hi"), **more)) >= upper(request(Text("Hi"))) + least


@pytest.mark.parametrize(
    ("part", "least"),
    [
        (ToolCall(id="c", name="t", arguments={"a": "x" * 500}), 500),
        (ToolCall(id="c", name="t", arguments={"a": object()}), 0),
        (ToolResult(call_id="c", content="x" * 500), 500),
        (Image(url="http://127.0.0.1/a"), 2489),
        (Document(data=b"x" * 500, media_type="text/csv"), 500),
        (Text("\ud800" * 500), 500),
        (Reasoning("x" * 500), 0),
    ],
    ids=["call", "bad call", "result", "image", "text document", "half a pair", "thoughts"],
)
def test_each_part_has_its_bound(part: Any, least: int) -> None:
    frame = upper(request())

    assert least <= upper(request(part)) - frame < least + 80


def test_an_image_of_an_unknown_model_is_taken_at_the_dearest_rule() -> None:
    assert upper(request(Image(data=b"?"), model="llava")) > 48_000


@pytest.mark.parametrize(
    ("model", "window"),
    [("gpt-4o", 128_000), ("gpt-5.4-mini", 400_000), ("other", LARGEST_WINDOW)],
)
def test_a_pdf_is_bound_by_the_window_or_the_setting(model: str, window: int) -> None:
    pdf = Document(data=b"%PDF" * 10)
    asked = request(pdf, pdf, model=model)

    assert upper(asked) == window
    assert 20_000 < upper(asked, document_tokens=10_000) < 20_100


def tiny() -> Encoding:
    """Return a real encoding of a few tokens, which needs no network."""
    tiktoken = pytest.importorskip("tiktoken")
    ranks = {bytes([byte]): byte for byte in range(256)}
    ranks |= {token: 256 + rank for rank, token in enumerate([b"th", b"the", b"in", b"ing", b" t"])}
    encoding: Encoding = tiktoken.Encoding(
        "tiny", pat_str=r"\s?\S+|\s+", mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 300}
    )
    return encoding


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point tiktoken at an empty cache, and keep it from reaching for the network."""
    tiktoken = pytest.importorskip("tiktoken")

    def refuse(name: str) -> None:
        raise OSError(f"no network for {name}")

    monkeypatch.setattr(tiktoken, "get_encoding", refuse)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    return tmp_path


def test_a_vocabulary_on_this_machine_is_used(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tiktoken

    (cache / "fb374d419588a4632f3f557e76b4b70aebbca790").touch()
    monkeypatch.setattr(tiktoken, "get_encoding", {"o200k_base": tiny()}.__getitem__)
    provider = OpenAIProvider("openai", OpenAISettings())

    bound = provider.estimate_input(request(Text("thinking the thing <|endoftext|>")))

    assert bound.likely == 3 + 4 + len(tiny().encode_ordinary("thinking the thing <|endoftext|>"))


def test_another_vendor_s_models_are_bound_by_bytes(cache: Path) -> None:
    (cache / "fb374d419588a4632f3f557e76b4b70aebbca790").touch()
    provider = OpenAIProvider("local", OpenAISettings(base_url="http://127.0.0.1/v1"))

    assert provider.estimate_input(request(Text("thinking" * 9))).upper > 72


@pytest.mark.parametrize(
    ("mode", "files", "level", "message"),
    [
        ("auto", [], "INFO", "has no o200k_base vocabulary on this machine"),
        ("auto", ["fb374d419588a4632f3f557e76b4b70aebbca790"], "INFO", "could not load"),
        ("tiktoken", [], "WARNING", "could not load its o200k_base vocabulary"),
    ],
    ids=["not there", "damaged", "no network"],
)
def test_without_a_vocabulary_bytes_are_counted_and_that_is_told_once(
    mode: Any, files: list[str], level: str, message: str, cache: Path, caplog: Any
) -> None:
    caplog.set_level(logging.INFO, "aicg")
    for name in files:
        (cache / name).touch()
    held = Vocabularies(mode)

    counters = [held.counter(model) for model in ("gpt-5.4-mini", "gpt-5.4-mini", "gpt-4o")]

    assert counters == [None] * 3
    ((_, shown_level, text),) = caplog.record_tuples
    assert logging.getLevelName(shown_level) == level
    assert message in text


def test_without_tiktoken_bytes_are_counted_and_that_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "aicg")
    monkeypatch.setitem(sys.modules, "tiktoken", None)

    assert Vocabularies("auto").counter("gpt-4o") is None
    assert "tiktoken is not installed" in caplog.text


def test_a_vocabulary_that_does_not_come_is_not_waited_for_long(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tiktoken

    released = threading.Event()
    monkeypatch.setattr(tiktoken, "get_encoding", lambda _: released.wait(10))
    monkeypatch.setattr(vocabularies, "_LOAD_TIMEOUT_S", 0.01)

    counter = Vocabularies("tiktoken").counter("gpt-4o")

    released.set()
    assert counter is None


@pytest.mark.parametrize(("mode", "model"), [("bytes", "gpt-4o"), ("tiktoken", "gpt-6-luna")])
def test_bytes_are_counted_if_asked_for_or_if_the_model_is_new(
    mode: Any, model: str, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert Vocabularies(mode).counter(model) is None
    assert caplog.messages == []


def real(name: str) -> Encoding:
    """Return an encoding of OpenAI's, if its vocabulary is on this machine."""
    tiktoken = pytest.importorskip("tiktoken")
    if "TIKTOKEN_CACHE_DIR" not in os.environ or not vocabularies._is_cached(name):
        pytest.skip(f"TIKTOKEN_CACHE_DIR does not lead to {name}")
    encoding: Encoding = tiktoken.get_encoding(name)
    return encoding


@pytest.mark.parametrize("name", ["tiny", "o200k_base", "cl100k_base"])
def test_tokens_never_outnumber_bytes(name: str) -> None:
    encoding = tiny() if name == "tiny" else real(name)

    @settings(deadline=None)
    @given(st.text(min_size=1, max_size=200))
    def check(text: str) -> None:
        asked = request(Text(text), system=text)
        billed = 3 + 2 * (3 + 1 + len(encoding.encode_ordinary(text)))
        by_bytes = estimate(asked, family=None)
        counted = estimate(
            asked, family=None, count=lambda each: len(encoding.encode_ordinary(each))
        )
        assert billed <= by_bytes.upper
        assert counted.likely == billed <= counted.upper

    check()

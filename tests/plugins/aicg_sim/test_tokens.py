"""The tokenizer keeps its promises for every text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aicg_sim.tokens import count_tokens, cut_tokens, split_tokens

TEXTS = st.text() | st.text(" \nab1.,Äя東🎉", max_size=60)


@given(text=TEXTS)
def test_the_tokens_make_up_the_text(text: str) -> None:
    assert "".join(split_tokens(text)) == text
    assert len(split_tokens(text)) == count_tokens(text)


@given(text=TEXTS)
def test_a_text_never_has_more_tokens_than_bytes(text: str) -> None:
    assert count_tokens(text) <= len(text.encode("utf-8", "surrogatepass"))


@given(text=TEXTS, limit=st.integers(0, 40))
def test_a_cut_text_has_exactly_the_tokens_that_fit(text: str, limit: int) -> None:
    cut = cut_tokens(text, limit)

    assert text.startswith(cut)
    assert count_tokens(cut) == min(limit, count_tokens(text))


@given(text=TEXTS, end=st.integers(0, 80))
def test_a_beginning_never_has_more_tokens_than_the_whole(text: str, end: int) -> None:
    assert count_tokens(text[:end]) <= count_tokens(text)


def test_english_has_about_four_characters_a_token() -> None:
    text = "Names may hold letters, digits and underscores, and may not start with a digit. " * 20

    assert 3.5 < len(text) / count_tokens(text) < 6

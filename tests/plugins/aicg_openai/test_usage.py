"""Counts of tokens that overlap, made into such that do not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aicg import Usage
from aicg_openai.codec import read_usage


def stated(
    prompt: Any, completion: Any, total: Any = None, cached: Any = None, **more: Any
) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        **({} if total is None else {"total_tokens": total}),
        "prompt_tokens_details": {
            "cached_tokens": cached,
            "cache_write_tokens": more.get("written"),
        },
        "completion_tokens_details": {"reasoning_tokens": more.get("reasoning")},
    }


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (stated(10, 5, 15), Usage(10, 5)),
        (stated(10, 5, 15, 4), Usage(6, 5, cache_read_tokens=4)),
        (
            stated(10, 5, 15, 4, written=2),
            Usage(4, 5, cache_read_tokens=4, cache_write_tokens=2),
        ),
        (stated(10, 50, 60, reasoning=48), Usage(10, 2, reasoning_tokens=48)),
        (stated(0, 0, 0), Usage()),
        (stated(10, 5, 63, reasoning=48), Usage(10, 5, reasoning_tokens=48)),
        (stated(10, 5, reasoning=48), Usage(10, 5, reasoning_tokens=48)),
        (stated(10, 5, 15, reasoning=48), Usage(10, 5, reasoning_tokens=48)),
        (stated(10, 5, 63), Usage(10, 5, reasoning_tokens=48)),
        (stated(10, 5, cached=30), Usage(10, 5, cache_read_tokens=30)),
        (stated(10, 5, 45, 30), Usage(10, 5, cache_read_tokens=30)),
        (stated(10, 5, 15, 30), Usage(0, 5, cache_read_tokens=10)),
        (
            stated(10, 5, 15, 30, written=4),
            Usage(0, 5, cache_read_tokens=6, cache_write_tokens=4),
        ),
        (stated(10.0, 5.0), Usage(10, 5)),
        (stated(-3, 5), Usage(0, 5)),
    ],
    ids=[
        "plain",
        "cached within",
        "written within",
        "reasoning within",
        "nothing used",
        "reasoning on top, in the total",
        "reasoning on top, no total",
        "reasoning on top, not in the total",
        "reasoning not told apart",
        "cached on top, no total",
        "cached on top, in the total",
        "cached beyond all bounds",
        "cached and written beyond all bounds",
        "floats",
        "negative",
    ],
)
def test_each_token_is_counted_once(data: dict[str, Any], expected: Usage) -> None:
    assert read_usage(data) == expected


@pytest.mark.parametrize(
    "data",
    [None, [], {}, {"total_tokens": 5}, stated(None, 5), stated("1", 5), stated(float("nan"), 5)],
    ids=repr,
)
def test_what_is_not_stated_is_not_taken_for_zero(data: Any) -> None:
    assert read_usage(data) is None


counts = st.none() | st.integers(0, 2_000_000)


@given(*[st.integers(0, 2_000_000)] * 2, *[counts] * 4)
def test_no_count_is_negative_and_none_is_lost(
    prompt: int,
    completion: int,
    total: int | None,
    cached: int | None,
    written: int | None,
    reasoning: int | None,
) -> None:
    usage = read_usage(
        stated(prompt, completion, total, cached, written=written, reasoning=reasoning)
    )

    assert usage is not None
    assert usage.input_tokens >= 0
    assert usage.output_tokens >= 0
    assert usage.total_input_tokens >= prompt
    assert usage.total_output_tokens >= completion
    assert usage.reasoning_tokens >= (reasoning or 0)
    assert usage.total_tokens >= (total or 0)

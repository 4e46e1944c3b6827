from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st

from aicg import Usage

BUCKETS = [field.name for field in attrs.fields(Usage)]
USAGES = st.builds(Usage, *[st.integers(0, 10**9)] * len(BUCKETS))


def test_every_bucket_counts_once_in_the_totals() -> None:
    usage = Usage(
        input_tokens=1,
        output_tokens=20,
        cache_read_tokens=300,
        cache_write_tokens=4_000,
        cache_write_long_tokens=50_000,
        reasoning_tokens=600_000,
    )

    assert usage.total_input_tokens == 54_301
    assert usage.total_output_tokens == 600_020
    assert usage.total_tokens == 654_321


@given(USAGES, USAGES)
def test_a_sum_adds_bucket_by_bucket(one: Usage, other: Usage) -> None:
    total = one + other

    assert [getattr(total, name) for name in BUCKETS] == [
        getattr(one, name) + getattr(other, name) for name in BUCKETS
    ]
    assert total.total_tokens == one.total_tokens + other.total_tokens


def test_nothing_used_is_the_default() -> None:
    assert Usage().total_tokens == 0

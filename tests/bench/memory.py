"""Memory of a batch: flat, however long it is."""

from __future__ import annotations

import gc
import tracemalloc
from typing import TYPE_CHECKING

import anyio
from figures import Figure

from aicg.testing import FakeProvider, make_kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORT, LONG = 1_000, 100_000


async def most_held(items: int) -> int:
    """Return the most bytes that a batch of this length held at once."""
    gc.collect()
    async with (
        make_kernel(FakeProvider(records=False)) as kernel,
        kernel.session("fake:model", budget_usd=1_000_000) as session,
    ):
        tracemalloc.start()
        prompts = (f"Question {number}" for number in range(items))
        async for item in session.batch_generate(prompts, concurrency=32):
            assert item.response is not None, item.error
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return most


def measure() -> Iterator[Figure]:
    short, long = (anyio.run(most_held, items) for items in (SHORT, LONG))
    yield Figure(f"memory of a batch of {SHORT:,}", short / 1024, "KiB")
    yield Figure(f"memory of a batch of {LONG:,}", long / 1024, "KiB")
    yield Figure(f"memory of {LONG:,} items / of {SHORT:,}", long / short, "", 1.2)

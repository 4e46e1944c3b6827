"""A batch takes prompts of any kind and number, holds what is in flight, and loses nothing."""

from __future__ import annotations

import gc
import itertools
from contextlib import aclosing
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

import aicg
from aicg.testing import Delay, FakeClock, FakeProvider, Hang, make_kernel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator


class Echo(FakeProvider):
    """Answers each prompt with itself; one that begins with "fail" is refused."""

    async def _do(self, step: Any, request: aicg.Request) -> aicg.Response:
        text = request.messages[-1].text
        if text.startswith("fail"):
            raise aicg.InvalidRequestError(f"refused {text}", provider="fake")
        return await super()._do(text, request)


class Gated(FakeProvider):
    """Answers no prompt before its gate is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = anyio.Event()

    async def _do(self, step: Any, request: aicg.Request) -> aicg.Response:
        await self.gate.wait()
        return await super()._do(step, request)


async def slowly(words: list[str]) -> AsyncIterator[str]:
    for word in words:
        await anyio.lowlevel.checkpoint()
        yield word


class Pages:
    """An async iterable that is no generator."""

    def __aiter__(self) -> AsyncIterator[str]:
        return slowly(["a", "b", "c"])


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: ["a", "b", "c"], id="list"),
        pytest.param(lambda: (word for word in "abc"), id="generator"),
        pytest.param(lambda: iter("abc"), id="iterator"),
        pytest.param(lambda: dict.fromkeys("abc"), id="mapping"),
        pytest.param(lambda: slowly(["a", "b", "c"]), id="async generator"),
        pytest.param(Pages, id="async iterable"),
        pytest.param(
            lambda: [
                "a",
                aicg.Message("user", "b"),
                aicg.Request(model="fake:model", messages=(aicg.Message("user", "c"),)),
            ],
            id="prompts of all kinds",
        ),
    ],
)
@pytest.mark.anyio
async def test_prompts_come_from_anything_that_can_be_gone_through(
    make: Callable[[], Any],
) -> None:
    async with make_kernel(Echo()) as kernel, kernel.session("fake:model") as session:
        items = [item async for item in session.batch_generate(make(), concurrency=2)]

    answers = {item.index: item.response.text for item in items if item.response}
    assert answers == {0: "a", 1: "b", 2: "c"}


@pytest.mark.parametrize("items", [[], slowly([])], ids=["list", "async"])
@pytest.mark.anyio
async def test_a_batch_of_nothing_ends_at_once(items: Any) -> None:
    async with make_kernel() as kernel, kernel.session("fake:model") as session:
        assert [item async for item in session.batch_generate(items)] == []


@pytest.mark.anyio
async def test_items_come_in_the_order_in_which_they_are_done() -> None:
    clock = FakeClock()
    script = [Delay(3.0, "slow"), Delay(1.0, "quick"), Delay(2.0, "middling")]
    kernel = make_kernel(FakeProvider(script, clock=clock), clock=clock)

    async with kernel, kernel.session("fake:model") as session:
        items = [item async for item in session.batch_generate(["a", "b", "c"], concurrency=3)]

    assert [(item.index, item.item) for item in items] == [(1, "b"), (2, "c"), (0, "a")]
    assert [item.response.text for item in items if item.response] == ["quick", "middling", "slow"]


@pytest.mark.anyio
async def test_one_at_a_time_keeps_the_order() -> None:
    async with make_kernel(Echo()) as kernel, kernel.session("fake:model") as session:
        batch = session.batch_generate(list("abcdef"), concurrency=1)

        assert [item.index async for item in batch] == list(range(6))


@pytest.mark.parametrize("concurrency", [1, 7, 32])
@pytest.mark.anyio
async def test_no_more_are_under_way_than_the_concurrency(concurrency: int) -> None:
    provider = Gated()
    async with make_kernel(provider) as kernel, kernel.session("fake:model") as session:
        batch = session.batch_generate(["Hi"] * 100, concurrency=concurrency)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anext, batch)
            await anyio.wait_all_tasks_blocked()
            provider.gate.set()
        rest = [item async for item in batch]

    assert len(rest) == 99
    assert provider.most_in_flight == concurrency


@pytest.mark.parametrize("concurrency", [0, -1])
@pytest.mark.anyio
async def test_a_batch_needs_a_concurrency(concurrency: int) -> None:
    async with make_kernel() as kernel, kernel.session("fake:model") as session:
        with pytest.raises(aicg.ValidationError, match=f"must be at least 1: got {concurrency}"):
            session.batch_generate(["Hi"], concurrency=concurrency)


@pytest.mark.anyio
async def test_errors_are_collected_or_raised_and_nothing_else() -> None:
    async with make_kernel() as kernel, kernel.session("fake:model") as session:
        with pytest.raises(aicg.ValidationError, match='on_error is "collect" or "raise": got'):
            session.batch_generate(["Hi"], on_error="ignore")  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_options_hold_for_every_prompt() -> None:
    provider = FakeProvider()
    async with make_kernel(provider) as kernel, kernel.session("fake:model") as session:
        batch = session.batch_generate(list("ab"), temperature=0.5, max_output_tokens=10)
        _ = [item async for item in batch]

    assert [(call.temperature, call.max_output_tokens) for call in provider.calls] == [
        (0.5, 10)
    ] * 2


@pytest.mark.anyio
async def test_collected_errors_stand_beside_the_answers() -> None:
    prompts = ["a", "fail b", "", "d", 5]
    async with make_kernel(Echo()) as kernel, kernel.session("fake:model") as session:
        items = [item async for item in session.batch_generate(prompts)]  # type: ignore[arg-type]

    by_index = sorted(items, key=lambda item: item.index)
    assert [item.item for item in by_index] == prompts
    assert [type(item.error).__name__ for item in by_index] == [
        "NoneType",
        "InvalidRequestError",
        "ValidationError",
        "NoneType",
        "ValidationError",
    ]
    assert all((item.response is None) is (item.error is not None) for item in items)


@pytest.mark.anyio
async def test_the_first_error_is_raised_and_ends_the_batch() -> None:
    provider = Echo()
    prompts = ["a", "fail b", *["c"] * 50]
    async with make_kernel(provider) as kernel, kernel.session("fake:model") as session:
        batch = session.batch_generate(prompts, concurrency=1, on_error="raise")
        first = await anext(batch)
        with pytest.raises(aicg.InvalidRequestError, match="refused fail b"):
            await anext(batch)
        rest = [item async for item in batch]
        await anyio.wait_all_tasks_blocked()

    assert first.index == 0
    assert rest == []
    assert len(provider.calls) <= 4
    assert provider.in_flight == 0


@pytest.mark.anyio
async def test_requests_beyond_the_budget_are_errors_and_never_sent() -> None:
    provider = FakeProvider()
    kernel = make_kernel(provider)
    async with kernel, kernel.session("fake:model", budget_usd="0.00021") as session:
        batch = session.batch_generate(["Hi"] * 100, max_output_tokens=2)
        items = [item async for item in batch]

    refused = [item for item in items if isinstance(item.error, aicg.BudgetExceededError)]
    assert (len(items), len(provider.calls), len(refused)) == (100, 10, 90)
    assert session.cost_usd == Decimal("0.00021")


class SourceError(Exception):
    """Raised by a source of prompts."""


def failing(cause: Exception | None = None) -> Iterator[str]:
    yield from "abc"
    raise SourceError("row 4 is broken") from cause


async def failing_slowly(cause: Exception | None = None) -> AsyncIterator[str]:
    for prompt in failing(cause):
        await anyio.lowlevel.checkpoint()
        yield prompt


@pytest.mark.parametrize("make", [failing, failing_slowly])
@pytest.mark.anyio
async def test_a_source_that_raises_is_told_of_after_the_answers_under_way(
    make: Callable[[Exception], Any],
) -> None:
    cause = KeyError("name")
    items = []
    kernel = make_kernel(Echo())
    async with kernel, kernel.session("fake:model", budget_usd=1) as session:
        with pytest.raises(SourceError, match="row 4 is broken") as caught:  # noqa: PT012
            async for item in session.batch_generate(make(cause)):
                items.append(item.item)  # noqa: PERF401 - what came before the error counts

    assert sorted(map(str, items)) == ["a", "b", "c"]
    assert caught.value.__cause__ is cause
    assert session.costs.assumed_usd.count == 0


@pytest.mark.anyio
async def test_a_source_that_is_none_is_a_fault_of_the_program() -> None:
    async with make_kernel() as kernel, kernel.session("fake:model") as session:
        with pytest.raises(TypeError, match="not iterable"):
            await anext(session.batch_generate(None))  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_a_fault_in_an_addon_ends_the_batch_and_is_not_wrapped() -> None:
    class Faulty:
        @aicg.hookimpl
        def aicg_pre_request(self, request: aicg.Request) -> None:
            if request.messages[0].text == "b":
                raise ZeroDivisionError("fault")

    kernel = make_kernel(Echo(), plugins={"faulty": Faulty})
    async with kernel, kernel.session("fake:model") as session:
        with pytest.raises(ZeroDivisionError, match="fault"):
            _ = [item async for item in session.batch_generate(list("abcdef"), concurrency=1)]
        again = await session.chat("The session goes on.")

    assert again.text == "The session goes on."


@pytest.mark.anyio
async def test_breaking_out_leaves_the_session_usable() -> None:
    provider = FakeProvider()
    async with make_kernel(provider) as kernel, kernel.session("fake:model") as session:
        async for item in session.batch_generate(
            (f"{n}" for n in itertools.count()), concurrency=4
        ):
            if item.index >= 10:
                break
        await anyio.wait_all_tasks_blocked()
        sent = len(provider.calls)
        response = await session.chat("Still there?")

    assert response.text == "Done."
    assert sent <= 10 + 2 * 4


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.anyio
async def test_an_endless_source_is_read_no_further_than_needed(concurrency: int) -> None:
    taken = itertools.count()
    async with make_kernel() as kernel, kernel.session("fake:model") as session:
        source = (f"Prompt {number}" for number in taken)
        async with session.batch_generate(source, concurrency=concurrency) as batch:
            read = [await anext(batch) for _ in range(20)]
            await anyio.wait_all_tasks_blocked()

    assert len(read) == 20
    assert next(taken) <= 20 + concurrency + 1


@pytest.mark.anyio
async def test_closing_ends_what_is_under_way_and_charges_it() -> None:
    provider = FakeProvider(["Done.", Hang()])
    kernel = make_kernel(provider)
    async with kernel, kernel.session("fake:model", budget_usd=1) as session:
        async with session.batch_generate(
            list("abc"), concurrency=2, max_output_tokens=10
        ) as batch:
            await anext(batch)
            await anyio.wait_all_tasks_blocked()
            assert provider.in_flight == 2
        await anyio.wait_all_tasks_blocked()
        statuses = session.budget_status()
        rest = [item async for item in batch]

    assert provider.in_flight == 0
    assert rest == []
    assert statuses[0].reserved_usd == 0
    assert session.costs.assumed_usd.count == 2


@pytest.mark.anyio
async def test_a_batch_closed_before_it_began_takes_nothing() -> None:
    provider = FakeProvider()
    source = iter("abc")
    async with make_kernel(provider) as kernel, kernel.session("fake:model") as session:
        batch = session.batch_generate(source)
        await batch.aclose()
        await batch.aclose()

        assert [item async for item in batch] == []

    assert provider.calls == []
    assert "".join(source) == "abc"


@pytest.mark.anyio
async def test_the_end_of_the_session_is_the_end_of_its_batches() -> None:
    provider = Gated()
    closed = False

    async def source() -> AsyncIterator[str]:
        nonlocal closed
        try:
            for number in itertools.count():
                yield f"Prompt {number}"
        finally:
            closed = True

    async with make_kernel(provider) as kernel, kernel.session("fake:model") as session:
        batch = session.batch_generate(source(), concurrency=4)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anext, batch)
            await anyio.wait_all_tasks_blocked()
            assert provider.in_flight == 4
            tasks.cancel_scope.cancel()

    assert provider.in_flight == 0
    assert closed


@pytest.mark.anyio
async def test_a_reader_that_is_cancelled_ends_the_batch() -> None:
    provider = Gated()
    async with make_kernel(provider) as kernel, kernel.session("fake:model") as session:
        batch = session.batch_generate(list("abc"))
        with anyio.move_on_after(0) as scope:
            await anext(batch)
        provider.gate.set()
        rest = [item async for item in batch]

    assert scope.cancelled_caught
    assert rest == []


@pytest.mark.anyio
async def test_a_source_left_half_read_is_closed_with_the_batch() -> None:
    closed = []

    async def source() -> AsyncIterator[str]:
        try:
            while True:
                yield "Hi"
        finally:
            closed.append("source")

    async with make_kernel() as kernel, kernel.session("fake:model") as session:
        async with session.batch_generate(source()) as batch:
            await anext(batch)
        await anyio.wait_all_tasks_blocked()
        closed_within = list(closed)

    assert closed_within == ["source"]


@pytest.mark.anyio
async def test_a_batch_may_feed_another() -> None:
    async with make_kernel(Echo()) as kernel, kernel.session("fake:model") as session:
        first = session.batch_generate(list("abc"))
        follow_up = (f"{item.response.text}!" async for item in first if item.response)
        async with aclosing(follow_up):
            second = [item async for item in session.batch_generate(follow_up)]

    assert sorted(item.response.text for item in second if item.response) == ["a!", "b!", "c!"]


@pytest.mark.anyio
async def test_many_may_read_one_batch() -> None:
    read: list[int] = []

    async def reader(batch: aicg.Batch) -> None:
        async for item in batch:
            read.append(item.index)
            await anyio.lowlevel.checkpoint()

    async with make_kernel() as kernel, kernel.session("fake:model") as session:
        batch = session.batch_generate(["Hi"] * 50)
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(reader, batch)

    assert sorted(read) == list(range(50))


@pytest.mark.anyio
async def test_memory_stays_flat_over_many_items() -> None:
    objects: dict[int, int] = {}
    kernel = make_kernel(FakeProvider(records=False))
    async with kernel, kernel.session("fake:model", budget_usd=100) as session:
        prompts = (f"Prompt {number}" for number in range(20_000))
        async for item in session.batch_generate(prompts, max_output_tokens=10):
            if item.index in {1_000, 19_000}:
                gc.collect()
                objects[item.index] = len(gc.get_objects())

    assert session.request_count == 20_000
    assert objects[19_000] - objects[1_000] < 500

from __future__ import annotations

import gc
import logging
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import aicg
from aicg import Chunk, Request, Response, Usage
from aicg.testing import FakeProvider, Hang, make_kernel

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from tests.core.conftest import GatedProvider, RecordingLedger

PROMPT = "Explain recursion to a twelve-year-old."
# 10 tokens in and 100 out at most, 2 in truth: at a dollar a million in and ten out.
CAP = 100
WORST = Decimal("0.00101")
COST = Decimal("0.00003")
ZERO = Decimal(0)
NEVER = 5.0


@asynccontextmanager
async def opened(
    provider: FakeProvider, ledger: aicg.Ledger, **options: Any
) -> AsyncIterator[aicg.LLMSession]:
    options.setdefault("budget_usd", 1)
    kernel = make_kernel(provider, ledger=ledger)
    async with kernel, kernel.session("fake:model", **options) as session:
        yield session


async def ask(session: aicg.LLMSession, *, streaming: bool) -> None:
    if streaming:
        async with session.stream(PROMPT, max_output_tokens=CAP) as stream:
            async for _ in stream:
                pass
    else:
        await session.chat(PROMPT, max_output_tokens=CAP)


def sums(session: aicg.LLMSession) -> tuple[Decimal, Decimal]:
    (status,) = session.budget_status()
    return status.spent_usd, status.reserved_usd


class Streaming(FakeProvider):
    """Streams two pieces, and then hangs, breaks or ends."""

    def __init__(self, then: BaseException | Hang | None = None) -> None:
        super().__init__()
        self._then = then
        self.cleaned_up = False

    async def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        self.calls.append(request)
        try:
            yield Chunk(text="Half ")
            yield Chunk(text="an ")
            if isinstance(self._then, BaseException):
                raise self._then
            if isinstance(self._then, Hang):
                await anyio.sleep_forever()
        finally:
            self.cleaned_up = True


both_ways = pytest.mark.parametrize("streaming", [False, True], ids=["chat", "stream"])

REJECTED = [
    aicg.AuthenticationError("no"),
    aicg.RateLimitError("slow down"),
    aicg.ModelNotFoundError("who?"),
    aicg.TokenLimitError("too long"),
    aicg.ContentFilterError("no"),
    aicg.InvalidRequestError("no"),
    aicg.ServerError("overloaded"),
    aicg.TimeoutError("in the queue", outcome="rejected"),
    aicg.ConfigurationError("no key"),
]
UNKNOWN = [
    aicg.ConnectionError("reset"),
    aicg.TimeoutError("silence"),
    aicg.ServerError("cut", outcome="unknown"),
    KeyError("a bug"),
    ExceptionGroup("a task group's", [aicg.ConnectionError("reset")]),
    KeyboardInterrupt(),
]


def _name(error: BaseException) -> str:
    return f"{type(error).__name__} {error}"


@both_ways
@pytest.mark.parametrize("error", REJECTED, ids=_name)
@pytest.mark.anyio
async def test_a_clear_rejection_is_released(
    error: Exception, ledger: RecordingLedger, *, streaming: bool
) -> None:
    async with opened(FakeProvider([error]), ledger) as session:
        with pytest.raises(type(error)) as caught:
            await ask(session, streaming=streaming)
        after = sums(session)

    assert caught.value is error
    assert after == (ZERO, ZERO)
    assert [(line.outcome, line.error) for line in ledger.lines] == [
        ("released", type(error).__name__)
    ]
    assert session.cost_usd == 0


@both_ways
@pytest.mark.parametrize("error", UNKNOWN, ids=_name)
@pytest.mark.anyio
async def test_what_may_have_been_billed_is_charged_in_full_and_goes_on_as_it_is(
    error: BaseException, ledger: RecordingLedger, *, streaming: bool
) -> None:
    async with opened(FakeProvider([error]), ledger) as session:
        with pytest.raises(type(error)) as caught:
            await ask(session, streaming=streaming)
        after = sums(session)

    assert caught.value is error
    assert after == (WORST, ZERO)
    assert [(line.outcome, line.error) for line in ledger.lines] == [
        ("assumed", type(error).__name__)
    ]
    assert session.cost_usd == session.costs.assumed_usd.total == WORST


@pytest.mark.parametrize("error", [KeyError("a bug"), ZeroDivisionError()], ids=_name)
@pytest.mark.anyio
async def test_a_provider_s_bug_is_not_offered_to_the_addons(
    error: Exception, ledger: RecordingLedger
) -> None:
    asked: list[BaseException] = []

    class Retrying:
        @aicg.hookimpl
        def aicg_on_error(self, error: aicg.AIContentGeneratorError) -> aicg.Retry:
            asked.append(error)
            return aicg.Retry()

    kernel = make_kernel(FakeProvider([error]), plugins={"retry": Retrying()}, ledger=ledger)
    async with kernel, kernel.session("fake:model", budget_usd=1) as session:
        with pytest.raises(type(error)):
            await session.chat(PROMPT)

    assert asked == []
    assert len(ledger.lines) == 1


@both_ways
@pytest.mark.anyio
async def test_a_timeout_after_sending_is_charged_in_full(
    ledger: RecordingLedger, *, streaming: bool
) -> None:
    async with opened(FakeProvider([Hang()]), ledger, timeout_s=0.01) as session:
        with pytest.raises(aicg.TimeoutError):
            await ask(session, streaming=streaming)
        after = sums(session)

    assert after == (WORST, ZERO)
    assert [line.outcome for line in ledger.lines] == ["assumed"]


@both_ways
@pytest.mark.anyio
async def test_a_cancelled_request_is_charged_in_full_and_ends_the_task(
    ledger: RecordingLedger, *, streaming: bool
) -> None:
    provider = FakeProvider([Hang()])
    ended_by_itself = False
    async with opened(provider, ledger) as session:
        async with anyio.create_task_group() as tasks:

            async def work() -> None:
                nonlocal ended_by_itself
                await ask(session, streaming=streaming)
                ended_by_itself = True

            tasks.start_soon(work)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        after = sums(session)

    assert not ended_by_itself
    assert provider.in_flight == 0
    assert after == (WORST, ZERO)
    assert [line.outcome for line in ledger.lines] == ["assumed"]


@both_ways
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_a_task_that_asyncio_itself_cancels_is_charged_in_full_too(
    ledger: RecordingLedger, *, streaming: bool
) -> None:
    import asyncio  # noqa: TID251 - its own way to cancel is what is tested

    async with opened(FakeProvider([Hang()]), ledger) as session:
        task = asyncio.create_task(ask(session, streaming=streaming))
        await anyio.wait_all_tasks_blocked()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await ask(session, streaming=streaming)
        after = sums(session)

    assert after == (2 * WORST, ZERO)
    assert [line.outcome for line in ledger.lines] == ["assumed", "assumed"]


@both_ways
@pytest.mark.parametrize("error", UNKNOWN, ids=_name)
@pytest.mark.anyio
async def test_the_user_may_have_unknown_outcomes_released(
    error: BaseException, ledger: RecordingLedger, *, streaming: bool
) -> None:
    async with opened(FakeProvider([error]), ledger, unknown_outcome="release") as session:
        with pytest.raises(type(error)):
            await ask(session, streaming=streaming)
        after = sums(session)

    assert after == (ZERO, ZERO)
    assert [line.outcome for line in ledger.lines] == ["released"]


# Streams


@pytest.mark.parametrize(
    ("then", "timeout_s", "error"),
    [
        pytest.param(aicg.ConnectionError("reset"), None, aicg.ConnectionError, id="dropped"),
        pytest.param(None, None, aicg.ConnectionError, id="ended without an answer"),
        pytest.param(Hang(), 0.01, aicg.TimeoutError, id="silent"),
    ],
)
@pytest.mark.anyio
async def test_a_stream_that_broke_is_charged_in_full(
    then: BaseException | Hang | None,
    timeout_s: float | None,
    error: type[Exception],
    ledger: RecordingLedger,
) -> None:
    provider = Streaming(then)
    async with opened(provider, ledger, timeout_s=timeout_s) as session:
        with pytest.raises(error):
            await ask(session, streaming=True)
        after = sums(session)

    assert after == (WORST, ZERO)
    assert [line.outcome for line in ledger.lines] == ["assumed"]
    assert provider.cleaned_up


@pytest.mark.anyio
async def test_what_is_known_of_a_broken_stream_s_usage_is_noted(ledger: RecordingLedger) -> None:
    used = Usage(10, 3)
    provider = Streaming(aicg.ConnectionError("reset", usage=used))
    async with opened(provider, ledger) as session:
        with pytest.raises(aicg.ConnectionError):
            await ask(session, streaming=True)

    assert ledger.lines[0].usage == used
    assert ledger.lines[0].cost_usd == WORST


@pytest.mark.parametrize("reading", ["chunks", "text"])
@pytest.mark.anyio
async def test_a_stream_left_half_read_is_charged_in_full_at_once(
    reading: str, ledger: RecordingLedger
) -> None:
    provider = Streaming()
    async with opened(provider, ledger) as session:
        async with session.stream(PROMPT, max_output_tokens=CAP) as stream:
            async for _ in stream if reading == "chunks" else stream.text():
                break
        after = sums(session)
        gc.collect()

    assert after == (WORST, ZERO)
    assert [(line.outcome, line.error) for line in ledger.lines] == [("assumed", "Cancelled")]
    assert provider.cleaned_up


@pytest.mark.anyio
async def test_an_error_in_the_body_of_a_stream_goes_on_as_it_is(ledger: RecordingLedger) -> None:
    async def read() -> None:
        async with session.stream(PROMPT, max_output_tokens=CAP) as stream:
            await anext(stream)
            raise ZeroDivisionError

    async with opened(Streaming(Hang()), ledger) as session:
        with pytest.raises(ZeroDivisionError):
            await read()
        after = sums(session)

    assert after == (WORST, ZERO)


@pytest.mark.anyio
async def test_a_reader_that_is_cancelled_between_two_pieces_is_charged_in_full(
    ledger: RecordingLedger,
) -> None:
    provider = Streaming(Hang())
    async with opened(provider, ledger) as session:
        with anyio.CancelScope() as scope:
            async with session.stream(PROMPT, max_output_tokens=CAP) as stream:
                await anext(stream)
                scope.cancel()
                await anyio.sleep_forever()
        after = sums(session)

    assert scope.cancelled_caught
    assert provider.cleaned_up
    assert after == (WORST, ZERO)


@pytest.mark.anyio
async def test_a_stream_that_is_never_read_sends_and_charges_nothing(
    ledger: RecordingLedger,
) -> None:
    provider = Streaming()
    async with opened(provider, ledger) as session:
        async with session.stream(PROMPT):
            pass
        session.stream(PROMPT)
        gc.collect()

    assert provider.calls == []
    assert ledger.granted == []


@pytest.mark.anyio
async def test_a_stream_left_after_its_last_piece_costs_what_it_cost(
    ledger: RecordingLedger,
) -> None:
    async with opened(FakeProvider(["One two."]), ledger) as session:
        async with session.stream(PROMPT, max_output_tokens=CAP) as stream:
            async for chunk in stream:
                if chunk.response is not None:
                    break
        after = sums(session)

    assert after == (COST + Decimal("0.00001"), ZERO)
    assert [line.outcome for line in ledger.lines] == ["billed"]


# Cancelled elsewhere than at the provider


class SlowLedger(aicg.MemoryLedger):
    """Settles only when it may, and counts the tries and the lines."""

    def __init__(self) -> None:
        super().__init__()
        self.may_settle = anyio.Event()
        self.tries = 0
        self.lines: list[aicg.LedgerLine] = []

    async def settle(self, reservation_id: str, line: aicg.LedgerLine) -> bool:
        self.tries += 1
        await self.may_settle.wait()
        settled = await super().settle(reservation_id, line)
        if settled:
            self.lines.append(line)
        return settled


@both_ways
@pytest.mark.anyio
async def test_a_cancellation_during_the_settlement_charges_the_answer_once(
    *, streaming: bool
) -> None:
    ledger = SlowLedger()
    async with opened(FakeProvider(), ledger) as session:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: ask(session, streaming=streaming))
            await anyio.wait_all_tasks_blocked()
            tries = ledger.tries
            tasks.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await anyio.wait_all_tasks_blocked()
            ledger.may_settle.set()
        after = sums(session)

    assert tries == 1
    assert after == (COST, ZERO)
    assert [line.outcome for line in ledger.lines] == ["billed"]


@pytest.mark.anyio
async def test_a_second_cancellation_does_not_cut_the_settlement_of_the_first_short() -> None:
    ledger = SlowLedger()
    async with opened(FakeProvider([Hang()]), ledger) as session:
        async with anyio.create_task_group() as outer, anyio.create_task_group() as inner:
            inner.start_soon(lambda: ask(session, streaming=False))
            await anyio.wait_all_tasks_blocked()
            inner.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await anyio.wait_all_tasks_blocked()
                outer.cancel_scope.cancel()
                await anyio.wait_all_tasks_blocked()
            ledger.may_settle.set()
        after = sums(session)

    assert after == (WORST, ZERO)
    assert [line.outcome for line in ledger.lines] == ["assumed"]


@pytest.mark.anyio
async def test_who_is_cancelled_while_waiting_for_a_budget_is_charged_nothing(
    gated: GatedProvider, ledger: RecordingLedger
) -> None:
    impatient = anyio.CancelScope()

    async def give_up() -> None:
        with impatient:
            await ask(session, streaming=False)

    async with opened(gated, ledger, budget_usd="0.00102") as session:
        with anyio.fail_after(NEVER):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: ask(session, streaming=False))
                await anyio.wait_all_tasks_blocked()
                tasks.start_soon(give_up)
                await anyio.wait_all_tasks_blocked()
                impatient.cancel()
                await anyio.wait_all_tasks_blocked()
                gated.gate.set()
        after = sums(session)

    assert impatient.cancelled_caught
    assert len(gated.asked) == 1
    assert after == (COST, ZERO)


@pytest.mark.parametrize(
    ("hook", "lines"), [("aicg_pre_request", []), ("aicg_post_request", ["billed"])]
)
@pytest.mark.anyio
async def test_who_is_cancelled_in_an_addon_is_charged_what_was_answered_so_far(
    hook: str, lines: list[str], ledger: RecordingLedger
) -> None:
    async def hang() -> None:
        await anyio.sleep_forever()

    slow = type("Slow", (), {hook: staticmethod(aicg.hookimpl(hang))})()
    kernel = make_kernel(FakeProvider(), plugins={"slow": slow}, ledger=ledger)
    async with kernel, kernel.session("fake:model", budget_usd=1) as session:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: ask(session, streaming=False))
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        after = sums(session)

    assert [line.outcome for line in ledger.lines] == lines
    assert after == (COST * len(lines), ZERO)


@pytest.mark.anyio
async def test_a_session_that_closes_settles_the_batch_that_is_still_under_way(
    ledger: RecordingLedger,
) -> None:
    provider = FakeProvider(["Done.", Hang()])
    async with opened(provider, ledger) as session:
        await anext(session.batch_generate([PROMPT] * 10, concurrency=3))
        await anyio.wait_all_tasks_blocked()
        under_way = provider.in_flight

    assert under_way == 3
    assert [line.outcome for line in ledger.lines] == ["billed", *["assumed"] * 3]
    assert all(status.reserved_usd == 0 for status in await ledger.status())


@pytest.mark.anyio
async def test_a_batch_that_is_left_early_leaves_no_hold_and_no_garbage(
    ledger: RecordingLedger,
) -> None:
    async with opened(FakeProvider(), ledger) as session:
        async with session.batch_generate([PROMPT] * 10, concurrency=2) as batch:
            async for _ in batch:
                break
        del batch
        await anyio.wait_all_tasks_blocked()
        gc.collect()
        after = sums(session)

    assert after[1] == 0
    assert after[0] == sum(line.cost_usd for line in ledger.lines)


# Faults on the way to the books


class Unpriceable(FakeProvider):
    """Knows the price of the model that is asked for, and fails over the one that answers."""

    def __init__(self, fault: Exception) -> None:
        super().__init__([Response(model="other", usage=Usage(10, 2))])
        self._fault = fault

    def get_model_info(self, model: str) -> aicg.ModelInfo | None:
        if model == "other":
            raise self._fault
        return super().get_model_info(model)


@both_ways
@pytest.mark.parametrize(
    "fault", [KeyError("other"), aicg.ModelNotFoundError("other")], ids=["bug", "refusal"]
)
@pytest.mark.anyio
async def test_an_answer_that_cannot_be_priced_is_charged_in_full_and_holds_nothing(
    fault: Exception, ledger: RecordingLedger, *, streaming: bool
) -> None:
    async with opened(Unpriceable(fault), ledger) as session:
        with pytest.raises(type(fault)):
            await ask(session, streaming=streaming)
        after = sums(session)

    assert after == (WORST, ZERO)
    assert [line.outcome for line in ledger.lines] == ["assumed"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(None, aicg.ConnectionError, id="None"),
        pytest.param("<html>", AttributeError, id="text"),
        pytest.param({"usage": {}}, AttributeError, id="a dict"),
    ],
)
@pytest.mark.anyio
async def test_what_is_no_answer_is_charged_in_full(
    answer: object, error: type[Exception], ledger: RecordingLedger
) -> None:
    class Junk(FakeProvider):
        async def chat(self, request: Request) -> Any:
            return answer

    async with opened(Junk(), ledger) as session:
        with pytest.raises(error):
            await ask(session, streaming=False)
        after = sums(session)

    assert after == (WORST, ZERO)


@pytest.mark.anyio
async def test_a_fault_in_counting_the_input_reserves_nothing(ledger: RecordingLedger) -> None:
    class Miscounting(FakeProvider):
        def estimate_input(self, request: Request) -> aicg.InputEstimate:
            raise ZeroDivisionError

    provider = Miscounting()
    async with opened(provider, ledger) as session:
        with pytest.raises(ZeroDivisionError):
            await ask(session, streaming=False)

    assert provider.calls == []
    assert ledger.granted == []


@pytest.mark.anyio
async def test_a_ledger_that_fails_once_over_an_answer_is_asked_again() -> None:
    class Shaky(aicg.MemoryLedger):
        faults = 1

        async def settle(self, reservation_id: str, line: aicg.LedgerLine) -> bool:
            if self.faults:
                self.faults -= 1
                raise OSError("the disk is full")
            return await super().settle(reservation_id, line)

    async with opened(FakeProvider(), Shaky()) as session:
        with pytest.raises(OSError, match="the disk is full"):
            await ask(session, streaming=False)
        after = sums(session)

    assert after == (COST, ZERO)


@pytest.mark.anyio
async def test_a_handler_of_the_application_s_own_that_raises_leaves_no_hold(
    ledger: RecordingLedger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError("the log server is down")

    caplog.set_level(logging.DEBUG, logger="aicg")
    monkeypatch.setattr(logging.getLogger("aicg"), "handlers", [Broken()])
    kernel = make_kernel(config={"logging": {"level": "debug"}}, ledger=ledger)
    async with kernel, kernel.session("fake:model", budget_usd=1) as session:
        response = await session.chat(PROMPT)
        after = sums(session)

    assert response.text == "Done."
    assert after == (COST, ZERO)

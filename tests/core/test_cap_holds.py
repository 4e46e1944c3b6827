from __future__ import annotations

import threading
from collections import deque
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import anyio
import attrs
import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import aicg
from aicg import Budget, BudgetExceededError, BudgetStatus, Chunk, Request, Response, Text, Usage
from aicg.testing import FakeProvider, make_kernel

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator
    from concurrent.futures import Future

    from tests.core.conftest import GatedProvider

# 10 tokens in; with 2 out, which is the cap below, a request costs exactly its worst case.
PROMPT = "Explain recursion to a twelve-year-old."
COST = Decimal("0.00003")
LIMIT = 20 * COST
NEVER = 20.0


class CheckedLedger(aicg.MemoryLedger):
    """Looks at all budgets after every operation, and notes those that are over their limit."""

    def __init__(self) -> None:
        super().__init__()
        self.over_limit: list[BudgetStatus] = []
        self.looks = 0

    async def reserve(self, reservation: aicg.Reservation) -> BudgetStatus | None:
        refused = await super().reserve(reservation)
        await self._look()
        return refused

    async def settle(self, reservation_id: str, line: aicg.LedgerLine) -> bool:
        settled = await super().settle(reservation_id, line)
        await self._look()
        return settled

    async def _look(self) -> None:
        self.looks += 1
        for status in await self.status():
            if status.spent_usd + status.reserved_usd > status.limit_usd:
                self.over_limit.append(status)


@attrs.define
class Tally:
    """What became of many requests."""

    answers: list[Response] = attrs.field(factory=list)
    refusals: list[BudgetExceededError] = attrs.field(factory=list)

    async def ask(self, session: aicg.LLMSession, cap: int = 2) -> None:
        try:
            self.answers.append(await session.chat(PROMPT, max_output_tokens=cap))
        except BudgetExceededError as error:
            self.refusals.append(error)


@pytest.mark.anyio
async def test_500_tasks_on_a_budget_that_fits_20_send_20_requests(gated: GatedProvider) -> None:
    ledger, tally = CheckedLedger(), Tally()
    kernel = make_kernel(gated, ledger=ledger)
    with anyio.fail_after(NEVER):
        async with (
            kernel,
            kernel.session("fake:model", budget_usd=LIMIT) as session,
            anyio.create_task_group() as tasks,
        ):
            for _ in range(500):
                tasks.start_soon(tally.ask, session)
            await anyio.wait_all_tasks_blocked()
            asked_at_once, left = len(gated.asked), session.budget_remaining
            gated.gate.set()

    assert (asked_at_once, left) == (20, Decimal(0))
    assert len(gated.asked) == 20
    assert (len(tally.answers), len(tally.refusals)) == (20, 480)
    assert session.cost_usd == LIMIT
    assert ledger.looks > 500
    assert ledger.over_limit == []


@pytest.mark.anyio
async def test_500_tasks_on_a_budget_that_holds_20_at_once_and_pays_for_all_are_all_answered() -> (
    None
):
    provider, ledger, tally = FakeProvider(), CheckedLedger(), Tally()
    # With 100 tokens out at most, each holds 0.00101 and costs 0.00003.
    kernel = make_kernel(provider, ledger=ledger)
    with anyio.fail_after(NEVER):
        async with (
            kernel,
            kernel.session("fake:model", budget_usd="0.0202") as session,
            anyio.create_task_group() as tasks,
        ):
            for _ in range(500):
                tasks.start_soon(tally.ask, session, 100)

    assert (len(tally.answers), len(tally.refusals)) == (500, 0)
    assert provider.most_in_flight == 20
    assert ledger.over_limit == []


@pytest.mark.anyio
async def test_a_budget_that_runs_out_under_way_is_used_to_the_last_request_that_fits() -> None:
    provider, ledger, tally = FakeProvider(), CheckedLedger(), Tally()
    kernel = make_kernel(provider, ledger=ledger)
    with anyio.fail_after(NEVER):
        async with (
            kernel,
            kernel.session("fake:model", budget_usd="0.0101") as session,
            anyio.create_task_group() as tasks,
        ):
            for _ in range(500):
                tasks.start_soon(tally.ask, session, 100)

    # The last that fits begins when 303 have cost 0.00909, which leaves its 0.00101.
    assert (len(tally.answers), len(tally.refusals)) == (304, 196)
    assert len(provider.calls) == 304
    assert ledger.over_limit == []


@pytest.mark.anyio
async def test_sessions_chats_streams_and_batches_draw_on_one_budget_together() -> None:
    provider, ledger, tally = FakeProvider(), CheckedLedger(), Tally()
    batched: list[aicg.BatchItem] = []
    streamed: list[Response] = []

    async def stream(session: aicg.LLMSession) -> None:
        try:
            async with session.stream(PROMPT, max_output_tokens=2) as stream:
                async for _ in stream:
                    pass
            streamed.append(stream.response)
        except BudgetExceededError as error:
            tally.refusals.append(error)

    async def batch(session: aicg.LLMSession) -> None:
        async with session.batch_generate([PROMPT] * 50, max_output_tokens=2) as items:
            batched.extend([item async for item in items])

    config = {"budgets": {"team": {"limit_usd": str(LIMIT)}}}
    kernel = make_kernel(provider, config=config, ledger=ledger)
    with anyio.fail_after(NEVER):
        async with (
            kernel,
            kernel.session("fake:model", budgets=["team"]) as first,
            kernel.session("fake:model", budgets=["team"], budget_usd=1) as second,
            anyio.create_task_group() as tasks,
        ):
            for session in (first, second):
                tasks.start_soon(batch, session)
                for _ in range(50):
                    tasks.start_soon(tally.ask, session)
                    tasks.start_soon(stream, session)

    paid = [item.response for item in batched if item.response is not None]
    assert len(provider.calls) == len(paid) + len(streamed) + len(tally.answers) == 20
    assert len(batched) == 100
    assert len(batched) - len(paid) + len(tally.refusals) == 280
    assert ledger.over_limit == []


@pytest.mark.anyio
async def test_a_batch_hands_on_every_answer_that_was_paid_though_the_budget_runs_out() -> None:
    provider, ledger = FakeProvider(), CheckedLedger()
    kernel = make_kernel(provider, ledger=ledger)
    with anyio.fail_after(NEVER):
        async with (
            kernel,
            kernel.session("fake:model", budget_usd=LIMIT) as session,
            session.batch_generate([PROMPT] * 100, max_output_tokens=2) as batch,
        ):
            items = [item async for item in batch]

    paid = [item.response for item in items if item.response is not None]
    assert len(items) == 100
    assert len(paid) == len(provider.calls) == 20
    assert session.cost_usd == sum(response.cost_usd or 0 for response in paid) == LIMIT
    assert all(
        isinstance(item.error, BudgetExceededError) for item in items if item.response is None
    )


def test_200_threads_on_one_session_send_20_requests() -> None:
    provider, ledger = FakeProvider(), CheckedLedger()
    start = threading.Barrier(200)
    ended: list[object] = []

    def work() -> None:
        start.wait(NEVER)
        try:
            ended.append(session.chat(PROMPT, max_output_tokens=2).text)
        except BudgetExceededError as error:
            ended.append(type(error))

    kernel = make_kernel(provider, ledger=ledger)
    with aicg.SyncSession("fake:model", kernel=kernel, budget_usd=LIMIT) as session:
        threads = [threading.Thread(target=work) for _ in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(NEVER)

    assert len(provider.calls) == 20
    assert (ended.count("Done."), ended.count(BudgetExceededError)) == (20, 180)
    assert session.cost_usd == LIMIT
    assert ledger.over_limit == []


def test_event_loops_in_many_threads_hold_one_limit_together() -> None:
    ledger = CheckedLedger()
    providers = [FakeProvider() for _ in range(6)]
    tally = Tally()

    async def work(provider: FakeProvider) -> None:
        config = {"budgets": {"team": {"limit_usd": "0.0021"}}}
        kernel = make_kernel(provider, config=config, ledger=ledger)
        async with (
            kernel,
            kernel.session("fake:model", budgets=["team"]) as session,
            anyio.create_task_group() as tasks,
        ):
            for _ in range(30):
                tasks.start_soon(tally.ask, session, 100)

    threads = [
        threading.Thread(target=anyio.run, args=(work, provider), kwargs={"backend": backend})
        for provider, backend in zip(providers, ["asyncio", "trio"] * 3, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(NEVER)

    # Two fit at once; the last begins when 36 have cost 0.00108.
    assert sum(len(provider.calls) for provider in providers) == len(tally.answers) == 37
    assert len(tally.refusals) == 143
    assert ledger.over_limit == []


# A state machine: requests in every state, several budgets, and a model of what they must show.

LEAVE = "leave"
_pick = st.integers(0, 10_000)


class Call:
    """A call of the provider that does step by step what it is told."""

    def __init__(self) -> None:
        self._steps: deque[Chunk | Response | BaseException] = deque()
        self._told = anyio.Event()

    def tell(self, step: Chunk | Response | BaseException) -> None:
        self._steps.append(step)
        self._told.set()

    async def next(self) -> Chunk | Response:
        while not self._steps:
            self._told = anyio.Event()
            await self._told.wait()
        step = self._steps.popleft()
        if isinstance(step, BaseException):
            raise step
        return step


class Desk(FakeProvider):
    """Keeps the calls that are open, by their prompts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: dict[str, Call] = {}

    async def chat(self, request: Request) -> Response:
        with self._opened(request) as call:
            response = await call.next()
            assert isinstance(response, Response)
            return response

    async def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        with self._opened(request) as call:
            while True:
                step = await call.next()
                yield step if isinstance(step, Chunk) else Chunk(response=step)

    @contextmanager
    def _opened(self, request: Request) -> Iterator[Call]:
        prompt = request.messages[0].text
        assert prompt not in self.open
        call = self.open[prompt] = Call()
        try:
            yield call
        finally:
            del self.open[prompt]


class OneMoreTry:
    @aicg.hookimpl
    def aicg_on_error(
        self, error: aicg.AIContentGeneratorError, context: aicg.RequestContext
    ) -> aicg.Retry | None:
        may_help = isinstance(error, aicg.ProviderError) and error.retryable
        return aicg.Retry() if may_help and context.attempt == 1 else None


@attrs.define(eq=False)
class Task:
    budgets: tuple[str, ...]
    cap: int
    streaming: bool
    future: Future[None]

    @property
    def worst(self) -> Decimal:
        return cost(self.cap)

    @property
    def was_refused(self) -> bool:
        return (
            self.future.done()
            and not self.future.cancelled()
            and isinstance(self.future.exception(), BudgetExceededError)
        )


def cost(output_tokens: int) -> Decimal:
    return Decimal(10 + 10 * output_tokens) / 1_000_000


class SessionMachine(RuleBasedStateMachine):
    """Many requests that wait, are answered, streamed, refused, lost, cancelled and left."""

    backend: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.portal = self.stack.enter_context(start_blocking_portal(self.backend))
        self.limits = {"a": Decimal("0.010"), "b": Decimal("0.004")}
        self.spent = {"a": Decimal(0), "b": Decimal(0)}
        self.desk, self.ledger = Desk(), CheckedLedger()
        config = {"budgets": {name: {"limit_usd": str(it)} for name, it in self.limits.items()}}
        kernel = make_kernel(
            self.desk, config=config, ledger=self.ledger, plugins={"retry": OneMoreTry()}
        )
        self.sessions = {
            names: self.stack.enter_context(
                self.portal.wrap_async_context_manager(kernel.session("fake:model", budgets=names))
            )
            for names in (("a",), ("b",), ("a", "b"), ("b", "a"))
        }
        self.tasks: dict[str, Task] = {}

    @rule(orders=st.lists(st.tuples(_pick, st.integers(1, 300), st.booleans()), max_size=4))
    def ask(self, orders: list[tuple[int, int, bool]]) -> None:
        for pick, cap, streaming in orders:
            names = list(self.sessions)[pick % len(self.sessions)]
            # Always ten tokens long.
            prompt = f"Question {len(self.tasks):04d}".ljust(39, ".")
            future = self.portal.start_task_soon(
                self._ask, self.sessions[names], prompt, cap, streaming
            )
            self.tasks[prompt] = Task(names, cap, streaming, future)
        self._let_all_run()

    @precondition(lambda self: self.desk.open)
    @rule(pick=_pick, tokens=_pick)
    def answer(self, pick: int, tokens: int) -> None:
        task, call = self._open_call(pick)
        output_tokens = tokens % (task.cap + 1)
        response = Response(parts=(Text("Yes."),), model="model", usage=Usage(10, output_tokens))
        self._do(call, response, task, cost(output_tokens))

    @precondition(lambda self: self.desk.open)
    @rule(pick=_pick)
    def hand_on_a_piece(self, pick: int) -> None:
        task, call = self._open_call(pick)
        if task.streaming:
            self._do(call, Chunk(text="Well, "), task, Decimal(0))

    @precondition(lambda self: self.desk.open)
    @rule(pick=_pick, end=st.sampled_from(["rejected", "lost", "crashed", "left"]))
    def end_badly(self, pick: int, end: str) -> None:
        task, call = self._open_call(pick)
        if end == "rejected":
            self._do(call, aicg.RateLimitError("slow down"), task, Decimal(0))
        elif end == "lost":
            self._do(call, aicg.ConnectionError("reset"), task, task.worst)
        elif end == "crashed":
            self._do(call, KeyError("a bug"), task, task.worst)
        elif task.streaming:
            self._do(call, Chunk(text=LEAVE), task, task.worst)

    @precondition(lambda self: self._unfinished())
    @rule(pick=_pick)
    def cancel(self, pick: int) -> None:
        unfinished = self._unfinished()
        prompt = unfinished[pick % len(unfinished)]
        task = self.tasks[prompt]
        if prompt in self.desk.open:
            self._charge(task, task.worst)
        task.future.cancel()
        self._let_all_run()

    @rule(name=st.sampled_from(["a", "b"]), thousandths=st.integers(1, 4))
    def raise_the_limit(self, name: str, thousandths: int) -> None:
        self.limits[name] += Decimal(thousandths) / 1_000
        self.portal.call(self.ledger.declare, Budget(name, self.limits[name]))
        self._let_all_run()

    @invariant()
    def the_books_are_right_and_within_the_limits(self) -> None:
        assert self.ledger.over_limit == []
        for status in self.ledger.snapshot(("a", "b")):
            held = [
                self.tasks[prompt].worst
                for prompt in self.desk.open
                if status.name in self.tasks[prompt].budgets
            ]
            assert status.spent_usd == self.spent[status.name]
            assert status.reserved_usd == sum(held)

    @invariant()
    def who_waits_has_reason_to(self) -> None:
        statuses = {status.name: status for status in self.ledger.snapshot(("a", "b"))}
        for prompt, task in self.tasks.items():
            drawn = [statuses[name] for name in task.budgets]
            if prompt in self._unfinished() and prompt not in self.desk.open:
                assert any(task.worst > status.left_usd for status in drawn)
                assert all(task.worst <= status.unspent_usd for status in drawn)

    @invariant()
    def who_is_refused_could_not_be_helped_by_waiting(self) -> None:
        for task in self.tasks.values():
            error = task.future.exception() if task.was_refused else None
            if isinstance(error, BudgetExceededError):
                assert error.spent_usd + task.worst > error.limit_usd

    def teardown(self) -> None:
        for prompt in self._unfinished():
            self.tasks[prompt].future.cancel()
        self._let_all_run()
        assert self._unfinished() == []
        assert all(status.reserved_usd == 0 for status in self.ledger.snapshot(("a", "b")))
        self.stack.close()

    async def _ask(self, session: aicg.LLMSession, prompt: str, cap: int, streaming: bool) -> None:
        if not streaming:
            await session.chat(prompt, max_output_tokens=cap)
            return
        async with session.stream(prompt, max_output_tokens=cap) as stream:
            async for chunk in stream:
                if chunk.text == LEAVE:
                    return

    def _open_call(self, pick: int) -> tuple[Task, Call]:
        prompt = sorted(self.desk.open)[pick % len(self.desk.open)]
        return self.tasks[prompt], self.desk.open[prompt]

    def _unfinished(self) -> list[str]:
        return [prompt for prompt, task in self.tasks.items() if not task.future.done()]

    def _do(
        self, call: Call, step: Chunk | Response | BaseException, task: Task, charged: Decimal
    ) -> None:
        self._charge(task, charged)
        self.portal.call(call.tell, step)
        self._let_all_run()

    def _charge(self, task: Task, usd: Decimal) -> None:
        for name in task.budgets:
            self.spent[name] += usd

    def _let_all_run(self) -> None:
        self.portal.call(_many_turns)


async def _many_turns() -> None:
    for _ in range(50):
        await anyio.lowlevel.checkpoint()


class AsyncioSessionMachine(SessionMachine):
    backend = "asyncio"


class TrioSessionMachine(SessionMachine):
    backend = "trio"


_settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
AsyncioSessionMachine.TestCase.settings = _settings
TrioSessionMachine.TestCase.settings = _settings
TestRequestsOnAsyncio: Any = AsyncioSessionMachine.TestCase
TestRequestsOnTrio: Any = TrioSessionMachine.TestCase

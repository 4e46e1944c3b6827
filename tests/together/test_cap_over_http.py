"""Many at once on a budget for few, over real HTTP: the server counts what reached it and bills."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from aicg import BudgetExceededError, LLMSession, ProviderError, SyncSession
from aicg_sim import FaultPlan, SimServer, SimSettings
from tests.together.conftest import MODEL, WatchedLedger, kernel_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from decimal import Decimal

TASKS = 500
FITTING = 20
# Each answer is as long as its cap, so what is reserved beyond the bill is less than a request.
CAP = 400
QUESTIONS = [f"Write a long lesson about loops, number {number:03}." for number in range(TASKS)]


@pytest.fixture
def server() -> Iterator[SimServer]:
    # Long enough that all whose reservation was granted are under way at once.
    with SimServer(SimSettings(latency_s=0.05)) as server:
        yield server


@pytest.fixture
def ledger() -> WatchedLedger:
    return WatchedLedger()


@asynccontextmanager
async def session_for(
    fitting: int, server: SimServer, ledger: WatchedLedger, **options: Any
) -> AsyncIterator[LLMSession]:
    async with kernel_for(server, ledger=ledger) as kernel:
        async with kernel.session(MODEL) as session:
            limit = fitting * worst_usd(session)
        async with kernel.session(MODEL, budget_usd=limit, **options) as session:
            yield session


def worst_usd(session: LLMSession | SyncSession, max_output_tokens: int = CAP) -> Decimal:
    """Return what a question can cost at most; all of them have the same length."""
    estimate = session.estimate(QUESTIONS[0], max_output_tokens=max_output_tokens)
    assert estimate.cost_worst_usd is not None
    return estimate.cost_worst_usd


async def chat(session: LLMSession, question: str) -> None:
    await session.chat(question, max_output_tokens=CAP)


async def stream(session: LLMSession, question: str) -> None:
    async with session.stream(question, max_output_tokens=CAP) as answer:
        async for _ in answer:
            pass


async def converse(session: LLMSession, question: str) -> None:
    await session.conversation().chat(question, max_output_tokens=CAP)


async def count(ask: Any, session: LLMSession, question: str, ended: Counter[str]) -> None:
    try:
        await ask(session, question)
    except BudgetExceededError:
        ended["refused"] += 1
    except ProviderError as error:
        ended[type(error).__name__] += 1
    else:
        ended["answered"] += 1


async def count_batch(session: LLMSession, questions: list[str], ended: Counter[str]) -> None:
    batch = session.batch_generate(questions, concurrency=len(questions), max_output_tokens=CAP)
    async for item in batch:
        assert item.error is None or isinstance(item.error, BudgetExceededError)
        ended["refused" if item.error else "answered"] += 1


def check(ledger: WatchedLedger, server: SimServer, session: LLMSession | SyncSession) -> None:
    """Check that the cap held at every moment, and that the books are the server's bill."""
    (status,) = session.budget_status()
    assert ledger.overdrawn == []
    assert ledger.looks >= TASKS + len(ledger.granted)
    assert server.requests == len(ledger.granted) == len(ledger.lines)
    assert {line.outcome for line in ledger.lines.values()} == {"billed"}
    assert session.cost_usd == status.spent_usd == ledger.charged_usd == server.bill_usd
    assert status.reserved_usd == 0


@pytest.mark.anyio
@pytest.mark.usefixtures("nothing_left_open")
@pytest.mark.parametrize("ask", [chat, stream, converse])
async def test_of_many_tasks_only_those_that_fit_reach_the_server(
    ask: Any, server: SimServer, ledger: WatchedLedger
) -> None:
    ended: Counter[str] = Counter()
    async with session_for(FITTING, server, ledger) as session:
        async with anyio.create_task_group() as tasks:
            for question in QUESTIONS:
                tasks.start_soon(count, ask, session, question, ended)

        assert ended == {"answered": FITTING, "refused": TASKS - FITTING}
        assert server.requests == FITTING
        assert 1 < server.stats()["peak_in_flight"] <= FITTING
        check(ledger, server, session)


@pytest.mark.anyio
@pytest.mark.usefixtures("nothing_left_open")
async def test_a_batch_sends_only_what_fits(server: SimServer, ledger: WatchedLedger) -> None:
    ended: Counter[str] = Counter()
    async with session_for(FITTING, server, ledger) as session:
        await count_batch(session, QUESTIONS, ended)

        assert ended == {"answered": FITTING, "refused": TASKS - FITTING}
        assert server.requests == FITTING
        check(ledger, server, session)


@pytest.mark.anyio
@pytest.mark.usefixtures("nothing_left_open")
async def test_chats_streams_and_batches_draw_on_one_budget(
    server: SimServer, ledger: WatchedLedger
) -> None:
    ended: Counter[str] = Counter()
    async with session_for(FITTING, server, ledger) as session:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(count_batch, session, QUESTIONS[:100], ended)
            tasks.start_soon(count_batch, session, QUESTIONS[100:200], ended)
            for number, question in enumerate(QUESTIONS[200:]):
                ask = (chat, stream, converse)[number % 3]
                tasks.start_soon(count, ask, session, question, ended)

        assert ended == {"answered": FITTING, "refused": TASKS - FITTING}
        assert server.requests == FITTING
        check(ledger, server, session)


@pytest.mark.anyio
@pytest.mark.usefixtures("nothing_left_open")
async def test_two_sessions_draw_on_one_budget(server: SimServer, ledger: WatchedLedger) -> None:
    ended: Counter[str] = Counter()
    async with kernel_for(server) as kernel, kernel.session(MODEL) as session:
        limit = FITTING * worst_usd(session)
    team = {"budgets": {"team": {"limit_usd": limit, "per": "month"}}}
    async with (
        kernel_for(server, ledger=ledger, config=team) as kernel,
        kernel.session(MODEL, budgets=["team"]) as first,
        kernel.session(MODEL, budgets=["team"], budget_usd=1) as second,
    ):
        async with anyio.create_task_group() as tasks:
            for number, question in enumerate(QUESTIONS):
                session = (first, second)[number % 2]
                tasks.start_soon(count, (chat, stream)[number % 3 % 2], session, question, ended)

        assert ended == {"answered": FITTING, "refused": TASKS - FITTING}
        assert server.requests == FITTING
        assert ledger.overdrawn == []
        assert first.cost_usd + second.cost_usd == ledger.charged_usd == server.bill_usd
        assert first.budget_status()[0].spent_usd == server.bill_usd
        assert second.budget_status()[1].spent_usd == second.cost_usd


@pytest.mark.anyio
@pytest.mark.usefixtures("nothing_left_open")
async def test_answers_are_capped_until_nothing_that_helps_is_left(
    server: SimServer, ledger: WatchedLedger
) -> None:
    ended: Counter[str] = Counter()
    capped: list[str] = []
    shrinking = {"max_output_tokens": CAP, "min_output_tokens": 100}

    async def ask(session: LLMSession, question: str) -> None:
        capped.append((await session.chat(question)).capped_by or "")

    async with session_for(FITTING, server, ledger, **shrinking) as session:
        async with anyio.create_task_group() as tasks:
            for question in QUESTIONS:
                tasks.start_soon(count, ask, session, question, ended)
        (status,) = session.budget_status()

        assert ended["answered"] + ended["refused"] == TASKS
        assert ended["answered"] > FITTING
        assert set(capped) == {"", status.name}
        assert status.left_usd < worst_usd(session, max_output_tokens=100)
        check(ledger, server, session)


@pytest.mark.anyio
@pytest.mark.usefixtures("nothing_left_open")
async def test_the_cap_holds_whatever_goes_wrong(ledger: WatchedLedger) -> None:
    ended: Counter[str] = Counter()
    broken = ("reset", "close", "cut", "junk", "html", "shape", "no-usage", "no-finish")
    plan = FaultPlan(script=("429", "500", *broken))
    with SimServer(plan=plan) as server:
        async with session_for(FITTING, server, ledger) as session:
            async with anyio.create_task_group() as tasks:
                for number, question in enumerate(QUESTIONS):
                    tasks.start_soon(count, (chat, stream)[number % 2], session, question, ended)
            (status,) = session.budget_status()

        assert ended.total() == TASKS
        assert {*ended} == {
            "answered",
            "refused",
            "RateLimitError",
            "ServerError",
            "ConnectionError",
        }
        assert {line.outcome for line in ledger.lines.values()} == {"billed", "assumed", "released"}
        assert ledger.overdrawn == []
        assert server.requests == len(ledger.granted) == len(ledger.lines)
        assert server.bill_usd <= ledger.charged_usd == status.spent_usd <= status.limit_usd
        assert status.reserved_usd == 0


@pytest.mark.usefixtures("nothing_left_open")
def test_of_50_threads_on_one_session_only_what_fits_reaches_the_server(
    server: SimServer, ledger: WatchedLedger
) -> None:
    def work(number: int) -> Counter[str]:
        ended: Counter[str] = Counter()
        for question in QUESTIONS[number::50]:
            try:
                if number % 2:
                    session.chat(question, max_output_tokens=CAP)
                else:
                    with session.stream(question, max_output_tokens=CAP) as answer:
                        "".join(answer.text())
            except BudgetExceededError:
                ended["refused"] += 1
            else:
                ended["answered"] += 1
        return ended

    kernel = kernel_for(server, ledger=ledger)
    with SyncSession(MODEL, kernel=kernel) as session:
        limit = FITTING * worst_usd(session)
    with (
        SyncSession(MODEL, kernel=kernel, budget_usd=limit) as session,
        ThreadPoolExecutor(50) as threads,
    ):
        ended = sum(threads.map(work, range(50)), Counter())

        assert ended == {"answered": FITTING, "refused": TASKS - FITTING}
        assert server.requests == FITTING
        check(ledger, server, session)

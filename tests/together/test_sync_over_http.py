"""Blocking sessions over real HTTP: connections live and end with the loop that made them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from anyio.from_thread import BlockingPortal

from aicg import SyncSession
from aicg_sim import SimServer, SimSettings
from tests.together.conftest import MODEL, WatchedLedger, kernel_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aicg.sync import SyncStream

pytestmark = pytest.mark.usefixtures("nothing_left_open")


@pytest.fixture
def server() -> Iterator[SimServer]:
    with SimServer() as server:
        yield server


def test_sessions_of_one_kernel_follow_one_another(server: SimServer) -> None:
    kernel = kernel_for(server)

    for _ in range(3):
        with SyncSession(MODEL, kernel=kernel, budget_usd=1) as session:
            session.chat("Hello")

            assert session.cost_usd > 0

    assert server.requests == 3


def test_a_session_that_comes_as_the_last_one_leaves_keeps_its_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    call = BlockingPortal.call
    late: list[SyncStream] = []

    def call_late(portal: BlockingPortal, function: Any, *values: Any) -> Any:
        # The first has gone, and what nobody uses any more is about to be closed.
        if not kernel._borrowers and not late:
            session = stack.enter_context(SyncSession(MODEL, kernel=kernel))
            stream = session.stream("Write a lesson about loops.", max_output_tokens=60)
            late.append(stack.enter_context(stream))
            next(late[0].text())
        return call(portal, function, *values)

    with ExitStack() as stack, SimServer(SimSettings(tokens_per_s=1000)) as server:
        kernel = kernel_for(server)
        with SyncSession(MODEL, kernel=kernel) as first:
            first.chat("Hello")
            monkeypatch.setattr(BlockingPortal, "call", call_late)
        rest = "".join(late[0].text())

        assert rest
        assert late[0].response.text.endswith(rest)


@pytest.mark.parametrize("on_error", ["collect", "raise"])
def test_a_batch_is_read_in_any_thread(server: SimServer, on_error: Any) -> None:
    questions = [f"Hello {number}" for number in range(40)]
    with SyncSession(MODEL, kernel=kernel_for(server), budget_usd=1) as session:

        def read(_: int) -> int:
            return sum(1 for item in session.batch_generate(questions, on_error=on_error))

        with ThreadPoolExecutor(4) as threads:
            read_by = list(threads.map(read, range(4)))

        assert read_by == [40] * 4
        assert session.cost_usd == server.bill_usd
    assert server.requests == 160


def test_what_is_left_half_read_is_charged_in_full(server: SimServer) -> None:
    ledger = WatchedLedger()
    with SyncSession(MODEL, kernel=kernel_for(server, ledger=ledger), budget_usd=1) as session:
        with session.stream("Write a lesson about loops.", max_output_tokens=60) as stream:
            next(stream.text())
        batch = session.batch_generate([f"Hello {number}" for number in range(50)], concurrency=5)
        next(batch)
        batch.close()

    held_usd = sum(reservation.amount_usd for reservation in ledger.granted.values())
    (status,) = session.budget_status()
    assert status.reserved_usd == 0
    assert server.bill_usd <= status.spent_usd == ledger.charged_usd <= held_usd
    assert ledger.lines.keys() == ledger.granted.keys()
    assert ledger.lines[f"{session.session.id}-1-1"].outcome == "assumed"

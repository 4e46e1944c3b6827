"""A ledger that keeps its books and watches its limits, and a provider that answers when told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from aicg import BudgetStatus, LedgerLine, MemoryLedger, Request, Reservation, Response
from aicg.testing import FakeProvider

if TYPE_CHECKING:
    from collections.abc import Sequence


class RecordingLedger(MemoryLedger):
    """Keeps what it granted and every line, and looks at the budgets after every operation."""

    def __init__(self) -> None:
        super().__init__()
        self.granted: list[Reservation] = []
        self.lines: list[LedgerLine] = []
        self.over_limit: list[BudgetStatus] = []

    async def reserve(self, reservation: Reservation) -> BudgetStatus | None:
        refused = await super().reserve(reservation)
        if refused is None:
            self.granted.append(reservation)
        self._look(reservation.budgets)
        return refused

    async def settle(self, reservation_id: str, line: LedgerLine) -> bool:
        settled = await super().settle(reservation_id, line)
        if settled:
            self.lines.append(line)
        self._look(())
        return settled

    def _look(self, names: Sequence[str]) -> None:
        for status in self.snapshot(tuple(names) or tuple(self._accounts)):
            if status.spent_usd + status.reserved_usd > status.limit_usd:
                self.over_limit.append(status)


class GatedProvider(FakeProvider):
    """Answers no call before `gate` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = anyio.Event()
        self.asked: list[Request] = []

    async def chat(self, request: Request) -> Response:
        self.asked.append(request)
        await self.gate.wait()
        return await super().chat(request)


@pytest.fixture
def ledger() -> RecordingLedger:
    return RecordingLedger()


@pytest.fixture
def gated() -> GatedProvider:
    return GatedProvider()

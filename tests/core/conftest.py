"""A ledger that keeps its books, and a provider that answers when told."""

from __future__ import annotations

import anyio
import pytest

from aicg import BudgetStatus, LedgerLine, MemoryLedger, Request, Reservation, Response
from aicg.testing import FakeProvider


class RecordingLedger(MemoryLedger):
    """Keeps what it granted and every line."""

    def __init__(self) -> None:
        super().__init__()
        self.granted: list[Reservation] = []
        self.lines: list[LedgerLine] = []

    async def reserve(self, reservation: Reservation) -> BudgetStatus | None:
        refused = await super().reserve(reservation)
        if refused is None:
            self.granted.append(reservation)
        return refused

    async def settle(self, reservation_id: str, line: LedgerLine) -> bool:
        settled = await super().settle(reservation_id, line)
        if settled:
            self.lines.append(line)
        return settled


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

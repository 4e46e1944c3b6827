"""The ledger of one process, in memory: exact, and safe for tasks and threads."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import attrs

from aicg.budget.ledger import Budget, BudgetStatus, Ledger, LedgerLine, Reservation
from aicg.clock import Clock, SystemClock
from aicg.errors import ConfigurationError
from aicg.money import ZERO, from_picodollars, to_picodollars

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from decimal import Decimal


@attrs.define(eq=False)
class _Account:
    """A budget's sums in one period, in picodollars."""

    budget: Budget
    period: str
    limit: int
    spent: int = 0
    reserved: int = 0
    # What waiters were woken for who have not run since.
    promised: int = 0
    alerted: set[float] = attrs.field(factory=set)

    @property
    def free(self) -> int:
        return self.limit - self.spent - self.reserved

    def status(self) -> BudgetStatus:
        return BudgetStatus(
            self.budget.name,
            self.budget.limit_usd,
            from_picodollars(self.spent),
            from_picodollars(self.reserved),
            self.period,
        )


@attrs.define(eq=False)
class _Waiter:
    names: tuple[str, ...]
    amount: int
    wake: Callable[[], Any]
    promised_by: Sequence[_Account] = ()


class MemoryLedger(Ledger):
    """Keeps budgets for as long as the process lives.

    Every change happens under one lock that is held for microseconds and never over a wait. Memory
    grows with the open reservations and not with the settled ones.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._accounts: dict[str, _Account] = {}
        self._open: dict[str, tuple[int, list[_Account]]] = {}
        self._waiters: deque[_Waiter] = deque()

    async def declare(self, budget: Budget, *, spent_usd: Decimal = ZERO) -> None:
        """Make a budget known, or change the limit, period and alerts of a known one."""
        with self._lock:
            limit = to_picodollars(budget.limit_usd)
            period = _period(budget, self._clock.time())
            if budget.name in self._accounts:
                # In a period of another length too, what is spent and reserved counts.
                known = self._account(budget.name)
                known.budget, known.limit, known.period = budget, limit, period
            else:
                spent = to_picodollars(spent_usd)
                self._accounts[budget.name] = _Account(budget, period, limit, spent)
            woken = self._served()
        _wake(woken)

    async def retire(self, name: str) -> None:
        """Forget a budget that nobody will draw on again; open reservations settle as ever."""
        with self._lock:
            self._accounts.pop(name, None)
            woken = [waiter for waiter in self._waiters if name in waiter.names]
            self._waiters = deque(waiter for waiter in self._waiters if name not in waiter.names)
        _wake(woken)

    async def reserve(self, reservation: Reservation) -> BudgetStatus | None:
        """Reserve on all of the reservation's budgets, or on none."""
        amount = to_picodollars(reservation.amount_usd)
        with self._lock:
            accounts = [self._account(name) for name in reservation.budgets]
            if amount:
                short = [account for account in accounts if account.free < amount]
                if short:
                    # The one for which no settlement makes room, if there is such a one.
                    return min(short, key=lambda it: it.limit - it.spent).status()
            for account in accounts:
                account.reserved += amount
            self._open[reservation.id] = amount, accounts
        return None

    async def wait_for_room(self, reservation: Reservation) -> None:
        """Return once another try at the reservation makes sense."""
        event = anyio.Event()
        # Whoever frees money may run another event loop in another thread.
        loop: Any = anyio.lowlevel.current_token().native_token
        soon = getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon
        waiter = _Waiter(
            reservation.budgets, to_picodollars(reservation.amount_usd), partial(soon, event.set)
        )
        with self._lock:
            self._waiters.append(waiter)
            woken = self._served()
        _wake(woken)
        try:
            await event.wait()
        except BaseException:
            with self._lock:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)
                # The next in line can have what it was promised.
                self._redeem(waiter)
                woken = self._served()
            _wake(woken)
            raise
        with self._lock:
            self._redeem(waiter)

    async def settle(self, reservation_id: str, line: LedgerLine) -> bool:
        """End a reservation and charge the line's cost; the second time nothing happens."""
        cost = to_picodollars(line.cost_usd)
        with self._lock:
            amount, accounts = self._open.pop(reservation_id, (0, None))
            if accounts is None:
                return False
            for account in accounts:
                account.reserved -= amount
                account.spent += cost
            woken = self._served() if self._waiters else ()
        _wake(woken)
        return True

    def snapshot(self, names: Sequence[str]) -> tuple[BudgetStatus, ...]:
        """Return how the budgets stand."""
        with self._lock:
            return tuple([self._account(name).status() for name in names])

    async def status(self, names: Sequence[str] | None = None) -> tuple[BudgetStatus, ...]:
        """Return how the budgets stand, or all of them."""
        return self.snapshot(tuple(self._accounts) if names is None else names)

    async def claim_alert(self, name: str, threshold: float) -> bool:
        """Return True to the first who asks in the budget's period."""
        with self._lock:
            alerted = self._account(name).alerted
            if threshold in alerted:
                return False
            alerted.add(threshold)
            return True

    def _account(self, name: str) -> _Account:
        account = self._accounts.get(name)
        if account is None:
            known = ", ".join(sorted(self._accounts)) or "none"
            raise ConfigurationError(
                f"there is no budget {name!r}; add [budgets.{name}] with limit_usd "
                f"(known: {known})",
                key=f"budgets.{name}",
            )
        if account.budget.per is not None:
            period = _period(account.budget, self._clock.time())
            # A clock that is set back opens no period again.
            if period > account.period:
                # Reservations of the old period settle on the old account.
                account = _Account(account.budget, period, account.limit)
                self._accounts[name] = account
        return account

    def _redeem(self, waiter: _Waiter) -> None:
        for account in waiter.promised_by:
            account.promised -= waiter.amount

    def _served(self) -> list[_Waiter]:
        """Take those waiters out of line, first come first, for whom it makes sense to try."""
        # By the budgets drawn on: what is free now, and what would be if all were settled. Kept
        # until somebody is promised some of it, as a thousand may wait for the same.
        rooms: dict[tuple[str, ...], tuple[int, int]] = {}
        served: list[_Waiter] = []
        waiting: deque[_Waiter] = deque()
        for waiter in self._waiters:
            if waiter.names not in rooms:
                accounts = [self._account(name) for name in waiter.names]
                free = min(it.free - it.promised for it in accounts)
                rooms[waiter.names] = free, min(it.limit - it.spent for it in accounts)
            free, possible = rooms[waiter.names]
            if free < waiter.amount <= possible:
                waiting.append(waiter)
                continue
            served.append(waiter)
            if waiter.amount <= free:
                rooms.clear()
                waiter.promised_by = [self._account(name) for name in waiter.names]
                for account in waiter.promised_by:
                    account.promised += waiter.amount
        self._waiters = waiting
        return served


def _wake(waiters: Iterable[_Waiter]) -> None:
    for waiter in waiters:
        # An event loop that was closed takes whoever waited in it along.
        with suppress(RuntimeError):
            waiter.wake()


def _period(budget: Budget, now: float) -> str:
    """Name the period that a moment falls in, in UTC."""
    moment = time.gmtime(now)
    match budget.per:
        case "hour":
            return time.strftime("%Y-%m-%dT%H", moment)
        case "day":
            return time.strftime("%Y-%m-%d", moment)
        case "week":
            return time.strftime("%G-W%V", moment)
        case "month":
            return time.strftime("%Y-%m", moment)
    return ""

"""Alerts: told once when a budget's spending reaches a share of its limit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

import attrs

from aicg.money import EXACT

if TYPE_CHECKING:
    from aicg.budget.ledger import BudgetStatus


@attrs.frozen(kw_only=True)
class Alert:
    """A budget has reached a threshold.

    Attributes:
        budget: The budget's name.
        threshold: The share of the limit that was reached, such as 0.8.
        spent_usd: What is spent.
        limit_usd: The limit.
    """

    budget: str
    threshold: float
    spent_usd: Decimal
    limit_usd: Decimal


AlertCallback: TypeAlias = Callable[[Alert], object]


class AlertManager:
    """Watches the thresholds of some budgets, and tells each once in a period.

    Args:
        claim: Asked before an alert is told, so that of many processes one tells it; None where
            the alert is this process's own affair.
    """

    def __init__(self, claim: Callable[[str, float], Awaitable[bool]] | None = None) -> None:
        self._claim = claim
        self._watched: dict[str, list[tuple[float, AlertCallback]]] = {}
        self._told: set[tuple[str, str, float, AlertCallback]] = set()

    def watch(self, budget: str, thresholds: Iterable[float], callback: AlertCallback) -> None:
        """Call back when the budget's spending reaches each of the thresholds."""
        added = [(threshold, callback) for threshold in thresholds]
        watched = [*self._watched.get(budget, ()), *added]
        # Replaced and not changed: a check that waits may be walking through the old one.
        self._watched[budget] = sorted(watched, key=lambda pair: pair[0])

    def watched(self, budgets: Iterable[str]) -> list[str]:
        """Return those of the budgets that have thresholds."""
        return [name for name in budgets if name in self._watched] if self._watched else []

    async def check(self, statuses: Iterable[BudgetStatus]) -> None:
        """Tell what the new statuses give cause to."""
        for status in statuses:
            for threshold, callback in self._watched.get(status.name, ()):
                limit = EXACT.multiply(status.limit_usd, Decimal(str(threshold)))
                if status.spent_usd < limit or not status.spent_usd:
                    break
                mark = status.name, status.period, threshold, callback
                if mark in self._told:
                    continue
                self._told.add(mark)
                try:
                    is_ours = self._claim is None or await self._claim(status.name, threshold)
                except BaseException:
                    # Nobody was told, so the next check may tell it.
                    self._told.remove(mark)
                    raise
                if is_ours:
                    callback(_alert(status, threshold))


def _alert(status: BudgetStatus, threshold: float) -> Alert:
    return Alert(
        budget=status.name,
        threshold=threshold,
        spent_usd=status.spent_usd,
        limit_usd=status.limit_usd,
    )

"""Budgets: the ledger that keeps them, what a request may cost at most, and alerts."""

from __future__ import annotations

from aicg.budget.alerts import Alert, AlertManager
from aicg.budget.estimate import Estimate, WorstCase, estimate
from aicg.budget.ledger import (
    Budget,
    BudgetStatus,
    Ledger,
    LedgerLine,
    Reservation,
    with_those_above,
)
from aicg.budget.memory import MemoryLedger
from aicg.budget.reserving import Hold, reserve_worst_case

__all__ = [
    "Alert",
    "AlertManager",
    "Budget",
    "BudgetStatus",
    "Estimate",
    "Hold",
    "Ledger",
    "LedgerLine",
    "MemoryLedger",
    "Reservation",
    "WorstCase",
    "estimate",
    "reserve_worst_case",
    "with_those_above",
]

"""A session's books as plain data, and a session that goes on from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from aicg.errors import ValidationError
from aicg.money import parse_usd
from aicg.monitoring import CostTracker, SessionMetrics, TokenMonitor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from aicg.kernel import Kernel
    from aicg.session import LLMSession

FORMAT: Final = 1


def export_session(session: LLMSession) -> dict[str, Any]:
    """Return a session's model, settings, notes and books as data that JSON can hold."""
    own = session.own_budget
    return {
        "format": FORMAT,
        "session_id": session.id,
        "model": session.model,
        "system": session.system,
        "settings": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in attrs.asdict(session.settings, recurse=False).items()
            if name not in {"model", "budgets"}
        },
        "metadata": dict(session.metadata),
        "budgets": [name for name in session.budget_names if own is None or name != own.name],
        "disable": sorted(session.disabled),
        "own_budget": own
        and {"limit_usd": str(own.limit_usd), "spent_usd": str(_own_spent_usd(session))},
        "cost_usd": str(session.cost_usd),
        "tokens_used": session.tokens_used,
        "request_count": session.request_count,
        "tokens": session.tokens.to_dict(),
        "costs": session.costs.to_dict(),
        "metrics": session.metrics.to_dict(),
    }


def _own_spent_usd(session: LLMSession) -> Decimal:
    """Return what the session's own budget has spent, requests under way at their worst."""
    return (
        session.budget_status()[-1].committed_usd
        if session.is_declared
        else session.spent_before_usd
    )


def restore_session(
    kind: type[LLMSession], data: Mapping[str, Any], kernel: Kernel | None
) -> LLMSession:
    """Return a session with a new id that goes on from exported books.

    Raises:
        ValidationError: The data is not what `export_session` returns.
    """
    try:
        if data["format"] != FORMAT:
            raise ValidationError(f"exported in format {data['format']!r}; this reads {FORMAT}")
        settings = dict(data["settings"], addons=tuple(data["settings"]["addons"]))
        own = data["own_budget"]
        session = kind(
            data["model"],
            kernel=kernel,
            budget_usd=own and own["limit_usd"],
            budgets=data["budgets"],
            disable=data["disable"],
            metadata=data["metadata"],
            system=data["system"],
            **settings,
        )
        if own:
            session.spent_before_usd = parse_usd(own["spent_usd"], name="own_budget.spent_usd")
        session.books.tokens = TokenMonitor.from_dict(data["tokens"])
        session.books.costs = CostTracker.from_dict(data["costs"])
        session.books.metrics = SessionMetrics.from_dict(data["metrics"])
    except (KeyError, TypeError) as error:
        raise ValidationError(
            f"not what export_to_dict returns: {type(error).__name__}: {error}"
        ) from error
    return session

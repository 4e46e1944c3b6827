"""What a session's requests came to: counted, logged, and told of when a budget runs low."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aicg.budget import AlertManager
from aicg.budget.ledger import check_threshold
from aicg.errors import ConfigurationError, kind_of
from aicg.monitoring import CostTracker, SessionMetrics, TokenMonitor

if TYPE_CHECKING:
    from aicg.budget import Alert, Ledger, LedgerLine
    from aicg.budget.alerts import AlertCallback
    from aicg.exchange import RequestContext, Response
    from aicg.plugins import WatchHooks


class Books:
    """Counts what a session's requests used, and watches its budgets.

    Args:
        budget_names: The budgets that the session draws on.
        watchers: Told of the faults of alert callbacks.
    """

    def __init__(self, budget_names: tuple[str, ...], watchers: WatchHooks) -> None:
        self.tokens = TokenMonitor()
        self.costs = CostTracker()
        self.metrics = SessionMetrics()
        self.budget_names = budget_names
        self._alerts = AlertManager()
        self._watchers = watchers

    def set_alert(self, threshold: float, callback: AlertCallback) -> None:
        """Call back once when one of the budgets has spent this share of its limit.

        Raises:
            ConfigurationError: The threshold is not above 0 and at most 1, or there is no budget.
        """
        check_threshold(threshold)
        if not self.budget_names:
            raise ConfigurationError(
                "an alert tells of a budget, and this session has none: give it budget_usd= or "
                "budgets=, or set [session] budgets"
            )

        def guarded(alert: Alert) -> None:
            try:
                callback(alert)
            except Exception as error:  # noqa: BLE001 - who looks on must not stop the work
                name = getattr(callback, "__qualname__", repr(callback))
                self._watchers.report(name, "set_alert", error)

        for name in self.budget_names:
            self._alerts.watch(name, (threshold,), guarded)

    async def check_alerts(self, ledger: Ledger, kernel_alerts: AlertManager) -> None:
        """Tell what the budgets' spending gives cause to."""
        for alerts in (kernel_alerts, self._alerts):
            watched = alerts.watched(self.budget_names)
            if watched:
                await alerts.check(ledger.snapshot(watched))

    def note_line(self, line: LedgerLine) -> None:
        """Count one settled attempt."""
        model = f"{line.provider}:{line.served_model or line.asked_model}"
        if line.outcome != "released":
            self.costs.record(model, line.known_cost_usd, assumed=line.outcome == "assumed")
        if line.error is None:
            self.tokens.record(model, line.usage)

    def note_success(self, context: RequestContext, response: Response) -> None:
        """Count and log an answer."""
        self.metrics.record_success(response.provider, response.latency_s, response.attempts)
        context.log.info(
            "request done",
            model=context.request.model,
            input_tokens=response.usage.total_input_tokens,
            output_tokens=response.usage.total_output_tokens,
            cost_usd=response.cost_usd,
            duration_s=round(response.latency_s, 3),
            attempts=response.attempts,
            origin=response.origin,
        )

    def note_failure(
        self, context: RequestContext, error: BaseException, duration_s: float
    ) -> None:
        """Count and log a request that ended without an answer."""
        attempts = context.bill.attempts
        self.metrics.record_failure(context.request.provider_name, duration_s, attempts, error)
        write = context.log.error if isinstance(error, Exception) else context.log.info
        write(
            "request failed",
            model=context.request.model,
            error=kind_of(error),
            reason=str(error),
            duration_s=round(duration_s, 3),
            attempts=attempts,
        )

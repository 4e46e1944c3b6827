"""How a run stands: what was made, kept and lost, and what it cost."""

from __future__ import annotations

from decimal import Decimal

import attrs


@attrs.define(eq=False)
class StepTally:
    """What became of one step of the job.

    Attributes:
        made: Answers got in this run.
        kept: Answers that an earlier run had got.
        failed: Requests that brought nothing that can be used.
        input_tokens: The input of what was made.
        output_tokens: The output of what was made.
        cost_usd: What was made cost.
    """

    made: int = 0
    kept: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)


@attrs.frozen
class Failure:
    """A step of an item that brought nothing."""

    item: str
    step: str
    reason: str


@attrs.define(eq=False)
class Tally:
    """What became of a run.

    Attributes:
        total: The answers that the job needs, of all items together.
        steps: What became of each step, by its name.
        failures: What went wrong.
        skipped: Answers not asked for, because an earlier step of their item failed.
        earlier_usd: What earlier runs spent.
        spent_usd: What this run spent.
        reserved_usd: What requests under way may cost at most.
        left_usd: What may still be spent and is not reserved; None without a budget.
        budget_usd: What all runs of the job may spend together; None for any amount.
        elapsed_s: How long the run has taken.
    """

    total: int
    steps: dict[str, StepTally]
    failures: list[Failure] = attrs.field(factory=list)
    skipped: int = 0
    earlier_usd: Decimal = Decimal(0)
    spent_usd: Decimal = Decimal(0)
    reserved_usd: Decimal = Decimal(0)
    left_usd: Decimal | None = None
    budget_usd: Decimal | None = None
    elapsed_s: float = 0.0

    @property
    def made(self) -> int:
        """The answers got in this run."""
        return sum(step.made for step in self.steps.values())

    @property
    def kept(self) -> int:
        """The answers that earlier runs had got."""
        return sum(step.kept for step in self.steps.values())

    @property
    def failed(self) -> int:
        """The answers that will be missing, as they or one that they rest on failed."""
        return len(self.failures) + self.skipped

    @property
    def done(self) -> int:
        """The answers that are there."""
        return self.made + self.kept

    @property
    def open(self) -> int:
        """The answers not yet asked for, or on their way."""
        return self.total - self.done - self.failed

    @property
    def assumed_usd(self) -> Decimal:
        """What this run counts for requests that brought no answer but may be billed."""
        return self.spent_usd - sum((step.cost_usd for step in self.steps.values()), Decimal(0))

    @property
    def rate(self) -> float:
        """Answers made a second, on average."""
        return self.made / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def to_go_s(self) -> float | None:
        """How long the rest will take at this rate; None while nobody can tell."""
        return self.open / self.rate if self.rate else None

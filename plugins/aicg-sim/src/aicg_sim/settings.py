"""The settings of `[providers.sim]`."""

from __future__ import annotations

import attrs

from aicg import ConfigurationError


def _not_negative(_instance: object, field: attrs.Attribute[float], value: float) -> None:
    if not 0 <= value < float("inf"):
        raise ConfigurationError(
            f"{field.name} must be a number of seconds, zero or more: got {value!r}",
            key=field.name,
        )


def _positive_if_given(
    _instance: object, field: attrs.Attribute[float | None], value: float | None
) -> None:
    if value is not None and not 0 < value < float("inf"):
        raise ConfigurationError(
            f"{field.name} must be more than zero, or left out for no limit: got {value!r}",
            key=field.name,
        )


def _readable(_instance: object, _field: attrs.Attribute[str], value: str) -> None:
    if value:
        from aicg_sim.faults import FaultPlan

        FaultPlan.parse(value)


@attrs.frozen(kw_only=True)
class SimSettings:
    """How the simulated provider answers.

    Attributes:
        seed: Another seed gives other answers to the same questions.
        latency_s: How long an answer takes to begin, in seconds.
        tokens_per_s: How fast it is written; None is at once.
        faults: A fault plan: "429:0.1, cut:0.05" for shares, or "429, ok, 500" for a script.
    """

    seed: int = 0
    latency_s: float = attrs.field(default=0.0, validator=_not_negative)
    tokens_per_s: float | None = attrs.field(default=None, validator=_positive_if_given)
    faults: str = attrs.field(default="", validator=_readable)

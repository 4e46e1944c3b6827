"""The fault plan: which requests go wrong, and how."""

from __future__ import annotations

from typing import Final

import attrs

import aicg

STATUSES: Final = ("400", "401", "402", "429", "500", "503", "529")
# What becomes of an answer after the model has written it, and whether it is a stream or not.
KINDS: Final = (
    *STATUSES,
    "hang",
    "slow",
    "reset",
    "close",
    "cut",
    "silent",
    "junk",
    "html",
    "shape",
    "error-event",
    "no-finish",
    "no-usage",
)
OK: Final = "ok"


@attrs.frozen(kw_only=True)
class FaultPlan:
    """Which requests go wrong: a script for the first ones, then a share of all others.

    Attributes:
        script: What becomes of the first requests, one after the other.
        shares: How often a fault happens after that, each from 0 to 1.
        seed: Another seed spreads the shares over other requests.
        retry_after_s: How long a 429 asks to wait, in seconds.
        slow_s: How long a slow answer takes to begin, in seconds.
    """

    script: tuple[str, ...] = ()
    shares: tuple[tuple[str, float], ...] = ()
    seed: int = 0
    retry_after_s: float = 1.0
    slow_s: float = 2.0

    @classmethod
    def parse(cls, text: str, *, seed: int = 0) -> FaultPlan:
        """Read a plan such as "429:0.1, cut:0.05", or a script such as "429, ok, 500".

        Raises:
            ConfigurationError: The text is no fault plan.
        """
        steps = [step.strip() for step in text.split(",") if step.strip()]
        script = [step for step in steps if ":" not in step]
        pairs = [step.partition(":") for step in steps if ":" in step]
        for kind in (*script, *(kind for kind, _, _ in pairs)):
            if kind not in (OK, *KINDS):
                raise aicg.ConfigurationError(
                    f"faults: there is no fault {kind!r}; there are {', '.join(KINDS)}, "
                    f"and {OK!r} for none",
                    key="faults",
                )
        shares = tuple((kind, _share(kind, share)) for kind, _, share in pairs)
        if sum(share for _, share in shares) > 1:
            raise aicg.ConfigurationError(
                f"faults: the shares must not be more than 1 together: got {text!r}", key="faults"
            )
        return cls(script=tuple(script), shares=shares, seed=seed)

    def fault_of(self, number: int) -> str:
        """Return what becomes of the request of this number, counted from 0; "ok" if nothing."""
        if number < len(self.script):
            return self.script[number]
        from aicg_sim.draws import Draw

        lot = Draw(self.seed).child(number).share() if self.shares else 1.0
        for kind, share in self.shares:
            lot -= share
            if lot < 0:
                return kind
        return OK


def _share(kind: str, text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise aicg.ConfigurationError(
            f"faults: the share of {kind} must be a number from 0 to 1, as in {kind}:0.1: "
            f"got {text!r}",
            key="faults",
        )
    return share

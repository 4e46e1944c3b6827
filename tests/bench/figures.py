"""One measured figure and its bound."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@attrs.frozen
class Figure:
    """A line of the report; a figure without a bound is there to be read."""

    name: str
    value: float
    unit: str = ""
    at_most: float | None = None

    @property
    def holds(self) -> bool:
        return self.at_most is None or self.value <= self.at_most

    def __str__(self) -> str:
        value = f"{self.value:10.3f}" if self.value < 100 else f"{self.value:10,.0f}"
        bound = ""
        if self.at_most is not None:
            bound = f"  {'holds' if self.holds else 'TOO MUCH'}: at most {self.at_most:g}"
        return f"{self.name:64}{value} {self.unit:4}{bound}"


def alternating(rounds: int, *measures: Callable[[], float]) -> Sequence[float]:
    """Measure several things in turn, so that noise falls on all; return the median of each."""
    samples: list[list[float]] = [[] for _ in measures]
    for _ in range(rounds):
        for taken, measure in zip(samples, measures, strict=True):
            taken.append(measure())
    return [statistics.median(taken) for taken in samples]

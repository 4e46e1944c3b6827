"""Numbers within bounds."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from aicg_sim.schemas.resolve import UnsatisfiableError

if TYPE_CHECKING:
    from collections.abc import Mapping


def number_for(
    plain: Mapping[str, Any], wish: float, *, whole: bool, shift: int = 0
) -> int | float:
    """Return the number nearest to `wish` that a schema allows, or one not far from it.

    Each `shift` from 0 on gives another number, as long as there are others.

    Raises:
        UnsatisfiableError: The bounds leave no number.
    """
    step = plain.get("multipleOf")
    if whole:
        step = Fraction(1) if step is None else Fraction(math.lcm(step.numerator, 1))
    low, low_open = _bound(plain, "minimum", "exclusiveMinimum", max)
    high, high_open = _bound(plain, "maximum", "exclusiveMaximum", min)
    value = Fraction(str(wish)) + (0 if step is not None else Fraction(shift, 2))
    own = Fraction(1, value.denominator)
    for grid in (step,) if step is not None else (own, Fraction(1), Fraction(1, 100), None):
        steps = shift if step is not None else 0
        found = _nearest(value, grid, (low, low_open), (high, high_open), steps)
        if found is not None:
            return int(found) if found.denominator == 1 else float(found)
    raise UnsatisfiableError(f"no number lies within the bounds {dict(plain)!r}")


def _bound(plain: Mapping[str, Any], word: str, open_word: str, pick: Any) -> tuple[Any, bool]:
    closed = plain.get(word)
    exclusive = plain.get(open_word)
    if exclusive is None:
        return (None if closed is None else Fraction(str(closed))), False
    if closed is None or pick(closed, exclusive) == exclusive:
        return Fraction(str(exclusive)), True
    return Fraction(str(closed)), False


def _nearest(
    wish: Fraction,
    grid: Fraction | None,
    low: tuple[Fraction | None, bool],
    high: tuple[Fraction | None, bool],
    shift: int,
) -> Fraction | None:
    if grid is None:
        return _between(low[0], high[0])
    lowest = None if low[0] is None else math.ceil(low[0] / grid)
    if lowest is not None and low[1] and lowest * grid == low[0]:
        lowest += 1
    highest = None if high[0] is None else math.floor(high[0] / grid)
    if highest is not None and high[1] and highest * grid == high[0]:
        highest -= 1
    if lowest is not None and highest is not None and lowest > highest:
        return None
    count = round(wish / grid)
    if lowest is not None:
        count = max(count, lowest)
    if highest is not None:
        count = min(count, highest)
    return _shifted(count, shift, lowest, highest) * grid


def _shifted(count: int, shift: int, lowest: int | None, highest: int | None) -> int:
    if lowest is not None and highest is not None:
        return lowest + (count - lowest + shift) % (highest - lowest + 1)
    return count + shift if highest is None else count - shift


def _between(low: Fraction | None, high: Fraction | None) -> Fraction | None:
    if low is None or high is None or low > high:
        return None
    middle = Fraction(str(float((low + high) / 2)))
    return middle if low <= middle <= high else None

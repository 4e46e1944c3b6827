"""Dollars as `Decimal`: read strictly, rounded up, printed short.

Amounts are stored exactly, as whole picodollars (1e-12 USD). A rate such as 0.075 USD for a million
tokens is 75,000 picodollars a token, so real prices need no rounding; what does is rounded up.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Context, Decimal, InvalidOperation
from typing import Final

from aicg.errors import ConfigurationError

ZERO: Final = Decimal(0)
PICODOLLARS: Final = 1_000_000_000_000

# The thread's own context may round to a few digits; money must not depend on it.
EXACT: Final = Context(prec=60)
_UP: Final = Context(prec=60, rounding=ROUND_CEILING)
_PICODOLLAR: Final = Decimal("1e-12")
_DOLLAR: Final = Decimal(1)
_LARGEST: Final = Decimal("1e15")


def parse_usd(value: object, *, name: str) -> Decimal:
    """Read an amount of dollars from a number or its text.

    A float is taken at its shortest text, so `0.1` means ten cents.

    Args:
        value: A `Decimal`, `int`, `float`, or text such as `"0.50"` or `"$0.50"`.
        name: What the amount is, for the error.

    Raises:
        ConfigurationError: The value is not an amount from 0 to 1e15 dollars.
    """
    try:
        if isinstance(value, bool) or not isinstance(value, (Decimal, int, float, str)):
            raise InvalidOperation
        text = value.strip().removeprefix("$") if isinstance(value, str) else str(value)
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0 or amount > _LARGEST:
        raise ConfigurationError(
            f"{name} must be an amount of dollars, zero or more, such as 0.50: got {value!r}",
            key=name,
        )
    return round_up(amount)


def round_up(amount: Decimal) -> Decimal:
    """Return the amount rounded up to a whole picodollar."""
    return _trimmed(amount.quantize(_PICODOLLAR, context=_UP))


def to_picodollars(amount: Decimal) -> int:
    """Return the amount as whole picodollars, rounded up."""
    return int(EXACT.multiply(amount, PICODOLLARS).to_integral_value(ROUND_CEILING))


def from_picodollars(count: int) -> Decimal:
    """Return whole picodollars as dollars."""
    return _trimmed(EXACT.scaleb(Decimal(count), -12))


def _trimmed(amount: Decimal) -> Decimal:
    """Return the amount without the zeros at its end, and whole dollars without an exponent."""
    if not amount:
        return ZERO
    short = amount.normalize(EXACT)
    return short.quantize(_DOLLAR, context=EXACT) if short.as_tuple().exponent > 0 else short  # type: ignore[operator]


def format_cost(amount: Decimal | None) -> str:
    """Return an amount as people read it: cents, and small amounts to two digits that count.

    >>> format_cost(Decimal("12.345")), format_cost(Decimal("0.000123")), format_cost(None)
    ('$12.35', '$0.00013', 'unknown')
    """
    if amount is None:
        return "unknown"
    size = amount.copy_abs()
    places = 2 if size >= 1 or not size else max(2, 1 - size.adjusted())
    rounded = size.quantize(Decimal(1).scaleb(-places), context=_UP)
    return f"{'-' if amount < 0 else ''}${rounded:,f}"

"""What a request may use and cost, reckoned before it is sent."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import attrs

from aicg.usage import Usage

if TYPE_CHECKING:
    from aicg.models import Price
    from aicg.provider import InputEstimate


@attrs.frozen(kw_only=True)
class Estimate:
    """What a request may use and cost.

    Attributes:
        input_tokens_likely: The best guess of the input.
        input_tokens_upper: A count that the provider never bills more than.
        output_tokens_likely: The mean of the session's answers so far; the cap before the first.
        output_tokens_cap: The most that the answer can have.
        cost_likely_usd: What the likely counts cost, in dollars; None if the price is not known.
        cost_worst_usd: What the upper counts cost at the dearest rates.
    """

    input_tokens_likely: int
    input_tokens_upper: int
    output_tokens_likely: int
    output_tokens_cap: int
    cost_likely_usd: Decimal | None
    cost_worst_usd: Decimal | None


def estimate(
    tokens: InputEstimate, price: Price | None, *, cap: int, mean_output_tokens: float | None
) -> Estimate:
    """Reckon a request with this input, this output cap, and answers of this mean length so far."""
    likely = cap if mean_output_tokens is None else min(cap, round(mean_output_tokens))
    return Estimate(
        input_tokens_likely=tokens.likely,
        input_tokens_upper=tokens.upper,
        output_tokens_likely=likely,
        output_tokens_cap=cap,
        cost_likely_usd=None if price is None else price.cost(Usage(tokens.likely, likely)),
        cost_worst_usd=None if price is None else price.worst_cost(tokens.upper, cap),
    )

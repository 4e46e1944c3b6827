"""Reserving a request's worst case: wait for others, then lower the cap, then refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import attrs

from aicg.budget.ledger import Reservation
from aicg.errors import BudgetExceededError

if TYPE_CHECKING:
    from aicg.budget.estimate import WorstCase
    from aicg.budget.ledger import BudgetStatus, Ledger


@attrs.frozen(kw_only=True)
class Hold:
    """A reservation that was granted.

    Attributes:
        reservation: The reservation.
        output_tokens: The output cap that it covers.
        capped_by: The budget that lowered the cap, if one did.
    """

    reservation: Reservation
    output_tokens: int
    capped_by: str | None = None


async def reserve_worst_case(
    ledger: Ledger,
    reservation: Reservation,
    worst: WorstCase,
    *,
    output_tokens: int,
    least_output_tokens: int,
    wait_s: float,
) -> Hold:
    """Reserve what a request can cost at most.

    While others hold what is needed, wait for them to settle; then lower the output cap to what
    fits, if that is not too low; otherwise refuse.

    Args:
        ledger: Where the budgets are kept.
        reservation: The reservation, at the worst cost of the cap asked for.
        worst: What the request can cost at each output cap.
        output_tokens: The output cap.
        least_output_tokens: How far the cap may be lowered; to itself, if not at all.
        wait_s: How long to wait for other requests to settle, in seconds.

    Raises:
        BudgetExceededError: It does not fit; nothing is reserved.
    """
    give_up_at: float | None = None
    cap, capped_by = output_tokens, None
    while True:
        short = await ledger.reserve(reservation)
        if short is None:
            return Hold(reservation=reservation, output_tokens=cap, capped_by=capped_by)
        now = anyio.current_time()
        give_up_at = now + wait_s if give_up_at is None else give_up_at
        room_usd = short.unspent_usd if now < give_up_at else short.left_usd
        fitting = worst.fitting_output_tokens(room_usd)
        if reservation.amount_usd <= room_usd:
            with anyio.CancelScope(deadline=give_up_at):
                await ledger.wait_for_room(reservation)
        elif least_output_tokens <= fitting < cap:
            cap, capped_by = fitting, short.name
            reservation = attrs.evolve(reservation, amount_usd=worst.cost(cap))
        else:
            raise _exceeded(short, reservation, fitting, wait_s)


def _exceeded(
    short: BudgetStatus, reservation: Reservation, fitting: int, wait_s: float
) -> BudgetExceededError:
    advice = (
        f"an output cap of {fitting:,} tokens would fit"
        if fitting
        else "raise the limit, shorten the prompt, or ask a cheaper model"
    )
    if reservation.amount_usd <= short.unspent_usd:
        advice = f"waited {wait_s:g} s for other requests to settle; {advice}"
    return BudgetExceededError(
        # Exact, for short forms of amounts that differ by little would look the same.
        f"the budget {short.name!r} does not cover this request: it may cost "
        f"${reservation.amount_usd:,f}, and of its ${short.limit_usd:,f}, ${short.spent_usd:,f} is "
        f"spent and ${short.reserved_usd:,f} reserved; {advice}",
        budget=short.name,
        limit_usd=short.limit_usd,
        spent_usd=short.spent_usd,
        reserved_usd=short.reserved_usd,
        asked_usd=reservation.amount_usd,
        fitting_output_tokens=fitting,
    )

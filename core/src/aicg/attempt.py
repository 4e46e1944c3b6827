"""One attempt at a request: estimate, reservation, provider, settlement."""

from __future__ import annotations

import math
from contextlib import aclosing
from typing import TYPE_CHECKING, Literal, Self

import anyio
import attrs

from aicg.budget import Hold, LedgerLine, Reservation, WorstCase, reserve_worst_case
from aicg.capabilities import check_capabilities
from aicg.errors import (
    AIContentGeneratorError,
    ConfigurationError,
    ConnectionError,
    ProviderError,
    TimeoutError,
    UnknownPriceError,
    kind_of,
)
from aicg.exchange import NO_USAGE, Chunk, Request, RequestContext, Response, changed
from aicg.models import Price, Rates
from aicg.money import EXACT, ZERO, format_cost, round_up

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from decimal import Decimal
    from types import TracebackType

    from aicg.catalogue import Route
    from aicg.errors import Outcome
    from aicg.provider import InputEstimate
    from aicg.session import LLMSession
    from aicg.usage import Usage

# What a model without a known price is reckoned at where no budget applies.
UNPRICED = Price(Rates(input=ZERO, output=ZERO), version="unknown")


class Attempt:
    """One call of a provider, inside its reservation; leaving it settles the reservation."""

    def __init__(
        self, session: LLMSession, context: RequestContext, route: Route, hold: Hold
    ) -> None:
        self._session = session
        self._route = route
        self._hold = hold
        self._context = context
        self._request = context.request
        self._started = context.clock.monotonic()
        self._time_left = _time_left(session, context)
        self._answer: Response | None = None

    @classmethod
    async def begin(cls, session: LLMSession, context: RequestContext) -> Attempt:
        """Reserve the worst case, and write the output cap that it covers into the request.

        Raises:
            ConfigurationError: Nothing may be sent, and no addon has answered.
            InvalidRequestError: The model cannot do what the request asks.
            BudgetExceededError: The worst case does not fit.
            UnknownPriceError: A budget applies, and the model's price is not known.
        """
        request = context.request
        if session.settings.dry_run:
            raise ConfigurationError(
                "nothing may be sent (dry_run), and no addon says what would have been; "
                "try: pip install aicg-dryrun",
                key="session.dry_run",
            )
        route = session.kernel.catalogue.route(request.model)
        check_capabilities(request, route.info)
        worst = await _worst_case(session, context, route)
        cap, least_cap = session.output_caps(request, route.info)
        context.bill.begun += 1
        number = context.bill.begun
        hold = await reserve_worst_case(
            session.kernel.ledger,
            Reservation(
                id=f"{context.request_id}-{number}",
                budgets=session.budget_names,
                amount_usd=worst.cost(cap),
                session_id=session.id,
                request_id=context.request_id,
                attempt=number,
                model=request.model,
                metadata=request.metadata,
                owner=session.kernel.owner,
            ),
            worst,
            output_tokens=cap,
            least_output_tokens=least_cap,
            wait_s=_budget_wait_s(session, context),
        )
        context.request = changed(request, max_output_tokens=hold.output_tokens)
        context.log.debug(
            "request sent",
            model=request.model,
            attempt=context.attempt,
            reserved_usd=hold.reservation.amount_usd,
        )
        return cls(session, context, route, hold)

    async def chat(self) -> None:
        """Ask for the whole answer at once."""
        self._check_time_left()
        with anyio.move_on_after(self._time_left) as scope:
            self._answer = await self._route.provider.chat(self._request)
        if scope.cancelled_caught:
            raise self._too_slow()

    async def stream(self) -> AsyncGenerator[Chunk, None]:
        """Yield the pieces of the answer; only waiting for the provider counts as its time."""
        self._check_time_left()
        time_left = self._time_left
        async with aclosing(self._route.provider.stream(self._request)) as chunks:
            while self._answer is None:
                asked = anyio.current_time()
                with anyio.CancelScope(deadline=asked + time_left) as scope:
                    chunk = await anext(chunks, None)
                if scope.cancelled_caught:
                    raise self._too_slow()
                if chunk is None:
                    raise self._error(
                        ConnectionError, "ended its stream before the answer was whole"
                    )
                time_left -= anyio.current_time() - asked
                self._answer = chunk.response
                if chunk.text or chunk.reasoning:
                    self._context.delivered = True
                    yield attrs.evolve(chunk, response=None) if chunk.response else chunk
                elif self._answer is None:
                    yield chunk

    def completed(self) -> Response:
        """Return the answer of a call that raised nothing."""
        if self._answer is None:
            raise self._error(ConnectionError, "gave no answer")
        if self._hold.capped_by is None:
            return self._answer
        return attrs.evolve(self._answer, capped_by=self._hold.capped_by)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        try:
            line = self._billed(self._answer) if self._answer else self._unanswered(error)
        except BaseException as fault:
            # An answer that cannot be read or priced may have cost its worst case.
            await self._settle_whatever_comes(self._assumed(type(fault).__name__))
            raise
        self._context.bill.add(line.known_cost_usd)
        self._session.books.note_line(line)
        self._report_excess(line)
        if error is None:
            try:
                await self._settle(line)
            except BaseException:
                # Cancelled on the way to the books; settling twice is one settlement.
                await self._settle_whatever_comes(line)
                raise
        else:
            await self._settle_whatever_comes(line)

    async def _settle(self, line: LedgerLine) -> None:
        await self._session.kernel.ledger.settle(self._hold.reservation.id, line)
        await self._session.check_alerts()

    async def _settle_whatever_comes(self, line: LedgerLine) -> None:
        # A cancelled task must still book what it may have spent.
        with anyio.CancelScope(shield=True):
            await self._settle(line)

    def _report_excess(self, line: LedgerLine) -> None:
        held = self._hold.reservation.amount_usd
        if line.cost_usd > held and line.price_version:
            self._context.log.error(
                "cost above reservation",
                model=self._request.model,
                cost=format_cost(line.cost_usd),
                reserved=format_cost(held),
            )

    def _billed(self, answer: Response) -> LedgerLine:
        if answer.usage is NO_USAGE and answer.billed_usd is None:
            # Who tells no usage has not said that nothing is billed.
            return attrs.evolve(self._assumed(None), served_model=answer.model)
        price = self._session.kernel.catalogue.price_of(self._route, answer.model)
        price = None if price is None else price.at(answer.service_tier)
        rates = None if price is None else price.rates_for(answer.usage.total_input_tokens)
        line = self._line(
            "assumed" if answer.usage_assumed else "billed",
            rates.cost(answer.usage) if rates else ZERO,
            price,
            rates=rates,
            served_model=answer.model,
            usage=answer.usage,
        )
        if answer.billed_usd is not None:
            stated = round_up(max(answer.billed_usd, ZERO))
            return attrs.evolve(line, outcome="billed", cost_usd=stated, price_version="stated")
        if answer.service_tier or answer.fees_usd:
            cost = EXACT.add(line.cost_usd, answer.fees_usd)
            tier, fees = answer.service_tier, answer.fees_usd
            return attrs.evolve(line, cost_usd=cost, service_tier=tier, fees_usd=fees)
        return line

    def _unanswered(self, error: BaseException | None) -> LedgerLine:
        """Book an attempt without an answer: as refused, or at its worst case."""
        if isinstance(error, ProviderError):
            nothing_spent = error.outcome == "rejected"
        else:
            # The other errors of ours are raised before anything is sent.
            nothing_spent = isinstance(error, AIContentGeneratorError)
        price = self._route.info.price
        usage = getattr(error, "usage", None) or NO_USAGE
        kind = None if error is None else kind_of(error)
        if nothing_spent or self._session.settings.unknown_outcome == "release":
            free = price or UNPRICED
            return self._line("released", ZERO, free, rates=free.rates, usage=usage, error=kind)
        return self._assumed(kind, usage)

    def _assumed(self, error: str | None, usage: Usage = NO_USAGE) -> LedgerLine:
        price = self._route.info.price
        worst = self._hold.reservation.amount_usd
        rates = None if price is None else price.rates
        return self._line("assumed", worst, price, rates=rates, usage=usage, error=error)

    def _line(
        self,
        outcome: Literal["billed", "released", "assumed"],
        cost: Decimal,
        price: Price | None,
        *,
        rates: Rates | None,
        usage: Usage,
        served_model: str = "",
        error: str | None = None,
    ) -> LedgerLine:
        clock = self._context.clock
        return LedgerLine(
            outcome=outcome,
            cost_usd=cost,
            time=clock.time(),
            provider=self._route.info.provider,
            asked_model=self._route.info.model,
            served_model=served_model,
            usage=usage,
            rates=rates,
            price_version="" if price is None else price.version,
            duration_s=clock.monotonic() - self._started,
            error=error,
            metadata=self._request.metadata,
        )

    def _check_time_left(self) -> None:
        if self._time_left <= 0:
            told = "was not asked: the request's deadline_s had passed"
            raise self._error(TimeoutError, told, outcome="rejected")

    def _too_slow(self) -> ProviderError:
        told = f"did not answer within {self._time_left:g} s"
        return self._error(TimeoutError, f"{told}; raise timeout_s or deadline_s to wait longer")

    def _error(
        self, kind: type[ProviderError], told: str, *, outcome: Outcome | None = None
    ) -> ProviderError:
        """Return the error that tells this of the model."""
        asked = self._request
        return kind(
            f"{asked.model} {told}",
            provider=asked.provider_name,
            model=asked.model_name,
            outcome=outcome,
        )


def _time_left(session: LLMSession, context: RequestContext) -> float:
    """Return how long an attempt that begins now may take, in seconds."""
    limit = math.inf if session.settings.timeout_s is None else session.settings.timeout_s
    if context.deadline is None:
        return limit
    return min(limit, context.deadline - context.clock.monotonic())


def _budget_wait_s(session: LLMSession, context: RequestContext) -> float:
    """Return how long to wait for a tight budget, which is no longer than the deadline."""
    limit = session.settings.budget_wait_s
    if context.deadline is None:
        return limit
    return min(limit, max(context.deadline - context.clock.monotonic(), 0.0))


async def _worst_case(session: LLMSession, context: RequestContext, route: Route) -> WorstCase:
    """Return the most that the request can cost, whatever its output cap will be.

    Raises:
        UnknownPriceError: A budget applies, and the price is not known.
    """
    request, price = context.request, route.info.price
    tokens = route.provider.estimate_input(request)
    if session.settings.count == "exact" and session.budget_names:
        tokens = await _counted(session, context, route) or tokens
    tier = tokens.service_tier
    if session.budget_names:
        if price is None:
            raise _unknown_price(request, "price", session.budget_names[0])
        if tier and not price.is_free and tier not in price.service_tiers:
            raise _unknown_price(request, f"price.service_tiers.{tier}", session.budget_names[0])
    return WorstCase((price or UNPRICED).at(tier), tokens.upper, tokens.fees_usd)


async def _counted(
    session: LLMSession, context: RequestContext, route: Route
) -> InputEstimate | None:
    """Return what the provider counts; None if it cannot, for the bound serves as well."""
    try:
        with anyio.move_on_after(_time_left(session, context)):
            return await route.provider.count_input(context.request)
    except ProviderError as error:
        context.log.warning("input not counted", model=context.request.model, error=error)
    return None


def _unknown_price(request: Request, key: str, budget: str) -> UnknownPriceError:
    tier = key.rpartition(".")[2]
    at = "" if key == "price" else f" at the service tier {tier!r}"
    return UnknownPriceError(
        f"the price of {request.model}{at} is not known, and the budget {budget!r} needs one; if "
        f'the name is right, give it in the config: [models."{request.model}"] {key} = {{ input = '
        f'"0.25", output = "2.00" }} (dollars for a million tokens), or free = true',
        provider=request.provider_name,
        model=request.model_name,
    )

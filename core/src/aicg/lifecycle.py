"""One request's way: addons, estimate, reservation, provider, settlement, addons again."""

from __future__ import annotations

import math
from contextlib import aclosing
from typing import TYPE_CHECKING, Literal, Self

import anyio
import attrs

from aicg.budget import Hold, LedgerLine, Reservation, reserve_worst_case
from aicg.errors import (
    AIContentGeneratorError,
    ConnectionError,
    ProviderError,
    ResponseValidationError,
    TimeoutError,
    UnknownPriceError,
)
from aicg.exchange import NO_USAGE, Chunk, Request, RequestContext, Response
from aicg.models import ModelInfo, Price, Rates
from aicg.money import EXACT, ZERO, format_cost
from aicg.provider import BaseProvider
from aicg.schemas import parse_output

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from decimal import Decimal
    from types import TracebackType

    from aicg.plugins import Order
    from aicg.session import LLMSession
    from aicg.usage import Usage

# What a model without a known price is reckoned at where no budget applies.
UNPRICED = Price(Rates(input=ZERO, output=ZERO), version="unknown")


@attrs.frozen(eq=False)
class Route:
    """Who answers for a model, and what is known of it."""

    provider: BaseProvider
    info: ModelInfo


@attrs.define(eq=False)
class _Bill:
    """What the attempts at one request cost together; None once one has no known price."""

    cost_usd: Decimal | None = ZERO
    attempts: int = 0

    def add(self, cost_usd: Decimal | None) -> None:
        self.attempts += 1
        if self.cost_usd is not None:
            self.cost_usd = None if cost_usd is None else EXACT.add(self.cost_usd, cost_usd)


async def run_request(
    session: LLMSession, request: Request, *, streaming: bool
) -> AsyncGenerator[Chunk, None]:
    """Yield what the caller of `chat` or `stream` gets; the last chunk has the response.

    `chat` takes the last chunk and sees no other. Closing the generator early ends the request,
    and settles it as one whose outcome is unknown.

    Raises:
        AIContentGeneratorError: No attempt gave an answer, and no addon had another way.
    """
    context = session.new_context(request, streaming=streaming)
    started = context.clock.monotonic()
    bill = _Bill()
    answered: tuple[Response, Order] | None = None
    try:
        for turns_left in range(session.settings.max_attempts - 1, -1, -1):
            try:
                answered = answered or await session.hooks.before(context)
                if answered is None:
                    inside = None
                    async with await _Attempt.begin(session, context, bill) as attempt:
                        if streaming:
                            async with aclosing(attempt.stream()) as chunks:
                                async for chunk in chunks:
                                    yield chunk
                        else:
                            await attempt.chat()
                    response = attempt.completed()
                else:
                    response, inside = answered
                response = _finished(response, context, bill, started)
                response = await session.hooks.after(response, context, inside)
                break
            except AIContentGeneratorError as error:
                answered = await _recover(session, context, error, turns_left)
    except BaseException as error:
        session.books.note_failure(
            context, error, context.clock.monotonic() - started, bill.attempts
        )
        raise
    session.books.note_success(context, response)
    if streaming and not context.delivered:
        yield Chunk(text=response.text, reasoning=response.reasoning)
    yield Chunk(response=response)


async def _recover(
    session: LLMSession, context: RequestContext, error: AIContentGeneratorError, turns_left: int
) -> tuple[Response, Order] | None:
    """Ask the addons what to do about an error.

    Returns:
        The answer that an addon gives and where it stands, or None to try again.

    Raises:
        AIContentGeneratorError: The error, if nothing can be done.
    """
    if isinstance(error, ResponseValidationError):
        context.response = error.response
    if not turns_left:
        error.add_note(f"gave up after {session.settings.max_attempts} turns (max_attempts)")
        raise error
    verdict = await session.hooks.rescue(error, context)
    if verdict is None:
        raise error
    answer, order = verdict
    if isinstance(answer, Response):
        return answer, order
    if context.delivered:
        error.add_note("not tried again: a part of the answer was already handed on")
        raise error
    begins = context.clock.monotonic() + answer.after_s
    if context.deadline is not None and begins > context.deadline:
        error.add_note(f"not tried again: {answer.after_s:g} s from now is past deadline_s")
        raise error
    context.log.info("attempt failed", attempt=context.attempt, error=error, again=order[2])
    if answer.after_s > 0:
        await context.clock.sleep(answer.after_s)
    context.original = context.request = answer.request or context.original
    context.attempt += 1
    context.response = None
    return None


def _finished(response: Response, context: RequestContext, bill: _Bill, started: float) -> Response:
    """Return the answer with what the kernel knows of it."""
    request = context.request
    parsed = response.parsed
    errors: tuple[str, ...] = ()
    if request.output_schema is not None and parsed is None and not response.tool_calls:
        parsed, errors = parse_output(response.text, request.output_schema)
    response = attrs.evolve(
        response,
        parsed=None if errors else parsed,
        provider=request.provider_name,
        request_id=context.request_id,
        cost_usd=bill.cost_usd,
        latency_s=context.clock.monotonic() - started,
        attempts=bill.attempts,
    )
    if errors:
        cut = " (it was cut at the output cap)" if response.finish_reason == "length" else ""
        raise ResponseValidationError(
            f"the answer of {request.model} is not of the form asked for{cut}: {'; '.join(errors)}",
            response=response,
            errors=errors,
        )
    return response


class _Attempt:
    """One call of a provider, inside its reservation; leaving it settles the reservation."""

    def __init__(
        self, session: LLMSession, context: RequestContext, bill: _Bill, route: Route, hold: Hold
    ) -> None:
        self._session = session
        self._bill = bill
        self._route = route
        self._hold = hold
        self._context = context
        self._request = context.request
        self._started = context.clock.monotonic()
        self._time_left = _time_left(session, context)
        self._answer: Response | None = None

    @classmethod
    async def begin(cls, session: LLMSession, context: RequestContext, bill: _Bill) -> _Attempt:
        """Reserve the worst case, and write the output cap that it covers into the request.

        Raises:
            BudgetExceededError: The worst case does not fit.
            UnknownPriceError: A budget applies, and the model's price is not known.
        """
        request = context.request
        route = session.kernel.route(request.model)
        price = route.info.price or UNPRICED
        if price is UNPRICED and session.budget_names:
            raise _unknown_price(request, session.budget_names[0])
        input_tokens = route.provider.estimate_input(request).upper
        cap = session.output_cap(request, route.info)
        hold = await reserve_worst_case(
            session.kernel.ledger,
            Reservation(
                id=f"{context.request_id}-{context.attempt}",
                budgets=session.budget_names,
                amount_usd=price.worst_cost(input_tokens, cap),
                session_id=session.id,
                request_id=context.request_id,
                attempt=context.attempt,
                owner=session.kernel.owner,
            ),
            price,
            input_tokens=input_tokens,
            output_tokens=cap,
            cap_named=request.max_output_tokens is not None,
            tight=session.tight_budget,
        )
        context.request = attrs.evolve(request, max_output_tokens=hold.output_tokens)
        context.log.debug(
            "request sent",
            model=request.model,
            attempt=context.attempt,
            reserved_usd=hold.reservation.amount_usd,
        )
        return cls(session, context, bill, route, hold)

    async def chat(self) -> None:
        """Ask for the whole answer at once."""
        with anyio.CancelScope(deadline=anyio.current_time() + self._time_left) as scope:
            self._answer = await self._route.provider.chat(self._request)
        if scope.cancelled_caught:
            raise self._too_slow()

    async def stream(self) -> AsyncGenerator[Chunk, None]:
        """Yield the pieces of the answer; only waiting for the provider counts as its time."""
        time_left = self._time_left
        async with aclosing(self._route.provider.stream(self._request)) as chunks:
            while self._answer is None:
                asked = anyio.current_time()
                with anyio.CancelScope(deadline=asked + time_left) as scope:
                    chunk = await anext(chunks, None)
                if scope.cancelled_caught:
                    raise self._too_slow()
                if chunk is None:
                    raise ConnectionError(
                        f"{self._request.model} ended its stream before the answer was whole",
                        provider=self._request.provider_name,
                        model=self._request.model_name,
                    )
                time_left -= anyio.current_time() - asked
                self._answer = chunk.response
                if self._answer is None:
                    if chunk.text or chunk.reasoning:
                        self._context.delivered = True
                    yield chunk

    def completed(self) -> Response:
        """Return the answer of a call that raised nothing."""
        if self._answer is None:
            raise ConnectionError(
                f"{self._request.model} gave no answer", provider=self._request.provider_name
            )
        if self._hold.capped_by is None:
            return self._answer
        return attrs.evolve(self._answer, capped_by=self._hold.capped_by)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        line = self._billed(self._answer) if self._answer else self._unanswered(error)
        self._bill.add(None if line.rates is None else line.cost_usd)
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
        if line.cost_usd > held and line.rates is not None:
            self._context.log.error(
                "cost above reservation",
                model=self._request.model,
                cost=format_cost(line.cost_usd),
                reserved=format_cost(held),
            )

    def _billed(self, answer: Response) -> LedgerLine:
        price = self._session.kernel.price_of(self._route, answer.model)
        rates = None if price is None else price.rates_for(answer.usage.total_input_tokens)
        return self._line(
            "billed",
            ZERO if rates is None else rates.cost(answer.usage),
            price,
            rates=rates,
            served_model=answer.model,
            usage=answer.usage,
        )

    def _unanswered(self, error: BaseException | None) -> LedgerLine:
        """Book an attempt without an answer: as refused, or at its worst case."""
        if isinstance(error, ProviderError):
            nothing_spent = error.outcome == "rejected"
        else:
            # The other errors of ours are raised before anything is sent.
            nothing_spent = isinstance(error, AIContentGeneratorError)
        price = self._route.info.price
        usage = getattr(error, "usage", None) or NO_USAGE
        kind = type(error).__name__
        if nothing_spent or self._session.settings.unknown_outcome == "release":
            free = price or UNPRICED
            return self._line("released", ZERO, free, rates=free.rates, usage=usage, error=kind)
        worst = self._hold.reservation.amount_usd
        rates = None if price is None else price.rates
        return self._line("assumed", worst, price, rates=rates, usage=usage, error=kind)

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
            provider=self._request.provider_name,
            asked_model=self._request.model_name,
            served_model=served_model,
            usage=usage,
            rates=rates,
            price_version="" if price is None else price.version,
            duration_s=clock.monotonic() - self._started,
            error=error,
            metadata=self._request.metadata,
        )

    def _too_slow(self) -> TimeoutError:
        return TimeoutError(
            f"{self._request.model} did not answer within {self._time_left:g} s; "
            f"set timeout_s to wait longer",
            provider=self._request.provider_name,
            model=self._request.model_name,
        )


def _time_left(session: LLMSession, context: RequestContext) -> float:
    """Return how long an attempt that begins now may take, in seconds."""
    limit = math.inf if session.settings.timeout_s is None else session.settings.timeout_s
    if context.deadline is None:
        return limit
    return min(limit, context.deadline - context.clock.monotonic())


def _unknown_price(request: Request, budget: str) -> UnknownPriceError:
    return UnknownPriceError(
        f"the price of {request.model} is not known, and the budget {budget!r} needs one; give it "
        f'in the config: [models."{request.model}"] price = {{ input = "0.25", output = "2.00" }} '
        f"(dollars for a million tokens), or free = true",
        provider=request.provider_name,
        model=request.model_name,
    )

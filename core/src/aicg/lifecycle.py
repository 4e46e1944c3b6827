"""One request's way: addons, an attempt, addons again, as often as there is a way on."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import attrs

from aicg.attempt import Attempt
from aicg.errors import AIContentGeneratorError, ResponseValidationError
from aicg.exchange import Chunk, Request, RequestContext, Response, changed
from aicg.schemas import parse_output

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from aicg.plugins import ActHooks, Order


async def run_request(
    context: RequestContext, inner: ActHooks | None = None
) -> AsyncGenerator[Chunk, None]:
    """Yield what the caller of `chat` or `stream` gets; the last chunk has the response.

    `chat` takes the last chunk and sees no other. Closing the generator early ends the request,
    and settles it as one whose outcome is unknown.

    Args:
        context: The request, with all that is known of it.
        inner: The addons that take part, if it is a way aside, of which the books hear nothing.

    Raises:
        AIContentGeneratorError: No attempt gave an answer, and no addon had another way.
    """
    session = context.session
    hooks = session.hooks if inner is None else inner
    started = context.clock.monotonic()
    answered: tuple[Response, Order | None] | None = None
    try:
        # The turn beyond the last attempt is for an answer that an addon gives to its error.
        for turns_left in range(session.settings.max_attempts, -1, -1):
            try:
                answered = answered or await hooks.before(context)
                if answered is None:
                    inside = None
                    async with await Attempt.begin(session, context) as attempt:
                        if context.streaming:
                            async with aclosing(attempt.stream()) as chunks:
                                async for chunk in chunks:
                                    yield chunk
                        else:
                            await attempt.chat()
                    response = attempt.completed()
                else:
                    response, inside = answered
                response = _finished(response, context, started, inside)
                response = await hooks.after(response, context, inside)
                break
            except AIContentGeneratorError as error:
                answered = await _recover(hooks, context, error, turns_left)
    except BaseException as error:
        if inner is None:
            session.books.note_failure(context, error, context.clock.monotonic() - started)
        raise
    finally:
        context.end()
    if inner is None:
        session.books.note_success(context, response)
    if context.streaming and not context.delivered:
        yield Chunk(text=response.text, reasoning=response.reasoning)
    yield Chunk(response=response)


async def run_aside(context: RequestContext, request: Request) -> Response:
    """Return what comes of a request on the way further in than the plugin that asks.

    Raises:
        AIContentGeneratorError: It gave no answer.
    """
    inner = context.session.hooks.within(context.plugin)
    aside = attrs.evolve(context, original=request, request=request, attempt=1, streaming=False)
    async for chunk in run_request(aside, inner):
        last = chunk.response
    assert last is not None  # noqa: S101 - run_request's word
    return last


async def _recover(
    hooks: ActHooks, context: RequestContext, error: AIContentGeneratorError, turns_left: int
) -> tuple[Response, Order | None] | None:
    """Ask the addons what to do about an error.

    Returns:
        The answer that an addon gives and where it stands, or None to try again. It stands inside
        all of them where the kernel refused an answer before any of them had seen it.

    Raises:
        AIContentGeneratorError: The error, if nothing can be done.
    """
    unseen = context.response is not None
    if isinstance(error, ResponseValidationError):
        context.response = error.response
    verdict = await hooks.rescue(error, context) if turns_left else None
    if verdict is None:
        raise error
    answer, order = verdict
    if isinstance(answer, Response):
        return answer, None if unseen else order
    limit = context.session.settings.max_attempts
    if turns_left == 1 or context.bill.begun >= limit:
        error.add_note(f"gave up after {limit} turns (max_attempts)")
        raise error
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


def _finished(
    response: Response, context: RequestContext, started: float, inside: Order | None
) -> Response:
    """Return the answer with what the kernel knows of it; `inside` is the plugin that gave it."""
    bill, request = context.bill, context.request
    origin, provider = response.origin, request.provider_name
    if inside is not None and response.request_id == context.request_id:
        # It was refused, or came on a way aside, perhaps from another model.
        provider = response.provider
    elif inside is not None and origin == "provider":
        origin = inside[2]
    parsed = response.parsed
    errors: tuple[str, ...] = ()
    # What an addon makes of an answer that was refused is what it wants handed on.
    is_judged = parsed is not None or context.response is not None or bool(response.tool_calls)
    if request.output_schema is not None and not is_judged:
        parsed, errors = parse_output(response.text, request.output_schema)
    response = changed(
        response,
        parsed=None if errors else parsed,
        provider=provider,
        request_id=context.request_id,
        cost_usd=bill.cost_usd,
        origin=origin,
        latency_s=context.clock.monotonic() - started,
        attempts=bill.attempts,
    )
    if errors:
        context.response = response
        cut = " (it was cut at the output cap)" if response.finish_reason == "length" else ""
        raise ResponseValidationError(
            f"the answer of {request.model} is not of the form asked for{cut}: {'; '.join(errors)}",
            response=response,
            errors=errors,
        )
    return response

from __future__ import annotations

from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest
import trio.testing

import aicg
from aicg import Request, Response, Retry, ServerError, Text, Usage
from aicg.testing import Delay, FakeClock, FakeProvider, Hang, make_kernel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.core.conftest import RecordingLedger

PROMPT = "Explain recursion to a twelve-year-old."
# 10 tokens in, 2 out: "Done." at a dollar a million in and ten out.
COST = Decimal("0.00003")
# The same with the session's output cap of 4,096.
WORST = Decimal("0.04097")


class Addon:
    """Writes its calls on a tape, and does what it is told."""

    def __init__(
        self,
        name: str,
        tape: list[str] | None = None,
        *,
        pre: Callable[..., Any] | None = None,
        post: Callable[..., Any] | None = None,
        on_error: Callable[..., Any] | None = None,
    ) -> None:
        self.name = name
        self._tape = [] if tape is None else tape
        self._pre = pre
        self._post = post
        self._on_error = on_error

    @aicg.hookimpl
    async def aicg_pre_request(self, request: Request, context: aicg.RequestContext) -> Any:
        self._tape.append(f"{self.name} pre")
        return self._pre(request, context) if self._pre else None

    @aicg.hookimpl
    def aicg_post_request(self, response: Response, context: aicg.RequestContext) -> Any:
        self._tape.append(f"{self.name} post")
        return self._post(response, context) if self._post else None

    @aicg.hookimpl
    async def aicg_on_error(self, error: Exception, context: aicg.RequestContext) -> Any:
        self._tape.append(f"{self.name} error")
        return self._on_error(error, context) if self._on_error else None


class LogTape:
    def __init__(self) -> None:
        self.records: list[aicg.LogRecord] = []

    @aicg.hookimpl
    def aicg_log(self, record: aicg.LogRecord) -> None:
        self.records.append(record)


def again(error: Exception, context: aicg.RequestContext) -> Retry:
    return Retry()


def raises(error: BaseException) -> Callable[..., None]:
    def do(*_: object) -> None:
        raise error

    return do


@asynccontextmanager
async def opened(
    *providers: FakeProvider,
    addons: tuple[Addon, ...] = (),
    plugins: dict[str, Any] | None = None,
    config: dict[str, Any] | None = None,
    clock: FakeClock | None = None,
    ledger: aicg.Ledger | None = None,
    **options: Any,
) -> AsyncIterator[aicg.LLMSession]:
    kernel = make_kernel(
        *providers,
        plugins={**{addon.name: addon for addon in addons}, **(plugins or {})},
        config=config,
        clock=clock,
        ledger=ledger,
    )
    async with kernel, kernel.session("fake:model", **options) as session:
        yield session


def acting(hook: str, action: Callable[..., Any]) -> Addon:
    actions: dict[str, Any] = {hook: action}
    return Addon("a", **actions)


async def ask(session: aicg.LLMSession, *, streaming: bool) -> list[str]:
    if not streaming:
        return [(await session.chat(PROMPT)).text]
    async with session.stream(PROMPT) as stream:
        return [piece async for piece in stream.text()]


def reply(text: str = "Done.", **fields: Any) -> Response:
    return Response(parts=(Text(text),), **{"model": "model", "usage": Usage(10, 2), **fields})


def virtual_time() -> pytest.MarkDecorator:
    """Run on trio alone, whose clock can pass at once."""
    clock = trio.testing.MockClock(autojump_threshold=0)
    return pytest.mark.parametrize("anyio_backend", [("trio", {"clock": clock})], ids=["trio"])


# The order of things


@pytest.mark.anyio
async def test_addons_are_asked_in_order_and_on_the_way_back_in_reverse() -> None:
    tape: list[str] = []
    async with opened(addons=(Addon("b", tape), Addon("a", tape), Addon("c", tape))) as session:
        await session.chat(PROMPT)

    assert tape == ["a pre", "b pre", "c pre", "c post", "b post", "a post"]


@pytest.mark.anyio
async def test_the_first_addon_that_has_a_way_on_wins() -> None:
    tape: list[str] = []
    provider = FakeProvider([ServerError("busy"), "Done."])
    addons = (Addon("a", tape), Addon("b", tape, on_error=again), Addon("c", tape, on_error=again))
    async with opened(provider, addons=addons) as session:
        await session.chat(PROMPT)

    assert [step for step in tape if "error" in step] == ["a error", "b error"]


@pytest.mark.anyio
async def test_a_changed_request_is_what_the_next_addon_and_the_provider_see() -> None:
    provider = FakeProvider()
    seen: list[str | None] = []

    def more_system(request: Request, context: aicg.RequestContext) -> Request:
        seen.append(request.system)
        assert context.request is request
        return attrs.evolve(request, system=f"{request.system}!")

    addons = (Addon("a", pre=more_system), Addon("b", pre=more_system))
    async with opened(provider, addons=addons, system="Be kind") as session:
        await session.chat(PROMPT)

    assert seen == ["Be kind", "Be kind!"]
    assert provider.calls[0].system == "Be kind!!"


@pytest.mark.anyio
async def test_each_attempt_passes_all_addons_anew_from_the_caller_s_request() -> None:
    provider = FakeProvider([ServerError("busy"), ServerError("busy"), "Done."])

    def shout(request: Request, context: aicg.RequestContext) -> Request:
        return attrs.evolve(request, system=f"{request.system}!")

    async with opened(
        provider, addons=(Addon("a", pre=shout, on_error=again),), system="Be kind"
    ) as session:
        await session.chat(PROMPT)

    assert [call.system for call in provider.calls] == ["Be kind!"] * 3


@pytest.mark.anyio
async def test_an_addon_keeps_its_own_notes_through_all_attempts_of_a_request() -> None:
    seen: list[tuple[int, str, int]] = []

    def note(request: Request, context: aicg.RequestContext) -> None:
        context.state["count"] = context.state.get("count", 0) + 1
        seen.append((context.attempt, context.request_id, context.state["count"]))

    provider = FakeProvider([ServerError("busy"), "Done."])
    addons = (Addon("a", pre=note, on_error=again), Addon("b", pre=note))
    async with opened(provider, addons=addons) as session:
        response = await session.chat(PROMPT)
        await session.chat(PROMPT)

    first, second = response.request_id, f"{session.id}-2"
    assert seen == [
        *[(attempt, first, attempt) for attempt in (1, 1, 2, 2)],
        *[(1, second, 1)] * 2,
    ]


# Answers in the provider's place


@pytest.mark.parametrize("streaming", [False, True], ids=["chat", "stream"])
@pytest.mark.anyio
async def test_an_addon_s_answer_passes_the_addons_outside_it_only(
    ledger: RecordingLedger, *, streaming: bool
) -> None:
    tape: list[str] = []
    provider = FakeProvider()
    cached = Addon("b", tape, pre=lambda *_: reply("Cached.", origin="cache"))
    addons = (Addon("a", tape), cached, Addon("c", tape))
    async with opened(provider, addons=addons, ledger=ledger, budget_usd=0) as session:
        if streaming:
            async with session.stream(PROMPT) as stream:
                pieces = [piece async for piece in stream.text()]
            response = stream.response
        else:
            response, pieces = await session.chat(PROMPT), ["Cached."]

    assert tape == ["a pre", "b pre", "a post"]
    assert pieces == ["Cached."]
    assert (response.origin, response.cost_usd, response.attempts) == ("cache", Decimal(0), 0)
    assert provider.calls == []
    assert ledger.granted == []


@pytest.mark.anyio
async def test_an_answer_to_an_error_passes_the_addons_outside_it_and_keeps_the_cost() -> None:
    tape: list[str] = []
    provider = FakeProvider([aicg.TimeoutError("late")])
    canned = Addon("b", tape, on_error=lambda *_: reply("Sorry.", origin="canned"))
    addons = (Addon("a", tape), canned, Addon("c", tape))
    async with opened(provider, addons=addons, budget_usd=1) as session:
        response = await session.chat(PROMPT)

    assert tape[3:] == ["a error", "b error", "a post"]
    assert (response.text, response.origin) == ("Sorry.", "canned")
    assert (response.cost_usd, response.attempts) == (WORST, 1)


@pytest.mark.anyio
async def test_the_last_attempt_s_error_too_can_be_answered() -> None:
    tape: list[str] = []
    canned = Addon("b", tape, on_error=lambda *_: reply("Sorry."))
    async with opened(
        FakeProvider([ServerError("down")]), addons=(Addon("a", tape), canned), max_attempts=1
    ) as session:
        response = await session.chat(PROMPT)

    assert response.text == "Sorry."
    assert tape == ["a pre", "b pre", "a error", "b error", "a post"]


@pytest.mark.anyio
async def test_an_answer_to_an_error_that_is_refused_again_and_again_ends() -> None:
    tape: list[str] = []
    refusing = Addon("a", tape, post=raises(aicg.ValidationError("not this")))
    canned = Addon("b", tape, on_error=lambda *_: reply("Sorry."))
    provider = FakeProvider([ServerError("down")])
    async with opened(provider, addons=(refusing, canned), max_attempts=3) as session:
        with pytest.raises(aicg.ValidationError, match="not this"):
            await session.chat(PROMPT)

    assert len(provider.calls) == 1
    assert tape.count("a post") == 3


@pytest.mark.anyio
async def test_a_changed_answer_is_what_the_caller_gets() -> None:
    louder = Addon("a", post=lambda response, _: attrs.evolve(response, parts=(Text("DONE."),)))
    async with opened(addons=(louder,)) as session:
        plain = await session.chat(PROMPT)
        async with session.stream(PROMPT) as stream:
            streamed = [chunk async for chunk in stream]

    assert plain.text == "DONE."
    assert stream.response.text == "DONE."
    assert [chunk.response is None for chunk in streamed] == [True, False]


# Vetoes, refusals and faults


@pytest.mark.anyio
async def test_a_veto_sends_and_reserves_nothing(ledger: RecordingLedger) -> None:
    tape: list[str] = []
    provider = FakeProvider()
    veto = Addon("b", tape, pre=raises(aicg.AddonError("not on Sundays", plugin="b")))
    addons = (Addon("a", tape), veto, Addon("c", tape))
    async with opened(provider, addons=addons, ledger=ledger, budget_usd=1) as session:
        with pytest.raises(aicg.AddonError, match="not on Sundays") as caught:
            await session.chat(PROMPT)

    assert tape == ["a pre", "b pre", "a error", "b error", "c error"]
    assert caught.value.__notes__ == ["raised by the plugin 'b' in aicg_pre_request"]
    assert provider.calls == []
    assert ledger.granted == []


@pytest.mark.anyio
async def test_a_refused_answer_was_paid_and_goes_to_on_error(ledger: RecordingLedger) -> None:
    provider = FakeProvider(["Bad.", "Good."])
    seen: list[Response | None] = []

    def refuse(response: Response, context: aicg.RequestContext) -> None:
        if response.text == "Bad.":
            raise aicg.ResponseValidationError("too short", response=response)

    def retry(error: Exception, context: aicg.RequestContext) -> Retry:
        seen.append(context.response)
        return Retry()

    judge = Addon("a", post=refuse, on_error=retry)
    async with opened(provider, addons=(judge,), ledger=ledger, budget_usd=1) as session:
        response = await session.chat(PROMPT)

    assert [answer.text for answer in seen if answer] == ["Bad."]
    assert response.text == "Good."
    assert (response.attempts, response.cost_usd) == (2, 2 * COST)
    assert session.cost_usd == 2 * COST
    assert session.tokens_used == 24
    assert [line.outcome for line in ledger.lines] == ["billed", "billed"]


@pytest.mark.parametrize("hook", ["pre", "post", "on_error"])
@pytest.mark.anyio
async def test_a_fault_in_an_addon_reaches_the_caller_and_names_the_addon(hook: str) -> None:
    tape: list[str] = []
    faulty = acting(hook, raises(KeyError("oops")))
    provider = FakeProvider([ServerError("busy")] if hook == "on_error" else ["Done."])
    async with opened(provider, addons=(faulty, Addon("b", tape)), budget_usd=1) as session:
        with pytest.raises(KeyError, match="oops") as caught:
            await session.chat(PROMPT)
        (status,) = session.budget_status()

    full_name = "aicg_on_error" if hook == "on_error" else f"aicg_{hook}_request"
    assert caught.value.__notes__ == [f"raised by the plugin 'a' in {full_name}"]
    assert "b error" not in tape
    assert status.reserved_usd == 0


@pytest.mark.parametrize(
    ("hook", "expected"),
    [
        ("pre", "a Request, a Response or None"),
        ("post", "a Response or None"),
        ("on_error", "a Retry, a Response or None"),
    ],
)
@pytest.mark.anyio
async def test_what_a_hook_must_not_return_is_an_error_that_names_the_addon(
    hook: str, expected: str
) -> None:
    wrong = acting(hook, lambda *_: True)
    provider = FakeProvider([ServerError("busy")] if hook == "on_error" else ["Done."])
    async with opened(provider, addons=(wrong,), max_attempts=1) as session:
        with pytest.raises(aicg.PluginError, match=f"'a' returned bool, .* {expected}"):
            await session.chat(PROMPT)


# Trying again


@pytest.mark.anyio
async def test_a_retry_waits_as_long_as_it_says_on_the_kernel_s_clock() -> None:
    clock = FakeClock()
    provider = FakeProvider([ServerError("busy"), "Done."])
    patient = Addon("a", on_error=lambda *_: Retry(after_s=300.0))
    async with opened(provider, addons=(patient,), clock=clock) as session:
        response = await session.chat(PROMPT)

    assert clock.slept == [300.0]
    assert response.latency_s == 300.0


@pytest.mark.anyio
async def test_a_retry_with_another_model_goes_there_at_that_model_s_price(
    ledger: RecordingLedger,
) -> None:
    dear = FakeProvider(
        name="dear", price=aicg.Price(aicg.Rates(input=100, output=1000), version="dear")
    )
    fallback = Addon(
        "a", on_error=lambda _, context: Retry(attrs.evolve(context.original, model="dear:big"))
    )
    provider = FakeProvider([ServerError("down")])
    async with opened(provider, dear, addons=(fallback,), ledger=ledger, budget_usd=10) as session:
        response = await session.chat(PROMPT)

    assert (response.provider, response.model) == ("dear", "big")
    assert response.cost_usd == 100 * COST
    assert [held.amount_usd for held in ledger.granted] == [WORST, 100 * WORST]
    assert [(line.outcome, line.price_version) for line in ledger.lines] == [
        ("released", "fake"),
        ("billed", "dear"),
    ]


@pytest.mark.anyio
async def test_a_fallback_can_follow_where_a_budget_refuses() -> None:
    free = FakeProvider(name="free", price=aicg.Price(aicg.Rates(input=0, output=0)))
    fallback = Addon(
        "a", on_error=lambda _, context: Retry(attrs.evolve(context.original, model="free:small"))
    )
    provider = FakeProvider()
    async with opened(provider, free, addons=(fallback,), budget_usd=0) as session:
        response = await session.chat(PROMPT)

    assert (response.provider, response.cost_usd) == ("free", Decimal(0))
    assert provider.calls == []


@pytest.mark.parametrize("streaming", [False, True], ids=["chat", "stream"])
@pytest.mark.anyio
async def test_all_addons_together_try_no_more_often_than_max_attempts(*, streaming: bool) -> None:
    tape: list[str] = []
    provider = FakeProvider([ServerError("down")])
    addons = tuple(Addon(name, tape, on_error=again) for name in "abc")
    async with opened(provider, addons=addons, max_attempts=4) as session:
        with pytest.raises(ServerError, match="down") as caught:
            await ask(session, streaming=streaming)

    assert len(provider.calls) == 4
    assert "gave up after 4 turns (max_attempts)" in caught.value.__notes__
    assert session.metrics.overall.attempts == 4


@pytest.mark.anyio
async def test_a_cycle_of_fallbacks_ends() -> None:
    here = FakeProvider([ServerError("down")], name="fake")
    there = FakeProvider([ServerError("down")], name="there")

    def other(error: Exception, context: aicg.RequestContext) -> Retry:
        name = "there" if context.original.provider_name == "fake" else "fake"
        return Retry(attrs.evolve(context.original, model=f"{name}:model"))

    async with opened(here, there, addons=(Addon("a", on_error=other),)) as session:
        with pytest.raises(ServerError):
            await session.chat(PROMPT)

    assert (len(here.calls), len(there.calls)) == (4, 4)


@pytest.mark.anyio
async def test_a_cache_whose_answer_is_always_refused_ends() -> None:
    tape: list[str] = []
    judge = Addon("a", tape, post=raises(aicg.ValidationError("stale")), on_error=again)
    cache = Addon("b", tape, pre=lambda *_: reply(origin="cache"))
    async with opened(addons=(judge, cache), max_attempts=5) as session:
        with pytest.raises(aicg.ValidationError, match="stale"):
            await session.chat(PROMPT)

    assert tape.count("b pre") == 5


@pytest.mark.anyio
async def test_a_retry_past_the_deadline_is_not_waited_for() -> None:
    clock = FakeClock()
    provider = FakeProvider([ServerError("busy")])
    patient = Addon("a", on_error=lambda *_: Retry(after_s=20.0))
    async with opened(provider, addons=(patient,), clock=clock, deadline_s=50.0) as session:
        with pytest.raises(ServerError) as caught:
            await session.chat(PROMPT)

    assert len(provider.calls) == 3
    assert clock.slept == [20.0, 20.0]
    assert "not tried again: 20 s from now is past deadline_s" in caught.value.__notes__


@pytest.mark.parametrize("streaming", [False, True], ids=["chat", "stream"])
@pytest.mark.anyio
async def test_what_is_past_its_deadline_is_not_sent_and_not_charged(
    ledger: RecordingLedger, *, streaming: bool
) -> None:
    clock = FakeClock()
    provider = FakeProvider()
    slow = Addon("a", pre=lambda *_: clock.advance(60.0))
    async with opened(
        provider, addons=(slow,), clock=clock, ledger=ledger, budget_usd=1, deadline_s=60.0
    ) as session:
        with pytest.raises(aicg.TimeoutError, match="was not asked") as caught:
            await ask(session, streaming=streaming)

    assert caught.value.outcome == "rejected"
    assert provider.calls == []
    assert [line.outcome for line in ledger.lines] == ["released"]


@pytest.mark.parametrize("limit", ["timeout_s", "deadline_s"])
@pytest.mark.parametrize("streaming", [False, True], ids=["chat", "stream"])
@pytest.mark.anyio
async def test_a_provider_that_does_not_answer_in_time_is_left(
    limit: str, *, streaming: bool
) -> None:
    options: dict[str, Any] = {limit: 0.01}
    async with opened(FakeProvider([Hang()]), clock=FakeClock(), **options) as session:
        with pytest.raises(aicg.TimeoutError, match=f"fake:model did not .* {limit}") as caught:
            await ask(session, streaming=streaming)

    assert caught.value.retryable
    assert caught.value.outcome == "unknown"
    assert (caught.value.provider, caught.value.model) == ("fake", "model")


@virtual_time()
@pytest.mark.anyio
async def test_each_attempt_has_the_whole_timeout_for_itself() -> None:
    provider = FakeProvider([Hang(), Hang(), Delay(50.0)])
    async with opened(provider, addons=(Addon("a", on_error=again),), timeout_s=60.0) as session:
        response = await session.chat(PROMPT)

    assert response.attempts == 3


# Streams


@pytest.mark.anyio
async def test_a_stream_hands_on_its_pieces_and_last_the_whole_answer() -> None:
    async with (
        opened(FakeProvider(["One two three."]), budget_usd=1) as session,
        session.stream(PROMPT) as stream,
    ):
        chunks = [chunk async for chunk in stream]

    assert [chunk.text for chunk in chunks] == ["One ", "two ", "three.", ""]
    assert chunks[-1].response is stream.response
    assert stream.response.cost_usd == session.cost_usd > 0


@pytest.mark.anyio
async def test_text_in_the_last_chunk_of_a_provider_s_stream_is_not_lost() -> None:
    class Terse(FakeProvider):
        async def stream(self, request: Request) -> AsyncIterator[aicg.Chunk]:  # type: ignore[override]
            yield aicg.Chunk(text="One ")
            yield aicg.Chunk(text="two.", response=reply("One two."))

    async with (
        opened(Terse()) as session,
        session.stream(PROMPT) as stream,
    ):
        chunks = [chunk async for chunk in stream]

    assert [chunk.text for chunk in chunks] == ["One ", "two.", ""]
    assert [chunk.response is not None for chunk in chunks] == [False, False, True]


@pytest.mark.anyio
async def test_a_stream_that_broke_before_its_first_piece_is_tried_again() -> None:
    provider = FakeProvider([aicg.ConnectionError("reset"), "Second try."])
    async with (
        opened(provider, addons=(Addon("a", on_error=again),)) as session,
        session.stream(PROMPT) as stream,
    ):
        text = "".join([piece async for piece in stream.text()])

    assert text == "Second try."
    assert stream.response.attempts == 2


class Breaking(FakeProvider):
    """Streams a piece, and breaks."""

    def __init__(self, error: BaseException | None) -> None:
        super().__init__()
        self.error = error

    async def stream(self, request: Request) -> AsyncIterator[aicg.Chunk]:  # type: ignore[override]
        self.calls.append(request)
        yield aicg.Chunk(text="Half an ")
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize(
    "error", [aicg.ConnectionError("reset"), None], ids=["error", "no last chunk"]
)
@pytest.mark.anyio
async def test_a_stream_that_broke_after_a_piece_was_handed_on_is_not_tried_again(
    error: aicg.ConnectionError | None,
) -> None:
    provider = Breaking(error)
    pieces: list[str] = []
    async with opened(provider, addons=(Addon("a", on_error=again),)) as session:
        with pytest.raises(aicg.ConnectionError) as caught:
            async with session.stream(PROMPT) as stream:
                pieces.extend([piece async for piece in stream.text()])

    assert len(provider.calls) == 1
    assert "not tried again: a part of the answer was already handed on" in caught.value.__notes__


class Slow(FakeProvider):
    """Takes 0.4 s for each of its pieces."""

    async def stream(self, request: Request) -> AsyncIterator[aicg.Chunk]:  # type: ignore[override]
        for word in ("One ", "two ", "three."):
            await anyio.sleep(0.4)
            yield aicg.Chunk(text=word)
        yield aicg.Chunk(response=reply("One two three."))


@virtual_time()
@pytest.mark.anyio
async def test_the_time_of_a_stream_is_the_time_that_its_pieces_take_together() -> None:
    pieces: list[str] = []

    async def read(session: aicg.LLMSession) -> None:
        async with session.stream(PROMPT) as stream:
            async for piece in stream.text():
                pieces.append(piece)  # noqa: PERF401 - kept when the stream breaks

    async with opened(Slow(), timeout_s=1.0) as session:
        with pytest.raises(aicg.TimeoutError, match="within 1 s"):
            await read(session)

    assert pieces == ["One ", "two "]


@virtual_time()
@pytest.mark.anyio
async def test_a_reader_s_own_time_is_not_counted_as_the_provider_s() -> None:
    async with opened(Slow(), timeout_s=1.3) as session, session.stream(PROMPT) as stream:
        async for _ in stream:
            await anyio.sleep(3600)

    assert stream.response.text == "One two three."


# Answers in a form


@attrs.frozen
class Lesson:
    title: str
    minutes: int


@pytest.mark.anyio
async def test_an_answer_in_the_form_asked_for_is_parsed() -> None:
    provider = FakeProvider(['{"title": "Loops", "minutes": 20}'])
    async with opened(provider) as session:
        response = await session.chat(PROMPT, output_schema=Lesson)

    assert response.parsed == Lesson("Loops", 20)


@pytest.mark.anyio
async def test_an_answer_of_another_form_is_an_error_that_keeps_the_answer_and_its_cost() -> None:
    provider = FakeProvider([reply('{"title": "Loops"', finish_reason="length")])
    async with opened(provider, budget_usd=1) as session:
        with pytest.raises(aicg.ResponseValidationError, match="cut at the output cap") as caught:
            await session.chat(PROMPT, output_schema=Lesson)

    assert caught.value.response.text == '{"title": "Loops"'
    assert caught.value.response.cost_usd == COST == session.cost_usd
    assert caught.value.response.parsed is None
    assert caught.value.errors


@pytest.mark.anyio
async def test_asking_again_after_a_wrong_form_costs_both_answers() -> None:
    good = reply('{"title": "Loops", "minutes": 20}')
    provider = FakeProvider([reply('{"title": 1}'), good])
    async with opened(provider, addons=(Addon("a", on_error=again),), budget_usd=1) as session:
        response = await session.chat(PROMPT, output_schema=Lesson)

    assert response.parsed == Lesson("Loops", 20)
    assert (response.attempts, response.cost_usd) == (2, 2 * COST)
    assert session.tokens_used == 24


@pytest.mark.anyio
async def test_a_call_of_a_tool_is_not_taken_for_an_answer_of_the_wrong_form() -> None:
    call = aicg.ToolCall(id="1", name="look_up", arguments={})
    provider = FakeProvider([Response(parts=(call,), usage=Usage(1, 1))])
    async with opened(provider) as session:
        response = await session.chat(PROMPT, output_schema=Lesson)

    assert response.tool_calls == (call,)
    assert response.parsed is None


# Prices


class Priced(FakeProvider):
    """Has a price for each model that it knows."""

    def __init__(self, answer: Response, **dollars: int) -> None:
        super().__init__([answer])
        self._dollars = dollars

    def get_model_info(self, model: str) -> aicg.ModelInfo:
        rate = self._dollars.get(model)
        price = None if rate is None else aicg.Price(aicg.Rates(input=rate, output=10 * rate))
        return aicg.ModelInfo(provider="fake", model=model, price=price)


@pytest.mark.parametrize(
    ("served", "factor"),
    [
        pytest.param("model", 1, id="the one asked for"),
        pytest.param("model-2026-11-01", 3, id="another"),
        pytest.param("model-of-nobody", 1, id="one without a price"),
        pytest.param("", 1, id="one that the answer does not name"),
    ],
)
@pytest.mark.anyio
async def test_an_answer_costs_what_the_model_costs_that_gave_it(
    served: str, factor: int, ledger: RecordingLedger
) -> None:
    provider = Priced(reply(model=served), **{"model": 1, "model-2026-11-01": 3})
    async with opened(provider, ledger=ledger, budget_usd=1) as session:
        response = await session.chat(PROMPT)

    assert response.cost_usd == factor * COST
    assert ledger.lines[0].served_model == served
    assert ledger.lines[0].rates is not None
    assert ledger.lines[0].rates.input == factor


@pytest.mark.anyio
async def test_a_price_that_the_config_gives_wins_over_the_served_model_s() -> None:
    provider = Priced(reply(model="dear"), model=1, dear=50)
    models = {"fake:model": {"price": {"input": "2", "output": "20"}}}
    async with opened(provider, config={"models": models}, budget_usd=1) as session:
        response = await session.chat(PROMPT)

    assert response.cost_usd == 2 * COST


@pytest.mark.anyio
async def test_a_provider_that_knows_no_price_does_not_hide_the_price_that_a_plugin_knows() -> None:
    class Prices:
        @aicg.hookimpl
        def aicg_model_info(self, provider: str, model: str) -> aicg.ModelInfo:
            price = aicg.Price(aicg.Rates(input=4, output=40))
            return aicg.ModelInfo(provider=provider, model=model, price=price)

    async with opened(
        FakeProvider(price=None), plugins={"prices": Prices()}, budget_usd=1
    ) as session:
        response = await session.chat(PROMPT)

    assert response.cost_usd == 4 * COST


@pytest.mark.anyio
async def test_an_unknown_price_under_a_budget_is_refused_before_anything_is_sent(
    ledger: RecordingLedger,
) -> None:
    provider = FakeProvider(price=None)
    async with opened(provider, ledger=ledger, budget_usd=1) as session:
        with pytest.raises(aicg.UnknownPriceError, match=r'\[models."fake:model"\]') as caught:
            await session.chat(PROMPT)

    assert (caught.value.provider, caught.value.model) == ("fake", "model")
    assert provider.calls == []
    assert ledger.granted == []


@pytest.mark.anyio
async def test_an_unknown_price_without_a_budget_is_reported_as_unknown_and_not_as_zero() -> None:
    async with opened(FakeProvider(price=None)) as session:
        response = await session.chat(PROMPT)

    assert response.cost_usd is None
    assert session.costs.unpriced_requests == 1
    assert session.tokens_used == 12


@pytest.mark.anyio
async def test_a_request_with_one_unpriced_attempt_has_no_known_cost() -> None:
    provider = Priced(reply("Bad.", model=""), model=1)
    judge = Addon(
        "a",
        post=raises(aicg.ValidationError("bad")),
        on_error=lambda _, context: Retry(attrs.evolve(context.original, model="fake:other")),
    )
    costs: list[Decimal | None] = []
    watch = Addon("b", post=lambda response, _: costs.append(response.cost_usd))
    async with opened(provider, addons=(judge, watch), max_attempts=2) as session:
        with pytest.raises(aicg.ValidationError):
            await session.chat(PROMPT)

    assert costs == [COST, None]


@pytest.mark.anyio
async def test_a_free_model_passes_an_exhausted_budget() -> None:
    free = FakeProvider(price=aicg.Price(aicg.Rates(input=0, output=0)))
    async with opened(free, budget_usd=0) as session:
        response = await session.chat(PROMPT)

    assert (response.text, response.cost_usd, response.capped_by) == ("Done.", Decimal(0), None)
    assert free.calls[0].max_output_tokens == 4096


@pytest.mark.anyio
async def test_a_model_that_the_config_calls_free_is_free() -> None:
    async with opened(config={"models": {"fake:model": {"free": True}}}, budget_usd=0) as session:
        response = await session.chat(PROMPT)

    assert response.cost_usd == 0


@pytest.mark.anyio
async def test_a_cost_above_its_hold_is_recorded_in_full_and_logged_as_an_error() -> None:
    logs = LogTape()
    provider = FakeProvider([reply(usage=Usage(10, 5_000))])
    async with opened(provider, plugins={"logs": logs}, budget_usd="0.05") as session:
        response = await session.chat(PROMPT, max_output_tokens=100)
        (status,) = session.budget_status()

    assert response.cost_usd == status.spent_usd == Decimal("0.05001")
    assert status.left_usd == 0
    (record,) = [record for record in logs.records if record.level == "error"]
    assert record.message == "cost above reservation"
    assert record.fields == {"model": "fake:model", "cost": "$0.051", "reserved": "$0.0011"}


@pytest.mark.anyio
async def test_a_cost_of_just_what_was_held_is_no_error() -> None:
    logs = LogTape()
    async with opened(plugins={"logs": logs}, budget_usd=COST) as session:
        await session.chat(PROMPT, max_output_tokens=2)

    assert [record.message for record in logs.records] == ["request done"]


@pytest.mark.anyio
async def test_an_answer_that_tells_of_no_usage_is_charged_its_worst_case(
    ledger: RecordingLedger,
) -> None:
    silent = Response(parts=(Text("Done."),), model="model")
    async with opened(FakeProvider([silent]), ledger=ledger, budget_usd=1) as session:
        response = await session.chat(PROMPT)

    assert response.cost_usd == WORST
    assert [line.outcome for line in ledger.lines] == ["assumed"]
    assert session.costs.assumed_usd.total == WORST


@pytest.mark.anyio
async def test_a_usage_that_the_provider_assumes_is_booked_as_assumed(
    ledger: RecordingLedger,
) -> None:
    bound = reply(usage=Usage(10, 100), usage_assumed=True)
    async with opened(FakeProvider([bound]), ledger=ledger, budget_usd=1) as session:
        response = await session.chat(PROMPT)

    assert response.cost_usd == session.costs.assumed_usd.total == Decimal("0.00101")
    assert [(line.outcome, line.usage) for line in ledger.lines] == [("assumed", Usage(10, 100))]


@pytest.mark.anyio
async def test_an_answer_that_says_it_used_nothing_costs_nothing(ledger: RecordingLedger) -> None:
    async with opened(FakeProvider([reply(usage=Usage())]), ledger=ledger, budget_usd=1) as session:
        response = await session.chat(PROMPT)

    assert response.cost_usd == 0
    assert [line.outcome for line in ledger.lines] == ["billed"]


# Books and logs


@pytest.mark.anyio
async def test_the_ledger_s_line_tells_all_that_is_known(ledger: RecordingLedger) -> None:
    clock = FakeClock(start=1_000.0)
    provider = FakeProvider([Delay(2.5)], clock=clock)
    async with opened(
        provider, clock=clock, ledger=ledger, budget_usd=1, metadata={"course": "python"}
    ) as session:
        response = await session.chat(PROMPT)

    (held,), (line,) = ledger.granted, ledger.lines
    assert (held.request_id, held.attempt, held.session_id) == (response.request_id, 1, session.id)
    assert held.budgets == session.budget_names
    assert line == aicg.LedgerLine(
        outcome="billed",
        cost_usd=COST,
        time=1_002.5,
        provider="fake",
        asked_model="model",
        served_model="model",
        usage=Usage(10, 2),
        rates=aicg.Rates(input=1, output=10),
        price_version="fake",
        duration_s=2.5,
        metadata={"course": "python"},
    )


@pytest.mark.anyio
async def test_a_request_is_logged_from_its_sending_to_its_end() -> None:
    logs = LogTape()
    provider = FakeProvider([ServerError("busy"), "Done.", ServerError("down")])
    addons = (Addon("a", on_error=lambda _, context: Retry() if context.attempt == 1 else None),)
    async with opened(
        provider, addons=addons, plugins={"logs": logs}, config={"logging": {"level": "debug"}}
    ) as session:
        await session.chat(PROMPT)
        with pytest.raises(ServerError):
            await session.chat(PROMPT)

    first = [record.message for record in logs.records if record.request_id.endswith("-1")]
    assert first == ["request sent", "attempt failed", "request sent", "request done"]
    assert logs.records[-1].message == "request failed"
    assert logs.records[-1].fields["error"] == "ServerError"
    assert logs.records[-1].fields["attempts"] == 2


@pytest.mark.anyio
async def test_an_answer_whose_addon_names_no_origin_bears_the_addon_s_name() -> None:
    tape: list[str] = []
    canned = Addon("canned", tape, pre=lambda *_: reply("Hello."))
    async with (
        make_kernel(plugins={"canned": canned}) as kernel,
        kernel.session("fake:model") as session,
    ):
        response = await session.chat("Hi")

    assert (response.text, response.origin) == ("Hello.", "canned")

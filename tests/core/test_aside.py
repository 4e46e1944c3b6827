"""What the kernel offers to addons that hold something, or that ask more than once at a time."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest

import aicg
from aicg import Request, Response, Retry, ServerError, Text
from aicg.testing import Delay, FakeClock, FakeProvider, Hang, make_kernel

if TYPE_CHECKING:
    from collections.abc import Callable

# 1 token in, 2 out: "Done." at a dollar a million in and ten out.
COST = Decimal("0.000021")


class Holder:
    """Notes when a request that it let pass has ended."""

    def __init__(self) -> None:
        self.held = 0
        self.ends: list[str] = []

    @aicg.hookimpl
    def aicg_pre_request(self, context: aicg.RequestContext) -> None:
        if context.attempt > 1:
            return
        self.held += 1
        context.at_end(lambda: self.ends.append("first given"))
        context.at_end(self._release)

    def _release(self) -> None:
        self.held -= 1
        self.ends.append("last given")


class Hedge:
    """Asks two models at once, and takes the answer that comes first."""

    def __init__(self, *models: str) -> None:
        self._models = models

    @aicg.hookimpl
    async def aicg_pre_request(self, request: Request, context: aicg.RequestContext) -> Response:
        answers: list[Response] = []

        async def ask(model: str, tasks: anyio.abc.TaskGroup) -> None:
            answers.append(await context.proceed(attrs.evolve(request, model=model)))
            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            for model in self._models:
                tasks.start_soon(ask, model, tasks)
        return answers[0]


class Inner:
    """Stands further in, and does what it is told."""

    def __init__(self, on_error: Callable[..., Any] | None = None) -> None:
        self.seen: list[str] = []
        self._on_error = on_error

    @aicg.hookimpl(trylast=True)
    def aicg_pre_request(self, request: Request) -> None:
        self.seen.append(f"pre {request.model}")

    @aicg.hookimpl(trylast=True)
    def aicg_post_request(self, response: Response) -> None:
        self.seen.append(f"post {response.text}")

    @aicg.hookimpl(tryfirst=True)
    def aicg_on_error(self, error: Exception) -> Any:
        self.seen.append(f"error {error}")
        return self._on_error(error) if self._on_error else None


class Refusal:
    """Meets the kernel's refusal of an answer with an answer of its own."""

    @aicg.hookimpl
    def aicg_on_error(self, context: aicg.RequestContext) -> Response | None:
        refused = context.response
        return None if refused is None else attrs.evolve(refused, notes={"refusal": "let pass"})


@pytest.mark.anyio
@pytest.mark.parametrize("streaming", [False, True])
async def test_what_is_held_is_released_when_a_request_is_answered(*, streaming: bool) -> None:
    holder = Holder()
    async with (
        make_kernel(FakeProvider(), plugins={"holder": holder}) as kernel,
        kernel.session("fake:model") as session,
    ):
        if streaming:
            async with session.stream("Hi") as stream:
                assert [piece async for piece in stream.text()]
        else:
            await session.chat("Hi")

    assert holder.held == 0
    assert holder.ends == ["last given", "first given"]


@pytest.mark.anyio
async def test_what_is_held_is_released_once_when_every_attempt_fails() -> None:
    holder = Holder()
    again = Inner(lambda error: Retry())
    provider = FakeProvider([ServerError("down", provider="fake")])
    async with (
        make_kernel(provider, plugins={"holder": holder, "again": again}) as kernel,
        kernel.session("fake:model", max_attempts=3) as session,
    ):
        with pytest.raises(ServerError, match="down"):
            await session.chat("Hi")

    assert len(provider.calls) == 3
    assert holder.held == 0
    assert len(holder.ends) == 2


@pytest.mark.anyio
async def test_what_is_held_is_released_when_a_request_is_cancelled() -> None:
    holder, provider = Holder(), FakeProvider([Hang()])
    async with (
        make_kernel(provider, plugins={"holder": holder}) as kernel,
        kernel.session("fake:model") as session,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(session.chat, "Hi")
        while not provider.in_flight:
            await anyio.lowlevel.checkpoint()
        assert holder.held == 1
        tasks.cancel_scope.cancel()

    assert holder.held == 0


@pytest.mark.anyio
async def test_what_is_held_is_released_when_a_stream_is_left() -> None:
    holder = Holder()
    async with (
        make_kernel(FakeProvider(["One two three"]), plugins={"holder": holder}) as kernel,
        kernel.session("fake:model") as session,
    ):
        async with session.stream("Hi") as stream:
            async for _ in stream:
                break
        assert holder.held == 0


@pytest.mark.anyio
async def test_a_fault_at_the_end_stops_neither_the_request_nor_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Broken:
        ended = False

        @aicg.hookimpl
        def aicg_pre_request(self, context: aicg.RequestContext) -> None:
            context.at_end(lambda: setattr(self, "ended", True))
            context.at_end(lambda: 1 // 0)

    broken = Broken()
    async with (
        make_kernel(FakeProvider(), plugins={"broken": broken}) as kernel,
        kernel.session("fake:model") as session,
    ):
        response = await session.chat("Hi")

    assert response.text == "Done."
    assert broken.ended
    assert "the plugin 'broken' failed in at_end" in capsys.readouterr().err


@pytest.mark.anyio
async def test_of_two_attempts_at_once_the_first_answer_wins_and_both_are_paid() -> None:
    clock = FakeClock()
    slow = FakeProvider([Delay(9.0)], name="slow", clock=clock)
    fast = FakeProvider(["Soon."], name="fast")
    async with (
        make_kernel(slow, fast, plugins={"hedge": Hedge("slow:m", "fast:m")}) as kernel,
        kernel.session("slow:m", budget_usd="1.00") as session,
    ):
        response = await session.chat("Hi", max_output_tokens=100)
        status = session.budget_status()[-1]

    assert (response.text, response.provider, response.origin) == ("Soon.", "fast", "provider")
    # The one that was cancelled may have cost its worst case: 1 token in, 100 out.
    assert response.cost_usd == session.cost_usd == COST + Decimal("0.001001")
    assert response.attempts == 2
    assert status.reserved_usd == 0
    assert session.metrics.request_count == 1


@pytest.mark.anyio
async def test_a_way_aside_passes_only_the_addons_further_in() -> None:
    inner, outer = Inner(), Holder()
    plugins = {"a": outer, "hedge": Hedge("fake:model"), "inner": inner}
    async with (
        make_kernel(FakeProvider(), plugins=plugins) as kernel,
        kernel.session("fake:other") as session,
    ):
        await session.chat("Hi")

    assert inner.seen == ["pre fake:model", "post Done."]
    assert outer.ends == ["last given", "first given"]


@pytest.mark.anyio
async def test_an_addon_further_in_tries_again_on_the_way_aside() -> None:
    provider = FakeProvider([ServerError("down", provider="fake"), "Done."])
    plugins = {"hedge": Hedge("fake:model"), "inner": Inner(lambda error: Retry())}
    async with (
        make_kernel(provider, plugins=plugins) as kernel,
        kernel.session("fake:model", budget_usd="1.00") as session,
    ):
        response = await session.chat("Hi")

    assert len(provider.calls) == 2
    assert (response.attempts, response.cost_usd) == (2, COST)


@pytest.mark.anyio
async def test_attempts_aside_count_for_max_attempts() -> None:
    provider = FakeProvider([ServerError("down", provider="fake")])
    plugins = {"hedge": Hedge("fake:model"), "inner": Inner(lambda error: Retry())}
    async with (
        make_kernel(provider, plugins=plugins) as kernel,
        kernel.session("fake:model", budget_usd="1.00", max_attempts=4) as session,
    ):
        with pytest.raises(BaseExceptionGroup):
            await session.chat("Hi")

    assert len(provider.calls) == 4


@pytest.mark.anyio
async def test_the_cap_holds_for_attempts_aside() -> None:
    provider = FakeProvider()
    refused = 0

    async def ask() -> None:
        nonlocal refused
        try:
            await session.chat("Hi", max_output_tokens=100)
        except* aicg.BudgetExceededError:
            refused += 1

    async with (
        make_kernel(provider, plugins={"hedge": Hedge("fake:a", "fake:b")}) as kernel,
        kernel.session("fake:model", budget_usd="0.0021") as session,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(90):
            tasks.start_soon(ask)

    assert session.cost_usd is not None
    assert session.cost_usd <= Decimal("0.0021")
    assert refused > 0


@pytest.mark.anyio
async def test_a_plugin_proceeds_only_from_where_it_stands() -> None:
    class Lost:
        @aicg.hookimpl
        async def aicg_post_request(self, context: aicg.RequestContext) -> Response:
            return await context.proceed(context.request)

    async with (
        make_kernel(FakeProvider(), plugins={"lost": Lost()}) as kernel,
        kernel.session("fake:model") as session,
    ):
        with pytest.raises(aicg.PluginError, match="'lost' has no aicg_pre_request"):
            await session.chat("Hi")


@pytest.mark.anyio
async def test_an_answer_given_to_a_refusal_is_handed_on_without_its_form() -> None:
    provider, inner = FakeProvider(["no JSON"]), Inner()
    async with (
        make_kernel(provider, plugins={"inner": inner, "refusal": Refusal()}) as kernel,
        kernel.session("fake:model") as session,
    ):
        response = await session.chat("Hi", output_schema={"type": "object"})

    assert (response.parts, response.parsed) == ((Text("no JSON"),), None)
    assert (response.origin, response.provider) == ("provider", "fake")
    # The kernel had refused it before anybody else saw it.
    assert inner.seen[-1] == "post no JSON"
    assert response.notes == {"refusal": "let pass"}
    assert response.cost_usd == session.cost_usd


@pytest.mark.anyio
async def test_an_application_reaches_a_plugin_by_its_name() -> None:
    holder = Holder()
    async with make_kernel(FakeProvider(), plugins={"holder": holder}) as kernel:
        assert kernel.plugin("holder") is holder
        with pytest.raises(aicg.UnknownPluginError, match="there is no plugin 'holdr'"):
            kernel.plugin("holdr")

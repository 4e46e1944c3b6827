"""A session: what it takes, what it keeps, and how it begins and ends."""

from __future__ import annotations

import json
import logging
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest

import aicg
from aicg.testing import FAKE_PRICE, FakeProvider, Hang, make_kernel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Ending:
    """Notes that a session began and ended."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    @aicg.hookimpl
    def aicg_session_start(self) -> None:
        self.seen.append("start")

    @aicg.hookimpl
    def aicg_session_end(self) -> None:
        self.seen.append("end")


@pytest.mark.anyio
async def test_an_answer_is_told_with_its_cost_and_counted() -> None:
    async with make_kernel() as kernel, kernel.session("fake:model", budget_usd="0.50") as session:
        response = await session.chat("Explain recursion.")

        assert response.text == "Done."
        assert (response.provider, response.origin, response.attempts) == ("fake", "provider", 1)
        assert response.cost_usd == Decimal("0.000025")
        assert session.cost_usd == Decimal("0.000025")
        assert session.budget_remaining == Decimal("0.499975")
        assert session.tokens_used == response.usage.total_tokens == 7
        assert session.request_count == 1
        assert response.request_id == f"{session.id}-1"


@pytest.mark.anyio
async def test_many_tasks_use_one_session() -> None:
    async with (
        make_kernel() as kernel,
        kernel.session("fake:model") as session,
        anyio.create_task_group() as tasks,
    ):
        for number in range(50):
            tasks.start_soon(session.chat, f"Question {number}")

    assert session.request_count == 50
    assert session.metrics.overall.successes == 50


@pytest.mark.anyio
async def test_a_request_takes_the_sessions_model_system_and_metadata() -> None:
    provider = FakeProvider()
    kernel = make_kernel(provider)
    session = kernel.session("fake:model", system="Be brief.", metadata={"team": "a", "job": "x"})

    async with kernel, session:
        await session.chat("Hi", metadata={"job": "y"}, temperature=0.5)
        await session.chat("Hi", model="fake:other", system=None)

    first, second = provider.calls
    assert first == aicg.Request(
        model="fake:model",
        messages=(aicg.Message("user", "Hi"),),
        system="Be brief.",
        temperature=0.5,
        metadata={"team": "a", "job": "y"},
        max_output_tokens=4096,
    )
    assert (second.model, second.system) == ("fake:other", None)


@pytest.mark.anyio
async def test_metadata_that_is_added_later_holds_from_then_on() -> None:
    provider = FakeProvider()
    async with make_kernel(provider) as kernel, kernel.session("fake:model") as session:
        await session.chat("Hi")
        session.metadata["chapter"] = 2
        await session.chat("Hi")

    assert [dict(call.metadata) for call in provider.calls] == [{}, {"chapter": 2}]


@pytest.mark.anyio
async def test_the_metadata_handed_over_stays_the_callers() -> None:
    notes = {"team": "a"}
    session = make_kernel().session("fake:model", metadata=notes)

    session.metadata["chapter"] = 2

    assert notes == {"team": "a"}


@pytest.mark.anyio
async def test_a_whole_request_is_taken_as_it_is_but_for_options() -> None:
    provider = FakeProvider()
    request = aicg.Request(model="fake:other", messages=(aicg.Message("user", "Hi"),), seed=7)
    async with (
        make_kernel(provider) as kernel,
        kernel.session("fake:model", system="Be brief.") as session,
    ):
        await session.chat(request)
        await session.chat(request, seed=8)

    assert [(call.model, call.system, call.seed) for call in provider.calls] == [
        ("fake:other", None, 7),
        ("fake:other", None, 8),
    ]


@pytest.mark.parametrize("prompt", ["", "  \n", [], [aicg.Message("user", "")], None, 5, ["Hi"]])
@pytest.mark.anyio
async def test_an_empty_or_odd_prompt_is_refused_before_anything_is_done(prompt: Any) -> None:
    provider = FakeProvider()
    async with make_kernel(provider) as kernel, kernel.session("fake:model") as session:
        with pytest.raises(aicg.ValidationError):
            await session.chat(prompt)
        with pytest.raises(aicg.ValidationError):
            session.stream(prompt)
        with pytest.raises(aicg.ValidationError):
            session.estimate(prompt)

    assert provider.calls == []
    assert session.request_count == 0


@pytest.mark.anyio
async def test_the_config_sets_what_the_session_does_not() -> None:
    config = {"session": {"model": "fake:model", "max_output_tokens": 100, "max_attempts": 3}}
    kernel = make_kernel(config=config)

    session = kernel.session(max_attempts=5, timeout_s=None)

    assert session.model == "fake:model"
    assert session.settings.max_output_tokens == 100
    assert session.settings.max_attempts == 5
    assert session.settings.timeout_s is None
    assert kernel.config.session.max_attempts == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget_usd": -1}, "budget_usd must be an amount of dollars, zero or more"),
        ({"budget_usd": "NaN"}, "budget_usd must be an amount of dollars"),
        ({"budget_usd": float("inf")}, "budget_usd must be an amount of dollars"),
        ({"budget_usd": True}, "budget_usd must be an amount of dollars"),
        ({"max_attempts": 0}, r"session\.max_attempts must be > 0: got 0"),
        ({"max_output_tokens": "many"}, r"session\.max_output_tokens must be a whole number"),
        ({"timeout_s": -1}, r"session\.timeout_s must be > 0"),
        ({"on_tight_budget": "x"}, r'must be one of "auto", "shrink", "refuse": got "x"'),
        ({"unknown_outcome": "x"}, r'must be one of "charge", "release": got "x"'),
        ({"max_attemps": 2}, r"max_attemps is not a setting; did you mean max_attempts\?"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(options: Any, message: str) -> None:
    with pytest.raises(aicg.ConfigurationError, match=message):
        make_kernel().session("fake:model", **options)


@pytest.mark.parametrize("disable", ["a-plugin", ["a-plugin"], {"a-plugin"}])
@pytest.mark.anyio
async def test_one_name_or_many_can_be_disabled(disable: Any) -> None:
    plugin = Ending()

    async with (
        make_kernel(plugins={"a-plugin": plugin}) as kernel,
        kernel.session("fake:model", disable=disable),
    ):
        pass

    assert plugin.seen == []


def test_a_session_needs_a_model() -> None:
    with pytest.raises(aicg.ConfigurationError, match=r"no model is named: .*\[session\] model"):
        make_kernel().session()


@pytest.mark.parametrize("model", ["fake", "fake:", ":model", ""])
def test_a_model_needs_both_halves(model: str) -> None:
    with pytest.raises((aicg.ValidationError, aicg.ConfigurationError), match="model"):
        make_kernel().session(model)


@pytest.mark.anyio
async def test_an_unknown_provider_is_told_of_when_the_session_opens() -> None:
    async with make_kernel() as kernel:
        with pytest.raises(
            aicg.UnknownPluginError, match=r"no provider 'fkae'; did you mean 'fake"
        ):
            async with kernel.session("fkae:model"):
                pass


@pytest.mark.anyio
async def test_an_unknown_budget_is_told_of_when_the_session_opens() -> None:
    async with make_kernel() as kernel:
        with pytest.raises(aicg.ConfigurationError, match=r"add \[budgets\.team\] with limit_usd"):
            async with kernel.session("fake:model", budgets=["team"]):
                pass


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.anyio
async def test_a_session_that_is_not_open_says_so(before: bool) -> None:
    message = "the session is not open; use it as `async with"
    async with make_kernel() as kernel:
        session = kernel.session("fake:model")
        if not before:
            async with session:
                pass
        with pytest.raises(aicg.ConfigurationError, match=message):
            await session.chat("Hi")
        with pytest.raises(aicg.ConfigurationError, match=message):
            session.stream("Hi")
        with pytest.raises(aicg.ConfigurationError, match=message):
            await anext(session.batch_generate(["Hi"]))
        with pytest.raises(aicg.ConfigurationError, match=message):
            await session.conversation().chat("Hi")


@pytest.mark.anyio
async def test_the_books_can_be_read_and_logs_written_before_and_after() -> None:
    async with make_kernel() as kernel:
        session = kernel.session("fake:model", budget_usd=1)
        session.log.info("to come")
        assert session.cost_usd == 0
        async with session:
            await session.chat("Hi")

        session.log.info("it was")
        assert session.budget_remaining == Decimal("0.999979")
        assert [status.spent_usd for status in session.budget_status()] == [session.cost_usd]


@pytest.mark.anyio
async def test_what_a_budget_has_left_is_known_once_the_session_is_open() -> None:
    session = make_kernel().session("fake:model", budget_usd=1)

    with pytest.raises(aicg.ConfigurationError, match="the session is not open"):
        _ = session.budget_remaining
    assert session.costs.remaining_usd is None


@pytest.mark.anyio
async def test_the_costs_tell_what_is_left_and_how_many_requests_fit_into_it() -> None:
    config = {"budgets": {"team": {"limit_usd": "0.0002"}}}
    async with (
        make_kernel(config=config) as kernel,
        kernel.session("fake:model", budget_usd=1, budgets=["team"]) as session,
    ):
        before = session.costs.fitting()
        await session.chat("Hi", max_output_tokens=10)

        assert before is None
        assert session.costs.limit_usd == Decimal("0.0002")
        assert session.costs.remaining_usd == session.budget_remaining == Decimal("0.000179")
        assert session.costs.fitting() == 8

    assert session.costs.remaining_usd == Decimal("0.000179")
    assert session.export_to_dict()["costs"]["remaining_usd"] == "0.000179"


@pytest.mark.anyio
async def test_what_is_left_can_be_read_while_another_thread_ends_the_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kernel = make_kernel()
    session = kernel.session("fake:model", budget_usd=1)
    ended = aicg.BudgetStatus("mine", Decimal(1), Decimal("0.25"), Decimal(0))

    def snapshot(names: Sequence[str]) -> tuple[aicg.BudgetStatus, ...]:
        session.last_status, session.is_declared = (ended,), False
        raise aicg.ConfigurationError("there is no such budget")

    async with kernel, session:
        with monkeypatch.context() as patched:
            patched.setattr(kernel.ledger, "snapshot", snapshot)
            left = session.costs.remaining_usd
        session.is_declared = True

    assert left == Decimal("0.75")


@pytest.mark.anyio
async def test_a_session_without_a_budget_has_no_end_of_requests() -> None:
    async with make_kernel() as kernel, kernel.session("fake:model") as session:
        await session.chat("Hi")

        assert (session.costs.limit_usd, session.costs.remaining_usd) == (None, None)
        assert session.costs.fitting() is None


@pytest.mark.anyio
async def test_a_session_is_opened_once_at_a_time() -> None:
    async with make_kernel() as kernel, kernel.session("fake:model") as session:
        with pytest.raises(aicg.ConfigurationError, match="the session is open already"):
            async with session:
                pass

        assert (await session.chat("Still open?")).text == "Done."


@pytest.mark.anyio
async def test_a_session_begins_and_ends_once() -> None:
    plugin = Ending()

    async with (
        make_kernel(plugins={"plugin": plugin}) as kernel,
        kernel.session("fake:model") as session,
    ):
        await session.chat("Hi")
        assert plugin.seen == ["start"]

    assert plugin.seen == ["start", "end"]


@pytest.mark.anyio
async def test_a_session_without_a_kernel_closes_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = FakeProvider()
    monkeypatch.setattr(aicg.Kernel, "from_file", lambda: make_kernel(provider))

    async with aicg.LLMSession("fake:model") as session:
        await session.chat("Hi")
        closed_within = provider.closed

    assert (closed_within, provider.closed) == (False, True)
    with pytest.raises(aicg.ConfigurationError, match="the session is over, as its kernel was"):
        await session.__aenter__()


@pytest.mark.anyio
async def test_a_session_that_could_not_open_says_so_when_it_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aicg.Kernel, "from_file", make_kernel)
    session = aicg.LLMSession("nobody:model")
    with pytest.raises(aicg.UnknownPluginError):
        await session.__aenter__()

    with pytest.raises(aicg.ConfigurationError, match=r"session is over, .* make a new one"):
        await session.__aenter__()


@pytest.mark.anyio
async def test_a_session_leaves_a_kernel_open_that_it_was_given() -> None:
    provider = FakeProvider()
    async with make_kernel(provider) as kernel:
        for _ in range(2):
            async with aicg.LLMSession("fake:model", kernel=kernel) as session:
                await session.chat("Hi")
        closed_within = provider.closed

    assert (closed_within, provider.closed) == (False, True)


@pytest.mark.anyio
async def test_a_session_that_cannot_begin_closes_its_own_kernel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Refusing:
        @aicg.hookimpl
        def aicg_session_start(self) -> None:
            raise aicg.AddonError("not today")

    provider = FakeProvider()
    kernel = make_kernel(provider, plugins={"refusing": Refusing})
    monkeypatch.setattr(aicg.Kernel, "from_file", lambda: kernel)

    with pytest.raises(aicg.AddonError, match="not today"):
        await aicg.LLMSession("fake:model").__aenter__()

    assert provider.closed


class BodyError(Exception):
    """Raised by the body of a session."""


@pytest.mark.parametrize(
    "error",
    [
        BodyError("oops"),
        aicg.ServerError("busy"),
        KeyboardInterrupt(),
        ExceptionGroup("", [OSError()]),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.anyio
async def test_what_the_body_raises_goes_on_by_itself(error: BaseException) -> None:
    plugin = Ending()
    provider = FakeProvider(["Done.", Hang()])

    with pytest.raises(type(error)) as caught:  # noqa: PT012 - the body is what is tested
        async with (
            make_kernel(provider, plugins={"plugin": plugin}) as kernel,
            kernel.session("fake:model") as session,
        ):
            batch = session.batch_generate(["a", "b", "c"])
            await anext(batch)
            raise error

    assert caught.value is error
    assert plugin.seen == ["start", "end"]
    assert provider.in_flight == 0


@pytest.mark.anyio
async def test_a_cancelled_body_stays_cancelled_and_the_session_ends() -> None:
    plugin = Ending()
    provider = FakeProvider([Hang()])

    with anyio.CancelScope() as scope:
        async with (
            make_kernel(provider, plugins={"plugin": plugin}) as kernel,
            kernel.session("fake:model", budget_usd=1) as session,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(session.chat, "Hi")
            await anyio.wait_all_tasks_blocked()
            scope.cancel()

    assert scope.cancelled_caught
    assert plugin.seen == ["start", "end"]
    assert provider.closed
    assert session.costs.assumed_usd.count == 1
    (status,) = session.budget_status()
    assert status.reserved_usd == 0


@pytest.mark.anyio
async def test_every_plugin_hears_of_the_end_whatever_another_raises() -> None:
    class Failing:
        @aicg.hookimpl
        async def aicg_session_end(self) -> None:
            raise RuntimeError("cannot end")

    first, last = Ending(), Ending()
    plugins = {"a": first, "m": Failing, "z": last}

    with pytest.raises(RuntimeError, match="cannot end") as caught:
        async with make_kernel(plugins=plugins) as kernel, kernel.session("fake:model"):
            raise BodyError("oops")

    assert first.seen == last.seen == ["start", "end"]
    assert isinstance(caught.value.__context__, BodyError)
    assert caught.value.__notes__ == ["raised by the plugin 'm' in aicg_session_end"]


@pytest.mark.anyio
async def test_an_alert_comes_once_for_each_threshold() -> None:
    alerts: list[aicg.Alert] = []
    async with (
        make_kernel() as kernel,
        kernel.session("fake:model", budget_usd="0.0001") as session,
    ):
        session.set_alert(0.5, alerts.append)
        session.set_alert(0.2, alerts.append)
        for _ in range(4):
            await session.chat("Hi", max_output_tokens=2)

    assert [(alert.threshold, alert.spent_usd) for alert in alerts] == [
        (0.2, Decimal("0.000021")),
        (0.5, Decimal("0.000063")),
    ]
    assert alerts[0].limit_usd == Decimal("0.0001")


@pytest.mark.anyio
async def test_an_alert_can_be_set_before_the_session_opens() -> None:
    alerts: list[aicg.Alert] = []
    kernel = make_kernel()
    session = kernel.session("fake:model", budget_usd="0.0001")
    session.set_alert(0.1, alerts.append)

    async with kernel, session:
        await session.chat("Hi", max_output_tokens=2)

    assert len(alerts) == 1


@pytest.mark.parametrize("threshold", [0, -0.5, 1.01, 80, float("nan")])
def test_a_threshold_is_a_share_of_the_budget(threshold: float) -> None:
    session = make_kernel().session("fake:model", budget_usd=1)

    with pytest.raises(aicg.ConfigurationError, match=r"a share of the budget, such as 0\.8"):
        session.set_alert(threshold, print)


@pytest.mark.anyio
async def test_a_callback_that_raises_is_reported_once_and_touches_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(alert: aicg.Alert) -> None:
        raise ZeroDivisionError("cannot tell")

    async with (
        make_kernel() as kernel,
        kernel.session("fake:model", budget_usd="0.0001") as session,
    ):
        session.set_alert(0.1, fail)
        session.set_alert(0.2, fail)
        response = await session.chat("Hi", max_output_tokens=2)

    assert response.text == "Done."
    assert capsys.readouterr().err.count("ZeroDivisionError: cannot tell") == 1


@pytest.mark.anyio
async def test_an_estimate_sends_nothing_and_covers_the_cost() -> None:
    provider = FakeProvider(["word " * 100])
    async with (
        make_kernel(provider) as kernel,
        kernel.session("fake:model", max_output_tokens=1000) as session,
    ):
        before = session.estimate("Explain recursion.")
        assert provider.calls == []
        response = await session.chat("Explain recursion.")
        after = session.estimate("Explain recursion.", max_output_tokens=500)

    assert (before.input_tokens_likely, before.input_tokens_upper) == (5, 5)
    assert before.output_tokens_cap == 1000
    assert before.cost_worst_usd == FAKE_PRICE.worst_cost(5, 1000)
    assert after.output_tokens_likely == response.usage.total_output_tokens
    assert after.output_tokens_cap == 500
    assert response.cost_usd is not None
    assert after.cost_likely_usd == response.cost_usd
    assert after.cost_worst_usd is not None
    assert response.cost_usd <= after.cost_worst_usd


@pytest.mark.anyio
async def test_an_estimate_without_a_price_has_no_cost() -> None:
    async with (
        make_kernel(FakeProvider(price=None)) as kernel,
        kernel.session("fake:model") as session,
    ):
        estimate = session.estimate("Hi")

    assert (estimate.cost_likely_usd, estimate.cost_worst_usd) == (None, None)


@pytest.mark.parametrize("model", ["fkae:model", "model"])
@pytest.mark.anyio
async def test_an_estimate_for_an_unknown_model_is_refused(model: str) -> None:
    async with make_kernel() as kernel, kernel.session("fake:model") as session:
        with pytest.raises((aicg.UnknownPluginError, aicg.ValidationError)):
            session.estimate("Hi", model=model)


@pytest.mark.anyio
async def test_an_exported_session_goes_on_with_what_its_budget_has_left() -> None:
    config = {"budgets": {"team": {"limit_usd": 5}}}
    provider = FakeProvider(["Done.", aicg.ServerError("busy"), "Done."])
    plugins = dict.fromkeys(["one", "two", "three"], Ending)
    async with make_kernel(provider, config=config, plugins=plugins) as kernel:
        first = kernel.session(
            "fake:model",
            budget_usd="0.50",
            budgets=["team"],
            system="Be brief.",
            metadata={"job": "x"},
            max_attempts=3,
            timeout_s=None,
            addons=("two", "one"),
            disable=["three"],
        )
        async with first:
            await first.chat("Hi")
            with pytest.raises(aicg.ServerError):
                await first.chat("Hi")
        data = json.loads(first.export_to_json())

        second = aicg.LLMSession.from_dict(data, kernel=kernel)
        async with second:
            left = second.budget_remaining
            await second.chat("Hi")

    assert left == first.budget_remaining == Decimal("0.5") - first.cost_usd
    assert second.id != first.id
    assert (second.model, second.system, second.metadata) == (
        first.model,
        first.system,
        first.metadata,
    )
    assert second.settings == first.settings
    assert second.request_count == first.request_count + 1 == 3
    assert second.cost_usd == first.cost_usd * 2
    assert second.tokens_used == first.tokens_used * 2
    assert second.metrics.errors == {"ServerError": 1}
    assert second.export_to_dict()["disable"] == ["three"]


@pytest.mark.anyio
async def test_exporting_before_the_session_opens_keeps_what_was_restored() -> None:
    kernel = make_kernel()
    async with kernel, kernel.session("fake:model", budget_usd=1) as session:
        await session.chat("Hi")
        data = session.export_to_dict()

    again = aicg.LLMSession.from_dict(data, kernel=kernel).export_to_dict()

    assert {**again, "session_id": ""} == {**data, "session_id": ""}


@pytest.mark.anyio
async def test_an_export_counts_what_is_under_way_at_its_worst() -> None:
    provider = FakeProvider([Hang()])
    async with (
        make_kernel(provider) as kernel,
        kernel.session("fake:model", budget_usd=1) as session,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(session.chat, "Hi")
        await anyio.wait_all_tasks_blocked()
        data = session.export_to_dict()
        tasks.cancel_scope.cancel()

    assert data["own_budget"] == {"limit_usd": "1", "spent_usd": "0.040961"}


@pytest.mark.anyio
async def test_an_unused_session_exports_and_comes_back() -> None:
    kernel = make_kernel()

    data = json.loads(kernel.session("fake:model").export_to_json(indent=None))
    session = aicg.LLMSession.from_dict(data, kernel=kernel)

    assert data["own_budget"] is None
    assert session.cost_usd == 0
    assert session.own_budget is None


def corrupted() -> Iterator[Any]:
    data = make_kernel().session("fake:model", budget_usd=1).export_to_dict()
    yield None
    yield []
    yield "text"
    yield {}
    yield {**data, "format": 2}
    yield {**data, "settings": None}
    yield {**data, "settings": {**data["settings"], "addons": 5}}
    yield {**data, "own_budget": {"limit_usd": "1"}}
    yield {**data, "own_budget": {"limit_usd": "much", "spent_usd": "0"}}
    yield {**data, "tokens": {}}
    yield {**data, "costs": None}
    yield {**data, "metrics": {**data["metrics"], "providers": 5}}
    for key in data:
        if key not in {"session_id", "cost_usd", "tokens_used", "request_count"}:
            yield {name: value for name, value in data.items() if name != key}


@pytest.mark.parametrize("data", list(corrupted()))
def test_what_is_no_export_is_refused(data: Any) -> None:
    with pytest.raises((aicg.ValidationError, aicg.ConfigurationError)):
        aicg.LLMSession.from_dict(data, kernel=make_kernel())


def test_an_export_of_a_later_format_says_so() -> None:
    data = make_kernel().session("fake:model").export_to_dict()

    with pytest.raises(aicg.ValidationError, match="exported in format 2; this reads 1"):
        aicg.LLMSession.from_dict({**data, "format": 2}, kernel=make_kernel())


@pytest.mark.anyio
async def test_a_failed_request_is_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    provider = FakeProvider([aicg.AuthenticationError("no such key", provider="fake")])

    with caplog.at_level(logging.INFO, logger="aicg"):
        async with make_kernel(provider) as kernel, kernel.session("fake:model") as session:
            with pytest.raises(aicg.AuthenticationError):
                await session.chat("Hi")

    assert session.request_count == 1
    assert session.cost_usd == 0
    assert session.metrics.errors == {"AuthenticationError": 1}
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert "request failed model=fake:model error=AuthenticationError" in record.getMessage()
    assert "reason=no such key" in record.getMessage()


@pytest.mark.anyio
async def test_a_changed_request_of_an_addon_is_what_the_books_name() -> None:
    class Redirecting:
        @aicg.hookimpl
        def aicg_pre_request(self, request: aicg.Request) -> aicg.Request:
            return attrs.evolve(request, model="fake:other")

    async with (
        make_kernel(plugins={"redirecting": Redirecting}) as kernel,
        kernel.session("fake:model") as session,
    ):
        await session.chat("Hi")

    assert list(session.tokens.models) == ["fake:other"]


@pytest.mark.anyio
async def test_a_session_s_own_budget_is_forgotten_with_it_and_still_told() -> None:
    async with make_kernel(config={"budgets": {"team": {"limit_usd": 5}}}) as kernel:
        for _ in range(3):
            async with kernel.session("fake:model", budget_usd=1, budgets=["team"]) as session:
                await session.chat("Explain recursion.")

        kept = await kernel.ledger.status()

    assert [status.name for status in kept] == ["team"]
    assert kept[0].spent_usd == Decimal("0.000075")
    assert [status.spent_usd for status in session.budget_status()] == [
        Decimal("0.000075"),
        Decimal("0.000025"),
    ]
    assert session.export_to_dict()["own_budget"] == {"limit_usd": "1", "spent_usd": "0.000025"}


@pytest.mark.anyio
async def test_a_session_that_is_opened_again_has_what_was_left() -> None:
    async with make_kernel() as kernel:
        session = kernel.session("fake:model", budget_usd="0.000050")
        for _ in range(2):
            async with session:
                await session.chat("Explain recursion.", max_output_tokens=2)

        assert session.budget_remaining == Decimal(0)


@pytest.mark.anyio
async def test_a_session_draws_on_the_budgets_above_its_own_too() -> None:
    limits = {"team": "1.00", "team/course": "0.50", "team/course/lesson": "0.10"}
    kernel = make_kernel(config={"budgets": {name: {"limit_usd": limits[name]} for name in limits}})

    async with kernel, kernel.session("fake:model", budgets=["team/course", "team"]) as session:
        await session.chat("Hello")
        statuses = session.budget_status()

    assert [status.name for status in statuses] == ["team/course", "team"]
    assert statuses[0].spent_usd == statuses[1].spent_usd == session.cost_usd > 0


@pytest.mark.anyio
async def test_a_budget_above_that_is_missing_is_told_of() -> None:
    kernel = make_kernel(config={"budgets": {"team/course": {"limit_usd": 1}}})

    async with kernel:
        with pytest.raises(aicg.ConfigurationError, match=r"\[budgets\.team\]"):
            await kernel.session("fake:model", budgets=["team/course"]).__aenter__()


def test_an_estimate_needs_no_event_loop() -> None:
    session = make_kernel().session("fake:model")

    told = session.estimate("Hello", max_output_tokens=100)

    assert told.cost_worst_usd is not None


@pytest.mark.anyio
async def test_a_dry_run_that_nobody_answers_sends_nothing() -> None:
    provider = FakeProvider()
    kernel = make_kernel(provider)

    async with kernel, kernel.session("fake:model", budget_usd=1, dry_run=True) as session:
        with pytest.raises(aicg.ConfigurationError, match="pip install aicg-dryrun"):
            await session.chat("Hello")

        assert session.cost_usd == 0
    assert provider.calls == []


@pytest.mark.anyio
async def test_a_session_that_an_addon_keeps_from_beginning_leaves_no_budget() -> None:
    class Gate:
        @aicg.hookimpl
        def aicg_session_start(self, session: aicg.LLMSession) -> None:
            raise aicg.ValidationError("closed on Mondays")

    async with make_kernel(FakeProvider(), plugins={"gate": Gate()}) as kernel:
        with pytest.raises(aicg.ValidationError, match="closed on Mondays"):
            async with kernel.session("fake:model", budget_usd="0.05"):
                pass

        assert await kernel.ledger.status() == ()

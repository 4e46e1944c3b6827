"""The test kit: fakes that can be relied on, and contracts that let nothing bad pass."""

from __future__ import annotations

import inspect
import itertools
import threading
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import attrs
import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

import aicg
from aicg.testing import (
    FAKE_PRICE,
    AddonContract,
    Delay,
    FakeClock,
    FakeProvider,
    Hang,
    LedgerContract,
    LedgerMachine,
    LoggerContract,
    ProviderContract,
    ValidatorContract,
    make_kernel,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator

    from aicg.messages import Part


def request(text: str = "Hello", **fields: Any) -> aicg.Request:
    return aicg.Request(model="fake:model", messages=(aicg.Message("user", text),), **fields)


@pytest.mark.anyio
async def test_the_fake_does_its_script_and_then_its_last_step() -> None:
    error = aicg.ServerError("busy")
    response = aicg.Response(parts=(aicg.Text("Whole."),))
    provider = FakeProvider(["One.", error, response, "Last."])

    first = await provider.chat(request())
    with pytest.raises(aicg.ServerError) as caught:
        await provider.chat(request())
    others = [await provider.chat(request()) for _ in range(3)]

    assert first.text == "One."
    assert caught.value is error
    assert others[0] is response
    assert [other.text for other in others[1:]] == ["Last.", "Last."]
    assert len(provider.calls) == 5


@pytest.mark.parametrize(("script", "answer"), [((), "Done."), ("Hello.", "Hello.")])
@pytest.mark.anyio
async def test_the_fake_needs_no_list(script: Any, answer: str) -> None:
    provider = FakeProvider(script)

    assert [(await provider.chat(request())).text for _ in range(2)] == [answer] * 2


@pytest.mark.anyio
async def test_the_fake_counts_a_token_for_four_characters() -> None:
    provider = FakeProvider(["x" * 40])
    asked = request("y" * 20, system="z" * 20)

    response = await provider.chat(asked)

    assert response.usage == aicg.Usage(input_tokens=11, output_tokens=11)
    assert provider.estimate_input(asked) == aicg.InputEstimate(likely=11, upper=11)
    assert FAKE_PRICE.cost(response.usage) == Decimal("0.000121")


@pytest.mark.anyio
async def test_the_fake_counts_what_is_in_flight() -> None:
    provider = FakeProvider([Hang()])

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(provider.chat, request())
        await anyio.wait_all_tasks_blocked()
        under_way = provider.in_flight
        tasks.cancel_scope.cancel()

    assert (under_way, provider.in_flight, provider.most_in_flight) == (3, 0, 3)


@pytest.mark.anyio
async def test_a_fake_that_records_nothing_still_does_its_script() -> None:
    provider = FakeProvider(["One.", "Two."], records=False)

    texts = [(await provider.chat(request())).text for _ in range(3)]

    assert texts == ["One.", "Two.", "Two."]
    assert provider.calls == []


@pytest.mark.anyio
async def test_a_fake_without_a_price_has_none() -> None:
    known = FakeProvider(price=None).get_model_info("model")

    assert known is not None
    assert known.price is None


@pytest.mark.anyio
async def test_a_kernel_for_tests_has_what_it_is_given_and_nothing_installed() -> None:
    kernel = make_kernel(FakeProvider(name="a"), FakeProvider(name="b"))

    assert [info.name for info in kernel.plugins()] == ["a", "b"]
    assert kernel.providers() == ("a", "b")
    assert make_kernel().providers() == ("fake",)


@pytest.mark.anyio
async def test_sleepers_wake_in_the_order_of_their_time() -> None:
    clock = FakeClock()
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, *delays: float) -> None:
        for delay in delays:
            await clock.sleep(delay)
            woken.append((name, clock.monotonic()))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sleeper, "slow", 3.5)
        tasks.start_soon(sleeper, "steady", 1, 1, 1, 1)
        tasks.start_soon(sleeper, "late", 100)

    assert woken == [
        ("steady", 1),
        ("steady", 2),
        ("steady", 3),
        ("slow", 3.5),
        ("steady", 4),
        ("late", 100),
    ]
    assert sorted(clock.slept) == [1, 1, 1, 1, 3.5, 100]
    assert clock.time() == 1_700_000_000.0 + 100


@pytest.mark.anyio
async def test_many_that_sleep_at_once_sleep_side_by_side() -> None:
    clock = FakeClock()

    async with anyio.create_task_group() as tasks:
        for number in range(200):
            tasks.start_soon(clock.sleep, 1 + number % 7)

    assert clock.monotonic() == 7


@pytest.mark.anyio
async def test_others_do_their_work_before_a_sleeper_wakes() -> None:
    clock = FakeClock()
    events: list[str] = []

    async def work() -> None:
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        events.append(f"worked at {clock.monotonic()}")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await clock.sleep(5)
        events.append("woken")

    assert events == ["worked at 0.0", "woken"]


@pytest.mark.anyio
async def test_a_test_can_move_the_time_itself() -> None:
    clock = FakeClock(start=50.0)

    clock.advance(10)
    await clock.sleep(2)

    assert (clock.time(), clock.monotonic()) == (62.0, 12.0)


@pytest.mark.parametrize("delay", [0, -1])
@pytest.mark.anyio
async def test_sleeping_no_time_gives_others_a_turn(delay: float) -> None:
    clock = FakeClock()
    turns = 0

    async def work() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        for _ in range(5):
            await clock.sleep(delay)
        tasks.cancel_scope.cancel()

    assert turns >= 4
    assert clock.monotonic() == 0


@pytest.mark.anyio
async def test_a_cancelled_sleeper_holds_up_nobody() -> None:
    clock = FakeClock()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.sleep, 1)
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    await clock.sleep(10)

    assert clock.monotonic() == 10


@pytest.mark.anyio
async def test_a_delay_of_the_fake_is_one_of_its_clock() -> None:
    clock = FakeClock()
    kernel = make_kernel(FakeProvider([Delay(30.0, "Slow.")], clock=clock), clock=clock)

    async with kernel, kernel.session("fake:model") as session:
        response = await session.chat("Hi")

    assert (response.text, response.latency_s) == ("Slow.", 30.0)


def examples(method: Callable[..., Any]) -> Iterator[dict[str, Any]]:
    """Return the arguments that a contract's test is parametrised with."""
    marks = [mark for mark in getattr(method, "pytestmark", []) if mark.name == "parametrize"]
    for values in itertools.product(*[mark.args[1] for mark in marks]):
        yield dict(zip([mark.args[0] for mark in marks], values, strict=True))


async def failures(contract: Callable[[], Any]) -> set[str]:
    """Run all tests of a contract, each on a fresh object, and return those that fail."""
    failed = set()
    for name, method in inspect.getmembers(contract, inspect.isfunction):
        for values in examples(method) if name.startswith("test_") else ():
            try:
                with anyio.fail_after(5):
                    result = getattr(contract(), name)(**values)
                    if inspect.isawaitable(result):
                        await result
            except (Exception, pytest.fail.Exception):  # noqa: BLE001 - however it fails
                failed.add(name)
    return failed


class MemoryLedgers(LedgerContract):
    kind: type[aicg.MemoryLedger] = aicg.MemoryLedger

    @asynccontextmanager
    async def ledger(self) -> AsyncIterator[aicg.Ledger]:
        yield self.kind()


class Overspending(aicg.MemoryLedger):
    """Looks at the limit, waits a moment, and reserves whatever happened meanwhile."""

    async def reserve(self, reservation: aicg.Reservation) -> aicg.BudgetStatus | None:
        for status in self.snapshot(reservation.budgets):
            if status.left_usd < reservation.amount_usd:
                return status
        await anyio.lowlevel.checkpoint()
        with self._lock:
            for name in reservation.budgets:
                self._accounts[name].limit += 10**15
        refused = await super().reserve(reservation)
        with self._lock:
            for name in reservation.budgets:
                self._accounts[name].limit -= 10**15
        return refused


class Granting(aicg.MemoryLedger):
    async def reserve(self, reservation: aicg.Reservation) -> aicg.BudgetStatus | None:
        await super().reserve(attrs.evolve(reservation, amount_usd=Decimal(0)))
        return None


class SettlingTwice(aicg.MemoryLedger):
    async def settle(self, reservation_id: str, line: aicg.LedgerLine) -> bool:
        await super().settle(reservation_id, line)
        return True


class Forgetful(aicg.MemoryLedger):
    async def declare(self, budget: aicg.Budget, *, spent_usd: Decimal = Decimal(0)) -> None:
        self._accounts.pop(budget.name, None)
        await super().declare(budget, spent_usd=spent_usd)


class Sleepless(aicg.MemoryLedger):
    async def wait_for_room(self, reservation: aicg.Reservation) -> None:
        await anyio.sleep_forever()


class TellingTwice(aicg.MemoryLedger):
    async def claim_alert(self, name: str, threshold: float) -> bool:
        return True


@pytest.mark.parametrize(
    ("kind", "caught"),
    [
        (Overspending, "test_many_tasks_never_pass_the_limit"),
        (Granting, "test_a_reservation_is_granted_up_to_the_limit_and_no_further"),
        (SettlingTwice, "test_settling_twice_is_one_settlement"),
        (Forgetful, "test_declaring_again_changes_the_limit_and_keeps_the_sums"),
        (TellingTwice, "test_an_alert_is_claimed_once"),
    ],
)
@pytest.mark.anyio
async def test_a_bad_ledger_fails_its_contract(kind: type[aicg.MemoryLedger], caught: str) -> None:
    bad = type("Bad", (MemoryLedgers,), {"kind": kind})

    assert await failures(MemoryLedgers) == set()
    assert caught in await failures(bad)


@pytest.mark.anyio
async def test_a_ledger_that_never_wakes_fails_its_contract() -> None:
    class Bad(MemoryLedgers):
        kind = Sleepless

    with pytest.raises(TimeoutError), anyio.fail_after(0.01):
        await Bad().test_who_waits_is_woken_by_a_settlement_that_makes_room()


@pytest.mark.parametrize("kind", [Granting, SettlingTwice, Forgetful])
def test_a_bad_ledger_fails_the_state_machine(kind: type[aicg.MemoryLedger]) -> None:
    class Machine(LedgerMachine):
        def make_ledger(self) -> aicg.Ledger:
            return kind()

    with pytest.raises((AssertionError, KeyError)):
        run_state_machine_as_test(
            Machine,
            settings=settings(
                database=None, deadline=None, phases=[Phase.generate], report_multiple_bugs=False
            ),
        )


class Lines:
    """A good logger: one escaped line a record, written in one step."""

    def __init__(self) -> None:
        self.text = ""
        self.lock = threading.Lock()

    @aicg.hookimpl
    def aicg_log(self, record: aicg.LogRecord) -> None:
        line = ascii(f"{record.message} {dict(record.fields)}")
        with self.lock:
            self.text += line + "\n"


class Loggers(LoggerContract):
    kind: type[Lines] = Lines

    def __init__(self) -> None:
        self.plugin = self.kind()

    def logger(self) -> Lines:
        return self.plugin

    def written(self) -> str:
        return self.plugin.text


class RaisingLogger(Lines):
    @aicg.hookimpl
    def aicg_log(self, record: aicg.LogRecord) -> None:
        raise OSError("disk full")


class RawLogger(Lines):
    @aicg.hookimpl
    def aicg_log(self, record: aicg.LogRecord) -> None:
        values = " ".join(str(value) for value in record.fields.values())
        self.text += f"{record.message} {values}\n"


class DeafLogger(Lines):
    @aicg.hookimpl
    def aicg_log(self, record: aicg.LogRecord) -> None:
        if record.level != "debug":
            super().aicg_log(record)


@pytest.mark.parametrize(
    ("kind", "caught"),
    [
        (RaisingLogger, "test_a_record_is_written_with_its_message_and_fields"),
        (DeafLogger, "test_a_record_is_written_with_its_message_and_fields"),
        (RawLogger, "test_any_value_of_a_field_is_written_on_the_record_s_own_line"),
    ],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.anyio
async def test_a_bad_logger_fails_its_contract(kind: type[Lines], caught: str) -> None:
    bad = type("Bad", (Loggers,), {"kind": kind})

    assert await failures(Loggers) == set()
    assert caught in await failures(bad)


class Capped(FakeProvider):
    """A good provider: keeps to the cap, and says so."""

    async def chat(self, request: aicg.Request) -> aicg.Response:
        response = await super().chat(request)
        cap = request.max_output_tokens or 0
        if response.usage.output_tokens <= cap:
            return response
        usage = attrs.evolve(response.usage, output_tokens=cap)
        return attrs.evolve(response, usage=usage, finish_reason="length")


class Providers(ProviderContract):
    kind: type[FakeProvider] = Capped

    @asynccontextmanager
    async def provider(self) -> AsyncIterator[aicg.BaseProvider]:
        yield self.kind(["A long story of a hundred words."])

    @asynccontextmanager
    async def failing_provider(self) -> AsyncIterator[aicg.BaseProvider]:
        yield self.kind([aicg.AuthenticationError("no", provider="fake")])


class Uncapped(FakeProvider):
    """Ignores the cap."""


class Endless(Capped):
    async def stream(self, request: aicg.Request) -> AsyncGenerator[aicg.Chunk, None]:
        yield aicg.Chunk(text=(await self.chat(request)).text)


class Guessing(Capped):
    def estimate_input(self, request: aicg.Request) -> aicg.InputEstimate:
        return aicg.InputEstimate(likely=1, upper=1)


class Leaking(Capped):
    async def chat(self, request: aicg.Request) -> aicg.Response:
        try:
            return await super().chat(request)
        except aicg.ProviderError as error:
            raise RuntimeError("an SDK's own error") from error


class Swallowing(Capped):
    async def chat(self, request: aicg.Request) -> aicg.Response:
        try:
            return await super().chat(request)
        except anyio.get_cancelled_exc_class():
            return aicg.Response(parts=(aicg.Text("Too late."),))


class Nameless(Capped):
    async def list_models(self) -> tuple[aicg.ModelInfo, ...]:
        return (aicg.ModelInfo(provider="", model="model"),)


@pytest.mark.parametrize(
    ("kind", "caught"),
    [
        (Uncapped, "test_the_output_cap_holds"),
        (Endless, "test_a_stream_ends_with_the_whole_answer_and_has_it_once"),
        (Guessing, "test_the_upper_bound_of_the_input_is_never_below_what_is_billed"),
        (Leaking, "test_a_refusal_is_a_provider_error_that_survives_pickling"),
        (Swallowing, "test_a_cancelled_call_ends_at_once_and_leaves_the_provider_usable"),
        (Nameless, "test_listed_models_bear_the_provider_s_name"),
    ],
)
@pytest.mark.anyio
async def test_a_bad_provider_fails_its_contract(kind: type[FakeProvider], caught: str) -> None:
    bad = type("Bad", (Providers,), {"kind": kind})

    assert await failures(Providers) == set()
    assert caught in await failures(bad)


class Quiet(aicg.BaseValidator):
    """A good validator."""

    name = "quiet"

    async def validate(
        self, response: aicg.Response, request: aicg.Request
    ) -> aicg.ValidationResult:
        errors = ("it shouts",) if "!" in response.text else ()
        return aicg.ValidationResult(errors=errors)


class Validators(ValidatorContract):
    good, bad = "Hello.", "Hello!"
    kind: type[Quiet] = Quiet

    def validator(self) -> aicg.BaseValidator:
        return self.kind()


class Approving(Quiet):
    async def validate(
        self, response: aicg.Response, request: aicg.Request
    ) -> aicg.ValidationResult:
        return aicg.ValidationResult()


class Speechless(Quiet):
    async def validate(
        self, response: aicg.Response, request: aicg.Request
    ) -> aicg.ValidationResult:
        return aicg.ValidationResult(errors=(" ",) if "!" in response.text else ())


class Fragile(Quiet):
    async def validate(
        self, response: aicg.Response, request: aicg.Request
    ) -> aicg.ValidationResult:
        _ = response.text[0]
        return await super().validate(response, request)


@pytest.mark.parametrize(
    ("kind", "caught"),
    [
        (Approving, "test_a_bad_answer_has_errors_in_plain_words"),
        (Speechless, "test_a_bad_answer_has_errors_in_plain_words"),
        (Fragile, "test_an_empty_answer_is_judged_and_raises_nothing"),
    ],
)
@pytest.mark.anyio
async def test_a_bad_validator_fails_its_contract(kind: type[Quiet], caught: str) -> None:
    bad = type("Bad", (Validators,), {"kind": kind})

    assert await failures(Validators) == set()
    assert caught in await failures(bad)


class Harmless:
    """A good addon."""

    @aicg.hookimpl
    async def aicg_pre_request(self, context: aicg.RequestContext) -> None:
        context.state["seen"] = True


class Addons(AddonContract):
    kind: type[Any] = Harmless

    def addon(self) -> Any:
        return self.kind()


class Misspelt:
    @aicg.hookimpl
    def aicg_pre_reqest(self) -> None: ...


class Insisting:
    @aicg.hookimpl
    def aicg_on_error(self) -> aicg.Retry:
        return aicg.Retry()


class Shortening:
    @aicg.hookimpl
    def aicg_post_request(self, response: aicg.Response) -> aicg.Response:
        parts: tuple[Part, ...] = (aicg.Text(response.text[:5]),)
        return attrs.evolve(response, parts=parts)


class Stopping:
    @aicg.hookimpl
    async def aicg_pre_request(self, context: aicg.RequestContext) -> None:
        try:
            await anyio.lowlevel.checkpoint()
        except anyio.get_cancelled_exc_class() as error:
            raise aicg.AddonError("stopped") from error


@pytest.mark.parametrize(
    ("kind", "caught"),
    [
        (Misspelt, "test_an_ordinary_request_is_answered_and_paid_once"),
        (Insisting, "test_an_error_that_no_retry_can_mend_reaches_the_caller"),
        (Shortening, "test_an_ordinary_request_is_answered_and_paid_once"),
        (Stopping, "test_a_cancelled_request_ends_and_leaves_the_session_usable"),
    ],
)
@pytest.mark.filterwarnings("ignore::aicg.PluginWarning")
@pytest.mark.anyio
async def test_a_bad_addon_fails_its_contract(kind: type[Any], caught: str) -> None:
    bad = type("Bad", (Addons,), {"kind": kind})

    assert await failures(Addons) == set()
    assert caught in await failures(bad)


@pytest.mark.parametrize(
    "contract",
    [AddonContract, LedgerContract, LoggerContract, ProviderContract, ValidatorContract],
)
def test_a_contract_of_which_a_method_is_missing_is_not_skipped(contract: type[Any]) -> None:
    # pytest passes over abstract classes in silence, and nothing would be tested.
    assert not inspect.isabstract(type("TestUnfinished", (contract,), {}))

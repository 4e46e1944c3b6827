"""A blocking session works from any thread, on one loop of its kernel, and ends as others do."""

from __future__ import annotations

import asyncio  # noqa: TID251 - what is told apart here are the loops of asyncio
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

import aicg
from aicg.testing import FakeProvider, Hang, make_kernel


class Located(FakeProvider):
    """Notes which loops and threads it is called on, and where it is closed."""

    def __init__(self, script: Any = ()) -> None:
        super().__init__(script)
        self.loops: set[int] = set()
        self.threads: set[int] = set()
        self.closed_on: list[int] = []

    async def chat(self, request: aicg.Request) -> aicg.Response:
        self.loops.add(id(asyncio.get_running_loop()))
        self.threads.add(threading.get_ident())
        return await super().chat(request)

    async def aclose(self) -> None:
        self.closed_on.append(id(asyncio.get_running_loop()))
        await super().aclose()


def test_a_question_is_answered_and_paid() -> None:
    with aicg.SyncSession("fake:model", kernel=make_kernel(), budget_usd=1) as session:
        response = session.chat("Hi", max_output_tokens=10)

        assert response.text == "Done."
        assert session.cost_usd == response.cost_usd == Decimal("0.000021")
        assert session.budget_remaining == Decimal("0.999979")
        assert session.tokens_used == 3
        assert session.request_count == 1
        (status,) = session.budget_status()
        assert status.reserved_usd == 0


def test_a_session_tells_whose_it_is() -> None:
    kernel = make_kernel()

    with aicg.SyncSession("fake:model", kernel=kernel) as session:
        exported = session.export_to_dict()

    assert session.kernel is kernel
    assert session.model == exported["model"] == "fake:model"
    assert session.id == exported["session_id"]


def test_a_session_takes_what_llmsession_takes() -> None:
    provider = FakeProvider()
    kernel = make_kernel(provider)
    options: Any = {"system": "Be brief.", "metadata": {"team": "a"}, "max_output_tokens": 5}

    with aicg.SyncSession("fake:model", kernel=kernel, **options) as session:
        session.metadata["job"] = "x"
        session.chat("Hi")

    (call,) = provider.calls
    assert (call.system, call.max_output_tokens) == ("Be brief.", 5)
    assert call.metadata == {"team": "a", "job": "x"}


def test_errors_come_as_from_llmsession() -> None:
    provider = FakeProvider([aicg.AuthenticationError("no key", provider="fake")])

    with aicg.SyncSession("fake:model", kernel=make_kernel(provider)) as session:
        with pytest.raises(aicg.AuthenticationError, match="no key"):
            session.chat("Hi")
        with pytest.raises(aicg.ValidationError, match="the prompt is empty"):
            session.chat("")
        with pytest.raises(aicg.ValidationError, match="the prompt is empty"):
            session.estimate("")


def test_what_the_body_raises_goes_on_by_itself() -> None:
    def body() -> None:
        with aicg.SyncSession("fake:model", kernel=make_kernel()) as session:
            session.chat("Hi")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        body()


def test_a_session_that_is_not_open_says_so() -> None:
    session = aicg.SyncSession("fake:model", kernel=make_kernel())
    with session:
        pass

    for use in (session.chat, session.estimate, lambda _: session.conversation()):
        with pytest.raises(aicg.ConfigurationError, match=r"use it as `with aicg\.SyncSession"):
            use("Hi")
    with pytest.raises(aicg.ConfigurationError, match="the session is not open"):
        next(session.batch_generate(["Hi"]))
    with pytest.raises(aicg.ConfigurationError, match="the session is not open"):
        session.stream("Hi").__enter__()


def test_a_session_is_opened_once_at_a_time() -> None:
    with aicg.SyncSession("fake:model", kernel=make_kernel()) as session:
        with pytest.raises(aicg.ConfigurationError, match="the session is open already"):
            session.__enter__()
        assert session.chat("Still open?").text == "Done."


def test_many_threads_use_one_session() -> None:
    provider = Located()
    with (
        aicg.SyncSession("fake:model", kernel=make_kernel(provider), budget_usd=1) as session,
        ThreadPoolExecutor(16) as threads,
    ):
        answers = list(threads.map(session.chat, [f"Question {n}" for n in range(100)]))

    assert len(answers) == 100
    assert len({answer.request_id for answer in answers}) == 100
    assert len(provider.threads) == 1
    assert threading.get_ident() not in provider.threads
    assert session.request_count == 100


def test_threads_never_pass_a_budget_together() -> None:
    provider = FakeProvider()
    refused = 0
    lock = threading.Lock()

    def ask(number: int) -> None:
        nonlocal refused
        try:
            session.chat("Hi", max_output_tokens=2)
        except aicg.BudgetExceededError:
            with lock:
                refused += 1

    with (
        aicg.SyncSession(
            "fake:model", kernel=make_kernel(provider), budget_usd="0.00021"
        ) as session,
        ThreadPoolExecutor(16) as threads,
    ):
        _ = list(threads.map(ask, range(50)))

    assert (len(provider.calls), refused) == (10, 40)
    assert session.cost_usd == Decimal("0.00021")


def test_sessions_of_one_kernel_share_one_loop() -> None:
    provider = Located()
    kernel = make_kernel(provider)

    with aicg.SyncSession("fake:model", kernel=kernel) as one:
        with aicg.SyncSession("fake:model", kernel=kernel) as two:
            one.chat("Hi")
            two.chat("Hi")
        one.chat("Hi")

    assert len(provider.calls) == 3
    assert len(provider.loops) == 1


def test_a_provider_is_closed_on_the_loop_that_it_was_used_on() -> None:
    made: list[Located] = []

    class Offering:
        @aicg.hookimpl
        def aicg_providers(self) -> dict[str, Any]:
            return {"located": self.make}

        class make(Located):  # noqa: N801 - stands for a class
            def __init__(self, name: str, settings: object) -> None:
                super().__init__()
                made.append(self)

    kernel = make_kernel(plugins={"located": Offering})
    for _ in range(2):
        with aicg.SyncSession("located:model", kernel=kernel) as session:
            session.chat("Hi")
            session.chat("Hi")

    assert len(made) == 2
    for provider in made:
        assert len(provider.calls) == 2
        assert provider.closed_on == list(provider.loops)


def test_a_session_without_a_kernel_closes_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = FakeProvider()
    monkeypatch.setattr(aicg.Kernel, "from_file", lambda: make_kernel(provider))

    with aicg.SyncSession("fake:model") as session:
        session.chat("Hi")

    assert provider.closed


def test_no_thread_outlives_the_session() -> None:
    before = set(threading.enumerate())

    with aicg.SyncSession("fake:model", kernel=make_kernel()) as session:
        session.chat("Hi")
        during = set(threading.enumerate())

    assert during - before
    assert set(threading.enumerate()) <= before


def test_a_notebook_has_a_loop_running_already() -> None:
    async def cell() -> str:
        with aicg.SyncSession("fake:model", kernel=make_kernel()) as session:
            return session.chat("Hi").text

    assert asyncio.run(cell()) == "Done."


def test_a_stream_is_read_piece_by_piece() -> None:
    kernel = make_kernel(FakeProvider(["One two three."]))

    with aicg.SyncSession("fake:model", kernel=kernel, budget_usd=1) as session:
        with session.stream("Hi") as stream:
            first = next(iter(stream.text()))
            with pytest.raises(aicg.ValidationError, match="read the stream to its end"):
                _ = stream.response
            rest = list(stream.text())
        with session.stream("Hi") as chunks:
            responses = [chunk.response for chunk in chunks]

    assert [first, *rest] == ["One ", "two ", "three."]
    assert stream.response.text == "One two three."
    assert responses[-1] is chunks.response
    assert session.request_count == 2


def test_a_stream_left_half_read_is_settled() -> None:
    kernel = make_kernel(FakeProvider(["One two three."]))

    with aicg.SyncSession("fake:model", kernel=kernel, budget_usd=1) as session:
        with session.stream("Hi") as stream:
            for _ in stream:
                break
        (status,) = session.budget_status()

    assert status.reserved_usd == 0
    assert session.session.costs.assumed_usd.count == 1


def test_an_error_in_a_stream_comes_on_reading() -> None:
    kernel = make_kernel(FakeProvider([aicg.ServerError("busy")]))

    with (
        aicg.SyncSession("fake:model", kernel=kernel) as session,
        session.stream("Hi") as stream,
        pytest.raises(aicg.ServerError, match="busy"),
    ):
        list(stream)


def test_a_conversation_keeps_what_was_said() -> None:
    provider = FakeProvider(["One.", "Two."])

    with aicg.SyncSession("fake:model", kernel=make_kernel(provider)) as session:
        conversation = session.conversation(system="Be brief.")
        conversation.chat("1?")
        with conversation.stream("2?") as stream:
            _ = list(stream.text())

    assert [message.text for message in conversation.messages] == ["1?", "One.", "2?", "Two."]
    assert provider.calls[1].system == "Be brief."


@pytest.mark.parametrize("items", [["a", "b", "c"], (word for word in "abc")], ids=["list", "lazy"])
def test_a_batch_is_an_iterator(items: Any) -> None:
    with aicg.SyncSession("fake:model", kernel=make_kernel()) as session:
        answers = {item.index: item.item for item in session.batch_generate(items, concurrency=2)}

    assert answers == {0: "a", 1: "b", 2: "c"}


def test_a_batch_of_which_not_all_is_read_is_ended() -> None:
    provider = FakeProvider()
    with aicg.SyncSession("fake:model", kernel=make_kernel(provider)) as session:
        for item in session.batch_generate(["Hi"] * 1000, concurrency=2):
            if item.index >= 5:
                break
        response = session.chat("Still there?")

    assert response.text == "Done."
    assert len(provider.calls) < 20


def test_an_iterator_that_outlives_the_session_ends_quietly() -> None:
    with aicg.SyncSession("fake:model", kernel=make_kernel()) as session:
        batch = session.batch_generate(["Hi"] * 1000, concurrency=2)
        next(batch)

    assert list(batch) == []


def test_the_first_error_of_a_batch_is_raised() -> None:
    provider = FakeProvider(["Done.", aicg.ServerError("busy")])
    with aicg.SyncSession("fake:model", kernel=make_kernel(provider)) as session:
        batch = session.batch_generate(["Hi"] * 10, concurrency=1, on_error="raise")
        next(batch)
        with pytest.raises(aicg.ServerError, match="busy"):
            next(batch)


def test_books_are_exported_and_taken_up_again() -> None:
    kernel = make_kernel()
    with aicg.SyncSession("fake:model", kernel=kernel, budget_usd=1) as first:
        first.chat("Hi")
    data = first.export_to_dict()

    with aicg.SyncSession.from_dict(data, kernel=kernel) as second:
        second.chat("Hi")
        assert second.budget_remaining == Decimal(1) - 2 * first.cost_usd

    assert second.request_count == 2
    assert first.export_to_json().startswith("{")


def test_an_alert_comes_in_the_loops_thread() -> None:
    threads: list[int] = []

    with aicg.SyncSession("fake:model", kernel=make_kernel(), budget_usd="0.0001") as session:
        session.set_alert(0.1, lambda alert: threads.append(threading.get_ident()))
        session.chat("Hi", max_output_tokens=2)

    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


class Interrupting(FakeProvider):
    """Never answers; has Ctrl-C pressed in the main thread as soon as it is asked."""

    def __init__(self) -> None:
        super().__init__([Hang()])

    async def _do(self, step: Any, request: aicg.Request) -> aicg.Response:
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, signal.SIGINT)
        return await super()._do(step, request)


def ask(session: aicg.SyncSession) -> None:
    session.chat("Hi")


def converse(session: aicg.SyncSession) -> None:
    session.conversation().chat("Hi")


def read_stream(session: aicg.SyncSession) -> None:
    with session.stream("Hi") as stream:
        list(stream)


def read_batch(session: aicg.SyncSession) -> None:
    list(session.batch_generate(["Hi"], concurrency=1))


@pytest.mark.parametrize("work", [ask, converse, read_stream, read_batch])
def test_an_interrupt_ends_what_is_under_way_and_settles_it(work: Any) -> None:
    provider = Interrupting()
    kernel = make_kernel(provider)

    options: Any = {"budget_usd": 1, "max_output_tokens": 10, "timeout_s": 5}
    with (
        pytest.raises(KeyboardInterrupt),
        aicg.SyncSession("fake:model", kernel=kernel, **options) as session,
    ):
        work(session)

    (status,) = session.budget_status()
    assert provider.in_flight == 0
    assert status.reserved_usd == 0
    assert status.spent_usd == session.cost_usd == Decimal("0.000101")
    assert session.session.metrics.errors.keys() <= {"Cancelled"}


def test_after_an_interrupt_the_session_goes_on() -> None:
    class Once(Interrupting):
        async def _do(self, step: Any, request: aicg.Request) -> aicg.Response:
            if self.steps > 1:
                return aicg.Response(parts=(aicg.Text("Done."),))
            return await super()._do(step, request)

        @property
        def steps(self) -> int:
            return len(self.calls)

    with aicg.SyncSession("fake:model", kernel=make_kernel(Once()), timeout_s=5) as session:
        with pytest.raises(KeyboardInterrupt):
            session.chat("Hi")
        response = session.chat("Hi")

    assert response.text == "Done."

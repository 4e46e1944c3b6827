"""A stream hands on an answer piece by piece, and whoever leaves it early pays for it."""

from __future__ import annotations

from contextlib import aclosing
from decimal import Decimal
from typing import TYPE_CHECKING

import anyio
import pytest

import aicg
from aicg.testing import FakeProvider, Hang, make_kernel

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


@pytest.mark.parametrize(
    "text", ["One two three.", "One", "", " ", "  two  spaces ", "a line\nand\tanother\n"]
)
@pytest.mark.anyio
async def test_the_pieces_are_the_whole(text: str) -> None:
    async with (
        make_kernel(FakeProvider([text])) as kernel,
        kernel.session("fake:model") as session,
        session.stream("Hi") as stream,
    ):
        pieces = [piece async for piece in stream.text()]

    assert "".join(pieces) == stream.response.text == text


@pytest.mark.anyio
async def test_the_last_chunk_and_no_other_has_the_response() -> None:
    async with (
        make_kernel(FakeProvider(["One two."])) as kernel,
        kernel.session("fake:model") as session,
        session.stream("Hi") as stream,
    ):
        chunks = [chunk async for chunk in stream]

    assert [chunk.response is None for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    assert chunks[-1].response is stream.response
    assert stream.response.cost_usd == session.cost_usd == Decimal("0.000031")
    assert session.request_count == 1


@pytest.mark.anyio
async def test_the_response_is_there_when_the_stream_is_read() -> None:
    async with (
        make_kernel(FakeProvider(["One two."])) as kernel,
        kernel.session("fake:model") as session,
        session.stream("Hi") as stream,
    ):
        await anext(stream)
        with pytest.raises(aicg.ValidationError, match="read the stream to its end first"):
            _ = stream.response


@pytest.mark.anyio
async def test_a_stream_is_read_inside_async_with() -> None:
    provider = FakeProvider()
    async with make_kernel(provider) as kernel, kernel.session("fake:model") as session:
        stream = session.stream("Hi")
        with pytest.raises(aicg.ValidationError, match=r"inside `async with session\.stream"):
            await anext(stream)
        async with stream:
            await anext(stream)
        with pytest.raises(aicg.ValidationError, match=r"inside `async with session\.stream"):
            await anext(stream)


@pytest.mark.anyio
async def test_a_stream_that_nobody_reads_costs_nothing() -> None:
    provider = FakeProvider()
    async with (
        make_kernel(provider) as kernel,
        kernel.session("fake:model", budget_usd=1) as session,
        session.stream("Hi"),
    ):
        pass

    assert provider.calls == []
    assert session.cost_usd == 0


@pytest.mark.anyio
async def test_a_stream_left_half_read_is_charged_in_full() -> None:
    provider = FakeProvider(["One two three."])
    async with (
        make_kernel(provider) as kernel,
        kernel.session("fake:model", budget_usd=1, max_output_tokens=10) as session,
    ):
        async with session.stream("Hi") as stream:
            async for _ in stream.text():
                break
        (status,) = session.budget_status()

    assert session.cost_usd == status.spent_usd == Decimal("0.000101")
    assert status.reserved_usd == 0
    assert session.costs.assumed_usd.count == 1
    assert session.metrics.overall.failures == 1


@pytest.mark.anyio
async def test_what_the_reader_raises_goes_on_and_the_stream_is_settled() -> None:
    provider = FakeProvider(["One two three."])
    async with (
        make_kernel(provider) as kernel,
        kernel.session("fake:model", budget_usd=1) as session,
    ):
        with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the body is what is tested
            async with session.stream("Hi") as stream:
                async for _ in stream:
                    raise ZeroDivisionError
        (status,) = session.budget_status()

    assert status.reserved_usd == 0
    assert status.spent_usd > 0


@pytest.mark.anyio
async def test_a_cancelled_reader_settles_the_stream() -> None:
    async def read(session: aicg.LLMSession) -> None:
        async with session.stream("Hi") as stream:
            await anext(stream)

    provider = FakeProvider([Hang()])
    async with (
        make_kernel(provider) as kernel,
        kernel.session("fake:model", budget_usd=1) as session,
    ):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read, session)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        (status,) = session.budget_status()

    assert provider.in_flight == 0
    assert status.reserved_usd == 0


@pytest.mark.anyio
async def test_a_provider_without_streams_answers_in_one_piece() -> None:
    class Whole(aicg.BaseProvider):
        async def chat(self, request: aicg.Request) -> aicg.Response:
            return aicg.Response(parts=(aicg.Reasoning("Hm."), aicg.Text("One two.")))

    async with (
        make_kernel(Whole("whole", None)) as kernel,
        kernel.session("whole:m") as session,
        session.stream("Hi") as stream,
    ):
        chunks = [chunk async for chunk in stream]

    assert [(chunk.text, chunk.reasoning) for chunk in chunks] == [("One two.", "Hm."), ("", "")]
    assert stream.response.text == "One two."


@pytest.mark.anyio
async def test_an_addons_answer_is_streamed_too() -> None:
    class Memory:
        @aicg.hookimpl
        def aicg_pre_request(self) -> aicg.Response:
            return aicg.Response(parts=(aicg.Text("From memory."),), origin="cache")

    provider = FakeProvider()
    async with (
        make_kernel(provider, plugins={"memory": Memory}) as kernel,
        kernel.session("fake:model", budget_usd=1) as session,
        session.stream("Hi") as stream,
    ):
        pieces = [piece async for piece in stream.text()]

    assert pieces == ["From memory."]
    assert (stream.response.origin, provider.calls) == ("cache", [])


@pytest.mark.anyio
async def test_an_error_comes_on_reading() -> None:
    provider = FakeProvider([aicg.AuthenticationError("no key", provider="fake")])
    async with (
        make_kernel(provider) as kernel,
        kernel.session("fake:model") as session,
        session.stream("Hi") as stream,
    ):
        with pytest.raises(aicg.AuthenticationError, match="no key"):
            await anext(stream)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


class Cut(FakeProvider):
    """Ends its streams early, with an error or without."""

    def __init__(self, error: Exception | None = None, pieces: int = 1) -> None:
        super().__init__()
        self.error = error
        self.pieces = pieces

    async def stream(self, request: aicg.Request) -> AsyncGenerator[aicg.Chunk, None]:
        self.calls.append(request)
        for _ in range(self.pieces):
            yield aicg.Chunk(text="One ")
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize("pieces", [0, 1, 2])
@pytest.mark.anyio
async def test_a_stream_that_ends_without_an_answer_is_an_error(pieces: int) -> None:
    async with (
        make_kernel(Cut(pieces=pieces)) as kernel,
        kernel.session("fake:model") as session,
        session.stream("Hi") as stream,
    ):
        with pytest.raises(aicg.ConnectionError, match="ended its stream before the answer"):
            async for _ in stream:
                pass

    assert session.costs.assumed_usd.count == 1


class Again:
    """Has every error tried again."""

    @aicg.hookimpl
    def aicg_on_error(self) -> aicg.Retry:
        return aicg.Retry()


@pytest.mark.parametrize(("pieces", "attempts"), [(0, 3), (1, 1)])
@pytest.mark.anyio
async def test_a_stream_is_tried_again_only_while_nothing_was_handed_on(
    pieces: int, attempts: int
) -> None:
    provider = Cut(aicg.ServerError("busy"), pieces)
    kernel = make_kernel(provider, plugins={"again": Again})
    async with (
        kernel,
        kernel.session("fake:model", max_attempts=3) as session,
        session.stream("Hi") as stream,
    ):
        with pytest.raises(aicg.ServerError) as caught:
            async for _ in stream:
                pass

    assert len(provider.calls) == attempts
    assert len(caught.value.__notes__) == 1


@pytest.mark.anyio
async def test_the_providers_stream_is_closed_when_the_reader_leaves() -> None:
    closed = []

    class Closing(FakeProvider):
        async def stream(self, request: aicg.Request) -> AsyncGenerator[aicg.Chunk, None]:
            async with aclosing(super().stream(request)) as chunks:
                try:
                    async for chunk in chunks:
                        yield chunk
                finally:
                    closed.append("stream")

    provider = Closing(["One two three."])
    async with make_kernel(provider) as kernel, kernel.session("fake:model") as session:
        async with session.stream("Hi") as stream:
            await anext(stream)
        closed_within = list(closed)

    assert closed_within == ["stream"]


@pytest.mark.anyio
async def test_many_streams_run_side_by_side() -> None:
    texts: list[str] = []

    async def read(number: int) -> None:
        async with session.stream(f"Question {number}") as stream:
            texts.append("".join([piece async for piece in stream.text()]))

    async with (
        make_kernel(FakeProvider(["One two."])) as kernel,
        kernel.session("fake:model", budget_usd=1) as session,
        anyio.create_task_group() as tasks,
    ):
        for number in range(20):
            tasks.start_soon(read, number)

    assert texts == ["One two."] * 20
    assert session.request_count == 20

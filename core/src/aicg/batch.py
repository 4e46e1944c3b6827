"""`Batch`: many requests at once, of which only those in flight are held."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING, Any, Literal, Self

import anyio
import attrs

from aicg.errors import AIContentGeneratorError, ValidationError
from aicg.exchange import Prompt, Request, Response
from aicg.messages import Message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from aicg.exchange import RequestOptions
    from aicg.session import LLMSession


@attrs.frozen(kw_only=True)
class BatchItem:
    """One prompt of a batch and what became of it; either `response` or `error` is there.

    Attributes:
        index: The prompt's place in the batch, from 0.
        item: The prompt.
        response: The answer.
        error: Why there is none.
    """

    index: int
    item: Prompt
    response: Response | None = None
    error: AIContentGeneratorError | None = None


class Batch:
    """Answers to many prompts as an async iterator, in the order in which they are done.

    Workers take prompts one at a time and hold a finished answer until it is read, so a batch of a
    million takes no more memory than its `concurrency`. Closing the batch ends what is under way;
    so does an error, or a cancellation, in the task that reads it. What the source of the prompts
    raises comes after the answers that were under way.
    """

    def __init__(
        self,
        session: LLMSession,
        items: Iterable[Prompt] | AsyncIterable[Prompt],
        *,
        concurrency: int,
        on_error: Literal["collect", "raise"],
        options: RequestOptions,
    ) -> None:
        if isinstance(items, (str, Message, Request)):
            raise ValidationError(
                "a batch takes many prompts, such as a list of them: got a single one"
            )
        if concurrency < 1:
            raise ValidationError(f"concurrency must be at least 1: got {concurrency!r}")
        if on_error not in {"collect", "raise"}:
            raise ValidationError(f'on_error is "collect" or "raise": got {on_error!r}')
        self._session = session
        self._concurrency = concurrency
        self._raises = on_error == "raise"
        self._options = options
        self._source = _numbered(items)
        self._turn = anyio.Lock()
        self._scope = anyio.CancelScope()
        self._results: MemoryObjectReceiveStream[BatchItem] | None = None
        self._fault: Exception | None = None

    def __aiter__(self) -> Batch:
        return self

    async def __anext__(self) -> BatchItem:
        if self._results is None:
            self._results = self._start()
        try:
            item = await self._results.receive()
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            item = None
        except BaseException:
            self._scope.cancel()
            raise
        if item is None:
            raise self._fault or StopAsyncIteration
        if item.error is not None and self._raises:
            await self.aclose()
            raise item.error
        return item

    async def aclose(self) -> None:
        """End the requests under way; what they may have cost is charged."""
        self._scope.cancel()
        if self._results is not None:
            self._results.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    def _start(self) -> MemoryObjectReceiveStream[BatchItem]:
        tasks = self._session.running_tasks()
        send, receive = anyio.create_memory_object_stream[BatchItem](0)
        tasks.start_soon(self._work, send, receive, name="aicg batch")
        return receive

    async def _work(
        self,
        results: MemoryObjectSendStream[BatchItem],
        receiver: MemoryObjectReceiveStream[BatchItem],
    ) -> None:
        with receiver, self._scope:
            try:
                async with (
                    results,
                    aclosing(self._source),
                    anyio.create_task_group() as workers,
                ):
                    for _ in range(self._concurrency):
                        workers.start_soon(self._serve, results)
            except* Exception as group:  # noqa: BLE001 - raised again where the batch is read
                self._fault = group.exceptions[0]

    async def _serve(self, results: MemoryObjectSendStream[BatchItem]) -> None:
        while numbered := await self._take():
            index, prompt = numbered
            try:
                response = await self._session.chat(prompt, **self._options)
            except AIContentGeneratorError as error:
                item = BatchItem(index=index, item=prompt, error=error)
            else:
                item = BatchItem(index=index, item=prompt, response=response)
            await results.send(item)

    async def _take(self) -> tuple[int, Any] | None:
        """Return the next prompt and its place; None after the last, or where the source fails."""
        async with self._turn:
            try:
                return await anext(self._source, None)
            except Exception as error:  # noqa: BLE001 - raised where the batch is read
                # What is under way is paid for, and handed on first.
                self._fault = error
                return None


async def _numbered(
    items: Iterable[Prompt] | AsyncIterable[Prompt],
) -> AsyncGenerator[tuple[int, Any], None]:
    if not isinstance(items, AsyncIterable):
        for pair in enumerate(items):
            yield pair
        return
    index = 0
    async with AsyncExitStack() as stack:
        if isinstance(items, AsyncGenerator):
            # Nobody else can, once it is taken from here.
            await stack.enter_async_context(aclosing(items))
        async for prompt in items:
            yield index, prompt
            index += 1

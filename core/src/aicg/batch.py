"""`Batch`: many requests at once, of which only those in flight are held."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Any, Literal, Self

import anyio
import attrs

from aicg.errors import AIContentGeneratorError, ValidationError
from aicg.exchange import Prompt, Response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

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
    so does an error, or a cancellation, in the task that reads it.
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
            if self._fault is not None:
                raise self._fault from None
            raise StopAsyncIteration from None
        except BaseException:
            self._scope.cancel()
            raise
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
        send, receive = anyio.create_memory_object_stream[BatchItem](0)
        self._session.running_tasks().start_soon(self._work, send, receive, name="aicg batch")
        return receive

    async def _work(
        self,
        results: MemoryObjectSendStream[BatchItem],
        receiver: MemoryObjectReceiveStream[BatchItem],
    ) -> None:
        with receiver, self._scope:
            try:
                async with results, anyio.create_task_group() as workers:
                    for _ in range(self._concurrency):
                        workers.start_soon(self._serve, results)
            except* Exception as group:  # noqa: BLE001 - raised again where the batch is read
                self._fault = group.exceptions[0]

    async def _serve(self, results: MemoryObjectSendStream[BatchItem]) -> None:
        while True:
            async with self._turn:
                numbered = await anext(self._source, None)
            if numbered is None:
                return
            index, prompt = numbered
            try:
                response = await self._session.chat(prompt, **self._options)
            except AIContentGeneratorError as error:
                item = BatchItem(index=index, item=prompt, error=error)
            else:
                item = BatchItem(index=index, item=prompt, response=response)
            await results.send(item)


async def _numbered(
    items: Iterable[Prompt] | AsyncIterable[Prompt],
) -> AsyncIterator[tuple[int, Any]]:
    index = 0
    if isinstance(items, AsyncIterable):
        async for prompt in items:
            yield index, prompt
            index += 1
        return
    for pair in enumerate(items):
        yield pair

"""`SyncSession`: a session for scripts, notebooks, Django and Celery.

The work runs on one event loop in one thread, the kernel's portal, whatever thread asks. So clients
made for that loop are never used on another.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Unpack, cast

from anyio import CancelScope

from aicg.errors import ConfigurationError
from aicg.report import SessionReport
from aicg.session import LLMSession, SessionOptions

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterable,
        Awaitable,
        Callable,
        Generator,
        Iterable,
        Iterator,
        Mapping,
    )
    from types import TracebackType

    from anyio.from_thread import BlockingPortal

    from aicg.batch import BatchItem
    from aicg.budget import Estimate
    from aicg.conversation import Conversation
    from aicg.exchange import Chunk, Prompt, RequestOptions, Response, Turns
    from aicg.kernel import Kernel
    from aicg.logs import Logger
    from aicg.messages import Message
    from aicg.stream import ResponseStream

_T = TypeVar("_T")


class SyncStream:
    """An answer on its way, read piece by piece inside `with`."""

    def __init__(self, portal: BlockingPortal, stream: ResponseStream) -> None:
        self._portal = portal
        self._stream = stream

    @property
    def response(self) -> Response:
        """The whole answer.

        Raises:
            ValidationError: The stream was not read to its end.
        """
        return self._stream.response

    def text(self) -> Iterator[str]:
        """Yield the pieces of text."""
        return (chunk.text for chunk in self if chunk.text)

    def __iter__(self) -> Iterator[Chunk]:
        # None ends it, for no coroutine can raise StopAsyncIteration through the portal.
        while (chunk := _wait(self._portal, anext, self._stream, None)) is not None:
            yield chunk


def _wait(portal: BlockingPortal, function: Callable[..., Awaitable[_T]], *values: Any) -> _T:
    """Return what a call in the portal's loop gives; an interrupt ends and settles the call."""
    scopes: list[CancelScope] = []
    ended = threading.Event()

    async def run() -> _T | None:
        try:
            with CancelScope() as scope:
                scopes.append(scope)
                return await function(*values)
        finally:
            ended.set()
        return None

    def cancel() -> None:
        # Ctrl-C can come at any point, so the call may not even have begun.
        if scopes:
            scopes[0].cancel()
        else:
            ended.set()

    try:
        return cast("_T", portal.call(run))
    except BaseException:
        if not ended.is_set():
            portal.start_task_soon(cancel)
            ended.wait()
        raise


class SyncConversation:
    """A conversation, blocking; see `Conversation`."""

    def __init__(self, portal: BlockingPortal, conversation: Conversation) -> None:
        self._portal = portal
        self._conversation = conversation

    @property
    def messages(self) -> list[Message]:
        """What was said so far."""
        return self._conversation.messages

    def chat(self, prompt: Turns, **options: Unpack[RequestOptions]) -> Response:
        """Return the answer to what is said next; raises as `LLMSession.chat` does."""
        return _wait(self._portal, lambda: self._conversation.chat(prompt, **options))

    @contextmanager
    def stream(self, prompt: Turns, **options: Unpack[RequestOptions]) -> Iterator[SyncStream]:
        """Return the answer to what is said next, as a stream."""
        stream = self._conversation.stream(prompt, **options)
        with self._portal.wrap_async_context_manager(stream):
            yield SyncStream(self._portal, stream)


class SyncSession(SessionReport):
    """An `LLMSession` whose calls block; used as `with`, by any number of threads at once.

    The arguments and the errors are those of `LLMSession`.

    >>> with SyncSession("sim:tutor", budget_usd=1) as session:  # doctest: +SKIP
    ...     print(session.chat("Hello").text)
    """

    session: LLMSession
    _exit: ExitStack
    _entered: BlockingPortal | None

    def __init__(
        self,
        model: str | None = None,
        *,
        kernel: Kernel | None = None,
        **options: Unpack[SessionOptions],
    ) -> None:
        self._wrap(LLMSession(model, kernel=kernel, **options))

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            portal = stack.enter_context(self.session.kernel.portal())
            stack.enter_context(portal.wrap_async_context_manager(self.session))
            self._entered = portal
            self._exit = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._entered = None
        self._exit.__exit__(kind, error, traceback)

    def chat(self, prompt: Prompt, **options: Unpack[RequestOptions]) -> Response:
        """Return the answer to a prompt; raises as `LLMSession.chat` does."""
        return _wait(self._portal, lambda: self.session.chat(prompt, **options))

    @contextmanager
    def stream(self, prompt: Prompt, **options: Unpack[RequestOptions]) -> Iterator[SyncStream]:
        """Return the answer to a prompt as a stream, to be used as `with`."""
        portal = self._portal
        stream = self.session.stream(prompt, **options)
        with portal.wrap_async_context_manager(stream):
            yield SyncStream(portal, stream)

    def conversation(self, *, system: str | None = None) -> SyncConversation:
        """Return a conversation, which keeps what was said and sends it along."""
        return SyncConversation(self._portal, self.session.conversation(system=system))

    def batch_generate(
        self,
        items: Iterable[Prompt] | AsyncIterable[Prompt],
        *,
        concurrency: int = 32,
        on_error: Literal["collect", "raise"] = "collect",
        **options: Unpack[RequestOptions],
    ) -> Generator[BatchItem, None, None]:
        """Yield the answers to many prompts, as they come; closing the iterator ends the batch."""
        portal = self._portal
        batch = portal.call(
            lambda: self.session.batch_generate(
                items, concurrency=concurrency, on_error=on_error, **options
            )
        )
        try:
            while self._entered is portal and (item := _wait(portal, anext, batch, None)):
                yield item
        finally:
            # The end of the session is the end of its batches.
            if self._entered is portal:
                portal.call(batch.aclose)

    def estimate(self, prompt: Prompt, **options: Unpack[RequestOptions]) -> Estimate:
        """Return what a request may use and cost; nothing is sent."""
        return self._portal.call(lambda: self.session.estimate(prompt, **options))

    @property
    def id(self) -> str:
        """What names the session in logs and books."""
        return self.session.id

    @property
    def model(self) -> str:
        """The model that requests go to unless they name another."""
        return self.session.model

    @property
    def kernel(self) -> Kernel:
        """The kernel that the session belongs to."""
        return self.session.kernel

    @property
    def log(self) -> Logger:
        """Writes log records."""
        return self.session.log

    @property
    def metadata(self) -> dict[str, Any]:
        """Notes for the books, given to every request."""
        return self.session.metadata

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, kernel: Kernel | None = None) -> SyncSession:
        """Return a session that goes on from exported books; see `LLMSession.from_dict`."""
        return cls.wrapping(LLMSession.from_dict(data, kernel=kernel))

    @classmethod
    def wrapping(cls, session: LLMSession) -> SyncSession:
        """Return the blocking form of a session that is not open yet."""
        wrapped = cls.__new__(cls)
        wrapped._wrap(session)
        return wrapped

    def _wrap(self, session: LLMSession) -> None:
        self.session = session
        self._exit = ExitStack()
        self._entered = None

    @property
    def _session(self) -> LLMSession:
        return self.session

    @property
    def _portal(self) -> BlockingPortal:
        if self._entered is None:
            raise ConfigurationError(
                "the session is not open; use it as `with aicg.SyncSession(...) as session:`"
            )
        return self._entered

"""`LLMSession`: what an application talks to a model through."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, Unpack

import anyio
import attrs

from aicg.batch import Batch
from aicg.books import Books
from aicg.budget import Budget, Estimate, estimate, with_those_above
from aicg.config import amend_settings
from aicg.conversation import Conversation
from aicg.errors import ConfigurationError
from aicg.exchange import (
    Chunk,
    Prompt,
    Request,
    RequestContext,
    RequestOptions,
    Response,
    messages_of,
    split_model_name,
)
from aicg.export import restore_session
from aicg.lifecycle import run_aside
from aicg.money import ZERO, parse_usd
from aicg.report import SessionReport
from aicg.stream import ResponseStream
from aicg.tools import answer, as_tools

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable, Mapping
    from decimal import Decimal

    from anyio.abc import TaskGroup

    from aicg.budget import BudgetStatus
    from aicg.kernel import Kernel
    from aicg.logs import Logger
    from aicg.models import ModelInfo
    from aicg.plugins import ActHooks


class SessionOptions(TypedDict, total=False):
    """What `LLMSession` takes by keyword; the latter half are fields of the config's `[session]`.

    Attributes:
        budget_usd: A budget of the session's own, in dollars.
        budgets: The names of other budgets it draws on; the config's if it is left out.
        disable: Plugins that take no part.
        metadata: Notes for the books, given to every request.
        system: Instructions that stand above every request without its own.
    """

    budget_usd: Decimal | str | float | None
    budgets: Iterable[str]
    disable: Iterable[str]
    metadata: Mapping[str, Any]
    system: str | None
    max_output_tokens: int
    min_output_tokens: int
    on_tight_budget: Literal["auto", "shrink", "refuse"]
    unknown_outcome: Literal["charge", "release"]
    max_attempts: int
    max_tool_rounds: int
    count: Literal["bound", "exact"]
    timeout_s: float | None
    deadline_s: float | None
    budget_wait_s: float
    dry_run: bool
    addons: tuple[str, ...]


_OWN_OPTIONS = ("budget_usd", "disable", "metadata", "system")


class LLMSession(SessionReport):
    """Requests that share a model, budgets, addons and books; used as `async with`.

    Many tasks may use a session at once.

    Args:
        model: `provider:model`; the config's `[session] model` if None.
        kernel: The kernel to belong to; None makes one from the config, closed with the session.
        **options: See `SessionOptions`; settings hold for this session in place of the config's.

    Raises:
        ConfigurationError: A setting makes no sense, or no model is named.
        ValidationError: The model's name is not `provider:model`.

    >>> async with LLMSession("sim:tutor", budget_usd="0.50") as session:  # doctest: +SKIP
    ...     answer = await session.chat("Explain recursion to a twelve-year-old.")
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        kernel: Kernel | None = None,
        **options: Unpack[SessionOptions],
    ) -> None:
        self.id = os.urandom(8).hex()
        self._owns_kernel = kernel is None
        self.kernel: Kernel = _default_kernel() if kernel is None else kernel
        self.system = options.pop("system", None)
        self.metadata = dict(options.pop("metadata", {}))
        disable = options.pop("disable", ())
        self.disabled = frozenset([disable] if isinstance(disable, str) else disable)
        limit = options.pop("budget_usd", None)
        self.settings = amend_settings(
            self.kernel.config.session, options, ("session",), others=_OWN_OPTIONS
        )
        self.model = _model_name(model or self.settings.model)
        self.budget_names = with_those_above(self.settings.budgets)
        self.own_budget = None
        if limit is not None:
            self.own_budget = Budget(f"session-{self.id}", parse_usd(limit, name="budget_usd"))
            self.budget_names = (*self.budget_names, self.own_budget.name)
        self.watchers = self.kernel.watch_hooks(self.disabled)
        self.books = Books(self.budget_names, self.watchers)
        self.log: Logger = self.kernel.logger(self.id, self.watchers)
        self.spent_before_usd = ZERO
        self.last_status: tuple[BudgetStatus, ...] | None = None
        self.is_declared = False
        self._requests = 0
        self._tasks: TaskGroup | None = None
        self.hooks: ActHooks

    async def __aenter__(self) -> Self:
        if self._tasks is not None:
            raise ConfigurationError("the session is open already; make one for each `async with`")
        if self._owns_kernel:
            if self.kernel.is_closed:
                raise ConfigurationError(
                    "the session is over, as its kernel was closed with it; make a new one: "
                    "LLMSession.from_dict(session.export_to_dict()) goes on from its books"
                )
            await self.kernel.open()
        try:
            await self._begin()
        except BaseException:
            with anyio.CancelScope(shield=True):
                if self.is_declared:
                    await self._leave_budgets()
                if self._owns_kernel:
                    await self.kernel.aclose()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        tasks, self._tasks = self.running_tasks(), None
        try:
            # What the body raised goes on by itself, not wrapped in the task group's exception.
            tasks.cancel_scope.cancel()
            await tasks.__aexit__(None, None, None)
            await self.hooks.end(self)
        finally:
            with anyio.CancelScope(shield=True):
                await self._leave_budgets()
                if self._owns_kernel:
                    await self.kernel.aclose()

    async def chat(self, prompt: Prompt, **options: Unpack[RequestOptions]) -> Response:
        """Return the answer to a prompt.

        Args:
            prompt: Text, a message, a conversation that ends with the question, or a `Request`.
            **options: Fields of `Request`.

        Raises:
            ValidationError: The prompt is empty.
            BudgetExceededError: The worst case does not fit a budget; nothing was sent.
            UnknownPriceError: A budget applies, and the model's price is not known.
            ProviderError: The provider did not answer, and no addon had another way.
            ResponseValidationError: The answer is not of the form asked for.
        """
        self.running_tasks()
        request = self.new_request(prompt, options)
        last: Chunk | None = None
        async for chunk in answer(self, request, streaming=False):
            last = chunk
        assert last is not None and last.response is not None  # noqa: S101, PT018 - answer's word
        return last.response

    def stream(self, prompt: Prompt, **options: Unpack[RequestOptions]) -> ResponseStream:
        """Return the answer to a prompt as a stream, to be used as `async with`.

        Raises:
            ValidationError: The prompt is empty. Other errors come as from `chat`, on reading.
        """
        return self.stream_request(self.new_request(prompt, options))

    def conversation(self, *, system: str | None = None) -> Conversation:
        """Return a conversation, which keeps what was said and sends it along."""
        return Conversation(self, system=system)

    def batch_generate(
        self,
        items: Iterable[Prompt] | AsyncIterable[Prompt],
        *,
        concurrency: int = 32,
        on_error: Literal["collect", "raise"] = "collect",
        **options: Unpack[RequestOptions],
    ) -> Batch:
        """Return the answers to many prompts, as they come, as an async iterator.

        Only what is in flight is held, so `items` may be of any length.

        Args:
            items: The prompts; an iterable or an async iterable.
            concurrency: How many requests are under way at once.
            on_error: "collect" hands errors on as items; "raise" stops at the first.
            **options: Fields of `Request`, the same for all.

        Raises:
            ValidationError: `concurrency` is not at least 1.
        """
        return Batch(self, items, concurrency=concurrency, on_error=on_error, options=options)

    def estimate(self, prompt: Prompt, **options: Unpack[RequestOptions]) -> Estimate:
        """Return what a request may use and cost; nothing is sent.

        Raises:
            ValidationError: The prompt is empty.
            UnknownPluginError: There is no such provider.
        """
        request = self.new_request(prompt, options)
        route = self.kernel.catalogue.route(request.model)
        cap, _ = self.output_caps(request, route.info)
        return estimate(
            route.provider.estimate_input(request),
            route.info.price,
            cap=cap,
            mean_output_tokens=self.tokens.mean_output(request.model),
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, kernel: Kernel | None = None) -> LLMSession:
        """Return a session that goes on from exported books, with what its budget has left.

        Raises:
            ValidationError: The data is not what `export_to_dict` returns.
        """
        return restore_session(cls, data, kernel)

    # What follows is for the kernel's own rooms.

    @property
    def _session(self) -> LLMSession:
        return self

    def new_request(self, prompt: Prompt, options: RequestOptions) -> Request:
        """Return the request that a prompt stands for.

        Raises:
            ValidationError: The prompt is empty, or not a prompt.
            ConfigurationError: A tool is a function that has no schema.
        """
        fields: dict[str, Any] = {**options}
        if "tools" in options:
            fields["tools"] = as_tools(options["tools"])
        if isinstance(prompt, Request):
            request = attrs.evolve(prompt, **fields) if fields else prompt
        else:
            fields = {"model": self.model, "system": self.system, **fields}
            request = Request(messages=messages_of(prompt), **fields)
        if self.metadata:
            request = attrs.evolve(request, metadata={**self.metadata, **request.metadata})
        return request

    def stream_request(
        self, request: Request, on_response: Callable[[Response], None] | None = None
    ) -> ResponseStream:
        """Return the answer to a request as a stream, telling `on_response` when it is whole."""
        self.running_tasks()
        return ResponseStream(answer(self, request, streaming=True), on_response)

    def new_context(self, request: Request, *, streaming: bool) -> RequestContext:
        """Return the context of a request that begins now."""
        self._requests += 1
        request_id = f"{self.id}-{self._requests}"
        clock = self.kernel.clock
        limit = self.settings.deadline_s
        return RequestContext(
            session=self,
            request_id=request_id,
            original=request,
            request=request,
            log=self.log.bind(request_id),
            clock=clock,
            streaming=streaming,
            deadline=None if limit is None else clock.monotonic() + limit,
        )

    async def proceed(self, context: RequestContext, request: Request) -> Response:
        """Return what comes of a request on the way further in than the plugin that asks."""
        return await run_aside(context, request)

    def output_caps(self, request: Request, info: ModelInfo) -> tuple[int, int]:
        """Return the request's output cap, and how far a tight budget may lower it.

        Where the request has none, the session's holds.
        """
        settings, cap = self.settings, request.max_output_tokens
        may_shrink = settings.on_tight_budget == "shrink"
        if cap is None:
            cap = min(settings.max_output_tokens, info.max_output_tokens or sys.maxsize)
            may_shrink = settings.on_tight_budget != "refuse"
        return cap, min(cap, settings.min_output_tokens) if may_shrink else cap

    async def check_alerts(self) -> None:
        """Tell what the budgets' spending gives cause to."""
        if self.budget_names:
            await self.books.check_alerts(self.kernel.ledger, self.kernel.alerts)

    def running_tasks(self) -> TaskGroup:
        """Return the task group that the session's work runs in.

        Raises:
            ConfigurationError: The session is not open.
        """
        if self._tasks is None:
            raise ConfigurationError(
                "the session is not open; use it as `async with aicg.LLMSession(...) as session:`"
            )
        return self._tasks

    async def _begin(self) -> None:
        kernel = self.kernel
        await kernel.open()
        kernel.provider(split_model_name(self.model)[0])
        self.hooks = kernel.act_hooks(self.disabled, self.settings.addons)
        if self.own_budget is not None:
            await kernel.ledger.declare(self.own_budget, spent_usd=self.spent_before_usd)
        await kernel.ledger.status(self.budget_names)
        self.is_declared = True
        self.books.costs.follow(self.budget_status)
        await self.hooks.start(self)
        self._tasks = await anyio.create_task_group().__aenter__()

    async def _leave_budgets(self) -> None:
        # A server makes a session for each of its requests: their budgets must not add up.
        self.last_status = self.budget_status()
        self.is_declared = False
        if self.own_budget is not None:
            self.spent_before_usd = self.last_status[-1].committed_usd
            await self.kernel.ledger.retire(self.own_budget.name)


def _default_kernel() -> Kernel:
    # The kernel makes sessions and so stands above them; only here does a session make a kernel.
    from aicg.kernel import Kernel

    return Kernel.from_file()


def _model_name(model: str | None) -> str:
    if model is None:
        raise ConfigurationError(
            'no model is named: pass one, such as LLMSession("sim:tutor"), or set it in the '
            "config: [session] model",
            key="session.model",
        )
    split_model_name(model)
    return model

"""The calling of hooks.

pluggy is synchronous: its wrappers end before a coroutine starts, and `firstresult` takes a
coroutine for an answer. So the hooks that act are compiled once for a session into tuples, and are
called one at a time.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from aicg.errors import PluginError
from aicg.exchange import Request, Response, Retry
from aicg.logs import pass_to_stdlib

if TYPE_CHECKING:
    import pluggy

    from aicg.errors import AIContentGeneratorError
    from aicg.exchange import RequestContext
    from aicg.session import LLMSession

# Where a plugin stands in the onion: smaller is further out. See `_order`.
Order: TypeAlias = tuple[int, int, str]


@attrs.frozen(eq=False)
class Step:
    """One plugin's function for one hook, taking the hook's own arguments in order."""

    plugin: str
    order: Order
    call: Callable[..., Any]
    is_async: bool


@attrs.frozen(eq=False)
class ActHooks:
    """The hooks that take part in a session's requests, in the order of the plugins."""

    pre_request: tuple[Step, ...] = ()
    post_request: tuple[Step, ...] = ()
    on_error: tuple[Step, ...] = ()
    session_start: tuple[Step, ...] = ()
    session_end: tuple[Step, ...] = ()

    @classmethod
    def compile(
        cls, callers: pluggy.HookRelay, *, disabled: AbstractSet[str], addons: tuple[str, ...]
    ) -> ActHooks:
        """Return the hooks of all plugins but the disabled ones.

        Plugins in `addons` stand outermost, as listed; then those that say `tryfirst`, the others,
        and those that say `trylast`, each by name.
        """
        ranks = {name: rank for rank, name in enumerate(addons)}

        def steps(hook: str, *arguments: str, inside_out: bool = False) -> tuple[Step, ...]:
            caller: pluggy.HookCaller = getattr(callers, f"aicg_{hook}")
            found = [
                _step(impl, arguments, ranks)
                for impl in caller.get_hookimpls()
                if impl.plugin_name not in disabled
            ]
            return tuple(sorted(found, key=lambda step: step.order, reverse=inside_out))

        return cls(
            pre_request=steps("pre_request", "request", "context"),
            post_request=steps("post_request", "response", "context", inside_out=True),
            on_error=steps("on_error", "error", "context"),
            session_start=steps("session_start", "session"),
            session_end=steps("session_end", "session", inside_out=True),
        )

    def within(self, plugin: str) -> ActHooks:
        """Return the hooks of the plugins further in, as their `aicg_pre_request` stand.

        Raises:
            PluginError: The plugin itself has none.
        """
        places = {step.plugin: step.order for step in self.pre_request}
        place = places.get(plugin)
        if place is None:
            raise PluginError(
                f"the plugin {plugin!r} has no aicg_pre_request, and proceeds from there only",
                plugin=plugin,
            )

        def inner(steps: tuple[Step, ...]) -> tuple[Step, ...]:
            return tuple([step for step in steps if places.get(step.plugin, step.order) > place])

        return ActHooks(
            pre_request=inner(self.pre_request),
            post_request=inner(self.post_request),
            on_error=inner(self.on_error),
        )

    async def before(self, context: RequestContext) -> tuple[Response, Order] | None:
        """Call `aicg_pre_request`, leaving in `context.request` what is to be sent.

        Returns:
            The answer that a plugin gave in the provider's place, and where it stands.
        """
        for step in self.pre_request:
            context.plugin = step.plugin
            try:
                result = step.call(context.request, context)
                if step.is_async:
                    result = await result
            except Exception as error:
                _blame(error, step, "aicg_pre_request")
                raise
            if result is None:
                continue
            if isinstance(result, Response):
                return result, step.order
            context.request = _checked(
                result, Request, step, "aicg_pre_request takes a Request, a Response or None"
            )
        return None

    async def after(
        self, response: Response, context: RequestContext, inside: Order | None
    ) -> Response:
        """Call `aicg_post_request` of the plugins outside `inside`, or of all."""
        for step in self.post_request:
            if inside is not None and (step.order >= inside or step.plugin == inside[2]):
                continue
            context.plugin = step.plugin
            try:
                result = step.call(response, context)
                if step.is_async:
                    result = await result
            except Exception as error:
                _blame(error, step, "aicg_post_request")
                raise
            if result is not None:
                response = _checked(
                    result, Response, step, "aicg_post_request takes a Response or None"
                )
        return response

    async def rescue(
        self, error: AIContentGeneratorError, context: RequestContext
    ) -> tuple[Retry | Response, Order] | None:
        """Call `aicg_on_error` until a plugin answers; return its answer and where it stands."""
        for step in self.on_error:
            context.plugin = step.plugin
            try:
                result = step.call(error, context)
                if step.is_async:
                    result = await result
            except Exception as fault:
                _blame(fault, step, "aicg_on_error")
                raise
            if isinstance(result, Response):
                return result, step.order
            if result is not None:
                expected = "aicg_on_error takes a Retry, a Response or None"
                return _checked(result, Retry, step, expected), step.order
        return None

    async def start(self, session: LLMSession) -> None:
        """Call `aicg_session_start`."""
        for step in self.session_start:
            await _tell(step, session, "aicg_session_start")

    async def end(self, session: LLMSession) -> None:
        """Call `aicg_session_end` of all plugins, whatever one of them raises."""
        await _end(self.session_end, session)


async def _end(steps: tuple[Step, ...], session: LLMSession) -> None:
    if steps:
        try:
            await _tell(steps[0], session, "aicg_session_end")
        finally:
            await _end(steps[1:], session)


async def _tell(step: Step, session: LLMSession, hook: str) -> None:
    try:
        result = step.call(session)
        if step.is_async:
            await result
    except Exception as error:
        _blame(error, step, hook)
        raise


def _step(impl: pluggy.HookImpl, arguments: tuple[str, ...], ranks: Mapping[str, int]) -> Step:
    function = impl.function
    taken = tuple(impl.argnames)
    call = function
    if taken != arguments:
        places = tuple(arguments.index(name) for name in taken)

        def call(*values: Any) -> Any:
            return function(*[values[place] for place in places])

    name = impl.plugin_name
    mark = 0 if impl.tryfirst else 2 if impl.trylast else 1
    order = (0, ranks[name], name) if name in ranks else (1, mark, name)
    return Step(name, order, call, iscoroutinefunction(function))


def _checked(result: Any, kind: type[Any], step: Step, expected: str) -> Any:
    if isinstance(result, kind):
        return result
    raise PluginError(
        f"the plugin {step.plugin!r} returned {type(result).__name__}, where {expected}",
        plugin=step.plugin,
    )


def _blame(error: Exception, step: Step, hook: str) -> None:
    error.add_note(f"raised by the plugin {step.plugin!r} in {hook}")


# It looks on as the plugins do: its handlers and filters may be anybody's.
_STDLIB: Final = Step("stdlib logging", (3, 0, ""), pass_to_stdlib, is_async=False)


class WatchHooks:
    """The hooks that only look on: what they raise is reported once on stderr and stops there."""

    def __init__(self, callers: pluggy.HookRelay, *, disabled: AbstractSet[str]) -> None:
        def steps(hook: str, *arguments: str) -> tuple[Step, ...]:
            caller: pluggy.HookCaller = getattr(callers, f"aicg_{hook}")
            found = [
                _step(impl, arguments, {})
                for impl in caller.get_hookimpls()
                if impl.plugin_name not in disabled
            ]
            return tuple(sorted(found, key=lambda step: step.order))

        self._log = (*steps("log", "record"), _STDLIB)
        self._alert = steps("alert", "alert", "budget")
        self._close = steps("close")
        self._reported: set[tuple[str, str]] = set()

    def log(self, record: Any) -> None:
        """Call `aicg_log`, and hand the record on to the standard library's logging."""
        self._show(self._log, "aicg_log", record)

    def alert(self, alert: Any, budget: Any) -> None:
        """Call `aicg_alert`."""
        self._show(self._alert, "aicg_alert", alert, budget)

    def close(self) -> None:
        """Call `aicg_close`."""
        self._show(self._close, "aicg_close")

    def _show(self, steps: Iterable[Step], hook: str, *values: Any) -> None:
        for step in steps:
            try:
                step.call(*values)
            except Exception as error:  # noqa: BLE001 - a plugin that looks on must not stop the work
                self.report(step.plugin, hook, error)

    def report(self, plugin: str, hook: str, error: Exception) -> None:
        """Say once on stderr that a plugin failed in a hook."""
        if (plugin, hook) in self._reported:
            return
        cause = "".join(traceback.format_exception_only(error)).strip()
        place = traceback.extract_tb(error.__traceback__)[-1:]
        where = f" at {place[0].filename}:{place[0].lineno}" if place else ""
        told = f"aicg: the plugin {plugin!r} failed in {hook}{where}: {cause}"
        # The logger itself may be what failed, and there may be no stderr, or a closed one.
        with suppress(AttributeError, OSError, ValueError):
            sys.stderr.write(f"{told} (said once; the work goes on)\n")
        self._reported.add((plugin, hook))

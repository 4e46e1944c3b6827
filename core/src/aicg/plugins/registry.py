"""The plugins of one kernel: loaded, checked, registered, or put in quarantine."""

from __future__ import annotations

import difflib
import inspect
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import attrs
import pluggy

from aicg import hookspecs
from aicg.config.sources import DEFAULT, PREFIX
from aicg.config.structure import problem, together
from aicg.errors import ConfigurationError, PluginError, UnknownPluginError
from aicg.hookspecs import ACT_HOOKS, PROJECT, WATCH_HOOKS
from aicg.models import ModelInfo
from aicg.plugins.discovery import discover
from aicg.plugins.dispatch import ActHooks, WatchHooks

if TYPE_CHECKING:
    from aicg.config import Config, Section
    from aicg.plugins.discovery import Candidate

_T = TypeVar("_T")

HOOKS = frozenset(name for name in vars(hookspecs) if name.startswith(f"{PROJECT}_"))


class PluginWarning(UserWarning):
    """Warned of when a plugin is broken, or named and not installed; everything else goes on."""


@attrs.frozen(kw_only=True)
class PluginInfo:
    """What is known of an installed plugin.

    Attributes:
        name: What the config calls it.
        distribution: The distribution that announces it.
        version: That distribution's version.
        status: "active", "disabled" by the user, or "broken" and left out.
        error: Why it is broken.
        hooks: The hooks that it implements.
    """

    name: str
    distribution: str
    version: str
    status: Literal["active", "disabled", "broken"]
    error: str | None = None
    hooks: tuple[str, ...] = ()


class _PluginManager(pluggy.PluginManager):
    """Looks at functions only; pluggy 1.6 runs a plugin's properties to see whether they are."""

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
        value = inspect.getattr_static(plugin, name, None)
        is_function = inspect.isroutine(getattr(value, "__func__", value))
        return super().parse_hookimpl_opts(plugin, name) if is_function else None


class PluginRegistry:
    """Loads plugins one by one, so that a broken one takes nothing down but itself."""

    def __init__(
        self,
        candidates: Iterable[Candidate],
        *,
        section_of: Callable[[str], Section],
        disabled: AbstractSet[str] = frozenset(),
        required: Iterable[str] = (),
    ) -> None:
        self._manager = _PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._infos: dict[str, PluginInfo] = {}
        self._faults: dict[str, PluginError] = {}
        self._named: dict[str, dict[str, Any]] = {}
        self._required = tuple(required)
        self._excused: set[str] = set()
        for candidate in candidates:
            self._add(candidate, section_of(candidate.name), disabled)
        self._check_required(self._required)

    def infos(self) -> tuple[PluginInfo, ...]:
        """Return every plugin that was found, by name."""
        return tuple(sorted(self._infos.values(), key=lambda info: (info.name, info.distribution)))

    def plugin(self, name: str) -> Any:
        """Return a working plugin.

        Raises:
            PluginError: There is none of this name.
        """
        plugin = self._manager.get_plugin(name)
        if plugin is None:
            names = [info.name for info in self._infos.values()]
            raise self.missing("plugin", name, names)
        return plugin

    def check_names(self, config: Config) -> None:
        """See that the plugins which the config names are installed.

        Variables of the environment are set for many programs, and those that lack the plugin go on
        with a warning. What an application says by default is for those who have the plugin.

        Raises:
            ConfigurationError: Some are not; every problem has a line.
        """
        problems = []
        for path, name in config.plugin_names():
            fault = self._fault_of_name(name)
            if fault is None:
                continue
            told = problem(path, fault, config.origins)
            if told.source == DEFAULT:
                self._excused.add(name)
            elif told.source is not None and told.source.startswith(PREFIX):
                self._excused.add(name)
                warnings.warn(str(told), PluginWarning, stacklevel=2)
            else:
                problems.append(told)
        if problems:
            raise together(problems)

    def act_hooks(self, disabled: AbstractSet[str], addons: tuple[str, ...]) -> ActHooks:
        """Compile the hooks that take part in a session's requests.

        Raises:
            ConfigurationError: One of the addons is not installed.
        """
        self._refuse_unknown(addons, "session.addons")
        return ActHooks.compile(self._manager.hook, disabled=disabled, addons=addons)

    def watch_hooks(self, disabled: AbstractSet[str]) -> WatchHooks:
        """Gather the hooks that look on.

        Raises:
            ConfigurationError: One of those to be left out is not installed.
        """
        self._refuse_unknown(disabled, "disable")
        return WatchHooks(self._manager.hook, disabled=disabled)

    def named(self, hook: str) -> Mapping[str, Any]:
        """Return what plugins announce by name through a register hook, such as "providers".

        A name that two plugins claim stays with the plugin of that name; where neither is, the one
        whose name sorts first keeps it. Who loses is put in quarantine, with all that it offers.
        """
        if hook not in self._named:
            impls = self._implementations(f"{PROJECT}_{hook}")
            offers = {impl.plugin_name: self._ask(impl, _as_records) or {} for impl in impls}
            owners = {plugin: plugin for plugin, records in offers.items() if plugin in records}
            found: dict[str, Any] = {}
            for plugin, records in offers.items():
                lost = [name for name in records if owners.get(name, plugin) != plugin]
                if lost:
                    self._quarantine_claim(plugin, hook, lost[0], owners[lost[0]])
                else:
                    owners.update(dict.fromkeys(records, plugin))
                    found.update(records)
            self._named[hook] = found
        return self._named[hook]

    def model_info(self, provider: str, model: str) -> ModelInfo | None:
        """Return the first plugin's knowledge of a model."""
        for impl in self._implementations("aicg_model_info"):
            info = self._ask(impl, _as_model_info, provider=provider, model=model)
            if info is not None:
                return info
        return None

    def model_names(self, provider: str) -> Iterator[str]:
        """Yield the names of a vendor's models that plugins know."""
        for impl in self._implementations("aicg_model_names"):
            yield from self._ask(impl, frozenset[str], provider=provider) or ()

    def missing(
        self, kind: str, name: str, known: Iterable[str], advice: str | None = None
    ) -> PluginError:
        """Return the error for something that no working plugin provides."""
        if name in self._faults:
            fault = self._faults[name]
            error = PluginError(
                f"the {kind} {name!r} cannot be used: {fault}",
                plugin=name,
                distribution=fault.distribution,
            )
            error.__cause__ = fault
            return error
        if any(info.name == name and info.status == "disabled" for info in self._infos.values()):
            return UnknownPluginError(
                f"the {kind} {name!r} is disabled: look for it in [plugins.{name}] enabled, "
                f"[kernel] disable and AICG_DISABLE",
                plugin=name,
            )
        names = sorted(known)
        close = difflib.get_close_matches(name, names, n=1)
        install = f"try: pip install {PROJECT}-{name}"
        hint = advice or (f"did you mean {close[0]!r}?" if close else install)
        return UnknownPluginError(
            f"there is no {kind} {name!r}; {hint} (known: {', '.join(names) or 'none'})",
            plugin=name,
        )

    def _add(self, candidate: Candidate, section: Section, disabled: AbstractSet[str]) -> None:
        name = candidate.name
        info = PluginInfo(
            name=name,
            distribution=candidate.distribution,
            version=candidate.version,
            status="active",
        )
        if name in disabled or not section.enabled:
            # Of those who claim one name, its owner comes first.
            self._infos.setdefault(name, attrs.evolve(info, status="disabled"))
            return
        fault = candidate.fault
        if self._manager.has_plugin(name) and not fault:
            fault = f"{_origin(self._infos[name])} has this name already; give it another"
        if fault:
            self._quarantine(info, PluginError(fault, plugin=name))
            return
        try:
            plugin = _made(candidate.load(), section)
            hooks = _checked_hooks(plugin)
            self._manager.register(plugin, name)
        except ConfigurationError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - others go on
            self._quarantine(info, error)
        else:
            self._infos[name] = attrs.evolve(info, hooks=hooks)

    def _quarantine(self, info: PluginInfo, error: BaseException) -> None:
        told = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
        cause = " ".join(told.split())  # in lists and warnings it has one line
        # A second claimant of a name does not hide the plugin that keeps it.
        key = info.name if info.name not in self._infos else f"{info.name} ({info.distribution})"
        fault = PluginError(cause, plugin=info.name, distribution=info.distribution or None)
        fault.__cause__ = error
        self._faults[key] = fault
        self._infos[key] = attrs.evolve(info, status="broken", error=cause, hooks=())
        if self._manager.has_plugin(info.name) and key == info.name:
            self._manager.unregister(name=info.name)
        self._check_required(name for name in self._required if name == key)
        origin = f" of {info.distribution} {info.version}".rstrip() if info.distribution else ""
        warnings.warn(
            f"the plugin {info.name!r}{origin} is left out: {cause}", PluginWarning, stacklevel=2
        )

    def _quarantine_claim(self, loser: str, hook: str, name: str, owner: str) -> None:
        info, kept = self._infos.pop(loser), self._infos[owner]
        self._quarantine(
            info,
            PluginError(
                f"{_origin(info)} and {_origin(kept)} both offer {name!r} ({hook}), and "
                f"{_origin(kept)} keeps it; disable or uninstall one",
                plugin=loser,
            ),
        )

    def _refuse_unknown(self, names: Iterable[str], key: str) -> None:
        for name in names:
            fault = None if name in self._excused else self._fault_of_name(name)
            if fault is not None:
                raise ConfigurationError(f"{key} {fault}", key=key)

    def _fault_of_name(self, name: str) -> str | None:
        """Return what is wrong with the name of a plugin, if something is."""
        known = {info.name for info in self._infos.values()}
        if name in known:
            return None
        # A kernel without autoload knows those only that it was given.
        known |= {candidate.name for candidate in discover()}
        if name in known:
            return None
        return f"names the plugin {name!r}, which is not installed; {_hint(name, known)}"

    def _implementations(self, hook: str) -> list[pluggy.HookImpl]:
        caller: pluggy.HookCaller = getattr(self._manager.hook, hook)
        return sorted(caller.get_hookimpls(), key=lambda impl: impl.plugin_name)

    def _ask(self, impl: pluggy.HookImpl, read: Callable[[Any], _T], **values: Any) -> _T | None:
        try:
            return read(impl.function(*[values[name] for name in impl.argnames]))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - others know things too
            self._quarantine(self._infos.pop(impl.plugin_name), error)
            return None

    def _check_required(self, required: Iterable[str]) -> None:
        for name in required:
            info = self._infos.get(name)
            if info is not None and info.status == "active":
                continue
            cause = self._faults.get(name)
            state = info.status if info else "not installed"
            advice = "enable it, or take it off that list"
            if info is None:
                advice = _hint(name, {info.name for info in self._infos.values()})
            raise PluginError(
                f"[kernel] required names the plugin {name!r}, which is {state}: {cause or advice}",
                plugin=name,
            ) from cause


def _hint(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    if close := difflib.get_close_matches(name, names, n=1):
        return f"did you mean {close[0]!r}?"
    return f"install it, or take it out (installed: {', '.join(names) or 'none'})"


def _as_records(answer: Any) -> dict[str, Any]:
    if isinstance(answer, Mapping):
        return dict(answer)
    return {record.name: record for record in answer or ()}


def _as_model_info(answer: Any) -> ModelInfo | None:
    if answer is not None and not isinstance(answer, ModelInfo):
        raise TypeError(f"it returned {type(answer).__name__}, not a ModelInfo or None")
    return answer


def _origin(info: PluginInfo) -> str:
    return info.distribution or f"the plugin {info.name!r}"


def _made(target: Any, section: Section) -> Any:
    if not isinstance(target, type):
        return target
    make: Callable[..., Any] = target
    settings_type = getattr(target, "settings_type", None)
    if settings_type is None:
        return make()
    return make(section.structure(settings_type))


def _checked_hooks(plugin: Any) -> tuple[str, ...]:
    """Return the hooks of a plugin, refusing what pluggy lets pass."""
    kind: Any = type(plugin)
    if (kind.__eq__, kind.__hash__) != (object.__eq__, object.__hash__):
        # pluggy takes equal plugins for one, and would drop the others.
        raise PluginError(f"{kind.__name__} compares by value; define it without __eq__ (eq=False)")
    names = []
    for name, function in _hook_functions(plugin):
        marks = getattr(function, f"{PROJECT}_impl", None)
        if name not in HOOKS:
            close = difflib.get_close_matches(name, HOOKS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(HOOKS))}"
            raise PluginError(f"{name} is not a hook; {hint}")
        if marks is None:
            raise PluginError(f"{name} is not marked with @aicg.hookimpl")
        if marks.get("wrapper") or marks.get("hookwrapper"):
            raise PluginError(f"{name} is a wrapper, and aicg's hooks take none")
        if inspect.iscoroutinefunction(function) and name not in ACT_HOOKS:
            family = "watches" if name in WATCH_HOOKS else "registers"
            raise PluginError(f"{name} {family} and must be a plain function, not async")
        names.append(name)
    return tuple(sorted(names))


def _hook_functions(plugin: Any) -> list[tuple[str, Callable[..., Any]]]:
    found: list[tuple[str, Callable[..., Any]]] = []
    for name in dir(plugin):
        if name.startswith("__"):
            continue
        # Looked up without `getattr`: a property must not be run.
        value = inspect.getattr_static(plugin, name, None)
        function = getattr(value, "__func__", value)
        if inspect.isroutine(function):
            marks = getattr(function, f"{PROJECT}_impl", None)
            if marks or name.startswith(f"{PROJECT}_"):
                found.append(((marks or {}).get("specname") or name, function))
    return found

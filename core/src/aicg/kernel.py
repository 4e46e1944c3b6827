"""`Kernel`: config, plugins, providers and ledger in one place. What an application holds."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack

import anyio
import anyio.from_thread
import anyio.lowlevel
import attrs

from aicg.budget import AlertManager, Budget, MemoryLedger
from aicg.catalogue import Catalogue
from aicg.clock import SystemClock
from aicg.config import Config
from aicg.errors import ConfigurationError
from aicg.logs import Logger
from aicg.plugins import Candidate, PluginRegistry, discover
from aicg.session import LLMSession, SessionOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from anyio.from_thread import BlockingPortal

    from aicg.budget import Alert, Ledger
    from aicg.clock import Clock
    from aicg.commands import Command
    from aicg.models import ModelInfo
    from aicg.plugins import ActHooks, PluginInfo, WatchHooks
    from aicg.provider import BaseProvider
    from aicg.validators import BaseValidator


class Kernel:
    """Makes sessions, and keeps what they share; used as `async with`.

    Plugins are loaded when the kernel is made, providers when they are first asked for.

    Args:
        config: The configuration; what the config file and the environment say if None.
        plugins: Plugins by name, beside the installed ones: classes, objects or modules.
        autoload: Whether installed plugins are loaded.
        clock: Tells the time.
        ledger: Keeps the budgets, in place of the one that the config names.

    Raises:
        ConfigurationError: The config is wrong.
        PluginError: A plugin that `[kernel] required` names is missing or broken.

    >>> async with Kernel.from_file("aicg.toml") as kernel:  # doctest: +SKIP
    ...     async with kernel.session("openai:gpt-5.4-mini", budgets=["team-a"]) as session: ...
    """

    def __init__(
        self,
        config: Config | None = None,
        *,
        plugins: Mapping[str, Any] | None = None,
        autoload: bool = True,
        clock: Clock | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self.config = Config.load() if config is None else config
        self.clock: Clock = SystemClock() if clock is None else clock
        self.owner = f"{socket.gethostname()}:{os.getpid()}"
        given = [
            Candidate(name=name, load=partial(_itself, plugin))
            for name, plugin in (plugins or {}).items()
        ]
        self._registry = _registry(self.config, [*(discover() if autoload else ()), *given])
        self._registry.check_names(self.config)
        self._providers: dict[str, BaseProvider] = {}
        self._kinds: Mapping[str, type[BaseProvider]] = self._registry.named("providers")
        self.catalogue = Catalogue(self.provider, self.config.models, self._registry)
        self.ledger = self._make_ledger() if ledger is None else ledger
        self.alerts = AlertManager(self.ledger.claim_alert)
        self._portals = anyio.from_thread.BlockingPortalProvider()
        self._lending = threading.Lock()
        self._borrowers = 0
        self._watchers = self._registry.watch_hooks(frozenset())
        self._opening = anyio.Lock()
        self._loop: object = None
        self._state: Literal["new", "open", "closed"] = "new"

    @classmethod
    def from_file(
        cls,
        path: str | Path | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        defaults: Mapping[str, Any] | None = None,
    ) -> Kernel:
        """Return a kernel with the settings of a file and the environment.

        Args:
            path: The file; if None, `AICG_CONFIG` or the nearest aicg.toml above, if there is one.
            environ: The environment variables; the process's own if None.
            defaults: What holds where neither says anything.

        Raises:
            ConfigurationError: The file cannot be read, or a setting is wrong.
        """
        environ = os.environ if environ is None else environ
        readers = _config_readers(path, environ)
        return cls(Config.load(path, environ=environ, defaults=defaults, readers=readers))

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Kernel:
        """Return a kernel with the settings of the environment alone.

        Raises:
            ConfigurationError: A setting is wrong.
        """
        return cls(Config.from_dict({}, environ=os.environ if environ is None else environ))

    @classmethod
    def from_dict(
        cls, data: Mapping[str, Any], *, environ: Mapping[str, str] | None = None
    ) -> Kernel:
        """Return a kernel with the settings of a mapping, formed as the config file.

        No file is read, and no variable but those of `environ`.

        Raises:
            ConfigurationError: A setting is wrong.
        """
        return cls(Config.from_dict(data, environ=environ))

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        with anyio.CancelScope(shield=True):
            await self.aclose()

    async def open(self) -> None:
        """Open the ledger and declare the config's budgets; a second call does nothing.

        Raises:
            ConfigurationError: The kernel was closed, or is in use on another event loop.
        """
        loop = anyio.lowlevel.current_token().native_token
        if self._providers and loop is not self._loop:
            raise ConfigurationError(
                "the kernel's providers have their connections on another event loop; "
                "make a kernel for each loop"
            )
        async with self._opening:
            if self._state == "closed":
                raise ConfigurationError("the kernel is closed; make a new one")
            self._loop = loop
            if self._state == "open":
                return
            await self.ledger.open()
            for name, settings in self.config.budgets.items():
                budget = Budget(name, **attrs.asdict(settings, recurse=False))
                await self.ledger.declare(budget)
                self.alerts.watch(name, budget.alerts, partial(self._tell, budget))
            self._state = "open"

    async def aclose(self) -> None:
        """Close the providers, the plugins and the ledger; a second call does nothing."""
        async with self._opening:
            was_open, self._state = self._state == "open", "closed"
            try:
                await self._close_providers()
            finally:
                if was_open:
                    self._watchers.close()
                    await self.ledger.aclose()

    @property
    def is_closed(self) -> bool:
        """Whether it was closed, which is for ever."""
        return self._state == "closed"

    def session(self, model: str | None = None, **options: Unpack[SessionOptions]) -> LLMSession:
        """Return a session of this kernel; the arguments are those of `LLMSession`.

        Raises:
            ConfigurationError: A setting makes no sense, or no model is named.
            ValidationError: The model's name is not `provider:model`.
        """
        return LLMSession(model, kernel=self, **options)

    def provider(self, name: str) -> BaseProvider:
        """Return a provider, making it the first time.

        Args:
            name: A kind, such as "openai", or the name of a `[providers.NAME]`.

        Raises:
            UnknownPluginError: There is none of the name.
            PluginError: The plugin that has it is broken.
            ConfigurationError: Its settings are wrong.
        """
        provider = self._providers.get(name)
        if provider is None:
            section = self.config.section("providers", name)
            kind = section.kind
            if kind not in self._kinds:
                known = self._kinds if name in self.config.providers else self.providers()
                nameless = name in self.config.providers and "kind" not in section.table
                advice = f'try: pip install aicg-{name}, or [providers.{name}] kind = "openai"'
                raise self._registry.missing("provider", kind, known, advice if nameless else None)
            made = self._kinds[kind]
            provider = made(name, section.structure(made.settings_type))
            self._providers[name] = provider
        return provider

    def providers(self) -> tuple[str, ...]:
        """Return the names of the providers that there are, by name."""
        return tuple(sorted({*self._kinds, *self.config.providers}))

    async def models(
        self, provider: str | None = None, *, refresh: bool = False
    ) -> tuple[ModelInfo, ...]:
        """Return the models of a provider, or of all, as far as they are known.

        Args:
            provider: The provider's name.
            refresh: Whether to ask the provider what it offers, instead of what is known offline.

        Raises:
            ProviderError: A provider that is asked cannot be reached, or refuses.
            UnknownPluginError: There is no such provider.
        """
        found: list[ModelInfo] = []
        for name in self.providers() if provider is None else (provider,):
            if refresh:
                listed = await self.provider(name).list_models()
                found += [self.model_info(info.name) for info in listed]
            else:
                found += self.catalogue.known(name)
        return tuple(found)

    def model_info(self, name: str) -> ModelInfo:
        """Return what is known of `provider:model`: by the config, its provider, and plugins.

        Raises:
            ValidationError: The name is not `provider:model`.
            UnknownPluginError: There is no such provider.
        """
        return self.catalogue.info(name)

    def plugins(self) -> tuple[PluginInfo, ...]:
        """Return what is known of every installed plugin, by name."""
        return self._registry.infos()

    def plugin(self, name: str) -> Any:
        """Return a plugin that works: the object, or the module, that its hooks belong to.

        Raises:
            PluginError: There is none of this name, or it is disabled or broken.
        """
        return self._registry.plugin(name)

    def commands(self) -> Mapping[str, Command]:
        """Return the commands that plugins add to the command line, by name."""
        return self._registry.named("commands")

    def validators(self) -> Mapping[str, BaseValidator]:
        """Return the validators that plugins offer, by name."""
        return self._registry.named("validators")

    # What follows is for the kernel's own rooms.

    @contextmanager
    def portal(self) -> Iterator[BlockingPortal]:
        """Lend the event loop of blocking sessions, which runs while somebody has it."""
        with self._portals as portal:
            with self._lending:
                self._borrowers += 1
            try:
                yield portal
            finally:
                with self._lending:
                    self._borrowers -= 1
                portal.call(self._close_providers_if_idle)

    def act_hooks(self, disabled: AbstractSet[str], addons: tuple[str, ...]) -> ActHooks:
        """Compile the hooks that take part in a session's requests."""
        return self._registry.act_hooks(disabled, addons)

    def watch_hooks(self, disabled: AbstractSet[str]) -> WatchHooks:
        """Gather the hooks that look on."""
        return self._registry.watch_hooks(disabled)

    def logger(self, session_id: str, watchers: WatchHooks) -> Logger:
        """Return a session's logger."""
        level = self.config.logging.level
        return Logger(watchers.log, self.clock.time, level=level, session_id=session_id)

    async def _close_providers_if_idle(self) -> None:
        # Their connections belong to this loop, and the next is another. Asked here, in the loop,
        # as somebody else may have come since the last one left.
        if not self._borrowers:
            await self._close_providers()

    async def _close_providers(self) -> None:
        providers, self._providers = list(self._providers.values()), {}
        self.catalogue.forget_routes()
        async with AsyncExitStack() as stack:
            # Whatever one of them raises, the others are closed too.
            for provider in providers:
                stack.push_async_callback(provider.aclose)

    def _tell(self, budget: Budget, alert: Alert) -> None:
        self._watchers.alert(alert, budget)

    def _make_ledger(self) -> Ledger:
        scheme = self.config.kernel.ledger.partition(":")[0]
        if scheme == "memory":
            return MemoryLedger(self.clock)
        makers = self._registry.named("ledgers")
        if scheme not in makers:
            advice = None if makers else "try: pip install aicg-sql"
            raise self._registry.missing("ledger", scheme, ("memory", *makers), advice)
        ledger: Ledger = makers[scheme](self.config.kernel)
        return ledger


def _registry(config: Config, candidates: Iterable[Candidate]) -> PluginRegistry:
    return PluginRegistry(
        candidates,
        section_of=partial(config.section, "plugins"),
        disabled=frozenset(config.kernel.disable),
        required=config.kernel.required,
    )


def _itself(plugin: Any) -> Any:
    return plugin


def _config_readers(path: str | Path | None, environ: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the plugins' readers of config files, asking only where TOML is not what it is."""
    named = path or environ.get("AICG_CONFIG")
    if named is None or str(named).endswith(".toml"):
        return {}
    candidates = [attrs.evolve(found, load=partial(_reader, found.load)) for found in discover()]
    return _registry(Config.from_dict({}, environ=environ), candidates).named("config_formats")


def _reader(load: Callable[[], Any]) -> Any:
    """Return a plugin if it reads config files; the settings of the others may stand in one."""
    plugin = load()
    return plugin if hasattr(plugin, "aicg_config_formats") else type("NoReader", (), {})

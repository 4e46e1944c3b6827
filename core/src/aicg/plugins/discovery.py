"""What is installed, read from metadata alone: nothing is imported here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

import attrs

from aicg.hookspecs import PROJECT

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

_SPECIFIER: Final = re.compile(r"(>=|<=|==|!=|~=|<|>)\s*([0-9]+(?:\.[0-9]+)*)(\.\*)?")
_REQUIREMENT: Final = re.compile(
    rf"{PROJECT}(?![-_.\w])\s*(?:\[[^]]*\])?\s*\(?([^;)]*)\)?\s*(?:;.*)?",
    re.ASCII | re.IGNORECASE,
)


@attrs.frozen(kw_only=True)
class Candidate:
    """A plugin that is there to be loaded.

    Attributes:
        name: What the config calls it.
        distribution: The distribution that announces it; empty for one handed to the kernel.
        version: That distribution's version.
        load: Returns the class or module; raises whatever importing it raises.
        fault: Why it must not be loaded, if it must not.
    """

    name: str
    distribution: str = ""
    version: str = ""
    load: Callable[[], Any]
    fault: str | None = None


def discover() -> list[Candidate]:
    """Return the plugins that installed distributions announce, by name.

    A name that two distributions announce stays with the one called `aicg-NAME`; where neither or
    both are, all who claim it are at fault. So a newcomer cannot take another plugin's name.
    """
    # Costs a third of the kernel's import, and a kernel without autoload does not need it.
    from importlib.metadata import entry_points, version

    kernel_version = version(PROJECT)
    claims: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=PROJECT):
        claims.setdefault(entry.name, []).append(entry)
    found: list[Candidate] = []
    for name in sorted(claims):
        found.extend(_settle_claims(name, claims[name], kernel_version))
    return found


def _settle_claims(
    name: str, entries: list[EntryPoint], kernel_version: str
) -> Iterable[Candidate]:
    namesakes = [entry for entry in entries if _distribution_name(entry) == f"{PROJECT}-{name}"]
    owner = entries[0] if len(entries) == 1 else namesakes[0] if len(namesakes) == 1 else None
    claimants = " and ".join(sorted({_distribution_name(entry) for entry in entries}))
    for entry in sorted(entries, key=lambda entry: entry is not owner):
        fault = None if entry.dist is None else _outside_range(entry.dist, kernel_version)
        if entry is not owner:
            fault = (
                f"the name {name!r} is claimed by {claimants}; "
                f"uninstall one, or ask its author for another name"
            )
        yield Candidate(
            name=name,
            distribution=_distribution_name(entry),
            version=_stated(entry, "Version"),
            load=entry.load,
            fault=fault,
        )


def _distribution_name(entry: EntryPoint) -> str:
    return re.sub(r"[-_.]+", "-", _stated(entry, "Name")).lower()


def _stated(entry: EntryPoint, field: str) -> str:
    """Return a field of the distribution's metadata; what a broken uninstall left has none."""
    stated = entry.dist.metadata.get_all(field) if entry.dist else None
    return str(stated[0]) if stated else ""


def _outside_range(distribution: Distribution, kernel_version: str) -> str | None:
    for requirement in distribution.requires or ():
        match = _REQUIREMENT.fullmatch(requirement.strip())
        if match and "extra" not in requirement and not allows(match[1], kernel_version):
            return f"it needs {PROJECT}{match[1].strip()}, and this is {PROJECT} {kernel_version}"
    return None


def allows(specifiers: str, version: str) -> bool:
    """Return whether comma-separated version specifiers allow a release, such as "0.1.0".

    Releases only, which is all that plugins need to name the kernel's API.
    """
    release = _release(version)
    for operator, text, wildcard in _SPECIFIER.findall(specifiers):
        wanted = _release(text)
        size = text.count(".") + 1
        holds = {
            ">=": release >= wanted,
            "<=": release <= wanted,
            ">": release > wanted,
            "<": release < wanted,
            "==": release[:size] == wanted[:size] if wildcard else release == wanted,
            "!=": release[:size] != wanted[:size] if wildcard else release != wanted,
            "~=": release >= wanted and release[: size - 1] == wanted[: size - 1],
        }[operator]
        if not holds:
            return False
    return True


def _release(version: str) -> tuple[int, ...]:
    numbers = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    parts = [int(part) for part in numbers[0].split(".")] if numbers else []
    return tuple((parts + [0] * 4)[:4])

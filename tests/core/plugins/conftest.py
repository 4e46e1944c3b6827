"""Installed distributions, faked by real metadata in a folder."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


class Site:
    """A folder of installed distributions, as pip leaves them; others are out of sight."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._find: Any = importlib.metadata.entry_points

    def install(
        self,
        distribution: str,
        source: str = "",
        *,
        name: str | None = None,
        target: str = "Plugin",
        version: str = "1.0",
        requires: tuple[str, ...] = ("aicg>=0.1,<0.2",),
    ) -> None:
        """Write a distribution of one module, whose `target` is a plugin."""
        module = distribution.lower().replace("-", "_")
        (self.folder / f"{module}.py").write_text(textwrap.dedent(source))
        # A real distribution may have this name.
        self._monkeypatch.delitem(sys.modules, module, raising=False)
        metadata = self.folder / f"{module}-{version}.dist-info"
        metadata.mkdir()
        lines = [f"Name: {distribution}", f"Version: {version}"]
        lines += [f"Requires-Dist: {requirement}" for requirement in requires]
        (metadata / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *lines, ""]))
        announced = f"{name or distribution.removeprefix('aicg-')} = {module}:{target}"
        (metadata / "entry_points.txt").write_text(f"[aicg]\n{announced.removesuffix(':')}\n")
        importlib.invalidate_caches()

    def entry_points(self, **wanted: Any) -> list[importlib.metadata.EntryPoint]:
        """Return the entry points of the distributions in the folder."""
        found = self._find(**wanted)
        return [entry for entry in found if Path(entry.dist.locate_file("")) == self.folder]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    found = Site(folder, monkeypatch)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(importlib.metadata, "entry_points", found.entry_points)
    known = set(sys.modules)
    yield found
    for name in set(sys.modules) - known:
        if getattr(sys.modules[name], "__file__", None) == str(folder / f"{name}.py"):
            del sys.modules[name]

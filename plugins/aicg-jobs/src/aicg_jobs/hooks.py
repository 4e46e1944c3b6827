"""What this plugin adds to aicg: the command `run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aicg

if TYPE_CHECKING:
    from collections.abc import Iterable


def _load() -> Any:
    from aicg_jobs.command import run

    return run


@aicg.hookimpl
def aicg_commands() -> Iterable[aicg.Command]:
    """Add `aicg run`."""
    yield aicg.Command(name="run", help="Generate many files from a job file.", load=_load)

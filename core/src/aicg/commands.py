"""`Command`: what a plugin adds to the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs


@attrs.frozen(kw_only=True)
class Command:
    """A subcommand of `aicg`, loaded only when it is typed.

    Attributes:
        name: The word typed after `aicg`.
        help: One line for the list of commands.
        load: Returns what the command line runs: for aicg-cli, a function or a `typer.Typer`.
    """

    name: str
    help: str
    load: Callable[[], Any]

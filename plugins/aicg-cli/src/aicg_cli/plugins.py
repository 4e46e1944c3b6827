"""`aicg plugins`: what is installed, what is active, and what is broken, with the reason."""

import json
from typing import Annotated

import attrs
import typer

from aicg_cli.group import kernel_of
from aicg_cli.tables import print_table


def plugins(
    context: typer.Context,
    as_objects: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """List plugins, and what is wrong with them.

    \b
    aicg plugins
    AICG_DISABLE=cache aicg plugins --json
    """  # noqa: D301 - \b is a character here, which keeps lines as they are
    found = kernel_of(context).plugins()
    if as_objects:
        typer.echo(json.dumps([attrs.asdict(info) for info in found], indent=2))
        return
    print_table(
        ["plugin", "distribution", "version", "status", "adds"],
        [
            (
                info.name,
                info.distribution,
                info.version,
                info.status,
                info.error or ", ".join(hook.removeprefix("aicg_") for hook in info.hooks),
            )
            for info in found
        ],
    )

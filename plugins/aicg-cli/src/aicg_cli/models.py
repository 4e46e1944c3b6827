"""`aicg models`: the models that can be asked, their prices and limits."""

import json
from collections.abc import Iterable
from typing import Annotated, Any

import anyio
import typer

from aicg import AIContentGeneratorError, Kernel, ModelInfo
from aicg_cli.failures import complain
from aicg_cli.group import kernel_of
from aicg_cli.tables import print_table


def models(
    context: typer.Context,
    provider: Annotated[
        str | None, typer.Argument(help="A provider's name; all of them if not given.")
    ] = None,
    as_objects: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
) -> None:
    """List models, their prices and limits.

    \b
    aicg models
    aicg models openai --json
    """  # noqa: D301 - \b is a character here, which keeps lines as they are
    kernel = kernel_of(context)
    found, faults = anyio.run(_models, kernel, [provider] if provider else kernel.providers())
    if provider and faults:
        raise faults[0]
    for fault in faults:
        complain(str(fault))
    if as_objects:
        typer.echo(json.dumps([_as_dict(info) for info in found], indent=2))
        return
    print_table(
        ["model", "$/M in", "$/M out", "context", "output", "can"], [_row(info) for info in found]
    )


async def _models(
    kernel: Kernel, providers: Iterable[str]
) -> tuple[list[ModelInfo], list[AIContentGeneratorError]]:
    found: list[ModelInfo] = []
    faults: list[AIContentGeneratorError] = []
    async with kernel:
        for provider in providers:
            try:
                found.extend(await kernel.models(provider))
            except AIContentGeneratorError as error:
                faults.append(error)
    return found, faults


def _as_dict(info: ModelInfo) -> dict[str, Any]:
    rates = info.price.rates if info.price else None
    return {
        "name": info.name,
        "input_usd_per_million": str(rates.input) if rates else None,
        "output_usd_per_million": str(rates.output) if rates else None,
        "price_version": info.price.version if info.price else None,
        "context_window": info.context_window,
        "max_output_tokens": info.max_output_tokens,
        "capabilities": None if info.capabilities is None else sorted(info.capabilities),
        "description": info.description,
    }


def _row(info: ModelInfo) -> tuple[str, ...]:
    rates = info.price.rates if info.price else None
    return (
        info.name,
        f"{rates.input:f}" if rates else "?",
        f"{rates.output:f}" if rates else "?",
        _count(info.context_window),
        _count(info.max_output_tokens),
        ", ".join(sorted(info.capabilities or ())) or "?",
    )


def _count(tokens: int | None) -> str:
    return "?" if tokens is None else f"{tokens:,}"

"""What aicg-sim adds to a kernel: the provider `sim:`, its models' prices, and `aicg sim`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aicg
from aicg_sim.catalogue import VENDOR, model_info
from aicg_sim.provider import SimProvider

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@aicg.hookimpl
def aicg_providers() -> Mapping[str, type[aicg.BaseProvider]]:
    """Offer the kind `sim`."""
    return {"sim": SimProvider}


@aicg.hookimpl
def aicg_model_info(provider: str, model: str) -> aicg.ModelInfo | None:
    """Know the simulated models, also where another provider sends requests to `aicg sim serve`."""
    return model_info(model) if provider == VENDOR else None


@aicg.hookimpl
def aicg_commands() -> Iterable[aicg.Command]:
    """Offer `aicg sim serve`."""
    return (aicg.Command(name="sim", help="Simulate a provider for other programs.", load=_load),)


def _load() -> Any:
    from aicg_sim.cli import app

    return app

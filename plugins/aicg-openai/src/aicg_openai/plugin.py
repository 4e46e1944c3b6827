"""What aicg is told: there is a kind of provider named "openai"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aicg import hookimpl
from aicg_openai.provider import OpenAIProvider

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aicg import BaseProvider


@hookimpl
def aicg_providers() -> Mapping[str, type[BaseProvider]]:
    """Return the one kind."""
    return {"openai": OpenAIProvider}

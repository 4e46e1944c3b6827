"""The models of `sim:`, and what they cost."""

from __future__ import annotations

from typing import Final

from aicg import CAPABILITIES, ModelInfo, Price, Rates

VENDOR: Final = "sim"
CONTEXT_WINDOW: Final = 128_000
MAX_OUTPUT_TOKENS: Final = 16_000

_MODELS: Final = {
    "tutor": (
        "Writes short courses at the price of a small model.",
        {"input": "0.25", "cache_read": "0.025", "output": "2.00"},
    ),
    "professor": (
        "Thinks before it writes, at the price of a large model.",
        {"input": "2.50", "cache_read": "0.25", "output": "15.00"},
    ),
    "free": ("As tutor, for nothing.", {"input": "0", "output": "0"}),
}
MODEL_NAMES: Final = tuple(_MODELS)


def model_info(model: str, provider: str = VENDOR) -> ModelInfo | None:
    """Return what is known of a model, or None if there is none of this name."""
    if model not in _MODELS:
        return None
    description, rates = _MODELS[model]
    return ModelInfo(
        provider=provider,
        model=model,
        price=Price(Rates(**rates), version="aicg-sim 0.1"),
        context_window=CONTEXT_WINDOW,
        max_output_tokens=MAX_OUTPUT_TOKENS,
        capabilities=CAPABILITIES,
        description=description,
    )

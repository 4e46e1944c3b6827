"""The hook: a model looked up in the data that the installed genai-prices carries."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Final

import aicg
from aicg_prices.limits import MAX_OUTPUT_TOKENS
from aicg_prices.rates import price_of

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot

# genai-prices also guesses at names, so that "my-openai-proxy" would cost what OpenAI costs. A
# price is for the vendor who sends the bill: only its own name will do, or one of these.
_OTHER_NAMES: Final = {"bedrock": "aws", "gemini": "google", "vertex": "google", "xai": "x-ai"}


@aicg.hookimpl
def aicg_model_info(provider: str, model: str) -> aicg.ModelInfo | None:
    """Return the price and the limits of a model, or None where genai-prices does not know it."""
    snapshot, version = _bundled_data()
    vendor_id = _OTHER_NAMES.get(provider.lower(), provider.lower())
    vendor = next((known for known in snapshot.providers if known.id == vendor_id), None)
    if vendor is None:
        return None
    found = vendor.find_model(model, all_providers=snapshot.providers)
    if found is None:
        return None
    return aicg.ModelInfo(
        provider=provider,
        model=model,
        price=price_of(found, datetime.now(UTC), version=version),
        context_window=found.context_window,
        max_output_tokens=MAX_OUTPUT_TOKENS.get(vendor_id, {}).get(found.id),
        description=found.name or "",
    )


@cache
def _bundled_data() -> tuple[DataSnapshot, str]:
    # 0.2 s of import, which nobody should pay who asks for no price. The snapshot is one of our
    # own: a program that has genai-prices fetch newer prices must not change the cost of a request
    # half-way, nor under a version that is not theirs.
    import genai_prices
    from genai_prices.data import providers
    from genai_prices.data_snapshot import DataSnapshot

    snapshot = DataSnapshot(providers=providers, from_auto_update=False)
    return snapshot, f"genai-prices {genai_prices.__version__}"

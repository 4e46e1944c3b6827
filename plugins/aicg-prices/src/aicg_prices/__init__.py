"""What models cost and how much they take, from genai-prices."""

from aicg_prices.lookup import aicg_model_info

__all__ = ["aicg_model_info"]

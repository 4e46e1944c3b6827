"""The longest answers that models give, which genai-prices does not tell.

As of 22 November 2026, from the vendors' own pages: OpenAI "Models", Anthropic "Models overview",
Google "Gemini models" (each model's "Output token limit"), DeepSeek "Models & Pricing", Groq
"Supported models". xAI and Mistral publish no limit of their own, so none stands here. A model that
is not listed has no known limit. The names are those of genai-prices, which also know the dated
names of a model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_OUTPUT_TOKENS: Final[Mapping[str, Mapping[str, int]]] = {
    "anthropic": {
        "claude-fable-5": 128_000,
        "claude-fable-5-1": 128_000,
        "claude-fable-5-2": 128_000,
        "claude-haiku-4-5": 64_000,
        "claude-haiku-5-5": 128_000,
        "claude-opus-4-1": 32_000,
        "claude-opus-4-5": 64_000,
        "claude-opus-4-6": 128_000,
        "claude-opus-5": 128_000,
        "claude-opus-5-5": 128_000,
        "claude-sonnet-4-5": 64_000,
        "claude-sonnet-5": 128_000,
        "claude-sonnet-5-5": 128_000,
    },
    "deepseek": {
        "deepseek-flash": 384_000,
        "deepseek-v4-flash": 384_000,
        "deepseek-v4-pro": 384_000,
    },
    "google": {
        "gemini-2.5-flash": 65_536,
        "gemini-2.5-flash-lite": 65_536,
        "gemini-2.5-pro": 65_536,
        "gemini-3-flash-preview": 65_536,
        "gemini-3.1-pro-preview": 65_536,
        "gemini-3.5-flash": 65_536,
        "gemini-3.8-flash": 65_536,
    },
    "groq": {
        "llama-3.1-8b-instant": 131_072,
        "llama-3.3-70b-versatile": 32_768,
        "openai/gpt-oss-120b": 65_536,
        "openai/gpt-oss-20b": 65_536,
    },
    "openai": {
        "gpt-4.1": 32_768,
        "gpt-4.1-mini": 32_768,
        "gpt-4.1-nano": 32_768,
        "gpt-4o": 16_384,
        "gpt-4o-mini": 16_384,
        "gpt-5": 128_000,
        "gpt-5-mini": 128_000,
        "gpt-5-nano": 128_000,
        "gpt-5.1": 128_000,
        "gpt-5.2": 128_000,
        "gpt-5.4": 128_000,
        "gpt-5.4-mini": 128_000,
        "gpt-5.6-luna": 128_000,
        "gpt-5.6-sol": 128_000,
        "gpt-6-luna": 128_000,
        "gpt-6-sol": 128_000,
        "gpt-6.1-sol": 128_000,
        "o1": 100_000,
        "o3": 100_000,
        "o3-mini": 100_000,
        "o4-mini": 100_000,
    },
}

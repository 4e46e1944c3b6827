"""`Usage`: what a request used, in buckets that never overlap."""

from __future__ import annotations

import attrs


@attrs.frozen
class Usage:
    """Counts of tokens; each token stands in one bucket only.

    Attributes:
        input_tokens: Input read at the full rate: neither from a cache nor written to one.
        output_tokens: Output that is not reasoning.
        cache_read_tokens: Input that the provider had cached.
        cache_write_tokens: Input written to the provider's cache, at its usual lifetime.
        cache_write_long_tokens: Input written to a longer-lived cache, priced apart.
        reasoning_tokens: Output spent on reasoning.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_long_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_input_tokens(self) -> int:
        """All input, cached or not."""
        return (
            self.input_tokens
            + self.cache_read_tokens
            + self.cache_write_tokens
            + self.cache_write_long_tokens
        )

    @property
    def total_output_tokens(self) -> int:
        """All output, reasoning included."""
        return self.output_tokens + self.reasoning_tokens

    @property
    def total_tokens(self) -> int:
        """All input and all output."""
        return self.total_input_tokens + self.total_output_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.cache_write_long_tokens + other.cache_write_long_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )

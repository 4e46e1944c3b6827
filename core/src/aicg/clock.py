"""The clock that the kernel and its addons tell time and wait by, so that tests need not wait."""

from __future__ import annotations

import time
from typing import Protocol

import anyio


class Clock(Protocol):
    """What tells the time; `aicg.testing.FakeClock` is one whose time tests move."""

    def time(self) -> float:
        """Return the time of day, in seconds since the Unix epoch."""

    def monotonic(self) -> float:
        """Return seconds since some fixed moment; the difference of two is a duration."""

    async def sleep(self, delay_s: float) -> None:
        """Wait this many seconds."""


class SystemClock:
    """The machine's own clock."""

    def time(self) -> float:
        """Return the time of day, in seconds since the Unix epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds since some fixed moment."""
        return time.monotonic()

    async def sleep(self, delay_s: float) -> None:
        """Wait this many seconds."""
        await anyio.sleep(delay_s)

"""`FakeClock`: time that passes at once."""

from __future__ import annotations

import heapq
import itertools
from typing import Final

import anyio
import anyio.lowlevel

# How often other tasks get a turn before a sleeper is woken.
_TURNS: Final = 20


class FakeClock:
    """A clock on which sleeping takes no real time.

    Sleepers wake in the order of their time, once every other task has had its turns; so tasks that
    sleep at once sleep side by side, as they would on a real clock.

    Attributes:
        slept: How long each sleep was, in seconds, in the order in which they began.
    """

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._start = start
        self._passed = 0.0
        self._numbers = itertools.count()
        self._sleepers: list[tuple[float, int]] = []
        # Only the first of them looks at the clock; the others are called.
        self._calls: dict[tuple[float, int], anyio.Event] = {}
        self.slept: list[float] = []

    def time(self) -> float:
        """Return the time of day, in seconds since the Unix epoch."""
        return self._start + self._passed

    def monotonic(self) -> float:
        """Return the seconds that have passed."""
        return self._passed

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._passed += seconds

    async def sleep(self, delay_s: float) -> None:
        """Return when the time has come, without waiting for it."""
        self.slept.append(delay_s)
        sleeper = (self._passed + max(delay_s, 0.0), next(self._numbers))
        heapq.heappush(self._sleepers, sleeper)
        try:
            await anyio.lowlevel.checkpoint()
            turns = 0
            while self._passed < sleeper[0]:
                if self._sleepers[0] != sleeper:
                    turns = 0
                    called = self._calls[sleeper] = anyio.Event()
                    await called.wait()
                    continue
                await anyio.lowlevel.checkpoint()
                turns += 1
                if turns > _TURNS and self._sleepers[0] == sleeper:
                    self._passed = sleeper[0]
        finally:
            self._calls.pop(sleeper, None)
            self._sleepers.remove(sleeper)
            heapq.heapify(self._sleepers)
            self._call_next()

    def _call_next(self) -> None:
        """Wake those whose time has come, and the first of those whose time has not."""
        for sleeper, called in self._calls.items():
            if sleeper[0] <= self._passed or sleeper == self._sleepers[0]:
                called.set()

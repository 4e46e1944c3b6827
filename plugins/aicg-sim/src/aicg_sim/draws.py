"""Choices that look random and are the same everywhere, for ever.

`random.Random` promises this for one method only, and takes longer to seed than most answers take
to draw; this is SplitMix64, keyed by a hash.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

_MASK = (1 << 64) - 1


def key_of(*parts: object) -> int:
    """Return a 64-bit key of the parts, by their texts."""
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())


class Draw:
    """A row of choices that follows from its key."""

    __slots__ = ("_state", "key")

    def __init__(self, key: int) -> None:
        self.key = key
        self._state = key

    def child(self, *names: object) -> Draw:
        """Return a row of its own for a part, whatever has been drawn from this one."""
        return Draw(key_of(self.key, *names))

    def below(self, count: int) -> int:
        """Return a number from 0 to `count` - 1."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return (mixed ^ (mixed >> 31)) % count

    def share(self) -> float:
        """Return a number from 0 up to, and not including, 1."""
        return self.below(1 << 53) / (1 << 53)

    def pick(self, choices: Sequence[T]) -> T:
        """Return one of the choices."""
        return choices[self.below(len(choices))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in another order."""
        mixed = list(items)
        for last in range(len(mixed) - 1, 0, -1):
            other = self.below(last + 1)
            mixed[last], mixed[other] = mixed[other], mixed[last]
        return mixed

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """Return `count` of the items, or all if there are fewer, in their own order."""
        chosen = sorted(self.shuffled(range(len(items)))[:count])
        return [items[index] for index in chosen]

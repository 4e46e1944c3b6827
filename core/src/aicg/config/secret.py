"""`Secret`: a key or a password that does not print."""

from __future__ import annotations

import re
from typing import Final

_SHORTEST_KEY: Final = 8


# Not an attrs class: `attrs.asdict` would take it apart and show what it holds.
class Secret:
    """Text that prints as `***`, wherever it is printed.

    >>> key = Secret("sk-1234")
    >>> f"{key} {[key]}", key.reveal(), key.redact("401 for sk-1234")
    ('*** [***]', 'sk-1234', '401 for ***')
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself, for those who sign in with it."""
        return self._text

    def redact(self, text: str) -> str:
        """Return the text with `***` wherever the secret stands in it.

        A short one, such as the "any" that stands in for a key, is looked for as a word.
        """
        if len(self._text) >= _SHORTEST_KEY:
            return text.replace(self._text, "***")
        return re.sub(rf"(?<!\w){re.escape(self._text)}(?!\w)", "***", text) if self._text else text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __repr__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format("***", spec)

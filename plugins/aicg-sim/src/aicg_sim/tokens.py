"""A tokenizer: deterministic, offline, and about as fine as those of real models.

Every token is at least one character, so a text never has more tokens than UTF-8 bytes. The
pieces are found from left to right with no look ahead, so the first n tokens of a text are also
the tokens of the text that they make up: cutting at a token is exact.
"""

from __future__ import annotations

import re
from functools import lru_cache

_PIECE = (
    r" ?[A-Za-z]{1,8}"  # a short word, or a piece of a long one, with the space before it
    r"| ?[0-9]{1,3}"
    r"| ?[!-/:-@\[-`{-~]{1,3}"  # punctuation
    r"|\n{1,4}"
    r"| {1,16}"
    r"|[\u0080-\u024F\u0370-\u04FF]{1,2}"  # Latin with marks, Greek, Cyrillic
    r"|[\s\S]"
)


@lru_cache(maxsize=1)
def _pieces() -> re.Pattern[str]:
    return re.compile(_PIECE)


def split_tokens(text: str) -> list[str]:
    """Return the tokens, which joined are the text."""
    return _pieces().findall(text)


def count_tokens(text: str) -> int:
    """Return how many tokens the text has."""
    return len(_pieces().findall(text))


def cut_tokens(text: str, limit: int) -> str:
    """Return the text's first `limit` tokens, or all of it."""
    pieces = _pieces().findall(text)
    return text if len(pieces) <= limit else "".join(pieces[:limit])

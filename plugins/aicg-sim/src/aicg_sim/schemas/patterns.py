"""Texts that match a regular expression: the plain part of the language that schemas use."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Final, TypeAlias

import attrs

from aicg_sim.schemas.resolve import UnsatisfiableError

if TYPE_CHECKING:
    from aicg_sim.draws import Draw

_CLASSES: Final = {
    "d": string.digits,
    "w": string.ascii_lowercase + string.digits + "_",
    "s": " ",
    "D": string.ascii_lowercase,
    "W": "-",
    "S": string.ascii_lowercase,
}
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}
_PRINTABLE: Final = string.ascii_letters + string.digits + " -_.,;:!?@#$%&*+=/()[]{}<>|~'\"`^\\"
_OPEN: Final = 1 << 30
_MOST_REPEATS: Final = 10_000


@attrs.frozen
class _Chars:
    choices: str


@attrs.frozen
class _Anchor:
    end: bool


@attrs.frozen
class _Repeat:
    node: _Node
    least: int
    most: int


@attrs.frozen
class _Sequence:
    nodes: tuple[_Node, ...]


@attrs.frozen
class _Either:
    branches: tuple[_Node, ...]


_Node: TypeAlias = "_Chars | _Anchor | _Repeat | _Sequence | _Either"


class _Parser:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def parse(self) -> _Node:
        node = self._either()
        if self._at < len(self._pattern):
            raise self._unknown()
        return node

    def _unknown(self) -> UnsatisfiableError:
        return UnsatisfiableError(f"the pattern {self._pattern!r} is beyond the simulated models")

    def _next(self) -> str:
        if self._at >= len(self._pattern):
            raise self._unknown()
        self._at += 1
        return self._pattern[self._at - 1]

    def _skip(self, text: str) -> bool:
        if self._pattern.startswith(text, self._at):
            self._at += len(text)
            return True
        return False

    def _either(self) -> _Node:
        branches = [self._sequence()]
        while self._skip("|"):
            branches.append(self._sequence())
        return branches[0] if len(branches) == 1 else _Either(tuple(branches))

    def _sequence(self) -> _Node:
        nodes: list[_Node] = []
        while self._at < len(self._pattern) and self._pattern[self._at] not in "|)":
            nodes.append(self._quantified(self._atom()))
        return _Sequence(tuple(nodes))

    def _atom(self) -> _Node:
        char = self._next()
        if char == "(":
            return self._group()
        if char == "[":
            return _Chars(self._set())
        if char == "\\":
            return self._escape()
        if char in "^$":
            return _Anchor(end=char == "$")
        if char in "*+?{":
            raise self._unknown()
        return _Chars(string.ascii_lowercase if char == "." else char)

    def _group(self) -> _Node:
        if self._skip("?") and not self._skip(":"):
            if (not self._skip("P<") and not self._skip("<")) or self._pattern[self._at] in "=!":
                raise self._unknown()
            while self._next() != ">":
                pass
        node = self._either()
        if not self._skip(")"):
            raise self._unknown()
        return node

    def _escape(self) -> _Node:
        char = self._next()
        if char in "AzZ":
            return _Anchor(end=char != "A")
        if char in "bB" or char in "123456789pPkuxc":
            raise self._unknown()
        return _Chars(_CLASSES.get(char) or _ESCAPES.get(char, char))

    def _set(self) -> str:
        negated = self._skip("^")
        chars = ""
        while (char := self._next()) != "]" or not chars:
            if char == "\\":
                escaped = self._escape()
                char = escaped.choices if isinstance(escaped, _Chars) else ""
            if self._pattern[self._at : self._at + 1] == "-" and len(char) == 1:
                last = self._pattern[self._at + 1 : self._at + 2]
                if last not in ("]", "", "\\"):
                    self._at += 2
                    char = "".join(map(chr, range(ord(char), ord(last) + 1)[:200]))
            chars += char
        if negated:
            chars = "".join(char for char in _PRINTABLE if char not in chars)
        if not chars:
            raise self._unknown()
        return chars

    def _quantified(self, node: _Node) -> _Node:
        least, most = 1, 1
        if self._skip("*"):
            least, most = 0, _OPEN
        elif self._skip("+"):
            least, most = 1, _OPEN
        elif self._skip("?"):
            least, most = 0, 1
        elif self._skip("{"):
            least, most = self._counts()
        else:
            return node
        self._skip("?")
        return _Repeat(node, least, most)

    def _counts(self) -> tuple[int, int]:
        text = ""
        while (char := self._next()) != "}":
            text += char
        least, comma, most = text.partition(",")
        if not least.isdigit() or not (most or "0").isdigit() or int(least) > _MOST_REPEATS:
            raise self._unknown()
        return int(least), int(most) if most else _OPEN if comma else int(least)


def matching(pattern: str, draw: Draw, least: int, most: int) -> list[str]:
    """Return some texts that match the pattern, most of them of a length between the two.

    Raises:
        UnsatisfiableError: The pattern uses more of the language than is known here.
    """
    node = _Parser(pattern).parse()
    texts = []
    for extra in (0, 1, 2, 4, 8, 16, 32, *_repeats(least), *_repeats(min(most, 4 * least))):
        text = _written(node, draw, extra)
        if len(text) < least and not _anchored(node, at_end=True):
            text += "a" * (least - len(text))
        elif len(text) < least and not _anchored(node, at_end=False):
            text = "a" * (least - len(text)) + text
        texts.append(text)
    return sorted(texts, key=lambda text: not least <= len(text) <= most)


def _repeats(length: int) -> list[int]:
    """Return how often a part may have to be repeated to make up a length."""
    return [max(0, count) for count in (length, length - 1, length - 2, length // 2)]


def _anchored(node: _Node, *, at_end: bool) -> bool:
    match node:
        case _Anchor():
            return node.end is at_end
        case _Repeat():
            return _anchored(node.node, at_end=at_end)
        case _Sequence():
            return any(_anchored(part, at_end=at_end) for part in node.nodes)
        case _Either():
            return any(_anchored(part, at_end=at_end) for part in node.branches)
        case _Chars():
            return False


def _written(node: _Node, draw: Draw, extra: int) -> str:
    match node:
        case _Chars():
            return draw.pick(node.choices)
        case _Anchor():
            return ""
        case _Repeat():
            count = min(node.least + extra, node.most)
            return "".join([_written(node.node, draw, extra) for _ in range(count)])
        case _Sequence():
            return "".join([_written(part, draw, extra) for part in node.nodes])
        case _Either():
            return _written(draw.pick(node.branches), draw, extra)

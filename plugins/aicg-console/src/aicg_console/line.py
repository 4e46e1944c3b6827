"""A record as one line of text, whatever the record holds.

A model's text can reach a log. Nothing but printable characters leaves here, so that no text can
move the cursor, colour the screen, retitle the window, begin a line of its own, or turn around the
reading order.
"""

from __future__ import annotations

import re
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aicg import LogRecord

LONGEST_VALUE: Final = 200
_COLORS: Final = {
    "debug": "\x1b[2m",
    "info": "\x1b[32m",
    "warning": "\x1b[33m",
    "error": "\x1b[31m",
    "critical": "\x1b[1;31m",
}
_DIM: Final = "\x1b[2m"
_RESET: Final = "\x1b[0m"
# A value that needs no quotes: it can hold neither what ends it nor what begins the next.
_BARE: Final = re.compile(r'[^\s"=\\]+')
_NAMED: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Line:
    """Makes the lines of one stream."""

    def __init__(self, *, color: bool, timestamps: bool) -> None:
        self._levels = {
            level: f"{start}{level.upper():<8}{_RESET} " if color else f"{level.upper():<8} "
            for level, start in _COLORS.items()
        }
        self._dim, self._reset = (_DIM, _RESET) if color else ("", "")
        self._timestamps = timestamps
        self._second = -1
        self._clock = ""

    def of(self, record: LogRecord) -> str:
        """Return the record's line, its end included."""
        parts = [
            self._time(record.time) if self._timestamps else "",
            self._levels[record.level],
            _printable(_shortened(record.message)),
            _fields(record.fields),
        ]
        if record.request_id:
            # The end of the id: all requests of a session share its beginning.
            short = _printable(record.request_id[-8:])
            parts.append(f" {self._dim}[{short}]{self._reset}")
        parts.append("\n")
        return "".join(parts)

    def _time(self, moment: float) -> str:
        second = int(moment)
        if second != self._second:
            self._second = second
            self._clock = time.strftime("%H:%M:%S", time.localtime(second))
        return f"{self._dim}{self._clock}.{int(moment % 1 * 1000):03}{self._reset} "


def _fields(fields: Mapping[str, Any]) -> str:
    return "".join([f" {_value(name)}={_value(value)}" for name, value in fields.items()])


def _value(value: Any) -> str:
    if isinstance(value, str):
        text = _shortened(value)
    elif isinstance(value, float):
        return f"{value:.6g}"
    elif isinstance(value, Decimal):
        return f"{value:f}"
    elif isinstance(value, int):
        return str(value)
    else:
        text = _shortened(str(value))
    if _BARE.fullmatch(text) and text.isprintable():
        return text
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_printable(quoted)}"'


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join([char if char.isprintable() else _escaped(char) for char in text])


def _escaped(char: str) -> str:
    code = ord(char)
    if char in _NAMED:
        return _NAMED[char]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

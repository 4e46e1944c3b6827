"""Log records, and the small face that writes them: `session.log.info("done", items=3)`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import attrs

Level = Literal["debug", "info", "warning", "error", "critical"]
# The numbers of the standard library's logging, so that records pass there unchanged.
LEVELS: Final[Mapping[str, int]] = {
    "debug": 10,
    "info": 20,
    "warning": 30,
    "error": 40,
    "critical": 50,
}


@attrs.frozen(kw_only=True)
class LogRecord:
    """One thing that happened.

    Attributes:
        time: When, in seconds since the Unix epoch.
        level: How grave it is.
        message: What happened, in a few words that do not vary: "request done".
        fields: The facts, by name.
        session_id: The session it belongs to.
        request_id: The request it belongs to, if one.
    """

    time: float
    level: Level
    message: str
    fields: Mapping[str, Any] = attrs.field(factory=dict)
    session_id: str = ""
    request_id: str = ""


_stdlib_logger = logging.getLogger("aicg")
_stdlib_logger.addHandler(logging.NullHandler())


def pass_to_stdlib(record: LogRecord) -> None:
    """Write a record to the standard library's logger `aicg`."""
    level = LEVELS[record.level]
    if _stdlib_logger.isEnabledFor(level):
        facts = "".join(f" {name}={value}" for name, value in record.fields.items())
        _stdlib_logger.log(level, "%s%s", record.message, facts)


class Logger:
    """Writes records to every logger plugin and to the standard library's logger `aicg`."""

    __slots__ = ("_emit", "_now", "_threshold", "request_id", "session_id")

    def __init__(
        self,
        emit: Callable[[LogRecord], None],
        now: Callable[[], float],
        *,
        level: Level = "info",
        session_id: str = "",
        request_id: str = "",
    ) -> None:
        self._emit = emit
        self._now = now
        self._threshold = LEVELS[level]
        self.session_id = session_id
        self.request_id = request_id

    def bind(self, request_id: str) -> Logger:
        """Return a logger whose records carry the request's id."""
        bound = Logger.__new__(Logger)
        bound._emit = self._emit
        bound._now = self._now
        bound._threshold = self._threshold
        bound.session_id = self.session_id
        bound.request_id = request_id
        return bound

    def debug(self, message: str, /, **fields: Any) -> None:
        """Write what helps to find a fault."""
        if self._threshold <= 10:
            self._write("debug", message, fields)

    def info(self, message: str, /, **fields: Any) -> None:
        """Write what went as planned."""
        if self._threshold <= 20:
            self._write("info", message, fields)

    def warning(self, message: str, /, **fields: Any) -> None:
        """Write what somebody should look at."""
        if self._threshold <= 30:
            self._write("warning", message, fields)

    def error(self, message: str, /, **fields: Any) -> None:
        """Write what went wrong."""
        if self._threshold <= 40:
            self._write("error", message, fields)

    def critical(self, message: str, /, **fields: Any) -> None:
        """Write what stops the work."""
        self._write("critical", message, fields)

    def _write(self, level: Level, message: str, fields: dict[str, Any]) -> None:
        self._emit(
            LogRecord(
                time=self._now(),
                level=level,
                message=message,
                fields=fields,
                session_id=self.session_id,
                request_id=self.request_id,
            )
        )

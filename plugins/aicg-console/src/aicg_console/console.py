"""The plugin: log records and budget alerts become lines on stderr."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Final, Literal, TextIO

import attrs

import aicg
from aicg import LEVELS, Level
from aicg_console.line import Line

if TYPE_CHECKING:
    from aicg import Alert, Budget, LogRecord

Color = Literal["auto", "always", "never"]


@attrs.frozen
class ConsoleSettings:
    """The section `[plugins.console]`.

    Attributes:
        level: The least grave records that are shown.
        color: "auto" colours the level where stderr is a terminal.
        timestamps: Whether a line begins with the time of day.
    """

    level: Level = "info"
    color: Color = "auto"
    timestamps: bool = True


class Console:
    """Writes each record as one line, with one write, and waits for nothing.

    stderr is looked up for every line, so that a progress bar or a test that puts its own in place
    gets the lines. Where it is closed or broken, the lines are lost and the work goes on.
    """

    settings_type: Final = ConsoleSettings

    def __init__(self, settings: ConsoleSettings) -> None:
        self._settings = settings
        self._threshold = LEVELS[settings.level]
        self._stream: TextIO | None = None
        self._line = Line(color=False, timestamps=settings.timestamps)

    @aicg.hookimpl
    def aicg_log(self, record: LogRecord) -> None:
        """Write the record."""
        if LEVELS[record.level] >= self._threshold:
            self._write(record)

    @aicg.hookimpl
    def aicg_alert(self, alert: Alert, budget: Budget) -> None:
        """Write that a budget reached a threshold."""
        self.aicg_log(
            aicg.LogRecord(
                time=time.time(),
                level="warning",
                message="budget alert",
                fields={
                    "budget": budget.name,
                    "reached": f"{alert.threshold:.0%}",
                    "spent_usd": alert.spent_usd,
                    "limit_usd": alert.limit_usd,
                },
            )
        )

    def _write(self, record: LogRecord) -> None:
        stream: TextIO | None = sys.stderr
        if stream is None:
            return
        try:
            if stream is not self._stream:
                self._line = Line(
                    color=_is_coloured(self._settings.color, stream),
                    timestamps=self._settings.timestamps,
                )
                self._stream = stream
            stream.write(self._line.of(record))
        except UnicodeEncodeError as error:
            self._write_in_ascii(stream, str(error.object))
        except (OSError, ValueError):
            # Nobody reads stderr any more, and there is nowhere left to say so.
            return

    def _write_in_ascii(self, stream: TextIO, text: str) -> None:
        try:
            stream.write(text.encode("ascii", "backslashreplace").decode("ascii"))
        except (OSError, ValueError):
            return


def _is_coloured(color: Color, stream: TextIO) -> bool:
    """Tell whether to colour, by the rules that Python's own tracebacks follow."""
    if color != "auto":
        return color == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return os.environ.get("TERM") != "dumb" and stream.isatty()

"""What every logger plugin is held to."""

from __future__ import annotations

import threading
from typing import Any, get_args

import pytest

from aicg.logs import Level, LogRecord


class LoggerContract:
    """Subclass it, and give it a logger plugin and a way to read what it wrote."""

    def logger(self) -> Any:
        """Return a plugin with `aicg_log`, which writes records of every level."""
        raise NotImplementedError

    def written(self) -> str:
        """Return all that was written so far."""
        raise NotImplementedError

    @pytest.mark.parametrize("level", get_args(Level))
    def test_a_record_is_written_with_its_message_and_fields(self, level: Level) -> None:
        self.logger().aicg_log(_record(level=level, fields={"model": "fake:model"}))

        assert "request done" in self.written()
        assert "fake:model" in self.written()

    @pytest.mark.parametrize(
        "value",
        [None, 1.5, "", "two words", "line\nbreak", "\x1b[2J", "\udc80", "x" * 100_000, object()],
        ids=["none", "float", "empty", "space", "newline", "escape", "surrogate", "long", "object"],
    )
    def test_any_value_of_a_field_is_written_on_the_record_s_own_line(self, value: object) -> None:
        logger = self.logger()

        logger.aicg_log(_record(fields={"value": value}))
        logger.aicg_log(_record(message="the next"))

        lines = [line for line in self.written().splitlines() if line.strip()]
        assert len(lines) == 2
        assert "the next" in lines[1]
        assert "\x1b[2J" not in self.written()

    def test_threads_write_whole_records(self) -> None:
        logger = self.logger()

        def write(number: int) -> None:
            for _ in range(20):
                logger.aicg_log(_record(message=f"thread {number} done"))

        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        lines = [line for line in self.written().splitlines() if line.strip()]
        assert len(lines) == 80
        assert all(line.count("thread") == 1 for line in lines)


def _record(
    level: Level = "error",
    message: str = "request done",
    fields: dict[str, object] | None = None,
) -> LogRecord:
    return LogRecord(
        time=1_700_000_000.0,
        level=level,
        message=message,
        fields=fields or {},
        session_id="s1",
        request_id="s1-1",
    )

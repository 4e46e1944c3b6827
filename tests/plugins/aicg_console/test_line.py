from __future__ import annotations

import unicodedata
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import aicg
from aicg_console.line import LONGEST_VALUE, Line

if TYPE_CHECKING:
    from aicg.logs import Level

PLAIN = Line(color=False, timestamps=False)


def record(message: str = "done", **fields: Any) -> aicg.LogRecord:
    return aicg.LogRecord(time=0.0, level="info", message=message, fields=fields)


def test_a_line_has_the_level_the_message_and_the_fields() -> None:
    line = PLAIN.of(record("request done", model="sim:tutor", attempts=2))

    assert line == "INFO     request done model=sim:tutor attempts=2\n"


def test_a_line_begins_with_the_time_of_day_if_asked_for() -> None:
    moment = aicg.LogRecord(time=1_700_000_000.25, level="info", message="done")

    lines = [Line(color=False, timestamps=True).of(moment) for _ in range(2)]

    assert lines[0] == lines[1]
    assert lines[0][5:].startswith(":20.250 INFO ")


def test_a_line_ends_with_the_end_of_the_request_id() -> None:
    known = aicg.LogRecord(
        time=0.0, level="info", message="done", request_id="019a0b7c-1111-7000-8000-5ee0c0ffee99"
    )

    assert PLAIN.of(known).endswith(" [c0ffee99]\n")


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "critical"])
def test_colour_is_the_only_difference_between_a_terminal_and_a_file(level: Level) -> None:
    said = aicg.LogRecord(time=0.0, level=level, message="done", request_id="12345678")

    line = Line(color=True, timestamps=False).of(said)

    assert line.count("\x1b[0m") == 2
    assert level.upper() in PLAIN.of(said)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("plain", "plain", id="bare"),
        pytest.param("größer", "größer", id="letters of any script"),
        pytest.param("two words", '"two words"', id="space"),
        pytest.param("", '""', id="empty"),
        pytest.param('say "hi"', r'"say \"hi\""', id="quotes"),
        pytest.param("a=b", '"a=b"', id="equals sign"),
        pytest.param("C:\\x", r'"C:\\x"', id="backslash"),
        pytest.param("a\nb\t\r", r'"a\nb\t\r"', id="line breaks"),
        pytest.param("\x1b]0;title\x07", r'"\x1b]0;title\x07"', id="escape sequence"),
        pytest.param("\x9b31m", r'"\x9b31m"', id="escape sequence of one byte"),
        pytest.param("a\u202eb", r'"a\u202eb"', id="reading order"),
        pytest.param("\U000e0041", r'"\U000e0041"', id="hidden letters"),
        pytest.param("\ud800", r'"\ud800"', id="half a character"),
        pytest.param(1.23456789, "1.23457", id="float"),
        pytest.param(Decimal("0.0000012"), "0.0000012", id="money"),
        pytest.param(True, "True", id="bool"),
        pytest.param(None, "None", id="none"),
        pytest.param(["a", 1], "\"['a', 1]\"", id="list"),
        pytest.param(ValueError("bad\nthing"), r'"bad\nthing"', id="error"),
    ],
)
def test_a_value_is_written_so_that_it_stays_one_value(value: Any, expected: str) -> None:
    assert PLAIN.of(record(x=value)) == f"INFO     done x={expected}\n"


def test_a_long_value_is_shortened() -> None:
    line = PLAIN.of(record(text="x" * 1_000_000))

    assert line == f"INFO     done text={'x' * (LONGEST_VALUE - 1)}…\n"


@given(st.text(), st.dictionaries(st.text(), st.text() | st.binary() | st.floats()))
def test_nothing_but_printable_characters_reaches_the_terminal(
    message: str, fields: dict[str, Any]
) -> None:
    said = aicg.LogRecord(
        time=0.0, level="info", message=message, fields=fields, request_id=message
    )

    line = PLAIN.of(said)

    assert line.endswith("\n")
    assert line[:-1].isprintable()
    assert not any(unicodedata.category(char).startswith("C") for char in line[:-1])

from __future__ import annotations

import io
import sys
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

import aicg
from aicg_console import Console, ConsoleSettings

if TYPE_CHECKING:
    from aicg.logs import Level

RECORD = aicg.LogRecord(time=0.0, level="info", message="request done", fields={"name": "ä→"})


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class BrokenPipe(io.StringIO):
    def write(self, text: str, /) -> int:
        raise BrokenPipeError


def quiet_console(**settings: object) -> Console:
    return Console(ConsoleSettings(timestamps=False, **settings))  # type: ignore[arg-type]


def written(console: Console, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    console.aicg_log(RECORD)
    return stream.getvalue()


def test_a_record_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    quiet_console().aicg_log(RECORD)

    said = capsys.readouterr()
    assert said.err == "INFO     request done name=ä→\n"
    assert said.out == ""


@pytest.mark.parametrize(
    ("level", "shown"), [("debug", True), ("info", True), ("warning", False), ("critical", False)]
)
def test_records_below_the_level_are_left_out(
    level: Level, shown: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    quiet_console(level=level).aicg_log(RECORD)

    assert bool(capsys.readouterr().err) is shown


def test_an_alert_says_which_budget_reached_what(capsys: pytest.CaptureFixture[str]) -> None:
    budget = aicg.Budget("team-a", Decimal(5))
    alert = aicg.Alert(
        budget="team-a", threshold=0.8, spent_usd=Decimal("4.01"), limit_usd=Decimal(5)
    )

    quiet_console().aicg_alert(alert, budget)

    assert capsys.readouterr().err == (
        "WARNING  budget alert budget=team-a reached=80% spent_usd=4.01 limit_usd=5\n"
    )


@pytest.mark.parametrize(
    ("color", "variables", "terminal", "coloured"),
    [
        pytest.param("auto", {}, True, True, id="terminal"),
        pytest.param("auto", {}, False, False, id="file"),
        pytest.param("auto", {"NO_COLOR": "1"}, True, False, id="terminal, NO_COLOR"),
        pytest.param("auto", {"NO_COLOR": ""}, True, True, id="terminal, empty NO_COLOR"),
        pytest.param("auto", {"TERM": "dumb"}, True, False, id="dumb terminal"),
        pytest.param("auto", {"FORCE_COLOR": "1"}, False, True, id="file, FORCE_COLOR"),
        pytest.param("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False, id="both"),
        pytest.param("always", {"NO_COLOR": "1"}, False, True, id="always"),
        pytest.param("never", {"FORCE_COLOR": "1"}, True, False, id="never"),
    ],
)
def test_colour_follows_the_setting_the_variables_and_the_stream(
    color: str,
    variables: dict[str, str],
    terminal: bool,
    coloured: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    line = written(
        quiet_console(color=color), Terminal() if terminal else io.StringIO(), monkeypatch
    )

    assert ("\x1b[" in line) is coloured


def test_a_stream_that_takes_the_place_of_stderr_gets_the_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    console = quiet_console()

    on_terminal = written(console, Terminal(), monkeypatch)
    in_file = written(console, io.StringIO(), monkeypatch)

    assert "\x1b[32mINFO" in on_terminal
    assert in_file.startswith("INFO ")


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(None, id="none"),
        pytest.param(closed(), id="closed"),
        pytest.param(BrokenPipe(), id="broken"),
    ],
)
def test_a_stderr_that_takes_nothing_is_ignored(
    stream: io.StringIO | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)

    assert quiet_console().aicg_log(RECORD) is None


def test_a_stream_of_few_letters_gets_the_others_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(taken, "latin-1", write_through=True))

    quiet_console().aicg_log(RECORD)

    assert taken.getvalue() == rb"INFO     request done name=\xe4\u2192" + b"\n"

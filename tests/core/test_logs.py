"""Records reach every logger plugin and the standard library's logger, and hold no secret."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, get_args

import pytest

import aicg
from aicg.logs import LEVELS, Level
from aicg.testing import FakeClock, FakeProvider, make_kernel

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "sk-secret-12345"


class Records:
    """A logger plugin that keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[aicg.LogRecord] = []

    @aicg.hookimpl
    def aicg_log(self, record: aicg.LogRecord) -> None:
        self.records.append(record)


def logger(emit: Callable[[aicg.LogRecord], None], level: Level = "info") -> aicg.Logger:
    return aicg.Logger(emit, lambda: 1.5, level=level, session_id="s1")


@pytest.mark.parametrize("level", get_args(Level))
@pytest.mark.parametrize("threshold", get_args(Level))
def test_a_record_below_the_level_is_not_made(threshold: Level, level: Level) -> None:
    records: list[aicg.LogRecord] = []

    getattr(logger(records.append, threshold), level)("done", items=3)

    expected = aicg.LogRecord(
        time=1.5, level=level, message="done", fields={"items": 3}, session_id="s1"
    )
    assert records == ([expected] if LEVELS[level] >= LEVELS[threshold] else [])


def test_the_levels_are_those_of_the_standard_library() -> None:
    assert set(LEVELS) == set(get_args(Level))
    for name, number in LEVELS.items():
        assert logging.getLevelName(number) == name.upper()


def test_a_field_may_have_any_name() -> None:
    records: list[aicg.LogRecord] = []

    logger(records.append).info("done", message="x", level="y", time=1, self=2)

    assert records[0].fields == {"message": "x", "level": "y", "time": 1, "self": 2}


def test_a_bound_logger_carries_the_requests_id_and_leaves_its_parent_alone() -> None:
    records: list[aicg.LogRecord] = []
    parent = logger(records.append, "warning")

    parent.bind("s1-7").warning("slow")
    parent.bind("s1-7").info("not made")
    parent.warning("slow")

    assert [(record.session_id, record.request_id) for record in records] == [
        ("s1", "s1-7"),
        ("s1", ""),
    ]


@pytest.mark.anyio
async def test_a_request_is_logged_with_its_ids_and_the_clocks_time() -> None:
    clock, plugin = FakeClock(), Records()

    kernel = make_kernel(plugins={"records": plugin}, clock=clock)
    async with kernel, kernel.session("fake:model") as session:
        response = await session.chat("Hi")
        session.log.info("my own", items=3)

    done, own = plugin.records
    assert (done.message, done.request_id) == ("request done", response.request_id)
    assert done.time == clock.time()
    assert (own.message, own.fields, own.request_id) == ("my own", {"items": 3}, "")
    assert done.session_id == own.session_id == session.id


@pytest.mark.parametrize(
    ("level", "messages"),
    [
        ("debug", ["request sent", "request done"]),
        ("info", ["request done"]),
        ("warning", []),
    ],
)
@pytest.mark.anyio
async def test_the_config_sets_the_level(level: str, messages: list[str]) -> None:
    plugin = Records()
    kernel = make_kernel(plugins={"records": plugin}, config={"logging": {"level": level}})

    async with kernel, kernel.session("fake:model") as session:
        await session.chat("Hi")

    assert [record.message for record in plugin.records] == messages


@pytest.mark.anyio
async def test_records_pass_to_the_standard_library(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="aicg"):
        async with make_kernel() as kernel, kernel.session("fake:model") as session:
            session.log.info("50 %s done", items=3, who="me %d")
            session.log.debug("unseen")
            session.log.critical("down")

    assert [(record.name, record.levelname, record.getMessage()) for record in caplog.records] == [
        ("aicg", "INFO", "50 %s done items=3 who=me %d"),
        ("aicg", "CRITICAL", "down"),
    ]


@pytest.mark.anyio
async def test_nobody_listens_and_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    async with make_kernel() as kernel, kernel.session("fake:model") as session:
        session.log.critical("down")

    assert capsys.readouterr().err == ""


class Unprintable:
    def __repr__(self) -> str:
        raise ValueError("no text")


@pytest.mark.anyio
async def test_a_field_without_a_text_does_not_stop_the_work(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level("INFO", logger="aicg"):
        async with make_kernel() as kernel, kernel.session("fake:model") as session:
            session.log.info("odd", value=Unprintable())
            response = await session.chat("Hi")

    assert response.text == "Done."


@pytest.mark.anyio
async def test_a_broken_handler_or_filter_does_not_stop_the_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken(logging.Handler):
        def filter(self, record: logging.LogRecord) -> bool:
            raise ValueError("broken")

    handler = Broken()
    stdlib = logging.getLogger("aicg")
    monkeypatch.setattr(stdlib, "level", logging.INFO)
    stdlib.addHandler(handler)
    try:
        async with make_kernel() as kernel, kernel.session("fake:model") as session:
            response = await session.chat("Hi")
            await session.chat("Hi")
    finally:
        stdlib.removeHandler(handler)

    assert response.text == "Done."
    assert capsys.readouterr().err.count("ValueError: broken") == 1


@pytest.mark.parametrize(
    "script", [["Done."], [aicg.AuthenticationError("401", provider="fake")]], ids=["well", "ill"]
)
@pytest.mark.anyio
async def test_no_record_and_no_export_holds_a_secret(
    script: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    plugin = Records()
    config = {
        "providers": {"other": {"kind": "fake", "api_key": KEY}},
        "plugins": {"records": {"token": KEY}},
        "logging": {"level": "debug"},
    }
    kernel = make_kernel(FakeProvider(script), plugins={"records": plugin}, config=config)

    with caplog.at_level("DEBUG", logger="aicg"):
        async with kernel, kernel.session("fake:model", metadata={"note": "x"}) as session:
            session.log.info("signed in", key=aicg.Secret(KEY))
            try:
                await session.chat("Hi")
            except aicg.AuthenticationError as error:
                session.log.warning("failed", error=error)

    shown = f"{plugin.records}{caplog.text}{session.export_to_json()}{kernel.config}"
    assert len(plugin.records) >= 3
    assert "key=***" in caplog.text
    assert KEY not in shown
    assert "12345" not in shown

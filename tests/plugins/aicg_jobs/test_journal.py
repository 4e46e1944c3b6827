"""The journal keeps answers and money through crashes, and lets one run in at a time."""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from aicg import ConfigurationError
from aicg_jobs.journal import JOURNAL, LOCK, NOTHING, Journal

if TYPE_CHECKING:
    from pathlib import Path

KEPT: dict[str, Any] = {"item": "loops", "step": "lesson", "answer": "Text.", "cost_usd": "0.002"}
CENT = Decimal("0.01")
SPENT = Decimal("0.002")


def test_an_answer_is_there_in_the_next_run(tmp_path: Path) -> None:
    with Journal(tmp_path, "course") as journal:
        journal.ask("key", CENT)
        journal.keep("key", KEPT, SPENT)
        journal.write("key", {"loops.md": "digest"})

    with Journal(tmp_path, "course") as journal:
        assert journal.answer("key") == "Text."
        assert journal.answer("other") is NOTHING
        assert journal.written("key") == {"loops.md": "digest"}
        assert journal.entry("key")["files"] == ["loops.md"]


def test_what_was_never_settled_counts_at_its_worst(tmp_path: Path) -> None:
    with Journal(tmp_path, "course") as journal:
        journal.ask("answered", CENT)
        journal.keep("answered", KEPT, SPENT)
        journal.ask("failed", CENT)
        journal.fail("failed", "it broke", SPENT + Decimal("0.005"))
        journal.ask("killed", CENT)

    with Journal(tmp_path, "course") as journal:
        assert journal.spent_usd == Decimal("0.017")


def test_each_of_two_requests_that_ask_the_same_is_settled_by_itself(tmp_path: Path) -> None:
    with Journal(tmp_path, "course") as journal:
        journal.ask("same", CENT)
        journal.ask("same", CENT)
        journal.keep("same", KEPT, SPENT)

    with Journal(tmp_path, "course") as journal:
        assert journal.spent_usd == Decimal("0.012")


def test_the_ledgers_sum_stands_above_the_lines(tmp_path: Path) -> None:
    with Journal(tmp_path, "course") as journal:
        journal.ask("cancelled", CENT)
        journal.end(Decimal("0.003"))

    with Journal(tmp_path, "course") as journal:
        journal.ask("killed", CENT)

    with Journal(tmp_path, "course") as journal:
        assert journal.spent_usd == Decimal("0.013")


@pytest.mark.parametrize("torn", [b'{"event": "answer", "key": "ke', b'{"event": "ans\n', b"\xff"])
def test_a_torn_line_loses_itself_alone(tmp_path: Path, torn: bytes) -> None:
    with Journal(tmp_path, "course") as journal:
        journal.keep("first", KEPT, SPENT)
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(torn)

    with Journal(tmp_path, "course") as journal:
        journal.keep("second", KEPT, SPENT)
    with Journal(tmp_path, "course") as journal:
        assert journal.answer("first") == journal.answer("second") == "Text."


def test_a_folder_takes_one_run_at_a_time(tmp_path: Path) -> None:
    with (
        Journal(tmp_path, "course"),
        pytest.raises(ConfigurationError, match="another aicg run is at work"),
    ):
        Journal(tmp_path, "course")

    with Journal(tmp_path, "course"):
        # Windows locks bytes from the file's end on, so two runs meet only in an empty one.
        assert not (tmp_path / LOCK).read_bytes()


def test_a_folder_belongs_to_one_job(tmp_path: Path) -> None:
    with Journal(tmp_path, "course"):
        pass

    for _ in range(2):
        with pytest.raises(ConfigurationError, match="the work of another job, 'course'"):
            Journal(tmp_path, "stories")


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files by setrlimit")
def test_a_disk_that_is_full_is_told_of_with_the_file(tmp_path: Path) -> None:
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Journal(tmp_path, "course") as journal:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
        try:
            with pytest.raises(OSError, match="too large") as caught:
                journal.keep("key", KEPT, SPENT)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert caught.value.filename == str(tmp_path / JOURNAL)

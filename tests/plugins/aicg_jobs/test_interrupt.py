"""Ctrl-C and a killed process lose nothing that is finished."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from aicg.testing import FakeProvider, Hang, make_kernel
from aicg_jobs import command
from aicg_jobs.job import load_job
from aicg_jobs.journal import JOURNAL, Journal
from aicg_jobs.report import write_reports
from aicg_jobs.run import Run

if TYPE_CHECKING:
    from aicg import Kernel
    from aicg_jobs.tally import Tally
    from tests.plugins.aicg_jobs.conftest import JobRunner, JobWriter

# What the hanging request may cost: 3 tokens in at a millionth, 10 out at ten.
WORST = Decimal("0.000103")


class Process:
    """A run in a process of its own, once it has two answers of three."""

    def __init__(self, job: Path, output: Path) -> None:
        slow_run = Path(__file__).with_name("slow_run.py")
        self.process = subprocess.Popen(
            [sys.executable, str(slow_run), str(job), "--output", str(output)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        journal = output / JOURNAL
        while not (journal.exists() and journal.read_text().count('"ask"') == 3):
            assert self.process.poll() is None, self.process.communicate()

    def end_by(self, signal_number: int) -> tuple[int, str]:
        self.process.send_signal(signal_number)
        _, stderr = self.process.communicate(timeout=20)
        return self.process.returncode, stderr


def test_ctrl_c_keeps_what_is_finished_and_tells_how_to_go_on(
    write_job: JobWriter, run_job: JobRunner
) -> None:
    job = write_job(max_output_tokens=10)

    code, stderr = Process(job, run_job.output).end_by(signal.SIGINT)

    assert code == 130
    assert "interrupted; run the same command again to go on: 2 of 3 done" in stderr
    assert "Traceback" not in stderr
    assert run_job.read("lists.md") == "About lists.\n"
    assert run_job.report["state"] == "interrupted"


def test_ctrl_c_while_the_report_is_written_does_not_lose_it(
    write_job: JobWriter, run_job: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(*arguments: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        write_reports(*arguments)

    monkeypatch.setattr(command, "write_reports", write)

    result = run_job(write_job())

    assert result.exit_code == 0
    assert "3 of 3 done" in result.stderr
    assert run_job.report["state"] == "done"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_is_counted_for_requests_without_an_answer_is_told(
    write_job: JobWriter, run_job: JobRunner
) -> None:
    _, stderr = Process(write_job(max_output_tokens=10), run_job.output).end_by(signal.SIGINT)

    assert "($0.00011 assumed for requests without an answer)" in stderr


def test_a_run_after_ctrl_c_goes_on_and_knows_what_was_spent(
    write_job: JobWriter, run_job: JobRunner
) -> None:
    job = write_job(max_output_tokens=10)
    Process(job, run_job.output).end_by(signal.SIGINT)
    interrupted = run_job.report

    result = run_job(job, script=["About files."])

    assert result.exit_code == 0
    assert run_job.prompts == ["On files"]
    # The request that was broken off may be billed, so it counts in full.
    made = sum(Decimal(answer["cost_usd"]) for answer in interrupted["made"])
    assert Decimal(interrupted["cost_usd"]) == made + WORST


def test_a_killed_run_leaves_no_lock_and_its_request_counts_as_spent(
    write_job: JobWriter, run_job: JobRunner
) -> None:
    job = write_job(max_output_tokens=10)
    Process(job, run_job.output).end_by(signal.SIGKILL)

    result = run_job(job, script=["About files."])

    assert result.exit_code == 0
    assert run_job.prompts == ["On files"]
    report = run_job.report
    made = sum(Decimal(answer["cost_usd"]) for answer in report["made"])
    assert Decimal(report["cost_usd"]) == made + WORST


class Watch:
    """A display that lets a test wait for answers."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, tally: Tally) -> None:
        self.made = tally.made


@pytest.mark.anyio
async def test_a_cancelled_run_books_what_was_under_way(
    write_job: JobWriter, tmp_path: Path
) -> None:
    provider = FakeProvider(["About loops.", Hang()])
    kernel: Kernel = make_kernel(provider)
    job = load_job(write_job(max_output_tokens=10))

    with Journal(tmp_path / "out", "course") as journal:
        run = Run(job, journal, tmp_path / "out")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run.execute, kernel, Watch())
            while len(provider.calls) < 2:
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()

    last = json.loads((tmp_path / "out" / JOURNAL).read_text().splitlines()[-1])
    assert last["event"] == "end"
    assert Decimal(last["spent_usd"]) == Decimal("0.000043") + WORST
    assert run.tally.made == 1

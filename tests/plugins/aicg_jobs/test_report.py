"""The reports name what was made, what it cost and what went wrong."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from aicg import ServerError

if TYPE_CHECKING:
    from tests.plugins.aicg_jobs.conftest import JobRunner, JobWriter


def test_the_report_lists_each_answer_with_its_files_and_cost(
    write_job: JobWriter, run_job: JobRunner
) -> None:
    run_job(write_job(budget_usd="0.50"))

    report = run_job.report
    assert [made["item"] for made in report["made"]] == ["loops", "lists", "files"]
    assert report["made"][0]["files"] == ["loops.md"]
    assert report["model"] == "fake:model"
    assert report["price_version"] == "fake"
    assert report["budget_usd"] == "0.5"
    assert sum(Decimal(made["cost_usd"]) for made in report["made"]) == Decimal(report["cost_usd"])


def test_answers_are_listed_in_the_order_of_the_items(
    write_job: JobWriter, run_job: JobRunner
) -> None:
    job = write_job()
    run_job(job, script=[ServerError("it broke"), "Done."])

    run_job(job)

    assert [made["item"] for made in run_job.report["made"]] == ["loops", "lists", "files"]
    assert run_job.report["kept"] == 2
    assert Decimal(run_job.report["cost_of_this_run_usd"]) < Decimal(run_job.report["cost_usd"])


def test_the_page_links_the_files_and_tells_the_failures(
    write_job: JobWriter, run_job: JobRunner
) -> None:
    run_job(write_job(), script=["Done.", ServerError("it\nbroke"), "Done."])

    page = run_job.read("report.md")
    assert "| loops | [loops.md](<loops.md>) | $0.000023 |" in page
    assert "- lists, lesson: it broke\n" in page
    assert "- answers: 2 of 3, 0 of them from earlier runs" in page


def test_the_closing_table_tells_each_step(write_job: JobWriter, run_job: JobRunner) -> None:
    result = run_job(write_job(), script=["Done.", ServerError("it broke"), "Done."])

    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[0] == ["step", "made", "kept", "failed", "tokens", "in", "tokens", "out", "cost"]
    assert rows[1][:4] == ["lesson", "2", "0", "1"]

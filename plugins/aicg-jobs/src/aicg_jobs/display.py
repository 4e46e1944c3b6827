"""What shows how a run stands: a bar at a terminal, a line now and then elsewhere."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from aicg import format_cost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aicg_jobs.run import Display
    from aicg_jobs.tally import Tally

_LINE_EVERY_S = 5.0


class Silence:
    """Shows nothing."""

    def show(self, tally: Tally) -> None:
        """Show nothing."""


class Lines:
    """Prints a line now and then, for logs and pipes."""

    def __init__(self, console: Console, name: str) -> None:
        self._console = console
        self._name = name
        self._next_s = 0.0

    def show(self, tally: Tally) -> None:
        """Print a line, if the last is some seconds old."""
        if tally.elapsed_s >= self._next_s:
            self._next_s = tally.elapsed_s + _LINE_EVERY_S
            self._console.print(
                f"{self._name}: {_count(tally)} · {_facts(tally)}", highlight=False, soft_wrap=True
            )


class Bar:
    """Keeps a bar and two lines of figures up to date at the bottom of a terminal."""

    def __init__(self, live: Live, name: str) -> None:
        self._live = live
        self._name = name

    def show(self, tally: Tally) -> None:
        """Draw the bar anew."""
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(no_wrap=True)
        grid.add_column(ratio=1)
        grid.add_column(no_wrap=True)
        bar = ProgressBar(total=max(tally.total, 1), completed=tally.done + tally.failed)
        grid.add_row(Text(self._name, style="bold"), bar, _count(tally))
        facts = Text(_facts(tally), style="dim", no_wrap=True, overflow="ellipsis")
        self._live.update(Group(grid, facts), refresh=True)


@contextmanager
def display_for(console: Console, name: str, *, quiet: bool) -> Iterator[Display]:
    """Yield what fits the console."""
    if quiet:
        yield Silence()
    elif console.is_terminal:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            yield Bar(live, name)
    else:
        yield Lines(console, name)


def duration(seconds: float) -> str:
    """Return a duration as people read it.

    >>> duration(3.21), duration(75), duration(7380)
    ('3.2 s', '1 min 15 s', '2 h 03 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def _count(tally: Tally) -> str:
    failed = f", {tally.failed} failed" if tally.failed else ""
    return f"{tally.done} of {tally.total} done{failed}"


def _facts(tally: Tally) -> str:
    facts = [f"{format_cost(tally.earlier_usd + tally.spent_usd)} spent"]
    if tally.reserved_usd:
        facts.append(f"{format_cost(tally.reserved_usd)} reserved")
    if tally.left_usd is not None:
        facts.append(f"{format_cost(tally.left_usd)} left")
    if tally.made:
        facts.append(f"{tally.rate:.1f}/s")
    if tally.to_go_s is not None and tally.open:
        facts.append(f"{duration(tally.to_go_s)} to go")
    return " · ".join(facts)

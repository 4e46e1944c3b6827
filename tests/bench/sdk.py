"""CPU of a request through aicg-openai - budget, retry and log on - beside the bare SDK's.

Both talk to one server in a process of its own; what is counted is this process's CPU alone.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio
from figures import Figure

import aicg

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

PROMPT = "Explain recursion to a twelve-year-old, with one example. " * 4
ROUNDS = 5
IN_FLIGHT = {1: 150, 64: 1_280, 512: 2_560}


class Retrier:
    """Tries again what may succeed later, as an addon for retries does."""

    @aicg.hookimpl
    async def aicg_on_error(
        self, error: aicg.AIContentGeneratorError, context: aicg.RequestContext
    ) -> aicg.Retry | None:
        return aicg.Retry() if getattr(error, "retryable", False) else None


class Log:
    """Writes every record to nowhere, as a line of text."""

    def __init__(self) -> None:
        self.lines = 0

    @aicg.hookimpl
    def aicg_log(self, record: aicg.LogRecord) -> None:
        self.lines += len(f"{record.time} {record.level} {record.message} {record.fields}") > 0


@contextmanager
def server() -> Iterator[str]:
    """Run `aicg sim serve` in a process of its own; yield its address."""
    command = [sys.executable, "-m", "aicg_cli", "sim", "serve", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        assert run.stdout is not None
        try:
            for line in run.stdout:
                if "http://" in line:
                    yield "http://" + line.split("http://")[1].split()[0].strip("/.,")
                    break
        finally:
            run.terminate()


async def cpu_us(ask: Callable[[], Awaitable[Any]], in_flight: int) -> float:
    """Return the CPU that one request takes while so many are under way, in microseconds."""
    requests = IN_FLIGHT[in_flight]
    left = requests

    async def work() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await ask()

    begun = time.process_time()
    async with anyio.create_task_group() as tasks:
        for _ in range(in_flight):
            tasks.start_soon(work)
    return (time.process_time() - begun) / requests * 1e6


async def figures(address: str) -> list[Figure]:
    import openai

    config = {
        "providers": {
            "stub": {
                "kind": "openai",
                "base_url": f"{address}/v1",
                "api_key": "none",
                "vendor": "sim",
            }
        }
    }
    kernel = aicg.Kernel(
        aicg.Config.from_dict(config), plugins={"retrier": Retrier(), "log": Log()}
    )
    found = []
    async with (
        openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client,
        kernel,
        kernel.session("stub:tutor", budget_usd=1_000, disable=["console"]) as session,
    ):

        async def bare() -> None:
            await client.chat.completions.create(
                model="tutor",
                messages=[{"role": "user", "content": PROMPT}],
                max_completion_tokens=60,
            )

        async def ours() -> None:
            await session.chat(PROMPT, max_output_tokens=60)

        await bare()
        await ours()
        for in_flight in IN_FLIGHT:
            pairs = [
                (await cpu_us(bare, in_flight), await cpu_us(ours, in_flight))
                for _ in range(ROUNDS)
            ]
            theirs, mine = (sorted(column)[ROUNDS // 2] for column in zip(*pairs, strict=True))
            found += [
                Figure(f"{in_flight} in flight: openai SDK, CPU a request", theirs, "us"),
                Figure(f"{in_flight} in flight: aicg-openai, CPU a request", mine, "us"),
                Figure(f"{in_flight} in flight: aicg-openai / openai SDK", mine / theirs, "", 0.8),
            ]
    return found


def measure() -> Iterator[Figure]:
    with server() as address:
        yield from anyio.run(figures, address)

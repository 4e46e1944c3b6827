"""What the kernel adds to a request, with eight addons and a provider that does nothing."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import anyio
from figures import Figure

import aicg
from aicg.testing import FAKE_PRICE, FakeProvider, make_kernel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from types import FrameType

REQUESTS = 5_000
ROUNDS = 7
ANSWER = aicg.Response(
    parts=(aicg.Text("Done."),), model="model", usage=aicg.Usage(input_tokens=10, output_tokens=5)
)


ESTIMATE = aicg.InputEstimate(likely=10, upper=10)


class Instant(FakeProvider):
    """Answers with what lies ready, so that all that is measured is the kernel's."""

    async def chat(self, request: aicg.Request) -> aicg.Response:
        return ANSWER

    def estimate_input(self, request: aicg.Request) -> aicg.InputEstimate:
        return ESTIMATE


class Onlooker:
    """An addon with every hook of a request, which does nothing."""

    @aicg.hookimpl
    async def aicg_pre_request(self, request: aicg.Request, context: aicg.RequestContext) -> None:
        return None

    @aicg.hookimpl
    async def aicg_post_request(
        self, response: aicg.Response, context: aicg.RequestContext
    ) -> None:
        return None

    @aicg.hookimpl
    async def aicg_on_error(
        self, error: aicg.AIContentGeneratorError, context: aicg.RequestContext
    ) -> None:
        return None

    @aicg.hookimpl
    def aicg_log(self, record: aicg.LogRecord) -> None:
        return None


async def python_calls(ask: Callable[[], Awaitable[Any]]) -> int:
    """Count the Python functions that one request enters, which no machine's speed changes."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    await ask()
    sys.setprofile(count)
    await ask()
    sys.setprofile(None)
    return calls


async def cpu_us(ask: Callable[[], Awaitable[Any]]) -> float:
    begun = time.process_time()
    for _ in range(REQUESTS):
        await ask()
    return (time.process_time() - begun) / REQUESTS * 1e6


async def figures() -> list[Figure]:
    provider = Instant(price=FAKE_PRICE)
    addons = {f"addon{number}": Onlooker() for number in range(8)}
    request = aicg.Request(
        model="fake:model", messages=(aicg.Message("user", "Hello"),), max_output_tokens=100
    )
    async with (
        make_kernel(provider, plugins=addons) as kernel,
        kernel.session("fake:model", budget_usd=1_000) as session,
    ):
        calls = await python_calls(lambda: session.chat("Hello"))
        through = min([await cpu_us(lambda: session.chat("Hello")) for _ in range(ROUNDS)])
        bare = min([await cpu_us(lambda: provider.chat(request)) for _ in range(ROUNDS)])
    return [
        Figure("kernel, eight addons: Python calls a request", calls, "", 300),
        Figure("kernel, eight addons: CPU a request", through - bare, "us", 50),
    ]


def measure() -> Iterator[Figure]:
    yield from anyio.run(figures)

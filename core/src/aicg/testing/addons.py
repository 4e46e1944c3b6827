"""What every addon is held to."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import anyio
import pytest

from aicg.errors import AuthenticationError, BudgetExceededError
from aicg.testing.provider import FakeProvider, make_kernel


class AddonContract:
    """Subclass it, and give it an addon in a form that lets ordinary requests pass."""

    def addon(self) -> Any:
        """Return the addon: a class's object, or a module."""
        raise NotImplementedError

    def kernel(self, provider: FakeProvider) -> Any:
        """Return a kernel with the addon."""
        # A broken addon is put in quarantine, and without it all would be well.
        required = {"kernel": {"required": ["addon"]}}
        return make_kernel(provider, plugins={"addon": self.addon()}, config=required)

    @pytest.mark.anyio
    async def test_an_ordinary_request_is_answered_and_paid_once(self) -> None:
        provider = FakeProvider(["Hello there."])
        async with self.kernel(provider) as kernel, kernel.session("fake:model") as session:
            response = await session.chat("Hi")

        assert response.text == "Hello there."
        assert len(provider.calls) == 1
        assert session.cost_usd == response.cost_usd == Decimal("0.000041")

    @pytest.mark.anyio
    async def test_a_stream_is_handed_on_whole(self) -> None:
        provider = FakeProvider(["One two three."])
        async with (
            self.kernel(provider) as kernel,
            kernel.session("fake:model") as session,
            session.stream("Hi") as stream,
        ):
            text = "".join([piece async for piece in stream.text()])

        assert text == stream.response.text == "One two three."

    @pytest.mark.anyio
    async def test_an_error_that_no_retry_can_mend_reaches_the_caller(self) -> None:
        provider = FakeProvider([AuthenticationError("no", provider="fake")])
        async with self.kernel(provider) as kernel, kernel.session("fake:model") as session:
            with pytest.raises(AuthenticationError):
                await session.chat("Hi")

        assert len(provider.calls) == 1

    @pytest.mark.anyio
    async def test_a_budget_holds_for_many_at_once(self) -> None:
        provider = FakeProvider()
        refused = 0

        async def ask(number: int) -> None:
            nonlocal refused
            try:
                await session.chat(f"Question {number}", max_output_tokens=100)
            except BudgetExceededError:
                refused += 1

        async with (
            self.kernel(provider) as kernel,
            kernel.session("fake:model", budget_usd="0.0025") as session,
            anyio.create_task_group() as tasks,
        ):
            for number in range(100):
                tasks.start_soon(ask, number)

        assert refused > 0
        assert session.cost_usd <= Decimal("0.0025")
        assert len(provider.calls) + refused >= 100

    @pytest.mark.anyio
    async def test_a_cancelled_request_ends_and_leaves_the_session_usable(self) -> None:
        provider = FakeProvider()
        async with self.kernel(provider) as kernel, kernel.session("fake:model") as session:
            with anyio.CancelScope() as scope:
                scope.cancel()
                await session.chat("Hi")
            response = await session.chat("Hi again")

        assert scope.cancelled_caught
        assert response.text == "Done."

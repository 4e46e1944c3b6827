from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING

import anyio
import pytest

from aicg import BudgetExceededError, ConfigurationError, Price, PriceTier, Rates, ValidationError
from aicg.testing import FakeClock, FakeProvider, make_kernel

if TYPE_CHECKING:
    from typing import Literal

    from aicg import Clock, Kernel, Response
    from tests.core.conftest import GatedProvider, RecordingLedger

# A prompt of 39 letters is 10 tokens, so a request costs 10 + 10 x its cap in millionths.
PROMPT = "Explain recursion to a twelve-year-old."
NEVER = 5.0


def with_budgets(provider: FakeProvider, clock: Clock | None = None, **limits: str) -> Kernel:
    budgets = {name: {"limit_usd": limit} for name, limit in limits.items()}
    return make_kernel(provider, config={"budgets": budgets}, clock=clock)


@pytest.mark.anyio
async def test_the_hold_is_the_worst_case_of_the_cap_that_is_sent(ledger: RecordingLedger) -> None:
    provider = FakeProvider()
    async with (
        make_kernel(provider, ledger=ledger) as kernel,
        kernel.session("fake:model", budget_usd=1) as session,
    ):
        await session.chat(PROMPT)
        await session.chat(PROMPT, max_output_tokens=7)

    assert [call.max_output_tokens for call in provider.calls] == [4096, 7]
    assert [held.amount_usd for held in ledger.granted] == [Decimal("0.04097"), Decimal("0.00008")]


@pytest.mark.anyio
async def test_the_hold_covers_the_tier_of_a_long_context(ledger: RecordingLedger) -> None:
    price = Price(Rates(input=1, output=10), [PriceTier(9, Rates(input=2, output=20))])
    async with (
        make_kernel(FakeProvider(price=price), ledger=ledger) as kernel,
        kernel.session("fake:model", budget_usd=1) as session,
    ):
        await session.chat(PROMPT, max_output_tokens=7)

    assert [held.amount_usd for held in ledger.granted] == [Decimal("0.00016")]


@pytest.mark.anyio
async def test_a_cap_that_nobody_named_is_lowered_to_what_fits() -> None:
    provider = FakeProvider()
    async with (
        make_kernel(provider) as kernel,
        kernel.session("fake:model", budget_usd="0.00402") as session,
    ):
        response = await session.chat(PROMPT)

    assert provider.calls[0].max_output_tokens == 401
    assert session.own_budget is not None
    assert response.capped_by == session.own_budget.name


@pytest.mark.anyio
async def test_an_answer_whose_cap_was_not_lowered_says_so() -> None:
    async with make_kernel() as kernel, kernel.session("fake:model", budget_usd=1) as session:
        response = await session.chat(PROMPT)

    assert response.capped_by is None


@pytest.mark.anyio
async def test_no_cap_is_lowered_below_the_least_that_is_of_use() -> None:
    provider = FakeProvider()
    async with (
        make_kernel(provider) as kernel,
        kernel.session("fake:model", budget_usd="0.00402", min_output_tokens=402) as session,
    ):
        with pytest.raises(BudgetExceededError, match="an output cap of 401 tokens would fit"):
            await session.chat(PROMPT)

    assert provider.calls == []


@pytest.mark.parametrize(
    ("mode", "named", "sent"),
    [
        pytest.param("auto", None, 401, id="auto lowers the session's cap"),
        pytest.param("auto", 1_000, None, id="auto keeps a named cap"),
        pytest.param("shrink", None, 401, id="shrink lowers the session's cap"),
        pytest.param("shrink", 1_000, 401, id="shrink lowers a named cap"),
        pytest.param("shrink", 200, 200, id="a cap that fits stays"),
        pytest.param("refuse", None, None, id="refuse lowers no cap"),
        pytest.param("refuse", 401, 401, id="refuse lets pass what fits"),
    ],
)
@pytest.mark.anyio
async def test_a_tight_budget_does_what_the_session_says(
    mode: Literal["auto", "shrink", "refuse"], named: int | None, sent: int | None
) -> None:
    provider = FakeProvider()
    async with (
        make_kernel(provider) as kernel,
        kernel.session("fake:model", budget_usd="0.00402", on_tight_budget=mode) as session,
    ):
        with suppress(BudgetExceededError):
            await session.chat(PROMPT, max_output_tokens=named)

    assert [call.max_output_tokens for call in provider.calls] == ([] if sent is None else [sent])


@pytest.mark.anyio
async def test_a_refusal_tells_all_figures_and_the_cap_that_fits() -> None:
    async with (
        make_kernel() as kernel,
        kernel.session("fake:model", budget_usd="0.00402") as session,
    ):
        with pytest.raises(BudgetExceededError) as caught:
            await session.chat(PROMPT, max_output_tokens=500)
        response = await session.chat(PROMPT, max_output_tokens=caught.value.fitting_output_tokens)

    assert session.own_budget is not None
    assert caught.value.budget == session.own_budget.name
    assert caught.value.limit_usd == caught.value.left_usd == Decimal("0.00402")
    assert caught.value.spent_usd == caught.value.reserved_usd == Decimal(0)
    assert caught.value.asked_usd == Decimal("0.00501")
    assert str(caught.value) == (
        f"the budget '{caught.value.budget}' does not cover this request: it may cost $0.00501, "
        "and of its $0.00402, $0 is spent and $0 reserved; an output cap of 401 tokens would fit"
    )
    assert response.text == "Done."


@pytest.mark.anyio
async def test_a_refusal_where_no_cap_fits_says_what_to_do() -> None:
    async with (
        make_kernel() as kernel,
        kernel.session("fake:model", budget_usd="0.000009") as session,
    ):
        with pytest.raises(
            BudgetExceededError, match="raise the limit, shorten the prompt"
        ) as caught:
            await session.chat(PROMPT)

    assert caught.value.fitting_output_tokens == 0


@pytest.mark.anyio
async def test_what_others_hold_is_waited_for_and_the_cap_stays(gated: GatedProvider) -> None:
    responses: list[Response] = []

    async def ask() -> None:
        responses.append(await session.chat(PROMPT, max_output_tokens=500))

    async with (
        make_kernel(gated) as kernel,
        kernel.session("fake:model", budget_usd="0.006") as session,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(ask)
        tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        asked_before = len(gated.asked)
        gated.gate.set()

    assert asked_before == 1
    assert [request.max_output_tokens for request in gated.asked] == [500, 500]
    assert [response.capped_by for response in responses] == [None, None]


@pytest.mark.anyio
async def test_what_is_spent_is_not_waited_for(gated: GatedProvider) -> None:
    async with (
        with_budgets(gated, team="0.005") as kernel,
        kernel.session("fake:model", budgets=["team"], budget_wait_s=3600) as session,
    ):
        with anyio.fail_after(NEVER), pytest.raises(BudgetExceededError):
            await session.chat(PROMPT, max_output_tokens=500)


@pytest.mark.parametrize("wait_s", [0, 0.01])
@pytest.mark.anyio
async def test_a_wait_in_vain_ends_in_a_refusal_that_says_how_long_it_was(
    wait_s: float, gated: GatedProvider
) -> None:
    async with (
        make_kernel(gated) as kernel,
        kernel.session("fake:model", budget_usd="0.006", budget_wait_s=wait_s) as session,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(lambda: session.chat(PROMPT, max_output_tokens=500))
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(BudgetExceededError, match=f"waited {wait_s:g} s") as caught:
            await session.chat(PROMPT, max_output_tokens=500)
        gated.gate.set()

    assert caught.value.reserved_usd == Decimal("0.00501")
    assert caught.value.left_usd == Decimal("0.00099")
    assert caught.value.fitting_output_tokens == 98


@pytest.mark.anyio
async def test_after_a_wait_in_vain_the_cap_is_lowered_to_what_is_left(
    gated: GatedProvider,
) -> None:
    async with (
        make_kernel(gated) as kernel,
        kernel.session("fake:model", budget_usd="0.045", budget_wait_s=0.01) as session,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(2):
            tasks.start_soon(session.chat, PROMPT)
        with anyio.fail_after(NEVER):
            while len(gated.asked) < 2:
                await anyio.lowlevel.checkpoint()
        gated.gate.set()

    assert [request.max_output_tokens for request in gated.asked] == [4096, 402]


@pytest.mark.anyio
async def test_every_budget_must_cover_a_request_and_the_refusal_names_the_one_that_does_not() -> (
    None
):
    provider = FakeProvider()
    async with (
        with_budgets(provider, team="1.00", project="0.001") as kernel,
        kernel.session("fake:model", budgets=["team", "project"]) as session,
    ):
        with pytest.raises(BudgetExceededError, match="the budget 'project'") as caught:
            await session.chat(PROMPT, max_output_tokens=500)
        left = [status.left_usd for status in session.budget_status()]

    assert caught.value.budget == "project"
    assert left == [Decimal("1.00"), Decimal("0.001")]
    assert provider.calls == []


@pytest.mark.anyio
async def test_the_cap_is_lowered_to_what_fits_every_budget() -> None:
    provider = FakeProvider()
    async with (
        with_budgets(provider, team="0.0101", project="0.0051") as kernel,
        kernel.session("fake:model", budgets=["team", "project"]) as session,
    ):
        response = await session.chat(PROMPT)

    assert provider.calls[0].max_output_tokens == 509
    assert response.capped_by == "project"


@pytest.mark.anyio
async def test_a_budget_that_is_spent_refuses_at_once_though_another_is_merely_busy(
    gated: GatedProvider, ledger: RecordingLedger
) -> None:
    budgets = {"busy": {"limit_usd": "0.006"}, "spent": {"limit_usd": "0.00001"}}
    async with (
        make_kernel(gated, config={"budgets": budgets}, ledger=ledger) as kernel,
        kernel.session("fake:model", budgets=["busy"]) as first,
        kernel.session("fake:model", budgets=["busy", "spent"]) as second,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(lambda: first.chat(PROMPT, max_output_tokens=500))
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(NEVER), pytest.raises(BudgetExceededError) as caught:
            await second.chat(PROMPT, max_output_tokens=500)
        gated.gate.set()

    assert caught.value.budget == "spent"


@pytest.mark.anyio
async def test_a_budget_named_twice_is_charged_once() -> None:
    async with (
        with_budgets(FakeProvider(), team="1.00") as kernel,
        kernel.session("fake:model", budgets=["team", "team"]) as session,
    ):
        response = await session.chat(PROMPT)
        (status,) = session.budget_status()

    assert status.spent_usd == response.cost_usd


@pytest.mark.anyio
async def test_an_unknown_budget_is_an_error_when_the_session_opens() -> None:
    async with make_kernel() as kernel:
        with pytest.raises(ConfigurationError, match="there is no budget 'team'"):
            async with kernel.session("fake:model", budgets=["team"]):
                pass


@pytest.mark.parametrize("cap", [0, -1, -1_000_000])
@pytest.mark.anyio
async def test_an_output_cap_below_one_is_refused_and_can_lower_no_hold(
    cap: int, ledger: RecordingLedger
) -> None:
    async with (
        make_kernel(ledger=ledger) as kernel,
        kernel.session("fake:model", budget_usd=1) as session,
    ):
        with pytest.raises(ValidationError, match=rf"max_output_tokens.*{cap}"):
            await session.chat(PROMPT, max_output_tokens=cap)
        with pytest.raises(ValidationError, match="max_output_tokens"):
            session.estimate(PROMPT, max_output_tokens=cap)

    assert ledger.granted == []


@pytest.mark.anyio
async def test_a_request_waits_for_a_budget_no_longer_than_its_deadline(
    gated: GatedProvider,
) -> None:
    async with (
        with_budgets(gated, FakeClock(), team="0.006") as kernel,
        kernel.session("fake:model", budgets=["team"]) as first,
        kernel.session("fake:model", budgets=["team"], deadline_s=0.01) as second,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(lambda: first.chat(PROMPT, max_output_tokens=500))
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(NEVER), pytest.raises(BudgetExceededError, match=r"waited 0\.01 s"):
            await second.chat(PROMPT, max_output_tokens=500)
        gated.gate.set()

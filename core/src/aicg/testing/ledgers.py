"""What every ledger is held to, and a state machine that looks for what nobody thought of."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from aicg.budget import Budget, Ledger, LedgerLine, Reservation
from aicg.errors import ConfigurationError
from aicg.money import ZERO

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager


def hold(name: str, amount: str | Decimal, *budgets: str) -> Reservation:
    """Return a reservation on the budget "a", or on others."""
    return Reservation(id=name, budgets=budgets or ("a",), amount_usd=Decimal(amount))


def billed(cost: str | Decimal) -> LedgerLine:
    """Return the line of an answer of this cost."""
    return LedgerLine(outcome="billed", cost_usd=Decimal(cost))


class LedgerContract:
    """Subclass it, and give it an empty ledger."""

    def ledger(self) -> AbstractAsyncContextManager[Ledger]:
        """Return a context manager that gives an open ledger, and closes it."""
        raise NotImplementedError

    @pytest.mark.anyio
    async def test_a_reservation_is_granted_up_to_the_limit_and_no_further(self) -> None:
        async with self.ledger() as ledger:
            await ledger.declare(Budget("a", "1.00"))

            granted = await ledger.reserve(hold("1", "1.00"))
            refused = await ledger.reserve(hold("2", "0.000000000001"))
            (status,) = await ledger.status(["a"])

        assert granted is None
        assert refused is not None
        assert (refused.name, refused.left_usd) == ("a", ZERO)
        assert (status.spent_usd, status.reserved_usd) == (ZERO, Decimal("1.00"))

    @pytest.mark.anyio
    async def test_several_budgets_are_drawn_on_all_or_none(self) -> None:
        async with self.ledger() as ledger:
            await ledger.declare(Budget("a", "1.00"))
            await ledger.declare(Budget("b", "0.10"))

            refused = await ledger.reserve(hold("1", "0.50", "a", "b"))
            granted = await ledger.reserve(hold("2", "0.10", "a", "b"))
            statuses = await ledger.status(["a", "b"])

        assert refused is not None
        assert refused.name == "b"
        assert granted is None
        assert [status.reserved_usd for status in statuses] == [Decimal("0.10")] * 2

    @pytest.mark.anyio
    async def test_settling_charges_the_cost_and_frees_the_rest(self) -> None:
        async with self.ledger() as ledger:
            await ledger.declare(Budget("a", "1.00"))
            await ledger.reserve(hold("1", "0.80"))

            settled = await ledger.settle("1", billed("0.123456789012"))
            (status,) = await ledger.status(["a"])

        assert settled
        assert (status.spent_usd, status.reserved_usd) == (Decimal("0.123456789012"), ZERO)

    @pytest.mark.anyio
    async def test_settling_twice_is_one_settlement(self) -> None:
        async with self.ledger() as ledger:
            await ledger.declare(Budget("a", "1.00"))
            await ledger.reserve(hold("1", "0.80"))

            settled = [await ledger.settle("1", billed("0.30")) for _ in range(3)]
            (status,) = await ledger.status(["a"])

        assert settled == [True, False, False]
        assert status.spent_usd == Decimal("0.30")

    @pytest.mark.anyio
    async def test_settling_what_was_never_reserved_charges_nothing(self) -> None:
        async with self.ledger() as ledger:
            await ledger.declare(Budget("a", "1.00"))

            settled = await ledger.settle("nobody's", billed("0.30"))
            (status,) = await ledger.status(["a"])

        assert not settled
        assert status.spent_usd == ZERO

    @pytest.mark.anyio
    async def test_a_cost_above_the_reservation_is_booked_at_its_true_height(self) -> None:
        async with self.ledger() as ledger:
            await ledger.declare(Budget("a", "1.00"))
            await ledger.reserve(hold("1", "0.90"))

            await ledger.settle("1", billed("1.50"))
            (status,) = await ledger.status(["a"])
            refused = await ledger.reserve(hold("2", "0.01"))

        assert status.spent_usd == Decimal("1.50")
        assert status.left_usd == ZERO
        assert refused is not None

    @pytest.mark.anyio
    async def test_what_costs_nothing_passes_an_exhausted_budget(self) -> None:
        async with self.ledger() as ledger:
            await ledger.declare(Budget("a", "0"))

            assert await ledger.reserve(hold("1", "0")) is None
            assert await ledger.settle("1", billed("0"))

    @pytest.mark.anyio
    async def test_a_refusal_names_the_budget_that_waiting_cannot_help(self) -> None:
        async with self.ledger() as ledger:
            await ledger.declare(Budget("busy", "1.00"))
            await ledger.declare(Budget("spent", "1.00"), spent_usd=Decimal("1.00"))
            await ledger.reserve(hold("1", "1.00", "busy"))

            refused = await ledger.reserve(hold("2", "0.10", "busy", "spent"))

        assert refused is not None
        assert refused.name == "spent"

    @pytest.mark.anyio
    async def test_an_unknown_budget_is_an_error_that_says_how_to_make_it(self) -> None:
        async with self.ledger() as ledger:
            with pytest.raises(ConfigurationError, match=r"\[budgets\.nowhere\]"):
                await ledger.reserve(hold("1", "0.01", "nowhere"))

    @pytest.mark.anyio
    async def test_declaring_again_changes_the_limit_and_keeps_the_sums(self) -> None:
        async with self.ledger() as ledger:
            await ledger.declare(Budget("a", "1.00"))
            await ledger.reserve(hold("1", "0.50"))
            await ledger.settle("1", billed("0.50"))

            await ledger.declare(Budget("a", "2.00"))
            (status,) = await ledger.status()

        assert (status.limit_usd, status.spent_usd) == (Decimal(2), Decimal("0.50"))

    @pytest.mark.anyio
    async def test_a_retired_budget_is_forgotten_and_its_reservations_settle(self) -> None:
        async with self.ledger() as ledger:
            await ledger.declare(Budget("a", "1.00"))
            await ledger.declare(Budget("b", "1.00"))
            await ledger.reserve(hold("1", "0.50", "a", "b"))

            await ledger.retire("a")
            settled = await ledger.settle("1", billed("0.20"))
            (left,) = await ledger.status()
            with pytest.raises(ConfigurationError, match="there is no budget 'a'"):
                await ledger.reserve(hold("2", "0.10"))

        assert settled
        assert (left.name, left.spent_usd, left.reserved_usd) == ("b", Decimal("0.20"), ZERO)

    @pytest.mark.anyio
    async def test_who_waits_is_woken_by_a_settlement_that_makes_room(self) -> None:
        woken: list[str] = []

        async def wait() -> None:
            await ledger.wait_for_room(hold("2", "0.50"))
            woken.append("2")

        async with self.ledger() as ledger:
            await ledger.declare(Budget("a", "1.00"))
            await ledger.reserve(hold("1", "0.80"))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait)
                await anyio.wait_all_tasks_blocked()
                before = list(woken)
                await ledger.settle("1", billed("0.10"))

        assert before == []
        assert woken == ["2"]

    @pytest.mark.anyio
    async def test_who_waits_in_vain_is_woken_too(self) -> None:
        async with self.ledger() as ledger:
            await ledger.declare(Budget("a", "1.00"))
            await ledger.reserve(hold("1", "0.80"))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ledger.wait_for_room, hold("2", "0.50"))
                await anyio.wait_all_tasks_blocked()
                await ledger.settle("1", billed("0.80"))
            refused = await ledger.reserve(hold("2", "0.50"))

        assert refused is not None

    @pytest.mark.anyio
    async def test_many_tasks_never_pass_the_limit(self) -> None:
        granted = 0

        async def work(number: int) -> None:
            nonlocal granted
            if await ledger.reserve(hold(str(number), "0.05")) is None:
                granted += 1
                (status,) = ledger.snapshot(["a"])
                assert status.spent_usd + status.reserved_usd <= status.limit_usd
                await anyio.lowlevel.checkpoint()
                await ledger.settle(str(number), billed("0.05"))

        async with self.ledger() as ledger:
            await ledger.declare(Budget("a", "1.00"))
            async with anyio.create_task_group() as tasks:
                for number in range(100):
                    tasks.start_soon(work, number)
            (status,) = await ledger.status(["a"])

        assert granted == 20
        assert status.spent_usd == Decimal("1.00")

    @pytest.mark.anyio
    async def test_an_alert_is_claimed_once(self) -> None:
        async with self.ledger() as ledger:
            await ledger.declare(Budget("a", "1.00"))

            claims = [await ledger.claim_alert("a", 0.8) for _ in range(3)]
            other = await ledger.claim_alert("a", 0.9)

        assert claims == [True, False, False]
        assert other


_AMOUNTS = st.integers(0, 600_000).map(lambda count: Decimal(count) / 1_000_000)
_BUDGETS = st.sampled_from([("a",), ("b",), ("a", "b"), ("b", "a")])


@attrs.define
class _Model:
    """What a budget must show."""

    limit: Decimal
    spent: Decimal = ZERO
    reserved: Decimal = ZERO


class LedgerMachine(RuleBasedStateMachine):
    """Drives a ledger and a plain model side by side; subclass it with `make_ledger`.

    Hypothesis runs `LedgerMachine.TestCase`.
    """

    holds: Bundle[Reservation] = Bundle("holds")

    def __init__(self) -> None:
        super().__init__()
        self._stack = start_blocking_portal("asyncio")
        self._portal = self._stack.__enter__()
        self._ledger = self.make_ledger()
        self._call(self._ledger.open)
        self._models = {"a": _Model(Decimal("1.00")), "b": _Model(Decimal("0.40"))}
        for name, model in self._models.items():
            self._call(self._ledger.declare, Budget(name, model.limit))
        self._count = 0

    def make_ledger(self) -> Ledger:
        """Return an empty ledger."""
        raise NotImplementedError

    @rule(target=holds, amount=_AMOUNTS, budgets=_BUDGETS)
    def reserve(self, amount: Decimal, budgets: tuple[str, ...]) -> Any:
        """Reserve, which is granted exactly if it fits every budget."""
        self._count += 1
        reservation = hold(str(self._count), amount, *budgets)
        models = [self._models[name] for name in budgets]
        fits = not amount or all(m.spent + m.reserved + amount <= m.limit for m in models)

        refused = self._call(self._ledger.reserve, reservation)

        assert (refused is None) == fits
        if not fits:
            # Settling it later must charge nothing.
            return attrs.evolve(reservation, id="")
        for model in models:
            model.reserved += amount
        return reservation

    @rule(reservation=consumes(holds), cost=_AMOUNTS)
    def settle(self, reservation: Reservation, cost: Decimal) -> None:
        """Settle at some cost, at times above the reservation; twice is once."""
        self._end(reservation, cost)

    @rule(reservation=consumes(holds))
    def release(self, reservation: Reservation) -> None:
        """Release what was never spent."""
        self._end(reservation, ZERO)

    @rule(reservation=consumes(holds))
    def assume(self, reservation: Reservation) -> None:
        """Charge in full what was cancelled or lost."""
        self._end(reservation, reservation.amount_usd)

    @rule(name=st.sampled_from(["a", "b"]), limit=_AMOUNTS)
    def change_limit(self, name: str, limit: Decimal) -> None:
        """Change a limit while reservations are open."""
        self._call(self._ledger.declare, Budget(name, limit))
        self._models[name].limit = limit

    @invariant()
    def agrees_with_the_model(self) -> None:
        """Every budget shows what the model does."""
        for status in self._call(self._ledger.status, ["a", "b"]):
            model = self._models[status.name]
            assert (status.limit_usd, status.spent_usd, status.reserved_usd) == (
                model.limit,
                model.spent,
                model.reserved,
            )

    def teardown(self) -> None:
        """Close the ledger and its event loop."""
        self._call(self._ledger.aclose)
        self._stack.__exit__(None, None, None)

    def _end(self, reservation: Reservation, cost: Decimal) -> None:
        settled = [self._call(self._ledger.settle, reservation.id, billed(cost)) for _ in range(2)]
        was_open = bool(reservation.id)
        assert settled == [was_open, False]
        for name in reservation.budgets if was_open else ():
            self._models[name].reserved -= reservation.amount_usd
            self._models[name].spent += cost

    def _call(self, function: Any, *arguments: Any) -> Any:
        return self._portal.call(function, *arguments)

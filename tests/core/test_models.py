from __future__ import annotations

from decimal import Decimal

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aicg import ConfigurationError, ModelInfo, Price, PriceTier, Rates, Usage
from aicg.money import from_picodollars

MILLION = 1_000_000
RATES = Rates(
    input="1", output="2", cache_read="0.1", cache_write="3", cache_write_long="5", reasoning="7"
)

_amounts = st.decimals(0, 1_000, places=6)
_maybe = st.none() | _amounts
_rates = st.builds(
    Rates,
    input=_amounts,
    output=_amounts,
    cache_read=_maybe,
    cache_write=_maybe,
    cache_write_long=_maybe,
    reasoning=_maybe,
)
_tiers = st.lists(st.builds(PriceTier, st.integers(0, 5_000), _rates), max_size=3)
PRICES = st.builds(Price, _rates, _tiers)
COUNTS = st.integers(0, 3_000)
USAGES = st.builds(Usage, *[COUNTS] * len(attrs.fields(Usage)))


@pytest.mark.parametrize(
    ("usage", "dollars"),
    [
        pytest.param(Usage(input_tokens=MILLION), "1", id="input"),
        pytest.param(Usage(output_tokens=MILLION), "2", id="output"),
        pytest.param(Usage(cache_read_tokens=MILLION), "0.1", id="cache read"),
        pytest.param(Usage(cache_write_tokens=MILLION), "3", id="cache write"),
        pytest.param(Usage(cache_write_long_tokens=MILLION), "5", id="long cache write"),
        pytest.param(Usage(reasoning_tokens=MILLION), "7", id="reasoning"),
        pytest.param(Usage(*[MILLION] * 6), "18.1", id="all, each once"),
        pytest.param(Usage(), "0", id="nothing"),
    ],
)
def test_each_bucket_is_billed_once_at_its_own_rate(usage: Usage, dollars: str) -> None:
    assert RATES.cost(usage) == Decimal(dollars)


@pytest.mark.parametrize(
    ("rates", "usage", "dollars"),
    [
        pytest.param({}, Usage(cache_read_tokens=MILLION), 4, id="cache read as input"),
        pytest.param({}, Usage(cache_write_tokens=MILLION), 4, id="cache write as input"),
        pytest.param({}, Usage(cache_write_long_tokens=MILLION), 4, id="long write as input"),
        pytest.param(
            {"cache_write": 6}, Usage(cache_write_long_tokens=MILLION), 6, id="long as usual write"
        ),
        pytest.param({}, Usage(reasoning_tokens=MILLION), 9, id="reasoning as output"),
        pytest.param({"cache_read": 0}, Usage(cache_read_tokens=MILLION), 0, id="free cache read"),
        pytest.param({"reasoning": 0}, Usage(reasoning_tokens=MILLION), 0, id="free reasoning"),
        pytest.param(
            {"cache_write": 0}, Usage(cache_write_long_tokens=MILLION), 0, id="long as free write"
        ),
    ],
)
def test_a_bucket_without_a_rate_costs_what_it_is_a_kind_of(
    rates: dict[str, int], usage: Usage, dollars: int
) -> None:
    assert Rates(input=4, output=9, **rates).cost(usage) == dollars


def test_tokens_below_zero_never_lower_a_cost() -> None:
    broken = Usage(input_tokens=-MILLION, output_tokens=MILLION, cache_read_tokens=-MILLION)

    assert RATES.cost(broken) == Decimal(2)


def test_a_cost_below_a_picodollar_is_rounded_up() -> None:
    assert Rates(input="0.0000001", output=0).cost(Usage(1)) == Decimal("1e-12")


@pytest.mark.parametrize("rate", ["NaN", -1, "Infinity", "free", True])
def test_a_rate_that_is_no_amount_is_refused(rate: str | float) -> None:
    with pytest.raises(ConfigurationError, match="the price of a million tokens"):
        Rates(input=rate, output=1)


def test_a_tier_prices_the_whole_request_once_its_input_is_longer() -> None:
    price = Price(Rates(input=1, output=10), [PriceTier(1_000, Rates(input=2, output=20))])

    at_the_edge = price.cost(Usage(input_tokens=1_000, output_tokens=100))
    beyond = price.cost(Usage(input_tokens=1_001, output_tokens=100))

    assert at_the_edge == Decimal("0.002")
    assert beyond == Decimal("0.004002")


def test_cached_input_counts_towards_the_tier() -> None:
    price = Price(Rates(input=1, output=1), [PriceTier(1_000, Rates(input=2, output=2))])

    assert price.cost(Usage(input_tokens=1, cache_read_tokens=1_000)) == Decimal("0.002002")


def test_tiers_are_taken_in_rising_order_however_they_are_listed() -> None:
    tiers = [PriceTier(200, Rates(input=3, output=3)), PriceTier(100, Rates(input=2, output=2))]

    price = Price(Rates(input=1, output=1), tiers)

    assert [price.rates_for(count).input for count in (100, 101, 200, 201)] == [1, 2, 2, 3]


def test_the_worst_case_covers_the_tier_that_a_long_context_reaches() -> None:
    price = Price(Rates(input=1, output=10), [PriceTier(1_000, Rates(input=2, output=20))])

    assert price.worst_cost(1_000, 100) == Decimal("0.002")
    assert price.worst_cost(1_001, 100) == Decimal("0.004002")


def test_the_worst_case_takes_all_input_for_the_dearest_kind() -> None:
    assert RATES.dearest_input == 5
    assert RATES.dearest_output == 7
    assert Price(RATES).worst_cost(MILLION, MILLION) == 12


@given(PRICES, USAGES, COUNTS, COUNTS)
def test_no_usage_within_its_bounds_costs_more_than_the_worst_case(
    price: Price, usage: Usage, more_input: int, more_output: int
) -> None:
    worst = price.worst_cost(
        usage.total_input_tokens + more_input, usage.total_output_tokens + more_output
    )

    assert price.cost(usage) <= worst


@given(PRICES, COUNTS, st.integers(0, 10**13))
def test_the_fitting_cap_is_the_largest_that_fits(
    price: Price, input_tokens: int, picodollars: int
) -> None:
    room = from_picodollars(picodollars)
    assume(price.worst_cost(input_tokens, 1) > price.worst_cost(input_tokens, 0))

    fitting = price.fitting_output_tokens(input_tokens, room)

    assert price.worst_cost(input_tokens, fitting + 1) > room
    assert not fitting or price.worst_cost(input_tokens, fitting) <= room


@given(PRICES, COUNTS)
def test_no_cap_fits_where_the_input_alone_does_not(price: Price, input_tokens: int) -> None:
    cost = price.worst_cost(input_tokens, 0)
    assume(cost)

    assert price.fitting_output_tokens(input_tokens, cost - Decimal("1e-12")) == 0


@pytest.mark.parametrize(
    ("price", "is_free"),
    [
        pytest.param(Price(Rates(input=0, output=0)), True, id="all zero"),
        pytest.param(Price(Rates(input=0, output=1)), False, id="output"),
        pytest.param(Price(Rates(input=0, output=0, cache_write=1)), False, id="cache write"),
        pytest.param(Price(Rates(input=0, output=0, reasoning=1)), False, id="reasoning"),
        pytest.param(
            Price(Rates(input=0, output=0), [PriceTier(10**9, Rates(input=0, output=1))]),
            False,
            id="a far tier",
        ),
    ],
)
def test_a_price_is_free_only_if_nothing_in_it_costs(price: Price, *, is_free: bool) -> None:
    assert price.is_free is is_free


def test_a_model_is_named_with_its_provider() -> None:
    assert ModelInfo(provider="openai", model="ft:gpt:a").name == "openai:ft:gpt:a"

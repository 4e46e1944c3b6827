"""A secret prints as `***`, wherever it is printed."""

from __future__ import annotations

import copy
import json
import pickle
import traceback

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aicg import Secret

KEY = "sk-12345"


@attrs.frozen
class Settings:
    api_key: Secret
    name: str = "x"


@pytest.mark.parametrize(
    "printed",
    [
        pytest.param(repr(Secret(KEY)), id="repr"),
        pytest.param(str(Secret(KEY)), id="str"),
        pytest.param(f"{Secret(KEY)} {Secret(KEY)!r} {Secret(KEY):>20}", id="f-string"),
        pytest.param("{} {:<9}".format(Secret(KEY), Secret(KEY)), id="format"),  # noqa: UP032
        pytest.param("%s %r" % (Secret(KEY), Secret(KEY)), id="percent"),  # noqa: UP031
        pytest.param(str([{"key": Secret(KEY)}]), id="inside a list"),
        pytest.param(repr(Settings(Secret(KEY))), id="attrs"),
        pytest.param(str(attrs.asdict(Settings(Secret(KEY)))), id="asdict"),
        pytest.param(json.dumps(attrs.asdict(Settings(Secret(KEY))), default=str), id="json"),
    ],
)
def test_it_prints_as_stars(printed: str) -> None:
    assert "***" in printed
    assert "12345" not in printed


def test_a_format_fills_to_its_width() -> None:
    assert f"{Secret(KEY):>6}" == "   ***"


def test_json_does_not_take_it() -> None:
    with pytest.raises(TypeError, match="Secret is not JSON serializable"):
        json.dumps({"key": Secret(KEY)})


def test_it_has_no_dict_to_be_dumped() -> None:
    with pytest.raises(TypeError):
        vars(Secret(KEY))


def test_a_traceback_with_local_variables_shows_stars() -> None:
    def fail(key: Secret) -> None:
        raise ValueError(f"refused {key}")

    with pytest.raises(ValueError, match=r"refused \*\*\*") as caught:
        fail(Secret(KEY))

    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert KEY not in "".join(shown.format())


def test_it_is_revealed_on_purpose_only() -> None:
    assert Secret(KEY).reveal() == KEY


def test_it_is_taken_out_of_a_text() -> None:
    text = Secret(KEY).redact(f"401: {KEY} is not a key; got {KEY}")

    assert text == "401: *** is not a key; got ***"


def test_a_short_stand_in_for_a_key_is_looked_for_as_a_word() -> None:
    text = Secret("any").redact("Bearer any: too many requests")

    assert text == "Bearer ***: too many requests"


def test_an_empty_secret_is_false_and_takes_nothing_out() -> None:
    assert not Secret("")
    assert Secret("x")
    assert Secret("").redact("abc") == "abc"


@given(st.text(), st.text())
def test_secrets_are_equal_when_their_texts_are(one: str, other: str) -> None:
    assert (Secret(one) == Secret(other)) is (one == other)
    assert hash(Secret(one)) == hash(Secret(one))
    assert Secret(one) != one


@given(st.text())
def test_copies_hold_the_same(text: str) -> None:
    secret = Secret(text)

    copies = [copy.copy(secret), copy.deepcopy(secret), pickle.loads(pickle.dumps(secret))]

    assert copies == [secret] * 3

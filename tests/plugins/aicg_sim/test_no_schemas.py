"""What is no schema is refused, whatever it is, and never fails on the way."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aicg_sim.schemas import UnsatisfiableError
from aicg_sim.schemas.form import faults

Fill = Callable[[Any], Any]
WORDS = [
    *("$defs", "$ref", "additionalProperties", "allOf", "anyOf", "const", "contains", "enum"),
    *("dependentRequired", "dependentSchemas", "else", "exclusiveMinimum", "format", "if", "items"),
    *("maxItems", "maximum", "minItems", "minLength", "multipleOf", "not", "oneOf", "pattern"),
    *("patternProperties", "prefixItems", "properties", "propertyNames", "required", "then"),
    *("type", "uniqueItems"),
]
TYPES = ["array", "boolean", "integer", "null", "number", "object", "string", "strng"]
leaves = st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from([*TYPES, "#", "a", "("])
anything = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*WORDS, "a", "b"]), inner, max_size=4)
    ),
    max_leaves=12,
)

WRONG = {
    "type": {"type": "strng"},
    "types": {"type": ["string", "strng"]},
    "no type": {"type": []},
    "properties": {"properties": 5},
    "property": {"properties": {"a": 5}},
    "required": {"required": "ab"},
    "required names": {"required": [5]},
    "items": {"items": [{}]},
    "choices": {"anyOf": {}},
    "choice": {"anyOf": ["string"]},
    "enum": {"enum": "ab"},
    "bound": {"minimum": "1"},
    "pattern": {"pattern": 5},
    "reference": {"$ref": 5},
    "definitions": {"$defs": [1]},
    "dependents": {"dependentRequired": {"a": 5}},
}


@pytest.mark.parametrize("schema", WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_with_its_place(fill: Fill, schema: dict[str, Any]) -> None:
    (word,) = schema

    with pytest.raises(UnsatisfiableError, match=r"schema\.\S+ must be .+: got ") as caught:
        fill({"type": "object", "properties": {"inner": schema}})

    assert f"schema.properties.inner.{word}" in str(caught.value)


def test_names_of_properties_are_no_keywords() -> None:
    named = {"properties": {"type": {"type": "string"}, "enum": {"type": "integer"}}}

    assert list(faults({"type": "object", **named})) == []


@settings(max_examples=300, deadline=None)
@given(schema=st.dictionaries(st.sampled_from(WORDS), anything, max_size=5))
def test_whatever_is_sent_is_answered_or_refused(fill: Fill, schema: dict[str, Any]) -> None:
    with suppress(UnsatisfiableError):
        fill(schema)

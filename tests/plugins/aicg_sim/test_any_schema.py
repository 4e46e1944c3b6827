"""Whatever schema is sent, the answer satisfies it: hypothesis makes the schemas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonschema_rs
from hypothesis import given, settings
from hypothesis import strategies as st

from aicg_sim.schemas import conforms
from aicg_sim.schemas.resolve import Resolver

Fill = Callable[[Any], Any]
Schema = dict[str, Any]

PATTERNS = [
    "^[a-z]{3,8}$",
    "^\\d{4}-\\d{2}$",
    "^(red|green|blue)$",
    "[A-Z]{2}",
    "^[A-Za-z_][A-Za-z0-9_]*$",
    "^v\\d+(\\.\\d+){1,2}$",
    "^[^\\s@]+@[^\\s@]+$",
    "^\\S+$",
    ".+",
    "^(?:a|bc)*d?$",
]
_NAMES = """
title summary code solution tests question options answer explanation lessons sections level count
minutes is_correct x data objectives tags id
"""
NAMES = st.sampled_from(_NAMES.split())
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-20, 20)
    | st.sampled_from([0.5, 1.0, -2.25, 1e3])
    | st.text("abc é", max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def strings(draw: st.DrawFn) -> Schema:
    """Return a schema of strings: of a pattern, of a format, or of a length."""
    kind = draw(st.sampled_from(["plain", "length", "pattern", "format"]))
    schema: Schema = {"type": "string"}
    if kind == "length":
        least = draw(st.integers(0, 300))
        schema |= {"minLength": least, "maxLength": least + draw(st.integers(0, 40))}
    elif kind == "pattern":
        schema["pattern"] = draw(st.sampled_from(PATTERNS))
    elif kind == "format":
        formats = ["date", "date-time", "email", "ipv4", "ipv6", "time", "uri", "uuid", "duration"]
        schema["format"] = draw(st.sampled_from(formats))
    return schema


@st.composite
def numbers(draw: st.DrawFn) -> Schema:
    """Return a schema of numbers; one of them is drawn first, so that there is one."""
    whole = draw(st.booleans())
    step = draw(st.sampled_from([1, 2, 3, 7] if whole else [0.5, 0.25, 0.1, 0.01, 1]))
    value = round(step * draw(st.integers(-50, 50)), 6)
    schema: Schema = {"type": "integer" if whole else "number"}
    if draw(st.booleans()):
        schema["multipleOf"] = step
    low = draw(st.sampled_from([None, "minimum", "exclusiveMinimum"]))
    high = draw(st.sampled_from([None, "maximum", "exclusiveMaximum"]))
    if low:
        schema[low] = value - (draw(st.integers(1, 9)) if "e" in low[:1] else 0)
    if high:
        schema[high] = value + (draw(st.integers(1, 9)) if "e" in high[:1] else 0)
    return schema


def _array(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    @st.composite
    def build(draw: st.DrawFn) -> Schema:
        schema: Schema = {"type": "array"}
        if draw(st.booleans()):
            schema["items"] = draw(inner)
        if draw(st.booleans()):
            schema["prefixItems"] = draw(st.lists(inner, min_size=1, max_size=3))
        least = draw(st.integers(0, 4))
        if draw(st.booleans()):
            schema |= {"minItems": least, "maxItems": least + draw(st.integers(0, 3))}
        if set(schema) <= {"type", "minItems", "maxItems"} and draw(st.booleans()):
            schema |= {"items": {"type": draw(st.sampled_from(["string", "integer"]))}}
            schema["uniqueItems"] = True
        return schema

    return build()


def _object(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    @st.composite
    def build(draw: st.DrawFn) -> Schema:
        properties = draw(st.dictionaries(NAMES, inner, max_size=4))
        schema: Schema = {"type": "object", "properties": properties}
        if properties:
            schema["required"] = draw(st.lists(st.sampled_from(list(properties)), unique=True))
        if draw(st.booleans()):
            schema["additionalProperties"] = draw(st.booleans() | inner)
        elif draw(st.booleans()):
            schema["minProperties"] = draw(st.integers(0, 6))
        return schema

    return build()


def _combined(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    """Return alternatives, and parts that go together: each holds what no other speaks of."""
    typed = {
        "string": strings(),
        "number": numbers(),
        "array": _array(inner),
        "null": st.just({"type": "null"}),
    }

    @st.composite
    def one_of(draw: st.DrawFn) -> Schema:
        kinds = draw(st.lists(st.sampled_from(sorted(typed)), min_size=1, max_size=3, unique=True))
        return {"oneOf": [draw(typed[kind]) for kind in kinds]}

    @st.composite
    def all_of(draw: st.DrawFn) -> Schema:
        parts = draw(st.lists(_object(inner), min_size=1, max_size=3))
        for number, part in enumerate(parts):
            part.pop("additionalProperties", None)
            names = {name: f"{name}_{number}" for name in part["properties"]}
            part["properties"] = {names[n]: one for n, one in part["properties"].items()}
            part["required"] = [names[name] for name in part.get("required", ())]
        return {"allOf": parts}

    return (
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"anyOf": parts})
        | one_of()
        | all_of()
    )


LEAVES: st.SearchStrategy[Schema] = (
    strings()
    | numbers()
    | st.just({"type": "boolean"})
    | st.just({"type": "null"})
    | st.just({"type": ["integer", "null"]})
    | st.just({})
    | st.lists(VALUES, min_size=1, max_size=4).map(lambda values: {"enum": values})
    | VALUES.map(lambda value: {"const": value})
)
SCHEMAS = st.recursive(
    LEAVES, lambda inner: _array(inner) | _object(inner) | _combined(inner), max_leaves=8
)


def is_valid(schema: Any, value: Any) -> bool:
    validator = jsonschema_rs.Draft202012Validator(schema, offline=True)
    return validator.is_valid(value)


@given(schema=SCHEMAS)
@settings(max_examples=300, deadline=None)
def test_the_answer_satisfies_any_schema_that_can_be_satisfied(fill: Fill, schema: Schema) -> None:
    value = fill(schema)

    assert is_valid(schema, value), value


@given(schema=SCHEMAS, value=VALUES)
@settings(max_examples=300, deadline=None)
def test_the_check_agrees_with_a_full_validator(schema: Schema, value: Any) -> None:
    found = conforms(value, schema, Resolver(schema).target)

    assert found is is_valid(schema, value)

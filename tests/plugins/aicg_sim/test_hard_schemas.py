"""Schemas with traps in them, and schemas that nothing satisfies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest

from aicg_sim.schemas import UnsatisfiableError

Fill = Callable[[Any], Any]

NODE = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
        "parent": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
    },
    "required": ["name", "children", "parent"],
    "additionalProperties": False,
}
HARD = {
    "a tree that holds itself": {"$ref": "#/$defs/Node", "$defs": {"Node": NODE}},
    "a root that holds itself": {
        "type": "object",
        "properties": {"next": {"oneOf": [{"$ref": "#"}, {"type": "null"}]}},
        "required": ["next"],
    },
    "an expression that must end": {
        "$ref": "#/$defs/E",
        "$defs": {
            "E": {
                "anyOf": [
                    {
                        "type": "object",
                        "properties": {"l": {"$ref": "#/$defs/E"}, "r": {"$ref": "#/$defs/E"}},
                        "required": ["l", "r"],
                    },
                    {"type": "number"},
                ]
            }
        },
    },
    "an anchor": {"$ref": "#here", "$defs": {"x": {"$anchor": "here", "type": "integer"}}},
    "a reference with siblings": {
        "$ref": "#/$defs/a~1b",
        "minimum": 5,
        "$defs": {"a/b": {"type": "integer", "maximum": 6}},
    },
    "overlapping alternatives": {"oneOf": [{"type": "integer"}, {"type": "number"}]},
    "alternatives told apart by a constant": {
        "oneOf": [
            {
                "properties": {"kind": {"const": "a"}, "x": {"type": "integer"}},
                "required": ["kind"],
            },
            {"properties": {"kind": {"const": "b"}}, "required": ["kind", "y"]},
        ],
        "type": "object",
    },
    "parts that bound one property": {
        "allOf": [
            {"properties": {"n": {"minimum": 3}}, "required": ["n"]},
            {"properties": {"n": {"type": "integer", "maximum": 4, "multipleOf": 2}}},
        ],
        "type": "object",
    },
    "a closed part and an open one": {
        "allOf": [
            {"type": "object", "properties": {"a": {}}, "additionalProperties": False},
            {"properties": {"a": {"type": "string"}, "b": {"type": "string"}}},
        ]
    },
    "no other properties left over": {
        "allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}],
        "type": "object",
        "unevaluatedProperties": False,
    },
    "no other items left over": {
        "type": "array",
        "prefixItems": [{"type": "integer"}, {"type": "string"}],
        "unevaluatedItems": False,
    },
    "a condition": {
        "type": "object",
        "properties": {"paid": {"type": "boolean"}, "price": {"type": "number"}},
        "required": ["paid"],
        "if": {"properties": {"paid": {"const": True}}},
        "then": {"required": ["price"]},
        "else": {"properties": {"price": False}},
    },
    "not this value": {"type": "boolean", "not": {"const": True}},
    "not a string": {"not": {"type": ["string", "object"]}},
    "neither of two": {"allOf": [{"not": {"const": "x"}}, {"not": {"type": "object"}}]},
    "a list that holds something": {
        "type": "array",
        "items": {"type": ["integer", "string"]},
        "contains": {"type": "integer", "minimum": 100},
        "minContains": 2,
    },
    "different values of few": {
        "type": "array",
        "items": {"enum": ["a", "b", "c"]},
        "minItems": 3,
        "uniqueItems": True,
    },
    "different objects": {
        "type": "array",
        "items": {"type": "object", "properties": {"title": {"type": "string"}}},
        "minItems": 5,
        "uniqueItems": True,
    },
    "different numbers": {
        "type": "array",
        "items": {"type": "integer", "minimum": 1, "maximum": 9},
        "minItems": 9,
        "uniqueItems": True,
    },
    "properties that need others": {
        "type": "object",
        "properties": {"card": {"type": "string"}},
        "dependentRequired": {"card": ["address"]},
        "dependentSchemas": {"card": {"properties": {"address": {"minLength": 10}}}},
    },
    "names by a pattern": {
        "type": "object",
        "patternProperties": {"^x_[a-z]+$": {"type": "integer"}},
        "additionalProperties": False,
        "minProperties": 2,
    },
    "names of a form": {
        "type": "object",
        "propertyNames": {"pattern": "^[A-Z]{3}$"},
        "minProperties": 2,
    },
    "values of a kind": {"type": "object", "additionalProperties": {"type": "integer"}},
    "a name that is not described": {"type": "object", "required": ["what", "ever"]},
    "many items": {"type": "array", "items": {"type": "integer"}, "minItems": 500},
    "a long text of few words": {"type": "string", "minLength": 5000, "maxLength": 5005},
    "a narrow number": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.001},
    "a step of hundredths": {
        "type": "number",
        "multipleOf": 0.01,
        "minimum": 0.07,
        "maximum": 0.07,
    },
    "a value or nothing": {"type": ["null", "string"], "maxLength": 3},
    "two patterns": {"allOf": [{"pattern": "^[a-z]+$"}, {"pattern": "^.{4}$"}], "type": "string"},
    "a pattern and a length": {
        "type": "string",
        "pattern": "^[a-f0-9]+$",
        "minLength": 64,
        "maxLength": 64,
    },
    "an escaped pattern": {"type": "string", "pattern": "^\\(\\d{3}\\) [\\w.-]+\\$$"},
    "anything": {},
    "true": True,
}


@pytest.mark.parametrize("schema", HARD.values(), ids=HARD.keys())
def test_a_hard_schema_is_satisfied(fill: Fill, schema: Any) -> None:
    value = fill(schema)

    assert jsonschema_rs.Draft202012Validator(schema, offline=True).is_valid(value), value


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"type": "string", "minLength": 3, "maxLength": 2},
        {"type": "integer", "minimum": 3, "maximum": 2},
        {"allOf": [{"type": "string"}, {"type": "integer"}]},
        {"enum": [1], "const": 2},
        {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True, "minItems": 3},
        {"$ref": "https://example.com/elsewhere.json"},
        {"$ref": "#/$defs/missing"},
        {"type": "object", "properties": {"x": {"$ref": "#"}}, "required": ["x"]},
        {"$ref": "#"},
        {"type": "string", "pattern": "^(?=never)ever$"},
    ],
    ids=str,
)
def test_a_schema_that_nothing_satisfies_is_refused(fill: Fill, schema: Any) -> None:
    with pytest.raises(UnsatisfiableError):
        fill(schema)

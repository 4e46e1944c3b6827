"""Schemas with traps in them, and schemas that nothing satisfies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest

from aicg_sim.draws import Draw
from aicg_sim.schemas import UnsatisfiableError
from aicg_sim.schemas.check import matches
from aicg_sim.schemas.patterns import matching

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
    "parts of one list": {
        "allOf": [
            {"prefixItems": [{"type": "integer"}], "items": {"type": ["string", "integer"]}},
            {"prefixItems": [{"minimum": 9}, {"minLength": 2}], "items": {"type": "string"}},
            {"type": "array", "minItems": 4},
        ]
    },
    "parts that close an object together": {
        "allOf": [
            {"patternProperties": {"^a": {"minimum": 3}}, "additionalProperties": True},
            {"patternProperties": {"^a": {"type": "integer"}}, "additionalProperties": False},
            {"type": "object", "required": ["ab"]},
        ]
    },
    "whole numbers of two kinds": {
        "allOf": [{"type": ["number", "string"]}, {"type": ["integer", "null"]}],
        "anyOf": [{"multipleOf": 4, "minimum": 1}],
        "multipleOf": 6,
    },
    "a reference into a list": {
        "allOf": [{"type": "integer", "minimum": 4}],
        "properties": {"x": {"$ref": "#/allOf/0"}},
    },
    "a reference by an id": {
        "$ref": "https://example.com/x",
        "$defs": {"x": {"$id": "https://example.com/x", "type": "integer"}},
    },
    "a tree of few leaves": {
        "$ref": "#/$defs/T",
        "$defs": {
            "T": {
                "type": "object",
                "properties": {"kids": {"$ref": "#/$defs/Two"}},
                "anyOf": [{"required": ["kids"]}, {}],
            },
            "Two": {"type": "array", "items": {"$ref": "#/$defs/T"}, "minItems": 2},
        },
    },
    "different values of two kinds": {
        "type": "array",
        "items": {"anyOf": [{"type": "boolean"}, {"enum": [1, 2, None]}]},
        "uniqueItems": True,
        "minItems": 2,
    },
    "a value for each constant": {"enum": [None, {"a": [1]}, "x"], "not": {"type": "string"}},
    "few properties": {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}, "c": {"type": "string"}},
        "required": ["c"],
        "maxProperties": 2,
    },
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
        {"type": "array", "minItems": 3, "maxItems": 2},
        {"type": "string", "enum": [1, 2]},
        {"type": "number", "minimum": 2, "exclusiveMaximum": 2},
        {"not": {}},
        {"type": "array", "contains": {"type": "integer"}, "maxItems": 0},
    ],
    ids=str,
)
def test_a_schema_that_nothing_satisfies_is_refused(fill: Fill, schema: Any) -> None:
    with pytest.raises(UnsatisfiableError):
        fill(schema)


FORMATS = (
    "date date-time duration email hostname idn-email idn-hostname ipv4 ipv6 iri iri-reference"
    " json-pointer regex relative-json-pointer time uri uri-reference uri-template uuid"
)


@pytest.mark.parametrize("name", FORMATS.split())
def test_a_format_is_kept_to(fill: Fill, name: str) -> None:
    schema = {"type": "string", "format": name}

    value = fill(schema)

    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True, offline=True)
    assert validator.is_valid(value), value


@pytest.mark.parametrize(
    "pattern",
    [
        "^[^a-z\\d]{3}$",
        "^[\\w-]+$",
        "^\\D\\W\\S\\s$",
        "^(?P<year>\\d{4})(?<month>\\d\\d)$",
        "^a{2,}?b{0,3}$",
        "^[]x-]$",
        "^\\t\\.\\/$",
        "x|^$",
        "^.{3}\\Z",
        "zz$",
        "^zz",
        "(^a|b$)+",
        "",
    ],
)
def test_a_pattern_is_kept_to(pattern: str) -> None:
    texts = matching(pattern, Draw(1), 6, 12)

    assert any(matches(pattern, text) for text in texts), texts


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        "a)",
        "[",
        "[^\\s\\S",
        "*",
        "a{x}",
        "a{1",
        "(?=a)",
        "(?!a)",
        "\\bx",
        "\\1",
        "\\p{L}",
        "a{99999}",
    ],
)
def test_a_pattern_beyond_what_is_known_is_refused(pattern: str) -> None:
    with pytest.raises(UnsatisfiableError):
        matching(pattern, Draw(1), 0, 10)

"""Whether a value satisfies a JSON schema: the part of 2020-12 that answers are made for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any, TypeAlias

_NAMED_GROUP = re.compile(r"\(\?<(?![=!])")
Target: TypeAlias = Callable[[str], Any]


def same(first: Any, second: Any) -> bool:
    """Tell whether two values are equal as JSON has it: 1 and 1.0 are, 1 and true are not."""
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(same(first[k], second[k]) for k in first)
    if isinstance(first, Sequence) and not isinstance(first, str):
        return (
            isinstance(second, Sequence)
            and not isinstance(second, str)
            and len(first) == len(second)
            and all(map(same, first, second))
        )
    return bool(first == second)


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        # Schemas name groups as JavaScript does.
        return re.compile(_NAMED_GROUP.sub("(?P<", pattern))
    except re.error:
        return None


def matches(pattern: str, text: str) -> bool:
    """Tell whether a regular expression is found in a text; one that cannot be read is not."""
    compiled = _compiled(pattern)
    return bool(compiled and compiled.search(text))


def is_type(value: Any, name: str) -> bool:
    """Tell whether a value is of a type of JSON schema."""
    match name:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
            return whole and not isinstance(value, bool)
        case "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case "string":
            return isinstance(value, str)
        case "array":
            return isinstance(value, list)
        case _:
            return isinstance(value, Mapping)


def conforms(value: Any, schema: Mapping[str, Any] | bool, target: Target) -> bool:
    """Tell whether a value satisfies a schema.

    Args:
        value: The value, as `json.loads` gives it.
        schema: The schema.
        target: Finds what a reference points at.
    """
    if isinstance(schema, bool):
        return schema
    return (
        _combinations(value, schema, target)
        and _plain(value, schema)
        and (not is_type(value, "number") or _number(value, schema))
        and (not isinstance(value, str) or _string(value, schema))
        and (not isinstance(value, list) or _array(value, schema, target))
        and (not isinstance(value, Mapping) or _object(value, schema, target))
    )


def _plain(value: Any, schema: Mapping[str, Any]) -> bool:
    types = schema.get("type", ())
    types = [types] if isinstance(types, str) else types
    return (
        (not types or any(is_type(value, name) for name in types))
        and ("const" not in schema or same(value, schema["const"]))
        and ("enum" not in schema or any(same(value, one) for one in schema["enum"]))
    )


def _combinations(value: Any, schema: Mapping[str, Any], target: Target) -> bool:
    def holds(part: Any) -> bool:
        return conforms(value, part, target)

    if not all(map(holds, schema.get("allOf", ()))):
        return False
    if "anyOf" in schema and not any(map(holds, schema["anyOf"])):
        return False
    if "oneOf" in schema and sum(map(holds, schema["oneOf"])) != 1:
        return False
    if "not" in schema and holds(schema["not"]):
        return False
    if "if" in schema and not holds(schema.get("then" if holds(schema["if"]) else "else", True)):
        return False
    return all(holds(target(schema[word])) for word in ("$ref", "$dynamicRef") if word in schema)


def _number(value: float, schema: Mapping[str, Any]) -> bool:
    step = schema.get("multipleOf")
    return (
        value >= schema.get("minimum", value)
        and value <= schema.get("maximum", value)
        and ("exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"])
        and ("exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"])
        and (step is None or (Fraction(str(value)) / Fraction(str(step))).denominator == 1)
    )


def _string(value: str, schema: Mapping[str, Any]) -> bool:
    patterns = schema.get("pattern", ())
    patterns = [patterns] if isinstance(patterns, str) else patterns
    return (
        schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
    ) and all(matches(pattern, value) for pattern in patterns)


def _array(value: list[Any], schema: Mapping[str, Any], target: Target) -> bool:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        return False
    if schema.get("uniqueItems") and has_duplicates(value):
        return False
    first = schema.get("prefixItems", ())
    if not all(conforms(one, part, target) for one, part in zip(value, first, strict=False)):
        return False
    rest = schema.get("items", True)
    if rest is not True and not all(conforms(one, rest, target) for one in value[len(first) :]):
        return False
    if "contains" not in schema:
        return True
    count = sum(conforms(one, schema["contains"], target) for one in value)
    return bool(schema.get("minContains", 1) <= count <= schema.get("maxContains", count))


def has_duplicates(values: list[Any]) -> bool:
    """Tell whether two of the values are equal."""
    return any(same(value, other) for index, value in enumerate(values) for other in values[:index])


def _object(value: Mapping[str, Any], schema: Mapping[str, Any], target: Target) -> bool:
    if not schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value)):
        return False
    needed = [*schema.get("required", ())]
    for name, others in schema.get("dependentRequired", {}).items():
        needed += others if name in value else ()
    if not all(name in value for name in needed):
        return False
    names = schema.get("propertyNames", True)
    return (
        all(_property(name, one, schema, target) for name, one in value.items())
        and all(conforms(name, names, target) for name in value)
        and all(
            conforms(value, part, target)
            for name, part in schema.get("dependentSchemas", {}).items()
            if name in value
        )
    )


def _property(name: str, value: Any, schema: Mapping[str, Any], target: Target) -> bool:
    parts = [
        part for key, part in schema.get("patternProperties", {}).items() if matches(key, name)
    ]
    if name in schema.get("properties", {}):
        parts.append(schema["properties"][name])
    if not parts:
        return conforms(value, schema.get("additionalProperties", True), target)
    return all(conforms(value, part, target) for part in parts)

"""Schemas made plain: references followed, `allOf` merged, alternatives listed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, TypeAlias
from urllib.parse import unquote

import attrs

from aicg_sim.schemas.check import matches, same

Schema: TypeAlias = Mapping[str, Any] | bool

_COMBINING = frozenset(
    {"$ref", "$dynamicRef", "allOf", "anyOf", "dependentSchemas", "else", "if", "oneOf", "then"}
)
_MOST_STEPS = 60


class UnsatisfiableError(Exception):
    """Raised when no value is found that satisfies a schema."""


@attrs.frozen
class Flat:
    """A schema without references and `allOf`.

    Attributes:
        plain: The keywords that hold in any case.
        choices: Lists of schemas, of each of which one must hold too.
        refs: The references that were followed on the way.
    """

    plain: dict[str, Any]
    choices: tuple[list[Schema], ...]
    refs: tuple[str, ...]


class Resolver:
    """Makes the parts of one schema plain."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        # The schema is kept too, so that no other takes its id.
        self._heights: dict[tuple[int, int], tuple[Schema, float]] = {}

    def target(self, ref: str) -> Schema:
        """Return what a reference within the schema points at.

        Raises:
            UnsatisfiableError: It points nowhere, or out of the schema.
        """
        found: Any = self._root
        if not ref.startswith("#"):
            found = _with_mark(self._root, "$id", ref)
        elif ref.startswith("#/"):
            for step in ref[2:].split("/"):
                found = _child(found, unquote(step).replace("~1", "/").replace("~0", "~"))
        elif ref != "#":
            found = _with_mark(self._root, "$anchor", ref[1:]) or _with_mark(
                self._root, "$dynamicAnchor", ref[1:]
            )
        if not isinstance(found, (Mapping, bool)):
            raise UnsatisfiableError(f"the reference {ref!r} leads to nothing within the schema")
        return found

    def flatten(self, schema: Schema) -> Flat:
        """Return a schema with its references followed and its `allOf` merged.

        Raises:
            UnsatisfiableError: Its parts contradict each other, or refer to each other for ever.
        """
        plain: dict[str, Any] = {}
        choices: list[list[Schema]] = []
        refs: list[str] = []
        waiting = [schema]
        for _ in range(_MOST_STEPS):
            if not waiting:
                return Flat(plain, tuple(choices), tuple(refs))
            part = waiting.pop(0)
            if part is False:
                raise UnsatisfiableError("the schema allows no value here")
            if part is True:
                continue
            plain = merged(plain, {k: v for k, v in part.items() if k not in _COMBINING})
            waiting.extend(part.get("allOf", ()))
            for word in ("$ref", "$dynamicRef"):
                if word in part:
                    refs.append(part[word])
                    waiting.append(self.target(part[word]))
            choices.extend(_choices(part))
        raise UnsatisfiableError("the schema refers to itself without an end")

    def height(self, schema: Schema, budget: int = 10) -> float:
        """Return how many levels the smallest value of a schema has, or infinity."""
        if isinstance(schema, bool) or not budget:
            return 0 if budget else math.inf
        known = (id(schema), budget)
        if known not in self._heights:
            self._heights[known] = schema, self._measured(schema, budget - 1)
        return self._heights[known][1]

    def _measured(self, schema: Mapping[str, Any], budget: int) -> float:
        needed = [self.height(part, budget) for part in schema.get("allOf", ())]
        if "$ref" in schema:
            needed.append(self.height(self.target(schema["$ref"]), budget))
        needed += [
            min(self.height(part, budget) for part in schema[word])
            for word in ("anyOf", "oneOf")
            if schema.get(word)
        ]
        properties = schema.get("properties", {})
        needed += [
            1 + self.height(properties[name], budget)
            for name in schema.get("required", ())
            if name in properties
        ]
        if schema.get("minItems", 0) > 0 and "items" in schema:
            needed.append(1 + self.height(schema["items"], budget))
        return max(needed, default=0)


def _child(found: Any, step: str) -> Any:
    if isinstance(found, Mapping):
        return found.get(step)
    if isinstance(found, list) and step.isdigit() and int(step) < len(found):
        return found[int(step)]
    return None


def _with_mark(schema: Any, word: str, value: str) -> Any:
    """Return the part of a schema that bears a name, or None."""
    if isinstance(schema, Mapping):
        if schema.get(word) == value:
            return schema
        parts: Iterable[Any] = schema.values()
    else:
        parts = schema if isinstance(schema, list) else ()
    return next((found for part in parts if (found := _with_mark(part, word, value))), None)


def _choices(part: Mapping[str, Any]) -> list[list[Schema]]:
    choices: list[list[Schema]] = [list(part[word]) for word in ("anyOf", "oneOf") if word in part]
    if "if" in part:
        condition = part["if"]
        choices.append(
            [
                {"allOf": [condition, part.get("then", True)]},
                {"allOf": [{"not": condition}, part.get("else", True)]},
            ]
        )
    for name, schema in part.get("dependentSchemas", {}).items():
        choices.append([{"required": [name], "allOf": [schema]}, {"properties": {name: False}}])
    return choices


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords that two plain schemas have together.

    Raises:
        UnsatisfiableError: No value can satisfy both.
    """
    if not first or not second:
        return _with_enum(first or second)
    first, second = _with_enum(first), _with_enum(second)
    result = {**first, **second}
    for word in first.keys() & second.keys():
        rule = _RULES.get(word)
        if rule is not None:
            result[word] = rule(first[word], second[word])
    _merge_properties(result, first, second)
    _merge_items(result, first, second)
    return result


def _with_enum(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords in the form that `merged` works on."""
    plain = dict(schema)
    if "const" in plain:
        value = plain.pop("const")
        plain["enum"] = _common(plain["enum"], [value]) if "enum" in plain else [value]
    if isinstance(plain.get("type"), str):
        plain["type"] = [plain["type"]]
    if "multipleOf" in plain:
        plain["multipleOf"] = Fraction(str(plain["multipleOf"]))
    if isinstance(plain.get("pattern"), str):
        plain["pattern"] = [plain["pattern"]]
    return plain


def _common(first: list[Any], second: list[Any]) -> list[Any]:
    return [value for value in first if any(same(value, other) for other in second)]


def _common_types(first: list[str], second: list[str]) -> list[str]:
    types = [name for name in first if name in second]
    if "integer" not in types and {"integer", "number"} <= {*first, *second}:
        types.append("integer")
    if not types:
        raise UnsatisfiableError(f"no value is both {' or '.join(first)} and {' or '.join(second)}")
    return types


def _least_common(first: Fraction, second: Fraction) -> Fraction:
    denominator = math.lcm(first.denominator, second.denominator)
    return Fraction(math.lcm(int(first * denominator), int(second * denominator)), denominator)


def _both(first: Schema, second: Schema) -> Schema:
    return {"allOf": [first, second]}


def _each(first: Mapping[str, Schema], second: Mapping[str, Schema]) -> dict[str, Schema]:
    parts = {**first, **second}
    return parts | {name: _both(first[name], second[name]) for name in first.keys() & second.keys()}


_RULES: Mapping[str, Any] = {
    "type": _common_types,
    "enum": _common,
    "multipleOf": _least_common,
    "pattern": lambda first, second: [*first, *second],
    "required": lambda first, second: [*first, *(name for name in second if name not in first)],
    "not": lambda first, second: {"anyOf": [first, second]},
    "contains": _both,
    "propertyNames": _both,
    "patternProperties": _each,
    "dependentRequired": lambda first, second: {**first, **second},
    **dict.fromkeys(
        ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"),
        max,
    ),
    **dict.fromkeys(
        ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains"),
        min,
    ),
    "uniqueItems": lambda first, second: first or second,
}


def property_schema(plain: Mapping[str, Any], name: str) -> Schema:
    """Return what a schema demands of the property of this name."""
    parts: list[Schema] = []
    if name in plain.get("properties", {}):
        parts.append(plain["properties"][name])
    parts += [
        schema for key, schema in plain.get("patternProperties", {}).items() if matches(key, name)
    ]
    if not parts:
        return plain.get("additionalProperties", True)  # type: ignore[no-any-return]
    return parts[0] if len(parts) == 1 else {"allOf": parts}


def item_schema(plain: Mapping[str, Any], index: int) -> Schema:
    """Return what a schema demands of the item at this place."""
    first = plain.get("prefixItems", ())
    if index < len(first):
        return first[index]  # type: ignore[no-any-return]
    return plain.get("items", True)  # type: ignore[no-any-return]


def _merge_properties(
    result: dict[str, Any], first: Mapping[str, Any], second: Mapping[str, Any]
) -> None:
    names = [*first.get("properties", {})]
    names += [name for name in second.get("properties", {}) if name not in names]
    if names:
        result["properties"] = {
            name: _both(property_schema(first, name), property_schema(second, name))
            for name in names
        }
    if "additionalProperties" in first and "additionalProperties" in second:
        result["additionalProperties"] = _both(
            first["additionalProperties"], second["additionalProperties"]
        )


def _merge_items(
    result: dict[str, Any], first: Mapping[str, Any], second: Mapping[str, Any]
) -> None:
    longest = max(len(first.get("prefixItems", ())), len(second.get("prefixItems", ())))
    if longest:
        result["prefixItems"] = [
            _both(item_schema(first, index), item_schema(second, index)) for index in range(longest)
        ]
    if "items" in first and "items" in second:
        result["items"] = _both(first["items"], second["items"])

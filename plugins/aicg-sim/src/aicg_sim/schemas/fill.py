"""Values that satisfy a schema, filled with what fits the names of its properties."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs

from aicg_sim.schemas import hints
from aicg_sim.schemas.check import conforms, has_duplicates
from aicg_sim.schemas.form import faults
from aicg_sim.schemas.numbers import number_for
from aicg_sim.schemas.place import Place
from aicg_sim.schemas.resolve import (
    Resolver,
    Schema,
    UnsatisfiableError,
    item_schema,
    property_schema,
)
from aicg_sim.schemas.texts import string_for

if TYPE_CHECKING:
    from aicg_sim.material import Material

_DEEPEST: Final = 48
_DEEP: Final = 12
_MANY: Final = 1_500
_MOST: Final = 20_000
_VARIANTS: Final = 8
# Keywords that a value made for the others may still fail.
_RISKY: Final = frozenset(
    {"contains", "if", "maxContains", "not", "oneOf", "patternProperties", "propertyNames"}
)
_TYPES: Final = ("string", "object", "array", "integer", "number", "boolean", "null")
_SIGNS: Final = (
    ("object", {"properties", "required", "additionalProperties", "minProperties",
                "patternProperties", "propertyNames", "dependentRequired"}),
    ("array", {"items", "prefixItems", "minItems", "maxItems", "contains", "uniqueItems"}),
    ("string", {"pattern", "minLength", "maxLength", "format"}),
    ("number", {"minimum", "maximum", "multipleOf", "exclusiveMinimum", "exclusiveMaximum"}),
)  # fmt: skip
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?")


class Filler:
    """Makes one answer to one schema.

    Args:
        schema: The schema.
        material: What the answer is about.
        asked: The prompt, when the answer is the arguments of a tool: they are taken from it.
    """

    def __init__(self, schema: Schema, material: Material, asked: str | None = None) -> None:
        self._schema = schema
        self._material = material
        self._asked = asked
        self._numbers = _NUMBER.findall(asked or "")
        self._resolver = Resolver(schema)
        self._made = 0

    def fill(self) -> Any:
        """Return the answer, as `json.loads` would.

        Raises:
            UnsatisfiableError: The schema is none, or no value was found that satisfies it.
        """
        fault = next(faults(self._schema), None)
        if fault is not None:
            raise UnsatisfiableError(fault)
        value = self._value(self._schema, Place(material=self._material))
        if not conforms(value, self._schema, self._resolver.target):
            raise UnsatisfiableError("no value was found that satisfies the whole schema")
        return value

    def _value(self, schema: Schema, place: Place) -> Any:
        self._made += 1
        if place.depth > _DEEPEST or self._made > _MOST:
            raise UnsatisfiableError("the schema asks for an answer without an end")
        risky = not isinstance(schema, bool) and not _RISKY.isdisjoint(schema)
        fault = UnsatisfiableError(f"no value was found for {'.'.join(map(str, place.path))!r}")
        for plain, at in self._plain_schemas(schema, place):
            check = risky or not _RISKY.isdisjoint(plain)
            for variant in range(_VARIANTS if check else 1):
                try:
                    value = self._made_of(plain, at, variant)
                except UnsatisfiableError as error:
                    fault = error
                    break
                if not check or (
                    conforms(value, plain, self._resolver.target)
                    and conforms(value, schema, self._resolver.target)
                ):
                    return value
        raise fault

    def _plain_schemas(
        self, schema: Schema, place: Place
    ) -> Iterator[tuple[Mapping[str, Any], Place]]:
        """Yield the schemas without choices that a schema leaves open, the best first."""
        try:
            flat = self._resolver.flatten(schema)
        except UnsatisfiableError:
            return
        refs = (*place.refs, *flat.refs)
        least = (
            place.least
            or place.depth > _DEEP
            or self._made > _MANY
            or any(refs.count(ref) > 2 for ref in flat.refs)
        )
        place = attrs.evolve(place, refs=refs, least=least)
        if not flat.choices:
            yield flat.plain, place
            return
        first, *others = flat.choices
        # An answer says something where it may: null comes last, unless it is time to end.
        first = sorted(first, key=self._resolver.height if least else _is_null)
        for branch in first:
            rest: list[Schema] = [{"anyOf": choice} for choice in others]
            yield from self._plain_schemas({"allOf": [flat.plain, branch, *rest]}, place)

    def _made_of(self, plain: Mapping[str, Any], place: Place, variant: int) -> Any:
        if "enum" in plain:
            return self._one_of(plain, place, variant)
        kinds = _kinds(plain, place)
        kind = kinds[variant % len(kinds)]
        match kind:
            case "object":
                return self._object(plain, place, variant)
            case "array":
                return self._array(plain, place, variant)
            case "string":
                return string_for(plain, self._varied(place, variant), self._asked)
            case "integer" | "number":
                wish = self._number(plain, place)
                return number_for(plain, wish, whole=kind == "integer", shift=variant)
            case "boolean":
                return hints.truth_hint(place) is (variant % 2 == 0)
        return None

    @staticmethod
    def _varied(place: Place, variant: int) -> Place:
        if not variant:
            return place
        return attrs.evolve(place, path=(*place.path, variant), variant=place.variant + variant)

    def _number(self, plain: Mapping[str, Any], place: Place) -> float:
        if self._numbers:
            return float(self._numbers.pop(0))
        return hints.number_hint(place, plain)

    def _one_of(self, plain: Mapping[str, Any], place: Place, variant: int) -> Any:
        values = [
            value
            for value in plain["enum"]
            if conforms(value, {**plain, "enum": [value]}, self._resolver.target)
        ]
        if not values:
            raise UnsatisfiableError(f"no value of {plain['enum']!r} satisfies the rest")
        spoken = [
            value
            for value in values
            if self._asked and isinstance(value, str) and value.lower() in self._asked.lower()
        ]
        likely = hints.text_for(place, {**plain, "maxLength": min(map(_length, values))})
        for wish in (*spoken, likely, likely.lower()):
            if variant == 0 and wish in values:
                return wish
        said = [value for value in values if value is not None] or values
        start = place.material.draw.child(*place.path).below(len(said))
        return said[(start + variant) % len(said)]

    def _object(self, plain: Mapping[str, Any], place: Place, variant: int) -> dict[str, Any]:
        properties = plain.get("properties", {})
        place = place.among(properties)
        needed = [*plain.get("required", ())]
        optional = [name for name in properties if name not in needed]
        wanted = needed if place.least or variant % 2 else [*properties, *needed]
        most = plain.get("maxProperties", _MOST)
        value: dict[str, Any] = {}
        for name in dict.fromkeys(wanted):
            if name in needed or len(value.keys() - set(needed)) < most - len(needed):
                self._add_property(value, name, plain, place, must=name in needed)
        for name in [*value]:
            for other in plain.get("dependentRequired", {}).get(name, ()):
                self._add_property(value, other, plain, place, must=True)
        least = plain.get("minProperties", 0)
        if not properties and not place.least and self._asked is None:
            least = max(least, min(3, most))
        for name in (*optional, *self._other_names(plain, place)):
            if len(value) < least:
                self._add_property(value, name, plain, place, must=False)
        return value

    def _add_property(
        self,
        value: dict[str, Any],
        name: str,
        plain: Mapping[str, Any],
        place: Place,
        *,
        must: bool,
    ) -> None:
        names = plain.get("propertyNames", True)
        if name in value or not (must or conforms(name, names, self._resolver.target)):
            return
        try:
            value[name] = self._value(property_schema(plain, name), place.at_property(name))
        except UnsatisfiableError:
            if must:
                raise

    def _other_names(self, plain: Mapping[str, Any], place: Place) -> Iterator[str]:
        """Yield names for properties that a schema allows and does not name."""
        if plain.get("unevaluatedProperties") is False:
            return
        topic = place.material.topic
        if place.depth == 0 and not plain.get("additionalProperties"):
            yield from ("title", "summary", "points")
        if isinstance(plain.get("propertyNames"), Mapping):
            for index in range(20):
                at = attrs.evolve(place, path=(*place.path, "name", index), words=("name",))
                yield str(self._value({"type": "string", "allOf": [plain["propertyNames"]]}, at))
        for pattern in plain.get("patternProperties", {}):
            for index in range(20):
                at = attrs.evolve(place, path=(*place.path, "name", index))
                yield string_for({"pattern": [pattern]}, at, None)
        yield from (term.term for term in topic.terms)
        yield from (f"entry_{number}" for number in range(1, 200))

    def _array(self, plain: Mapping[str, Any], place: Place, variant: int) -> list[Any]:
        least, most = self._lengths(plain, place)
        wanted = least if place.least else max(least, min(place.count(), most))
        if variant % 2:
            wanted = least if variant % 4 == 1 else min(wanted + variant, most)
        values: list[Any] = []
        for index in range(wanted):
            try:
                values.append(self._item(plain, place.at_item(index), values, variant))
            except UnsatisfiableError:
                if len(values) < least:
                    raise
                break
        return values

    @staticmethod
    def _lengths(plain: Mapping[str, Any], place: Place) -> tuple[int, int]:
        first = len(plain.get("prefixItems", ()))
        least = plain.get("minItems", 0)
        if "contains" in plain:
            least = max(least, plain.get("minContains", 1))
        closed = plain.get("unevaluatedItems") is False and "items" not in plain
        most = plain.get("maxItems", first if closed else max(least, place.count(), first))
        if least > most:
            raise UnsatisfiableError(f"a list cannot have {least} items or more and at most {most}")
        return max(least, min(first, most)) if not place.least else least, most

    def _item(self, plain: Mapping[str, Any], place: Place, before: list[Any], variant: int) -> Any:
        schema = item_schema(plain, place.index)
        if "contains" in plain and place.index < max(1, plain.get("minContains", 1)):
            schema = {"allOf": [schema, plain["contains"]]}
        value = self._value(schema, self._varied(place, variant))
        if not plain.get("uniqueItems"):
            return value
        for flat, at in self._plain_schemas(schema, place):
            for other in range(1, 4 * len(before) + 8):
                if not has_duplicates([*before, value]):
                    return value
                parts = isinstance(value, (dict, list))
                value = self._made_of(flat, self._varied(at, other), 0 if parts else other)
        if has_duplicates([*before, value]):
            raise UnsatisfiableError("there are not enough different items")
        return value


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str) else 1_000


def _is_null(schema: Schema) -> bool:
    if isinstance(schema, bool):
        return not schema
    return schema.get("type") == "null" or ("const" in schema and schema["const"] is None)


def _kinds(plain: Mapping[str, Any], place: Place) -> list[str]:
    """Return the types that a value may have, the most telling first."""
    if "type" in plain:
        order = _TYPES if "answer" not in place.words else ("integer", *_TYPES)
        return [name for name in dict.fromkeys(order) if name in plain["type"]]
    signs = [kind for kind, words in _SIGNS if not words.isdisjoint(plain)]
    if not signs and place.depth == 0:
        signs = ["object"]
    return list(dict.fromkeys([*signs, *_TYPES]))

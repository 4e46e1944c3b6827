"""What is wrong with a schema that is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

_TYPES: Final = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_TEXTS: Final = frozenset({"$dynamicRef", "$ref", "format", "pattern"})
_NUMBERS: Final = frozenset(
    {
        "exclusiveMaximum", "exclusiveMinimum", "maxContains", "maxItems", "maxLength",
        "maxProperties", "maximum", "minContains", "minItems", "minLength", "minProperties",
        "minimum", "multipleOf",
    }
)  # fmt: skip
_EXPECTED: Final = {
    "dependentRequired": "an object of lists of names",
    "enum": "a list",
    "required": "a list of names",
    "type": f"one or more of {', '.join(sorted(_TYPES))}",
}
_SCHEMAS: Final = frozenset(
    {
        "additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then",
        "unevaluatedItems", "unevaluatedProperties",
    }
)  # fmt: skip
_LISTS_OF_SCHEMAS: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_NAMED_SCHEMAS: Final = frozenset(
    {"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"}
)


def faults(schema: Any, path: str = "schema") -> Iterator[str]:
    """Yield what is wrong with the form of a schema, a sentence each."""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping):
        yield f"{path} must be an object, true or false: got {schema!r}"
        return
    for word, value in schema.items():
        yield from _faults_of(word, value, f"{path}.{word}")


def _faults_of(word: str, value: Any, path: str) -> Iterator[str]:
    if word in _SCHEMAS:
        yield from faults(value, path)
    elif word in _NAMED_SCHEMAS:
        if not isinstance(value, Mapping):
            yield f"{path} must be an object: got {value!r}"
            return
        for name, part in value.items():
            yield from faults(part, f"{path}.{name}")
    elif word in _LISTS_OF_SCHEMAS:
        if not isinstance(value, (list, tuple)):
            yield f"{path} must be a list: got {value!r}"
            return
        for index, part in enumerate(value):
            yield from faults(part, f"{path}[{index}]")
    elif not _is_right(word, value):
        expected = _EXPECTED.get(word, "a number" if word in _NUMBERS else "text")
        yield f"{path} must be {expected}: got {value!r}"


def _is_right(word: str, value: Any) -> bool:
    match word:
        case "type":
            names = [value] if isinstance(value, str) else value
            return _are_texts(names) and bool(names) and _TYPES.issuperset(names)
        case "enum":
            return isinstance(value, (list, tuple))
        case "required":
            return _are_texts(value)
        case "dependentRequired":
            return isinstance(value, Mapping) and all(map(_are_texts, value.values()))
    if word in _NUMBERS:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return word not in _TEXTS or isinstance(value, str)


def _are_texts(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)

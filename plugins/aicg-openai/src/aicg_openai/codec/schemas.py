"""The form of an answer, as `response_format` states it."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from functools import lru_cache
from typing import Any, Final, cast

from aicg import json_schema

# What the guide to structured outputs lets a strict schema hold.
_STRICT: Final = frozenset(
    {
        "$defs", "$ref", "additionalProperties", "anyOf", "const", "definitions", "description",
        "enum", "exclusiveMaximum", "exclusiveMinimum", "format", "items", "maxItems", "maximum",
        "minItems", "minimum", "multipleOf", "pattern", "properties", "required", "title", "type",
    }
)  # fmt: skip
_FORMATS: Final = frozenset(
    {"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uuid"}
)
# These say nothing about which answers are right.
_NOTES: Final = frozenset({"$comment", "$id", "$schema", "default", "examples"})
_BY_NAME: Final = frozenset({"$defs", "definitions", "properties"})


def response_format(schema: type[Any] | Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the `response_format` that asks for answers of this form."""
    if isinstance(schema, Mapping):
        return _of_mapping(schema)
    return _of_class(cast("Hashable", schema))


@lru_cache(maxsize=256)
def _of_class(schema: Hashable) -> Mapping[str, Any]:
    return _of_mapping(json_schema(cast("type[Any]", schema)))


def _of_mapping(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    strict = strict_form(schema)
    name = re.sub(r"[^A-Za-z0-9_-]", "_", str(schema.get("title", "")))[:64]
    return {
        "type": "json_schema",
        "json_schema": {
            "name": name or "answer",
            "schema": schema if strict is None else strict,
            "strict": strict is not None,
        },
    }


def strict_form(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the schema as strict mode takes it, or None if strict mode does not take it.

    Objects that require all of their properties are closed to others: what satisfies the result
    satisfies the schema.
    """
    if schema.get("type") != "object":
        return None
    try:
        form: dict[str, Any] = _strict(schema)
    except (_NotStrictError, AttributeError, TypeError):
        # What is no schema is not refused here: the server says what is wrong with it.
        return None
    return form


class _NotStrictError(Exception):
    """Raised within a schema at what strict mode does not take."""


def _strict(node: Any) -> Any:
    if not isinstance(node, Mapping):
        raise _NotStrictError
    form = {key: value for key, value in node.items() if key not in _NOTES}
    if not form.keys() <= _STRICT or form.get("format", "date") not in _FORMATS:
        raise _NotStrictError
    if form.get("type") == "object" or "properties" in form:
        _close(form)
    for key, value in form.items():
        if key in _BY_NAME:
            form[key] = {name: _strict(part) for name, part in value.items()}
        elif key == "items":
            form[key] = _strict(value)
        elif key == "anyOf":
            form[key] = [_strict(part) for part in value]
    return form


def _close(form: dict[str, Any]) -> None:
    names = list(form.get("properties", ()))
    if set(form.get("required", ())) != set(names) or form.get("additionalProperties"):
        raise _NotStrictError
    form |= {"properties": form.get("properties", {}), "required": names}
    form["additionalProperties"] = False

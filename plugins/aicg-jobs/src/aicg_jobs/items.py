"""The items of a job: what its prompts are filled with, one after the other."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import attrs

from aicg import ConfigurationError, read_settings

Item: TypeAlias = Mapping[str, Any]


@attrs.frozen
class _ItemsFile:
    items: tuple[Item, ...]


class Items:
    """The items of a job, read anew at each pass so that a long file is never held whole."""

    def __init__(self, source: Path | Sequence[Item], limit: int | None = None) -> None:
        self._source = source
        self._limit = limit

    def __iter__(self) -> Iterator[Item]:
        source = self._source
        items = _read(source) if isinstance(source, Path) else source
        return itertools.islice(items, self._limit)


def label_of(item: Item, number: int) -> str:
    """Return what an item is called: its `id`, or its number."""
    return str(item["id"]) if "id" in item else str(number)


def _read(path: Path) -> Iterator[Item]:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ConfigurationError(
            f"{path}: items are read from {', '.join(_READERS)} files", source=str(path)
        )
    try:
        yield from reader(path)
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{path}: not UTF-8: save it as UTF-8", source=str(path)
        ) from error


def _read_jsonl(path: Path) -> Iterator[Item]:
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                item = json.loads(line)
            except ValueError as error:
                raise _wrong(path, number, f"not JSON: {error}") from error
            if not isinstance(item, dict):
                raise _wrong(path, number, "an item is a JSON object, such as {'topic': 'loops'}")
            yield item


def _read_csv(path: Path) -> Iterator[Item]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines, strict=True)
        try:
            for row in reader:
                if None in row or None in row.values():
                    count = len(reader.fieldnames or ())
                    raise _wrong(path, reader.line_num, f"a row has {count} fields, as the first")
                yield row
        except csv.Error as error:
            raise _wrong(path, reader.line_num, f"not CSV: {error}") from error


def _read_toml(path: Path) -> Iterator[Item]:
    yield from read_settings(path, _ItemsFile).items


def _wrong(path: Path, line: int, what: str) -> ConfigurationError:
    return ConfigurationError(f"{path}, line {line}: {what}", source=str(path))


_READERS = {".csv": _read_csv, ".jsonl": _read_jsonl, ".toml": _read_toml}

"""Items are read from CSV, JSON lines and TOML, and wrong ones are told by their line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aicg import ConfigurationError
from aicg_jobs.items import Items, label_of

if TYPE_CHECKING:
    from pathlib import Path

LOOPS = {"id": "loops", "level": "1"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("topics.csv", "id,level\nloops,1\n"),
        ("TOPICS.CSV", "\ufeffid,level\r\nloops,1\r\n"),
        ("topics.jsonl", '{"id": "loops", "level": "1"}\n\n'),
        ("topics.toml", '[[items]]\nid = "loops"\nlevel = "1"\n'),
    ],
    ids=["csv", "csv-from-windows", "jsonl", "toml"],
)
def test_items_are_read(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, "utf-8")

    assert list(Items(path)) == [LOOPS]


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("topics.csv", "id,level\nloops\n", "line 2: a row has 2 fields"),
        ("topics.csv", "id\nloops,1\n", "line 2: a row has 1 fields"),
        ("topics.csv", 'id\n"loops\n', "not CSV"),
        ("topics.jsonl", '{"id": 1}\n{"id": \n', "line 2: not JSON"),
        ("topics.jsonl", "[1]\n", "line 1: an item is a JSON object"),
        ("topics.toml", "items = 3\n", "items must be a list"),
        ("topics.toml", "items = \n", "is not valid TOML"),
    ],
)
def test_wrong_items_are_told(tmp_path: Path, name: str, text: str, complaint: str) -> None:
    path = tmp_path / name
    path.write_text(text, "utf-8")

    with pytest.raises(ConfigurationError, match=complaint):
        list(Items(path))


@pytest.mark.parametrize("name", ["topics.csv", "topics.jsonl"])
def test_items_that_are_not_utf_8_are_told(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"caf\xe9\n")

    with pytest.raises(ConfigurationError, match=f"{name}: not UTF-8: save it as UTF-8"):
        list(Items(path))


def test_items_can_be_gone_through_again(tmp_path: Path) -> None:
    path = tmp_path / "topics.csv"
    path.write_text("id,level\nloops,1\nlists,2\n")
    items = Items(path, limit=1)

    assert list(items) == list(items) == [LOOPS]


def test_a_long_file_is_not_held(tmp_path: Path) -> None:
    path = tmp_path / "topics.jsonl"
    path.write_text('{"id": 1}\nbroken')

    assert next(iter(Items(path))) == {"id": 1}


def test_an_item_is_called_by_its_id_or_its_number() -> None:
    assert [label_of({"id": 7}, 1), label_of({}, 2)] == ["7", "2"]

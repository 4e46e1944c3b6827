"""Templates are sandboxed, and strict about what is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aicg import ConfigurationError, ValidationError
from aicg_jobs.templates import Templates, slug

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{{ topic }}", "'topic' is undefined; it can use id"),
        ("{{ id.__class__.__mro__ }}", "unsafe"),
        ("{{ id.missing }}", "has no attribute 'missing'"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{% include '../secret' %}", "TemplateNotFound"),
    ],
    ids=["unknown", "escape", "attribute", "zero", "outside"],
)
def test_what_cannot_be_filled_is_told(tmp_path: Path, text: str, complaint: str) -> None:
    template = Templates(tmp_path).text(text, name="prompt")

    with pytest.raises(ValidationError, match=complaint):
        template.render({"id": "loops"})


def test_a_template_cannot_change_what_it_is_given(tmp_path: Path) -> None:
    template = Templates(tmp_path).text("{{ needs.append(1) }}", name="prompt")

    with pytest.raises(ValidationError, match="unsafe"):
        template.render({"needs": []})


@pytest.mark.parametrize("path", ["missing.j2", "../outside.j2"])
def test_a_template_file_lies_in_the_jobs_folder(tmp_path: Path, path: str) -> None:
    (tmp_path / "outside.j2").write_text("secret")
    folder = tmp_path / "job"
    folder.mkdir()

    with pytest.raises(ConfigurationError, match="no such template"):
        Templates(folder).file(path)


def test_markdown_is_not_escaped(tmp_path: Path) -> None:
    template = Templates(tmp_path).text("{{ code }}", name="page")

    assert template.render({"code": "a < b & c"}) == "a < b & c"


@pytest.mark.parametrize(
    ("text", "name"),
    [("Input/Output", "input-output"), ("  Ärger & Co. ", "arger-co"), ("日本", "item")],
)
def test_a_slug_is_fit_for_a_file_name(text: str, name: str) -> None:
    assert slug(text) == name

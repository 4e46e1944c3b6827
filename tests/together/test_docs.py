"""The documentation: its examples run, its links lead somewhere, and it leaves nothing out."""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest
from sybil import Sybil
from sybil.parsers.markdown import CodeBlockParser, SkipParser

import aicg

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

    from sybil import Example

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        ROOT / "README.md",
        *ROOT.glob("docs/**/*.md"),
        ROOT / "core" / "README.md",
        *ROOT.glob("plugins/*/README.md"),
    ]
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^( *)(```|~~~).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ +(.+?) *#*$", re.MULTILINE)

each_page = pytest.mark.parametrize(
    "page", [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in PAGES]
)


def run_python(example: Example) -> None:
    """Run a block; one that awaits outside any function runs in a loop of its own."""
    source = "\n" * (example.line + example.parsed.line_offset) + example.parsed
    code = compile(source, example.path, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if code.co_flags & inspect.CO_COROUTINE:
        anyio.run(partial(finish, code, example.namespace))
    else:
        exec(code, example.namespace)


async def finish(code: CodeType, namespace: dict[str, Any]) -> None:
    await eval(code, namespace)


def read_toml(example: Example) -> None:
    """Read a block; one that is a config has to be a right one."""
    tables = tomllib.loads(example.parsed)
    if tables.keys() <= attrs.fields_dict(aicg.Config).keys():
        aicg.Config.from_dict(tables, environ={"GROQ_API_KEY": "any"})


def prose_of(page: Path) -> str:
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def anchors_of(page: Path) -> Iterator[str]:
    for heading in HEADING.findall(prose_of(page)):
        plain = re.sub(r"[^\w\- ]", "", LINK.sub("", heading).lower())
        yield plain.replace(" ", "-")


@pytest.fixture
def clean_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of its own, and no key that an example could spend."""
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@each_page
@pytest.mark.usefixtures("clean_place")
def test_the_examples_of_a_page_run_one_after_the_other(page: Path) -> None:
    python = CodeBlockParser("python", run_python)
    toml = CodeBlockParser("toml", read_toml)

    document = Sybil([python, toml, SkipParser()]).parse(page)

    for example in document.examples():
        example.evaluate()


@each_page
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(prose_of(page)) if "://" not in link]

    dead = []
    for link in links:
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            dead.append(link)

    assert not dead


def test_every_public_name_is_in_the_documentation() -> None:
    text = "".join([page.read_text(encoding="utf-8") for page in ROOT.glob("docs/**/*.md")])
    named = set(re.findall(r"`(?:aicg\.)?(\w+)", text))

    missing = set(aicg.__all__) - named

    assert not missing


def test_the_checks_run_as_the_readme_says() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    command = next(line.strip() for line in script.splitlines() if "-m venv" in line)

    assert command in (ROOT / "README.md").read_text(encoding="utf-8")

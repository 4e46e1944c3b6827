"""What `import aicg` gives: names that are documented, and nothing that is slow to load."""

from __future__ import annotations

import ast
import importlib.metadata
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

import aicg
import aicg.testing

ROOT: Final = Path(__file__).parents[2]
FACES: Final = sorted(
    [*ROOT.glob("core/src/aicg/**/__init__.py"), *ROOT.glob("plugins/*/src/*/__init__.py")]
)
SLOW: Final = [
    "aiohttp",
    "anthropic",
    "asyncio",
    "cattrs",
    "genai_prices",
    "httpx",
    "httpx2",
    "hypothesis",
    "importlib.metadata",
    "jinja2",
    "openai",
    "pydantic",
    "pytest",
    "requests",
    "rich",
    "tiktoken",
    "tomli_w",
    "tomllib",
    "trio",
    "typer",
]


def in_a_fresh_python(program: str, *flags: str) -> Any:
    """Run a program that prints JSON, and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", *flags, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("path", FACES, ids=lambda path: path.parent.name)
def test_an_init_file_holds_imports_and_sorted_names_only(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "it says in a line what the package is"

    *imports, last = tree.body[1:]

    assert all(isinstance(node, ast.Import | ast.ImportFrom) for node in imports)
    assert isinstance(last, ast.Assign)
    assert ast.unparse(last.targets[0]) == "__all__"
    names = ast.literal_eval(last.value)
    imported = {alias.asname or alias.name for node in imports for alias in names_of(node)}
    assert names == sorted(names, key=sort_key), "ruff sorts it: ruff check --fix"
    assert len(set(names)) == len(names)
    assert set(names) == imported - {"annotations", "__getattr__"}


def names_of(node: ast.stmt) -> list[ast.alias]:
    assert isinstance(node, ast.Import | ast.ImportFrom)
    return node.names


def sort_key(name: str) -> tuple[int, str]:
    # As ruff sorts: constants, classes, then the others.
    kind = 0 if name.isupper() else 1 if name[:1].isupper() else 2
    return kind, name


@pytest.mark.parametrize("name", sorted({*aicg.__all__, *aicg.testing.__all__}))
def test_a_public_name_is_documented(name: str) -> None:
    value = getattr(aicg, name, None) or getattr(aicg.testing, name)
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        return

    assert inspect.getdoc(value), name
    assert (inspect.getdoc(value) or "").splitlines()[0].endswith((".", ":", "`", ")")), name


@pytest.mark.parametrize(
    "kind", [getattr(aicg, name) for name in aicg.__all__ if inspect.isclass(getattr(aicg, name))]
)
def test_every_public_method_is_documented(kind: type[object]) -> None:
    undocumented = [
        name
        for name, member in vars(kind).items()
        if not name.startswith("_")
        and (inspect.isroutine(member) or isinstance(member, property | classmethod | staticmethod))
        and not inspect.getdoc(member)
    ]

    assert undocumented == []


def test_the_version_is_that_of_the_metadata() -> None:
    assert aicg.__version__ == importlib.metadata.version("aicg")


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'aicg' has no attribute 'Sesion'"):
        getattr(aicg, "Sesion")  # noqa: B009 - mypy knows that there is none


def test_importing_aicg_loads_nothing_slow() -> None:
    loaded = in_a_fresh_python("import sys, json, aicg; print(json.dumps(list(sys.modules)))")

    assert [name for name in SLOW if name in loaded] == []
    assert not [name for name in loaded if name.startswith("aicg_")]
    assert "aicg.testing" not in loaded


def test_importing_aicg_opens_no_connection_and_no_file_to_write() -> None:
    program = """
import json, os, sys

seen = []

def audit(event, arguments):
    writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if writes or event.startswith(("socket.", "subprocess.", "os.system")):
        seen.append(event)

sys.addaudithook(audit)
import aicg
print(json.dumps(seen))
"""

    assert in_a_fresh_python(program, "-B") == []


def test_a_kernel_without_plugins_needs_no_metadata_to_be_read() -> None:
    program = """
import json, sys, aicg
aicg.Kernel(aicg.Config(), autoload=False)
print(json.dumps(list(sys.modules)))
"""

    assert "importlib.metadata" not in in_a_fresh_python(program)

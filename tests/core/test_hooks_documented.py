"""Every hook has a docstring, a place in docs/hooks.md, and a test that implements it."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Final

import pytest

from aicg import hookspecs

ROOT: Final = Path(__file__).parents[2]
HOOKS: Final = sorted(name for name in vars(hookspecs) if name.startswith("aicg_"))
FAMILIES: Final = ("Register", "Act", "Watch")


def test_there_are_hooks_of_every_family() -> None:
    families = {str(getattr(hookspecs, name).__doc__).partition(":")[0] for name in HOOKS}
    families = {family.partition(",")[0] for family in families}

    assert families == set(FAMILIES)


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_has_a_docstring_that_begins_with_its_family(name: str) -> None:
    doc = inspect.getdoc(getattr(hookspecs, name)) or ""
    family = doc.partition(":")[0].partition(",")[0]

    assert family in FAMILIES, f"{name} must say first whether it registers, acts or watches"
    assert (name in hookspecs.ACT_HOOKS) is (family == "Act")
    assert (name in hookspecs.WATCH_HOOKS) is (family == "Watch")


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_is_described_in_the_documentation(name: str) -> None:
    page = ROOT / "docs" / "hooks.md"
    assert page.exists(), "docs/hooks.md is missing; it describes every hook"

    section = re.search(
        rf"^#{{2,3}} `?{name}\b.*?\n(.*?)(?=^#{{1,3}} |\Z)",
        page.read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )

    assert section, f"docs/hooks.md has no heading for {name}: add `## {name}` or ## `{name}`"
    assert section[1].strip(), f"docs/hooks.md says nothing of {name}"


def test_no_hook_is_described_that_there_is_not() -> None:
    text = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")

    described = set(re.findall(r"^#{2,3} `?(aicg_\w+)", text, re.MULTILINE))

    assert described <= set(HOOKS)


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_is_implemented_by_a_test_of_the_kernel(name: str) -> None:
    implementation = re.compile(rf"@aicg\.hookimpl.*\n\s*(async )?def {name}\(")
    tests = Path(__file__).parent.rglob("test_*.py")

    found = [path for path in tests if implementation.search(path.read_text(encoding="utf-8"))]

    assert found, f"no test in tests/core implements {name}"

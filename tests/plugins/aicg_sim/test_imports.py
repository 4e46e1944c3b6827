"""Importing aicg-sim is cheap: the engine, the server and typer wait until they are needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

LATE = [
    "aicg_sim.cli",
    "aicg_sim.engine",
    "aicg_sim.knowledge",
    "aicg_sim.schemas",
    "aicg_sim.wire",
    "jsonschema_rs",
    "tomllib",
    "typer",
]


@pytest.mark.parametrize("module", ["aicg_sim", "aicg_sim.plugin"])
def test_an_import_loads_little(module: str) -> None:
    program = (
        "import sys, aicg; before = set(sys.modules); "
        f"import {module}; print(*sorted(set(sys.modules) - before))"
    )

    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    ).stdout.split()

    assert module in loaded
    assert not set(LATE) & set(loaded)
    assert len(loaded) <= 8, loaded

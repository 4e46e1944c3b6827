"""How long the imports take."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from figures import Figure, alternating

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = "import time; begun = time.perf_counter(); {}; print(time.perf_counter() - begun)"


def seconds(statement: str) -> float:
    command = [sys.executable, "-c", PROGRAM.format(statement)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure() -> Iterator[Figure]:
    modules = sorted({entry.module for entry in entry_points(group="aicg")})
    together = f"import aicg, {', '.join(modules)}"
    kernel, everything, sdk = alternating(
        9,
        lambda: seconds("import aicg"),
        lambda: seconds(together),
        lambda: seconds("import openai"),
    )
    yield Figure("import aicg", kernel * 1e3, "ms")
    yield Figure(f"import aicg and {len(modules)} plugins", everything * 1e3, "ms", 150)
    yield Figure("import openai", sdk * 1e3, "ms")
    yield Figure("import aicg / import openai", kernel / sdk, "", 0.25)

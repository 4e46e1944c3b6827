from __future__ import annotations

import pytest

from aicg.testing import LoggerContract
from aicg_console import Console, ConsoleSettings


class TestConsole(LoggerContract):
    @pytest.fixture(autouse=True)
    def _captured(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.so_far = ""

    def logger(self) -> Console:
        return Console(ConsoleSettings(level="debug"))

    def written(self) -> str:
        self.so_far += self.capsys.readouterr().err
        return self.so_far

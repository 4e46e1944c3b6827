"""`aicg sim serve`, as a program and as a command that aicg-cli mounts."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from typing import Any

import pytest

import aicg
from aicg_sim import plugin

pytest.importorskip("typer", reason="aicg-sim[serve] is not installed")

PROGRAM = [sys.executable, "-c", "from aicg_sim.cli import app; app(prog_name='aicg sim')"]


def test_the_command_is_announced_without_loading_it() -> None:
    (command,) = plugin.aicg_commands()

    assert command.name == "sim"
    assert command.help
    assert callable(command.load())


def serving(*arguments: str) -> tuple[subprocess.Popen[str], str]:
    """Start the server, and return it with its address."""
    process = subprocess.Popen(
        [*PROGRAM, "serve", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("listening at http://127.0.0.1:"), process.communicate()
    return process, line.split()[2]


def completed(url: str) -> Any:
    body = {"model": "tutor", "messages": [{"role": "user", "content": "Hello!"}]}
    headers = {"authorization": "Bearer any"}
    request = urllib.request.Request(
        f"{url}/v1/chat/completions", json.dumps(body).encode(), headers
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_stopped_and_ends_cleanly(stop: signal.Signals) -> None:
    process, url = serving("--faults", "ok", "--fault", "429:1", "--retry-after", "0.5")
    answer = completed(url)
    with pytest.raises(urllib.error.HTTPError) as caught:
        completed(url)
    caught.value.close()

    process.send_signal(stop)
    output, errors = process.communicate(timeout=20)

    assert answer["choices"][0]["message"]["content"].startswith("Hello!")
    assert caught.value.code == 429
    assert caught.value.headers["retry-after-ms"] == "500"
    assert process.returncode == 0
    assert "2 requests" in output
    assert errors == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "0.0.0.0"], "loopback"),
        (["--fault", "flood:0.1"], "there is no fault 'flood'"),
        (["--speed", "0"], "tokens_per_s"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(arguments: list[str], message: str) -> None:
    from aicg_sim.cli import app

    with pytest.raises(aicg.ConfigurationError, match=message):
        app(["serve", *arguments], standalone_mode=False)

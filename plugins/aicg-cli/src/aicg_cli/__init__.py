"""The command `aicg`: chat with any model under a budget, and run what plugins add."""

from aicg_cli.app import app, main

__all__ = ["app", "main"]

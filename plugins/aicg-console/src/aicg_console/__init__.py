"""What aicg does, one readable line at a time on stderr."""

from aicg_console.console import Console, ConsoleSettings

__all__ = ["Console", "ConsoleSettings"]

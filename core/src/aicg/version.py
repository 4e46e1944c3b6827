"""The kernel's version, read from its metadata when it is asked for."""

from __future__ import annotations


def __getattr__(name: str) -> str:
    if name != "__version__":
        raise AttributeError(f"module 'aicg' has no attribute {name!r}")
    from importlib.metadata import version

    return version("aicg")

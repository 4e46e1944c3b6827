"""Answers to JSON schemas: whatever schema is sent, a value that satisfies it."""

from aicg_sim.schemas.check import conforms
from aicg_sim.schemas.fill import Filler
from aicg_sim.schemas.resolve import UnsatisfiableError

__all__ = ["Filler", "UnsatisfiableError", "conforms"]

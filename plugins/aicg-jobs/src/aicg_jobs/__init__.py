"""`aicg run`: many files generated from one job file, under one budget."""

from aicg_jobs import hooks

__all__ = ["hooks"]

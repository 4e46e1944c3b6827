"""The configuration: where it comes from, what it holds, and what is wrong with it."""

from __future__ import annotations

from aicg.config.secret import Secret
from aicg.config.settings import (
    BudgetSettings,
    Config,
    KernelSettings,
    LoggingSettings,
    ModelSettings,
    Section,
    SessionSettings,
    amend_settings,
    read_settings,
)
from aicg.config.sources import find_config_file, write_config

__all__ = [
    "BudgetSettings",
    "Config",
    "KernelSettings",
    "LoggingSettings",
    "ModelSettings",
    "Secret",
    "Section",
    "SessionSettings",
    "amend_settings",
    "find_config_file",
    "read_settings",
    "write_config",
]

"""Plugins: found by entry points, loaded late, put in quarantine when broken; and their hooks."""

from __future__ import annotations

from aicg.plugins.discovery import Candidate, discover
from aicg.plugins.dispatch import ActHooks, Order, WatchHooks
from aicg.plugins.registry import PluginInfo, PluginRegistry, PluginWarning

__all__ = [
    "ActHooks",
    "Candidate",
    "Order",
    "PluginInfo",
    "PluginRegistry",
    "PluginWarning",
    "WatchHooks",
    "discover",
]

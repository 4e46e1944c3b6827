"""A simulated provider: course text, JSON, tools, prices and faults, with no network and no key."""

from __future__ import annotations

from aicg_sim.faults import FaultPlan
from aicg_sim.provider import SimProvider
from aicg_sim.server import SimServer
from aicg_sim.settings import SimSettings

__all__ = ["FaultPlan", "SimProvider", "SimServer", "SimSettings"]

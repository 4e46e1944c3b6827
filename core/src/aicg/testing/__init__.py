"""What plugin authors test with: fakes, a kernel of their own, and contracts to subclass.

Installed with `pip install aicg[testing]`; the kernel itself never imports it.
"""

from __future__ import annotations

from aicg.testing.addons import AddonContract
from aicg.testing.clock import FakeClock
from aicg.testing.ledgers import LedgerContract, LedgerMachine
from aicg.testing.loggers import LoggerContract
from aicg.testing.provider import FAKE_PRICE, Delay, FakeProvider, Hang, make_kernel
from aicg.testing.providers import ProviderContract
from aicg.testing.validators import ValidatorContract

__all__ = [
    "FAKE_PRICE",
    "AddonContract",
    "Delay",
    "FakeClock",
    "FakeProvider",
    "Hang",
    "LedgerContract",
    "LedgerMachine",
    "LoggerContract",
    "ProviderContract",
    "ValidatorContract",
    "make_kernel",
]

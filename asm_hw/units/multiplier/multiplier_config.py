"""Parameters of unit ``multiplier``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from asm_hw.units.operands_config import DatapathConfig


@dataclass(frozen=True, kw_only=True)
class MultiplierConfig(DatapathConfig):
    """Unit ``multiplier``: ``p = value(w) * x``, combinational."""

    unit: ClassVar[str] = "multiplier"
    port_meanings: ClassVar[Mapping[str, str]] = {
        "x": "activation",
        "w": "weight code",
        "p": "product of the two values",
    }
    latency: ClassVar[int] = 0

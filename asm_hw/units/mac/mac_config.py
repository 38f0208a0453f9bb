"""Parameters of unit ``mac``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from asm_hw.units.operands_config import AccumulatingConfig


@dataclass(frozen=True, kw_only=True)
class MacConfig(AccumulatingConfig):
    """Unit ``mac``: one multiply-accumulate a cycle."""

    unit: ClassVar[str] = "mac"
    port_meanings: ClassVar[Mapping[str, str]] = {
        "en": "take the operands on this edge",
        "clear": "start a new sum with this product; ignored without en",
        "x": "activation",
        "w": "weight code",
        "acc": "accumulator",
    }

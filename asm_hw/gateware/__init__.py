"""Amaranth components, and the one table that says which component is which unit."""

from collections.abc import Callable
from typing import Any

from amaranth.lib import wiring

from ..config import MultiplierConfig
from .bitline import Bitline
from .dot import Dot
from .mac import Mac
from .multiplier import Multiplier
from .near_memory import NearMemory
from .vn_array import VnArray
from .vn_scalar import VnScalar

COMPONENTS: dict[str, Callable[[Any], wiring.Component]] = {
    "multiplier": Multiplier,
    "mac": Mac,
    "dot": Dot,
    "near_memory": NearMemory,
    "bitline": Bitline,
    "vn_scalar": VnScalar,
    "vn_array": VnArray,
}

_MEMORIES = {"near_memory": "memory", "vn_scalar": "memory", "vn_array": "memory", "bitline": "array"}


def make_component(config: MultiplierConfig) -> wiring.Component:
    """The component of ``config.unit``."""
    return COMPONENTS[config.unit](config)


def memory_module(config: MultiplierConfig, top: str) -> str | None:
    """The module of the emitted ``top`` that holds the unit's memory or bit cells; None where it has none."""
    memory = _MEMORIES.get(config.unit)
    return memory and f"{top}_{memory}"

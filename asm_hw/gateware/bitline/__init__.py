"""Unit ``bitline``: an array of bit cells that computes on its bit lines."""

from amaranth.lib import wiring

from ...config import BitlineConfig
from .serial import SerialBitline
from .unit import Bitline


def make_bitline(config: BitlineConfig) -> wiring.Component:
    """The array, or its bit-serial counterpart."""
    return SerialBitline(config) if config.arithmetic == "exact" else Bitline(config)

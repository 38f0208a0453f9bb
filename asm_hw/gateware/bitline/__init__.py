"""Unit ``bitline``: an array of bit cells that computes on its bit lines."""

from .unit import Bitline, make_core

__all__ = ["Bitline", "make_core"]

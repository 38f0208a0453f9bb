"""The integer reference: what every RTL result, every converted layer and every figure is judged by."""

from .arithmetic import dot, fit, mac, multiply, requantize
from .bitline import BitlineModel
from .linear import conv2d, matvec
from .near_memory import near_memory

__all__ = ["BitlineModel", "conv2d", "dot", "fit", "mac", "matvec", "multiply", "near_memory", "requantize"]

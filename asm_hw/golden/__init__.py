"""The integer reference: what every RTL result, every converted layer and every figure is judged by."""

from .arithmetic import dot, fit, mac, multiply, requantize
from .linear import conv2d, matvec
from .pooling import max_pool, sum_pool
from .rounding import finest_shift, half_of

__all__ = [
    "conv2d", "dot", "finest_shift", "fit", "half_of", "mac", "matvec", "max_pool", "multiply", "requantize",
    "sum_pool",
]  # fmt: skip

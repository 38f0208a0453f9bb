"""The integer reference: what every RTL result, every converted layer and every figure is judged by."""

from .exact_linear import conv2d, matvec
from .exact_requantize import is_channels_last
from .integer_arithmetic import dot, fit, look_up, mac, multiply, requantize
from .matrix_product import requantized_product
from .pools import max_pool, sum_pool
from .rounding import finest_shift, half_of

__all__ = [
    "conv2d", "dot", "finest_shift", "fit", "half_of", "is_channels_last", "look_up", "mac", "matvec", "max_pool",
    "multiply", "requantize", "requantized_product", "sum_pool",
]  # fmt: skip

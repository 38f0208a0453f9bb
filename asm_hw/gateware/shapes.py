"""Amaranth shapes of operands, from their formats: each is said once, here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from amaranth.hdl import Shape, signed, unsigned
from amaranth.lib import data

from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.formats.weight_format import WeightFormat
from asm_hw.numbers.bit_fields import Field


def struct_of(fields: Iterable[Field]) -> data.StructLayout:
    """The struct whose members sit where ``fields`` says."""
    return data.StructLayout({field.name: field.width for field in fields})


def activation_shape(activation: ActivationFormat) -> Shape:
    """A decoded activation."""
    return Shape(activation.bits, activation.signed)


def multiple_shape(x: Shape, multiple: int) -> Shape:
    """``multiple * x``."""
    return Shape(x.width + (multiple - 1).bit_length(), x.signed)


def weight_shape(weight: WeightFormat) -> Any:
    """A decoded weight, as a weight register holds it: see ``weight.form``."""
    if weight.arithmetic != "asm" and not weight.digits:
        return signed(weight.bits) if weight.arithmetic == "exact" else unsigned(1)
    return struct_of(weight.form_fields)

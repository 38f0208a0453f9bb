"""Amaranth shapes of operands, from a configuration: each is said once, here."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Shape, signed, unsigned
from amaranth.lib import data

from ..config import MultiplierConfig
from ..encoding import Field


def layout(fields: tuple[Field, ...]) -> data.StructLayout:
    """The struct whose members sit where ``fields`` says."""
    return data.StructLayout({field.name: field.width for field in fields})


def x_shape(config: MultiplierConfig) -> Shape:
    """A decoded activation."""
    return Shape(config.act_bits, config.act_signed)


def multiple_shape(x: Shape, multiple: int) -> Shape:
    """``multiple * x``."""
    return Shape(x.width + (multiple - 1).bit_length(), x.signed)


def weight_shape(config: MultiplierConfig) -> Any:
    """A decoded weight, as a weight register holds it: see ``config.weight_form``."""
    if config.arithmetic != "asm" and config.weight_form == "binary":
        return signed(config.weight_bits) if config.arithmetic == "exact" else unsigned(1)
    return layout(config.form_fields)

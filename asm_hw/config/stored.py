"""What units with a memory of their own have in common: its rows, and outputs that are requantized."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

from ..encoding import bits_for, join_fields, place_fields
from ..errors import ParameterError, check_choice
from .accumulating import MacConfig
from .requantize import RequantizeConfig

MEMORIES = ("inferred", "macro")


def sram_module(words: int, bits: int) -> str:
    """The name of the module behind a memory's macro boundary."""
    return f"asm_hw_sram_{words}x{bits}"


class StoredConfig(MacConfig):
    """A memory of ``depth`` rows that holds packed codes and requantize parameters, and what reads it.

    Adds no parameters: the units name the four below, each in its own order.
    """

    layout: ClassVar[str]
    """What stands where in the memory, for the manifest."""

    depth: int
    memory: str
    out_bits: int
    out_signed: bool

    def __post_init__(self) -> None:
        check_choice("memory", self.memory, MEMORIES)
        super().__post_init__()
        if self.weight_code != "packed":
            raise ParameterError(f"weight_code {self.weight_code!r} must be packed: so the weight memory holds them")
        assert self.requantize  # whose parameters are checked like all others

    @cached_property
    def requantize(self) -> RequantizeConfig:
        """The unit behind the accumulators."""
        return RequantizeConfig(
            alphabets=self.alphabets, act_bits=self.acc_width, out_bits=self.out_bits, out_signed=self.out_signed
        )

    @property
    def row_bits(self) -> int:
        """Bits of a memory row."""
        raise NotImplementedError

    @property
    def memory_bits(self) -> int:
        """Bits that one access to the memory moves: a row, unless rows come over a bus."""
        return self.row_bits

    @property
    def least_depth(self) -> int:
        """Rows without which the memory holds nothing that the unit could compute."""
        raise NotImplementedError

    @property
    def most_inputs(self) -> int:
        """Terms of the longest sum whose weights fit the memory, beside one set of requantize parameters."""
        raise NotImplementedError

    @property
    def row_address_bits(self) -> int:
        """Bits of a row's address."""
        return max(1, bits_for(self.depth))

    @property
    def rows_a_channel(self) -> int:
        """Memory rows that one output's requantize parameters take."""
        return -(-sum(field.width for field in self.requantize.fields) // self.row_bits)

    @property
    def access_fields(self) -> dict[str, int]:
        """Widths of the parts of an access from outside, in units that are read from outside."""
        return {"write": 1, "address": self.row_address_bits, "data": self.memory_bits}

    def access_word(self, write: int, address: int, data: int = 0) -> int:
        """An access as the payload of its stream."""
        parts = {"write": write, "address": address, "data": data}
        return join_fields(place_fields(self.access_fields.items()), parts)

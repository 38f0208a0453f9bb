"""What units with a memory of their own have in common: its rows, and outputs that are requantized."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Any, ClassVar

from asm_hw.errors import ParameterError
from asm_hw.formats.requantize_format import OUT_BITS, RequantizeFormat
from asm_hw.numbers.bit_fields import fields_width, join_fields, place_fields
from asm_hw.numbers.integers import ceil_div, ceil_log2

from .operands_config import AccumulatingConfig
from .parameters import choice, flag, integer
from .unit_config import describe_fields

DEPTH = (2, 1 << 16)


def depth_field(default: int) -> Any:
    """``depth`` of the units with a memory."""
    return integer(default, DEPTH, "Rows of the memory")


def memory_field() -> Any:
    """``memory``: rows in the unit's own Verilog, or a macro beside it."""
    return choice("inferred", ("inferred", "macro"), "The memory")


def out_bits_field() -> Any:
    """``out_bits`` of the units that requantize."""
    return integer(8, OUT_BITS, "Bits of a requantized output")


def out_signed_field() -> Any:
    """``out_signed`` of the units that requantize."""
    return flag(False, "1 if requantized outputs are signed")


def bus_bits_field() -> Any:
    """``bus_bits`` of the units whose memory is reached over a bus."""
    return integer(32, (8, 512), "Bits of a word of the memory")


class MemoryConfig(AccumulatingConfig):
    """A memory of ``depth`` rows that holds packed codes and requantize parameters, and what reads it.

    Adds no parameters: the units name the four below, each in its own order.
    """

    memory_instance: ClassVar[str | None] = "memory"
    heaps: ClassVar[tuple[str, ...]] = ("greedy",)
    memory_map: ClassVar[str]
    """What stands where in the memory, for the manifest."""

    depth: int
    memory: str
    out_bits: int
    out_signed: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weight_code != "packed":
            raise ParameterError(f"weight_code {self.weight_code!r} must be packed: so the weight memory holds them")
        _ = self.requantize  # whose parameters are checked like all others

    @cached_property
    def requantize(self) -> RequantizeFormat:
        """What follows the accumulators."""
        return RequantizeFormat(self.weight.alphabets, self.accumulator.bits, self.out_bits, self.out_signed)

    @property
    @abstractmethod
    def row_bits(self) -> int:
        """Bits of a memory row."""

    @property
    def memory_bits(self) -> int:
        """Bits that one access to the memory moves: a row, unless rows come over a bus."""
        return self.row_bits

    @property
    @abstractmethod
    def min_depth(self) -> int:
        """Rows without which the memory holds nothing that the unit could compute."""

    @property
    @abstractmethod
    def max_inputs(self) -> int:
        """Terms of the longest sum whose weights fit the memory, beside one set of requantize parameters."""

    @property
    def memory_shape(self) -> tuple[int, int]:
        return self.depth, self.memory_bits

    @property
    def row_address_bits(self) -> int:
        """Bits of a row's address."""
        return max(1, ceil_log2(self.depth))

    @property
    def rows_per_channel(self) -> int:
        """Memory rows that one output's requantize parameters take."""
        return ceil_div(fields_width(self.requantize.fields), self.row_bits)

    @property
    def access_fields(self) -> dict[str, int]:
        """Widths of the parts of an access from outside, in units that are read from outside."""
        return {"write": 1, "address": self.row_address_bits, "data": self.memory_bits}

    def access_word(self, write: int, address: int, data: int = 0) -> int:
        """An access as the payload of its stream."""
        parts = {"write": write, "address": address, "data": data}
        return join_fields(place_fields(self.access_fields.items()), parts)

    def _baseline_parameters(self, arithmetic: str) -> dict[str, Any]:
        """The memory is deeper if the codes need that."""
        own = super()._baseline_parameters(arithmetic) | self._baseline_words()
        # A configuration that is too shallow cannot be made: ``min_depth`` is asked of the deepest one.
        deepest = type(self)(**self.parameters | own | {"depth": DEPTH[1]})
        return own | {"depth": max(self.depth, deepest.min_depth)}

    def _baseline_words(self) -> dict[str, Any]:
        """What differs in the words of a baseline's memory."""
        return {}

    def _output_word(self) -> str:
        """Results in a slug."""
        return f"{'os' if self.out_signed else 'o'}{self.out_bits}"

    def _memory_words(self) -> list[str]:
        """The alphabets of requantize multipliers, where nothing else says them, and the memory, in a slug."""
        words = [] if self.arithmetic == "asm" else ["m" + "_".join(map(str, self.alphabets))]
        return words if self.memory == "inferred" else [*words, self.memory]

    @property
    def description(self) -> dict[str, Any]:
        """The memory, and how sums are requantized."""
        low, high = self.requantize.out_range
        return {
            "memory": {"rows": self.depth, "bits": self.memory_bits, "layout": self.memory_map},
            "requantize": {
                "function": "clamp((acc * scale + bias + (1 << shift - 1)) >> shift), shift 0 adds nothing;"
                " bias in two's complement",
                "low": low,
                "high": high,
                "fields": describe_fields(self.requantize.fields),
                "rows": self.rows_per_channel,
                "scale": _describe_scale(self.requantize),
            },
        }


def _describe_scale(requantize: RequantizeFormat) -> dict[str, Any]:
    levels = requantize.scale.levels
    return {
        "width": levels.packed_bits,
        "fields": describe_fields(levels.packed_fields),
        "digits": [[value << digit.position for value in digit.values] for digit in levels.digits],
    }

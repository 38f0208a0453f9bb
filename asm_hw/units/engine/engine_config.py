"""Parameters of unit ``engine``: a whole network on columns of lanes behind window registers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

from asm_hw.errors import ParameterError
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.formats.product_format import ProductFormat
from asm_hw.formats.requantize_format import RequantizeFormat
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.numbers.integers import ceil_div, ceil_log2
from asm_hw.numbers.level_code import ACT_BITS
from asm_hw.units.memory_config import memory_field
from asm_hw.units.operands_config import TERMS, AccumulatingConfig
from asm_hw.units.parameters import choice, integer
from asm_hw.units.unit_config import Memories

from .engine_ports import INTERRUPT_WAIVER, PORT_MEANINGS, TABLE_PORTS
from .engine_records import PROGRAM_BITS, SKIP_BITS, TABLE_ENTRIES, EngineRecords
from .engine_stages import MAX_TABLE_STAGES, EngineStages
from .program_header import HEADER_ROWS

TAPS = (1, 3, 9)
ROWS, SIDES = 3, 2
"""Banks of a segment: three of rows times two of columns, so that six neighbouring words lie in banks of their own."""
BANKS = ROWS * SIDES

QUARTET = 4
"""Bits by which sums are moved: digits of weights and of activations are worth powers of it."""
SHELL: Mapping[str, Any] = {"control": "ports", "memory": "inferred"}
"""Parameters of what stands around the engine, with which programs have nothing to do, and their defaults."""
ADDED: Mapping[str, Any] = {**SHELL, "tables": 0}
"""Parameters that engines did not always have, and their defaults."""


@dataclass(frozen=True, kw_only=True)
class EngineConfig(EngineStages, AccumulatingConfig):
    """Unit ``engine``: ``columns`` sums of ``lanes`` products a cycle, over windows of stored tensors.

    ``lanes`` are ``taps`` words of ``lanes / taps`` channels (``group``). Tensors lie channel-innermost in activation
    memory: ``segments`` that can each be read or written in a cycle, of six banks with ``bank_rows`` words. A wider
    number takes several turns: a tile's sum is shifted by digits of ``act_bits`` or quartets of the weight on its way
    into the accumulators, of which each column has ``hold``. ``act_alphabets``: what outputs can be encoded on; they
    are stored as numbers, and lanes take any. ``tables``: functions that results can go through instead, of which each
    column keeps a copy.
    """

    unit: ClassVar[str] = "engine"
    baseline_names: ClassVar[tuple[str, ...]] = ("exact",)
    mapped_once: ClassVar[tuple[str, ...]] = ("column", "output_pipe")
    port_meanings: ClassVar[Mapping[str, str]] = PORT_MEANINGS

    act_bits: int = integer(4, ACT_BITS, "Activation bits")
    terms: int = integer(1 << 16, TERMS, "Products that an auto accumulator must hold")
    structure: str = choice("greedy", ("heap", "greedy", "tree"), "How products are added")
    lanes: int = integer(72, (1, 1024), "Products a column adds in a cycle")
    columns: int = integer(16, (1, 256), "Sums side by side")
    taps: int = integer(9, (1, 9), "Words of a window: 9 of three rows and columns, 3 of a row, 1")
    stages: int = integer(1, (1, 4), "Registers within the sum of the lanes")
    accumulators: str = choice("registers", ("registers", "memory"), "What holds the accumulators of a column")
    hold: int = integer(64, (8, 1024), "Pixels that a tile of weights is held for")
    segments: int = integer(8, (2, 64), "Segments of the activation memory")
    bank_rows: int = integer(256, (8, 1 << 16), "Words of a bank of a segment")
    weight_rows: int = integer(8192, (2, 1 << 20), "Rows of the weight memory")
    program_rows: int = integer(512, (2, 1 << 16), "Rows of the program memory")
    tables: int = integer(0, (0, 64), "Tables of 256 entries of 8 bits, in which outputs are looked up")
    memory: str = memory_field()
    control: str = choice("ports", ("ports", "axi_lite"), "Start and status: ports, or registers behind AXI4-Lite")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.taps not in TAPS:
            raise ParameterError(f"taps must be one of {', '.join(map(str, TAPS))}, not {self.taps}")
        if self.lanes % self.taps:
            raise ParameterError(f"lanes must be a multiple of taps ({self.taps}), not {self.lanes}")
        if self.columns % self.group or self.columns // self.group > ROWS:
            allowed = ", ".join(str(n * self.group) for n in (1, 2, 3)) + " (words of lanes / taps)"
            raise ParameterError(f"columns must be whole words of {self.group} channels, {allowed}, not {self.columns}")
        if self.act_bits not in (QUARTET, 2 * QUARTET):
            raise ParameterError(f"act_bits of unit {self.unit} must be 4 or 8, not {self.act_bits}")
        if self.act_signed:
            raise ParameterError("act_signed must be left out: an engine stores offsets, of signed tensors too")
        for name in ("segments", "bank_rows"):
            value = getattr(self, name)
            if value & value - 1:
                raise ParameterError(f"{name} must be a power of two, not {value}")
        if self.columns < self.records.tile_rows:
            raise ParameterError(
                f"columns must be at least {self.records.tile_rows}, rows of a tile's record, not {self.columns}"
            )
        tiles, program = self.beat_words + 1, HEADER_ROWS + 2 * self.records.layer_rows
        least = {"weight_rows": tiles * self.columns + 2 * self.records.parameter_rows}
        least["program_rows"] = program + tiles * self.records.tile_rows
        for name, rows in least.items():
            if getattr(self, name) < rows:
                raise ParameterError(
                    f"{name} must be at least {rows}, what two of the smallest layers take on this array,"
                    f" not {getattr(self, name)}"
                )
        if self.tables and self.stages > MAX_TABLE_STAGES:
            raise ParameterError(
                f"stages must be at most {MAX_TABLE_STAGES} in an engine with tables, not {self.stages}"
            )
        if self.overflow != "wrap":
            raise ParameterError(f"overflow must be wrap in an engine, not {self.overflow!r}")

    @cached_property
    def activation(self) -> ActivationFormat:
        """A digit of a stored number."""
        return ActivationFormat(self.act_bits)

    def encoded(self, bits: int, signed: bool = False) -> ActivationFormat:
        """Outputs of so many bits that are encoded, where ``act_alphabets`` are given."""
        alphabets = self.act_alphabets
        return ActivationFormat(bits, signed, None if alphabets is None else AlphabetSet.of(alphabets))

    @property
    def meanings(self) -> Mapping[str, str]:
        return {**self.port_meanings, **(TABLE_PORTS if self.tables else {})}

    @property
    def array_shape(self) -> tuple[int, int]:
        return self.columns, self.lanes

    @property
    def parameters(self) -> dict[str, Any]:
        """Those of `ADDED` where they are not the default: of manifests and programs from before nothing changes."""
        return {name: value for name, value in super().parameters.items() if (name, value) not in ADDED.items()}

    @property
    def core(self) -> Self:
        """The engine without registers and macros: what runs programs, which are the same for any `SHELL`."""
        return replace(self, **SHELL)

    @property
    def memories(self) -> Mapping[str, Memories]:
        return {
            "bank": Memories(self.bank_rows, self.word_bits, BANKS * self.segments),
            "weights_memory": Memories(self.weight_rows, self.row_bits),
            "program_memory": Memories(self.program_rows, PROGRAM_BITS),
        }

    def design_points(self, thorough: bool = True) -> list[Self]:
        """Few forms of weights, in the structure that was asked for: an engine takes minutes to map."""
        return [replace(self, weight_form=form) for form in self.few_forms]

    @property
    def own_files(self) -> Mapping[str, str]:
        if self.control == "ports":
            return {}
        from .engine_registers import RDL_FILE, engine_rdl  # which would bring Amaranth to every reader of a program

        return {RDL_FILE: engine_rdl()}

    @property
    def own_waivers(self) -> str:
        return "" if self.control == "ports" else INTERRUPT_WAIVER

    @property
    def latency(self) -> int:  # type: ignore[override]
        """Cycles from the issue of a step to its output in memory."""
        return self.last_stage

    @property
    def group(self) -> int:
        """Channels of a word."""
        return self.lanes // self.taps

    @property
    def window_rows(self) -> int:
        """Rows of a window: 3 of 9 taps, else 1."""
        return 3 if self.taps == 9 else 1

    @property
    def word_bits(self) -> int:
        """Bits of a word of activation memory."""
        return self.group * self.act_bits

    @property
    def beat_words(self) -> int:
        """Words of a plane that the columns of one pixel fill."""
        return self.columns // self.group

    @property
    def planes(self) -> int:
        """Digits of a stored tensor that are read or written at once: those of `SKIP_BITS`."""
        return min(SIDES, ceil_div(SKIP_BITS, self.act_bits))

    @property
    def skip_bits(self) -> int:
        """Bits of a stored value that joins the sums."""
        return self.planes * self.act_bits

    @property
    def address_bits(self) -> int:
        """Bits of the address of a word within its bank, the segment above."""
        return ceil_log2(self.segments * self.bank_rows)

    @property
    def row_bits(self) -> int:
        """Bits of a row of weight memory: one column's lanes."""
        return self.lanes * self.weight.code_bits

    @cached_property
    def requantize(self) -> RequantizeFormat:
        """What follows the accumulators; outputs are unsigned, as they are stored."""
        return RequantizeFormat(self.weight.alphabets, self.accumulator.bits, min(32, self.accumulator.bits))

    @property
    def skip_product(self) -> ProductFormat:
        """The multiplier of the tensor that joins."""
        return ProductFormat(self.requantize.scale, ActivationFormat(self.skip_bits))

    @cached_property
    def records(self) -> EngineRecords:
        """The words of a program."""
        return EngineRecords(self)

    @property
    def can_stream(self) -> bool:
        """Whether the weight memory can be a ring, for weights that arrive while a program runs."""
        return self.weight_rows & self.weight_rows - 1 == 0

    @property
    def host_address_bits(self) -> int:
        """Bits of the address of a word of activations, its bank the lowest three."""
        return self.address_bits + 3

    @property
    def entry_address_bits(self) -> int:
        """Bits of the address of an entry, its table above; 0 without tables."""
        return ceil_log2(self.tables * TABLE_ENTRIES) if self.tables else 0

    @property
    def access_fields(self) -> dict[str, int]:
        """Widths of what the host writes: a memory, an address, and a row."""
        rows = max(self.program_rows, self.weight_rows)
        address = max(ceil_log2(rows), self.host_address_bits, self.entry_address_bits)
        return {"target": 2, "address": address, "data": max(PROGRAM_BITS, self.row_bits, self.word_bits)}

    def _slug_words(self) -> list[str]:
        words = [*super()._slug_words(), f"l{self.lanes}", f"t{self.taps}", f"c{self.columns}", f"h{self.hold}"]
        words += [f"g{self.stages}"] * (self.stages > 1) + ["m"] * (self.accumulators == "memory")
        words += [f"f{self.tables}x256"] * (self.tables > 0)
        words += [f"s{self.segments}x{self.bank_rows}", f"d{self.weight_rows}", f"p{self.program_rows}"]
        return words + [value for name, default in SHELL.items() if (value := getattr(self, name)) != default]

"""Engines to choose from: arrays, memories as small as a network allows, and bounds that need no program."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from torch import Tensor

from asm_hw.errors import ParameterError
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.integer_node import INPUT
from asm_hw.numbers.integers import ceil_div
from asm_hw.units.engine.engine_config import BANKS, ROWS, TAPS, EngineConfig
from asm_hw.units.engine.engine_records import PROGRAM_BITS, SKIP_BITS
from asm_hw.units.engine.program_header import HEADER_ROWS
from asm_hw.units.parameters import parameters_of

from .area_model import WEIGHT_BANK, engine_areas_um2
from .compile_network import lowered
from .engine_program import EngineProgram
from .products import Product
from .tensor_layout import TensorLayout
from .tiling import needed_passes

CHOSEN = ("lanes", "taps", "columns", "hold", "segments", "bank_rows", "weight_rows", "program_rows")
"""What is chosen, but for what the user fixes."""
GROUPS = (4, 8, 16, 32)
HOLDS = (16, 32, 64, 128)
SEGMENTS = (2, 4, 8, 16)
MANY_SEGMENTS = (*SEGMENTS, 32, 64)
"""Where rows of a bank are fixed."""
BANK_ROWS = tuple(1 << n for n in range(4, 15))
ROOMS = 3
"""Powers of two of addresses that are tried, from the least that may do."""
DEFAULT = (8, 256)
"""Segments and rows of a bank of the default engine, whose energies are known: tried wherever they may do."""
AMPLE = {"segments": 64, "bank_rows": 4096, "weight_rows": 1 << 20, "program_rows": 1 << 16}
"""Memories that nothing waits for: they show what an array can reach."""
LEAST_MACRO = 64
"""Rows of the smallest macro. Memories of weights and programs are whole ones of it, larger ones whole banks."""
Fixed = Mapping[str, Any]
Size = tuple[float, ...]


def arrays(fixed: Fixed) -> list[EngineConfig]:
    """Engines of all arrays that have what is ``fixed``, with ample memories.

    Raises `ParameterError` for a fixed value that is not allowed, and where none can be built as the last one does.
    """
    for name, value in fixed.items():
        parameters_of(EngineConfig)[name].check(value)
    found, refused = [], None
    for taps, hold in product(_given(fixed, "taps", TAPS), _given(fixed, "hold", HOLDS)):
        for group, columns in _widths(fixed.get("columns")):
            array = {"lanes": group * taps, "taps": taps, "columns": columns, "hold": hold}
            try:
                found.append(EngineConfig(**{**AMPLE, **fixed, **array}))
            except ParameterError as error:
                refused = error
    if not found and refused is not None:
        raise refused
    return found


def _given(fixed: Fixed, name: str, several: tuple[int, ...]) -> tuple[int, ...]:
    return (fixed[name],) if name in fixed else several


def _widths(columns: int | None) -> list[tuple[int, int]]:
    """(channels of a word, columns): whole words."""
    if columns is None:
        return [(group, words * group) for group in GROUPS for words in range(1, ROWS + 1)]
    return [(columns // words, columns) for words in range(1, ROWS + 1) if columns % words == 0]


def with_activations(config: EngineConfig, fixed: Fixed, addresses: int) -> list[EngineConfig]:
    """Engines like ``config`` with an activation memory of at least so many ``addresses``, the least first."""
    segments = _given(fixed, "segments", MANY_SEGMENTS if "bank_rows" in fixed else SEGMENTS)
    shapes = list(product(segments, _given(fixed, "bank_rows", BANK_ROWS)))
    least = 1 << (addresses - 1).bit_length()
    most = least << ROOMS - 1
    chosen = [(s, rows) for s, rows in shapes if least <= s * rows and (s * rows <= most or (s, rows) == DEFAULT)]
    # What is fixed may be too small, or larger than what is tried: then compiling says so, or it is that.
    chosen = chosen or [min(shapes, key=lambda shape: abs(shape[0] * shape[1] - least))]
    return [replace(config, segments=s, bank_rows=rows) for s, rows in sorted(chosen, key=math.prod)]


def with_rows(config: EngineConfig, fixed: Fixed, weight_rows: int, program_rows: int) -> EngineConfig:
    """An engine like ``config`` with so many rows of weights and of the program, in whole macros; fixed ones stay."""
    wanted = {"weight_rows": weight_rows, "program_rows": program_rows}
    rows: dict[str, Any] = {name: _whole(many) for name, many in wanted.items() if name not in fixed}
    with suppress(ParameterError):
        return replace(config, **rows)
    for name, many in rows.items():  # an engine has at least rows for two small layers, and at most ample ones
        config = _with_least(config, name, many)
    return config


def _whole(rows: int) -> int:
    step = LEAST_MACRO if rows <= WEIGHT_BANK else WEIGHT_BANK
    return ceil_div(rows, step) * step


def _with_least(config: EngineConfig, name: str, rows: int) -> EngineConfig:
    most = getattr(config, name)
    while rows < most:
        given: dict[str, Any] = {name: rows}
        with suppress(ParameterError):
            return replace(config, **given)
        rows = _whole(rows + 1)
    return config


@dataclass(frozen=True)
class Needs:
    """What a network asks of any engine, before it is compiled."""

    products: tuple[Product, ...]
    formats: Mapping[str, ActivationFormat]
    _places: dict[int, list[list[int]]] = field(default_factory=dict)
    """By columns, product and pass."""

    @classmethod
    def of(cls, network: IntegerNetwork, act_bits: int) -> Needs:
        """Of ``network`` on lanes of so many ``act_bits``."""
        return cls(tuple(lowered(network, act_bits)[0]), network.formats)

    def _tiles(self, config: EngineConfig) -> list[list[int]]:
        """By product and pass, tiles that it takes at least: each place of a weight that is not 0 is in one of them."""
        columns = config.columns
        if columns not in self._places:
            self._places[columns] = [_places_of(one.weight, columns) for one in self.products]
        return [[ceil_div(places, config.lanes) for places in product] for product in self._places[columns]]

    def cycles(self, config: EngineConfig) -> int:
        """Cycles that it takes at least: tiles meet all pixels."""
        pixels = [one.out_size[0] * one.out_size[1] for one in self.products]
        return sum(many * sum(tiles) for many, tiles in zip(pixels, self._tiles(config), strict=True))

    def rows(self, config: EngineConfig) -> tuple[int, int]:
        """Rows of weights and of the program that it takes at least."""
        passes = [many for tiles in self._tiles(config) for many in tiles]
        weights = sum(passes) * config.columns + len(passes) * config.records.parameter_rows
        return weights, HEADER_ROWS + len(self.products) * (config.records.layer_rows + config.records.tile_rows)

    def addresses(self, config: EngineConfig) -> int:
        """Addresses of activation memory that it takes at least: a layer's source and outputs lie side by side."""
        sizes: dict[str, int] = {INPUT: 0}  # it may lie in other forms
        most = 1
        for one in self.products:
            channels, stored = one.weight.shape[0], self.formats[one.target]
            layout = TensorLayout(
                config, (channels, *one.out_size), stored, needed_passes(config, channels) * config.beat_words
            )
            # Wider ones are stored in the bits that they can need.
            sizes[one.target] = layout.size if stored.bits <= SKIP_BITS else 0
            most = max(most, sizes.get(one.source, 0) + sizes[one.target])
        return most


def _places_of(weight: Tensor, columns: int) -> list[int]:
    """By pass of so many outputs, the inputs and places of a kernel at which some weight is not 0."""
    return [int((outputs != 0).any(dim=0).sum()) for outputs in weight.split(columns)]


def _tiles_of(program: EngineProgram) -> int:
    """Records of tiles in a program: what rows of layers leave."""
    records = program.config.records
    return (len(program.program) - len(program.layers) * records.layer_rows) // records.tile_rows


def rows_with(config: EngineConfig, program: EngineProgram) -> tuple[int, int]:
    """Rows of weights and of the program that ``program`` takes on ``config``, which has other memories."""
    records = config.records
    program_rows = len(program.layers) * records.layer_rows + _tiles_of(program) * records.tile_rows
    return len(program.weights), HEADER_ROWS + program_rows


def saved_cycles(config: EngineConfig, program: EngineProgram) -> int:
    """Cycles that ``config`` may save beside ``program``, whose engine has ample memories: its records are shorter."""
    return HEADER_ROWS + len(program.program) - rows_with(config, program)[1]


def size_of(config: EngineConfig) -> Size:
    """What engines are ordered by: their area; where that is not known, products a cycle, accumulators, memory."""
    areas = engine_areas_um2(config)
    if areas is not None:
        return (sum(areas.values()),)
    bits = config.segments * config.bank_rows * BANKS * config.word_bits
    bits += config.weight_rows * config.row_bits + config.program_rows * PROGRAM_BITS
    return config.lanes * config.columns, config.columns * config.hold, bits

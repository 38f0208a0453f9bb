"""Named configurations that rtl, sim, synth, docs and CI loop over."""

from __future__ import annotations

from typing import Any

from asm_hw.units.bitline.bitline_config import BitlineConfig
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.units.engine.engine_config import EngineConfig
from asm_hw.units.mac.mac_config import MacConfig
from asm_hw.units.multiplier.multiplier_config import MultiplierConfig
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig
from asm_hw.units.vn_array.vn_array_config import VnArrayConfig
from asm_hw.units.vn_scalar.vn_scalar_config import VnScalarConfig

from .unit_config import UnitConfig

_ALL = (1, 3, 5, 7, 9, 11, 13, 15)

_BASE = (
    # Combinational multipliers: every alphabet set of interest, every digit split.
    MultiplierConfig(alphabets=(1,), weight_bits=3),
    MultiplierConfig(alphabets=(1,), weight_bits=4),
    MultiplierConfig(alphabets=(1,), weight_bits=5),
    MultiplierConfig(alphabets=(1,), weight_bits=8),
    MultiplierConfig(alphabets=(1, 3), weight_bits=5, act_bits=4),
    MultiplierConfig(alphabets=(1, 3), weight_bits=5),
    MultiplierConfig(alphabets=(1, 3), weight_bits=5, act_signed=True),
    MultiplierConfig(alphabets=(1, 3), weight_bits=8, act_bits=12, act_signed=True),
    MultiplierConfig(alphabets=(1, 5), weight_bits=5),
    MultiplierConfig(alphabets=(1, 11), weight_bits=5, weight_code="fields"),
    MultiplierConfig(alphabets=(1, 3, 7), weight_bits=8),
    MultiplierConfig(alphabets=(1, 3, 5, 7), weight_bits=8),
    MultiplierConfig(alphabets=(1, 3, 5, 7), weight_bits=12, act_bits=12, act_signed=True),
    MultiplierConfig(alphabets=_ALL, weight_bits=8),
    MultiplierConfig(alphabets=_ALL, weight_bits=12, weight_code="fields"),
    MultiplierConfig(alphabets=(1,), weight_bits=5, act_bits=4, act_alphabets=(1,)),
    MultiplierConfig(alphabets=(1,), weight_bits=8, act_bits=8, act_signed=True, act_alphabets=(1,)),
    MultiplierConfig(alphabets=(1, 3), weight_bits=5, act_bits=4, act_alphabets=(1, 3)),
    MultiplierConfig(alphabets=(1, 3), weight_bits=8, act_bits=8, act_signed=True, act_alphabets=(1, 3)),
    # Digits of one bit, and the ends of the ranges.
    MultiplierConfig(alphabets=(1,), weight_bits=2, act_bits=1),
    MultiplierConfig(alphabets=(1, 3), weight_bits=6, weight_code="fields"),
    MultiplierConfig(alphabets=(1,), weight_bits=10, act_bits=5, act_alphabets=(1,)),
    MultiplierConfig(alphabets=(1, 3), weight_bits=14, structure="tree"),
    MultiplierConfig(alphabets=(1, 3), weight_bits=16, act_bits=16, act_signed=True, structure="plain"),
    # Multiply-accumulate: code storages, narrow accumulators, both overflow rules.
    MacConfig(alphabets=(1,), weight_bits=5),
    MacConfig(alphabets=(1, 3), weight_bits=5),
    MacConfig(alphabets=(1, 3), weight_bits=5, weight_code="fields"),
    MacConfig(alphabets=(1, 3), weight_bits=4, act_bits=4),
    MacConfig(alphabets=(1, 5), weight_bits=4, act_signed=True),
    MacConfig(alphabets=(1, 3, 7), weight_bits=5, act_signed=True, acc_bits=14),
    MacConfig(alphabets=(1, 3), weight_bits=5, act_signed=True, acc_bits=14, overflow="saturate"),
    MacConfig(alphabets=(1, 3, 5, 7), weight_bits=8, act_bits=12),
    MacConfig(alphabets=_ALL, weight_bits=8, act_signed=True),
    MacConfig(alphabets=(1,), weight_bits=5, act_bits=4, act_alphabets=(1,)),
    MacConfig(alphabets=(1, 3), weight_bits=5, act_bits=8, act_alphabets=(1, 3), act_signed=True),
    MacConfig(alphabets=(1,), weight_bits=6, act_bits=5, act_alphabets=(1,)),
    # ... structures of adders and forms of the decoded weight.
    MacConfig(alphabets=(1, 3), weight_bits=8, act_signed=True, structure="carry_save"),
    MacConfig(alphabets=(1, 3), weight_bits=8, act_bits=7, structure="greedy"),
    MacConfig(alphabets=(1,), weight_bits=6, act_bits=7, structure="wallace"),
    MacConfig(alphabets=(1, 3), weight_bits=8, structure="tree", acc_bits=16, overflow="saturate"),
    MacConfig(alphabets=(1,), weight_bits=5, act_signed=True, structure="plain"),
    MacConfig(alphabets=(1,), weight_bits=8, weight_form="binary"),
    MacConfig(alphabets=(1, 3, 7), weight_bits=6, act_signed=True, weight_form="one_hot"),
    # Dot products: held and streaming weights, one and several columns.
    DotConfig(alphabets=(1,), weight_bits=5),
    DotConfig(alphabets=(1, 3), weight_bits=5),
    DotConfig(alphabets=(1, 3), weight_bits=5, columns=4),
    DotConfig(alphabets=(1, 3), weight_bits=3, lanes=4, columns=2, act_bits=4, acc_bits=8, overflow="saturate"),
    DotConfig(alphabets=(1, 3, 5, 7), weight_bits=8, lanes=4, act_signed=True),
    DotConfig(alphabets=(1, 3, 7), weight_bits=5, lanes=1, weight_code="fields"),
    DotConfig(alphabets=(1,), weight_bits=5, lanes=8, act_bits=4, act_alphabets=(1,)),
    DotConfig(alphabets=(1,), weight_bits=4, lanes=3, columns=3, act_bits=4, act_signed=True, acc_bits=10),
    DotConfig(alphabets=(1,), weight_bits=6, lanes=2, columns=2, act_bits=5, act_signed=True, act_alphabets=(1,)),
    # ... structures of adders and forms of the decoded weight.
    DotConfig(alphabets=(1, 3), weight_bits=5, lanes=3, columns=2, act_signed=True, structure="carry_save"),
    DotConfig(alphabets=(1,), weight_bits=8, lanes=5, structure="tree"),
    DotConfig(alphabets=(1,), weight_bits=5, lanes=6, act_signed=True, structure="greedy"),
    DotConfig(alphabets=(1, 3), weight_bits=5, lanes=4, columns=2, structure="wallace", stages=1),
    DotConfig(alphabets=(1, 3), weight_bits=5, lanes=2, structure="plain", acc_bits=15, overflow="saturate"),
    DotConfig(alphabets=(1,), weight_bits=5, lanes=4, columns=2, weight_form="binary"),
    DotConfig(alphabets=(1, 3), weight_bits=10, lanes=3, act_signed=True, weight_form="one_hot"),
    # ... weights decoded beforehand, and used where they are.
    MacConfig(alphabets=(1, 3), weight_bits=6, weight_code="decoded"),
    DotConfig(alphabets=(1,), weight_bits=5, lanes=4, weight_code="decoded", weight_registers=False),
    DotConfig(alphabets=(1, 3), weight_bits=5, lanes=2, columns=2, act_signed=True, weight_registers=False),
)

_EXACT = (
    # The best exact designs: recoded beforehand or not, every structure, odd and even widths.
    MultiplierConfig(arithmetic="exact", weight_bits=7, act_signed=True, weight_form="booth"),
    MacConfig(arithmetic="exact", weight_bits=5, act_signed=True, weight_form="booth"),
    MacConfig(arithmetic="exact", weight_bits=4, weight_form="booth", structure="carry_save"),
    MacConfig(arithmetic="exact", weight_bits=5, structure="plain"),
    MacConfig(arithmetic="exact", weight_bits=6, act_bits=6, weight_form="booth", structure="greedy"),
    MacConfig(arithmetic="exact", weight_bits=5, act_alphabets=(1, 3)),
    MultiplierConfig(arithmetic="exact", weight_bits=8, act_bits=8, act_alphabets=(1,), act_signed=True),
    MacConfig(arithmetic="exact", weight_bits=8, act_bits=4, act_alphabets=(1,), structure="tree"),
    DotConfig(arithmetic="exact", weight_bits=5, lanes=4, columns=2, act_signed=True, weight_form="booth"),
    DotConfig(arithmetic="exact", weight_bits=8, lanes=4, columns=2, act_bits=4, act_alphabets=(1,)),
    DotConfig(arithmetic="exact", weight_bits=6, lanes=3, act_bits=5, act_alphabets=(1,), act_signed=True),
    DotConfig(arithmetic="exact", weight_bits=5, lanes=3, weight_form="booth", weight_code="decoded"),
    DotConfig(arithmetic="exact", weight_bits=4, lanes=3, act_signed=True, structure="carry_save"),
    # ... digits of every width, sums of two lanes' activations (an odd number of lanes, too), a sum in a register.
    MacConfig(arithmetic="exact", weight_bits=7, act_bits=6, act_signed=True, weight_form="1_u2_1_3"),
    MacConfig(arithmetic="exact", weight_bits=6, act_bits=5, weight_form="3_2_1", structure="wallace"),
    DotConfig(arithmetic="exact", weight_bits=5, lanes=3, columns=2, weight_form="1_2_2", structure="wallace"),
    DotConfig(arithmetic="exact", weight_bits=4, lanes=2, act_bits=4, weight_form="u2_2", weight_code="decoded"),
    DotConfig(arithmetic="exact", weight_bits=3, lanes=5, columns=2, act_bits=6, act_signed=True, weight_form="pairs"),
    DotConfig(arithmetic="exact", weight_bits=4, lanes=4, weight_form="pairs", weight_code="decoded", stages=1),
    DotConfig(arithmetic="exact", weight_bits=8, lanes=3, structure="tree"),
    DotConfig(arithmetic="exact", weight_bits=4, lanes=2, act_signed=True, structure="plain"),
    DotConfig(arithmetic="bare", lanes=3, act_bits=5, act_alphabets=(1,), structure="carry_save"),
)

_NEAR_MEMORY = (
    # One accumulator and several, one column and several, rows narrower and wider than a channel's parameters.
    NearMemoryConfig(alphabets=(1,), weight_bits=5, lanes=16, columns=2, hold=8, depth=32),
    NearMemoryConfig(alphabets=(1, 3), weight_bits=5, lanes=4, columns=4, hold=6, depth=64, outputs=2),
    NearMemoryConfig(alphabets=(1,), weight_bits=5, act_signed=True, lanes=3, columns=1, hold=1, depth=20,
                     out_signed=True),
    NearMemoryConfig(alphabets=(1,), weight_bits=5, lanes=8, columns=2, hold=5, depth=30, act_bits=4,
                     act_alphabets=(1,)),
    NearMemoryConfig(
        alphabets=(1, 3), weight_bits=8, act_signed=True, lanes=2, columns=3, hold=4, depth=48, out_bits=16,
        out_signed=True, acc_bits=14, overflow="saturate", structure="tree",
    ),
    NearMemoryConfig(
        alphabets=(1, 3, 7), weight_bits=5, act_bits=6, lanes=5, columns=3, hold=3, depth=40, outputs=1, memory="macro"
    ),
    NearMemoryConfig(arithmetic="exact", weight_bits=5, weight_form="booth", lanes=16, columns=2, hold=8, depth=32),
    NearMemoryConfig(arithmetic="exact", weight_bits=8, act_bits=4, lanes=4, columns=2, hold=4, depth=32,
                     act_signed=True),
    NearMemoryConfig(arithmetic="bare", lanes=16, columns=2, hold=2, depth=64, out_bits=1),
)  # fmt: skip

_VON_NEUMANN = (
    # Four operands to a word; codes of two widths; words that operands do not fill; a word for each operand.
    VnScalarConfig(arithmetic="exact", weight_bits=8, depth=64),
    VnScalarConfig(alphabets=(1,), weight_bits=5, depth=64),
    VnScalarConfig(
        alphabets=(1, 3), weight_bits=8, act_bits=12, act_signed=True, bus_bits=16, depth=96, out_bits=12,
        out_signed=True, memory="macro",
    ),
    VnScalarConfig(
        alphabets=(1,), weight_bits=5, act_bits=4, act_alphabets=(1,), bus_bits=8, depth=96, out_bits=5, acc_bits=10,
        overflow="saturate",
    ),
    # Rows and beats of one word and of several, outputs by one column and by all.
    VnArrayConfig(alphabets=(1,), weight_bits=5, lanes=4, columns=2, hold=3, depth=128),
    VnArrayConfig(arithmetic="exact", weight_bits=8, lanes=2, columns=2, hold=2, depth=128, bus_bits=8),
    VnArrayConfig(
        alphabets=(1, 3), weight_bits=5, act_signed=True, lanes=3, columns=2, hold=2, depth=160, outputs=1, out_bits=12,
        out_signed=True, bus_bits=10, acc_bits=12, overflow="saturate", memory="macro",
    ),
)  # fmt: skip

_BASELINES = tuple(
    config.baseline(arithmetic)
    for config in (
        MultiplierConfig(alphabets=(1, 3), weight_bits=5),
        MacConfig(alphabets=(1, 3), weight_bits=5, act_signed=True),
        DotConfig(alphabets=(1, 3), weight_bits=5),
    )
    for arithmetic in ("exact", "bare")
)

_BITLINE = (
    # Alphabets, word widths, signs, gaps between shifts; {1} on both sides; the bit-serial baseline.
    BitlineConfig(alphabets=(1,), rows=32, cols=32),
    BitlineConfig(alphabets=(1,), weight_bits=4, act_bits=4, rows=8, cols=12, word_bits=6, acc_bits=12, counter_bits=8),
    BitlineConfig(alphabets=(1, 3), rows=24, cols=40),
    BitlineConfig(alphabets=(1,), weight_bits=2, act_bits=4, act_signed=True, rows=8, cols=12),
    BitlineConfig(alphabets=(1, 3), weight_bits=10, act_signed=True, rows=16, cols=24, word_bits=12),
    BitlineConfig(alphabets=_ALL, weight_bits=9, rows=40, cols=36, acc_bits=18),
    BitlineConfig(alphabets=(1, 11), weight_bits=5, act_bits=5, rows=8, cols=18, counter_bits=0),
    BitlineConfig(alphabets=(1,), act_bits=4, act_alphabets=(1,), rows=16, cols=24),
    BitlineConfig(alphabets=(1,), weight_bits=8, act_signed=True, act_alphabets=(1,), rows=12, cols=28),
    BitlineConfig(arithmetic="exact", weight_bits=4, act_bits=4, acc_bits=10, rows=64, cols=8),
    BitlineConfig(arithmetic="exact", weight_bits=5, act_bits=8, acc_bits=16, rows=96, cols=12, counter_bits=0),
)

_SMALL_ENGINE: dict[str, Any] = {"hold": 8, "segments": 2, "bank_rows": 8, "program_rows": 64}
_ENGINE = (
    # Windows of three rows and of one, points; digits of four bits and of eight; encoded outputs; the exact twin.
    EngineConfig(alphabets=(1,), lanes=9, taps=9, columns=2, weight_rows=64, **_SMALL_ENGINE),
    EngineConfig(
        alphabets=(1, 3), act_bits=8, act_alphabets=(1,), lanes=6, taps=3, columns=2, weight_rows=64, **_SMALL_ENGINE
    ),
    EngineConfig(arithmetic="exact", lanes=4, taps=1, columns=4, weight_rows=64, **_SMALL_ENGINE),
    # ... registers behind AXI4-Lite, memories behind macro boundaries.
    EngineConfig(
        alphabets=(1,), lanes=6, taps=3, columns=2, weight_rows=64, control="axi_lite", memory="macro", **_SMALL_ENGINE
    ),
)

CATALOG: dict[str, UnitConfig] = {
    config.slug: config for config in (*_BASE, *_EXACT, *_NEAR_MEMORY, *_BITLINE, *_VON_NEUMANN, *_BASELINES, *_ENGINE)
}
"""Every row by its slug."""

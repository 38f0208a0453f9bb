"""The dot products that `ppa.py` measures: designs, clocks, operand streams, and the lines of the plots."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from asm_hw.numbers.alphabets import MAX_ALPHABET
from asm_hw.numbers.weight_digits import booth_form
from asm_hw.ppa.activity.operand_streams import WEIGHTS, StreamOptions
from asm_hw.units.dot.dot_config import DotConfig

CLOCKS_MHZ = {"sg13g2": 100.0, "sky130hd": 80.0, "asap7": 600.0}
STREAM = StreamOptions(stream="half_normal", cycles=300)
SEEDS = 3
"""Streams of a figure, which is their mean; the design point is chosen in the first."""
STREAMS = tuple(replace(STREAM, weights=weights) for weights in WEIGHTS)
SERIES_STREAM = replace(STREAM, cycles=150)
LARGE_STREAM = replace(STREAM, cycles=150)
ALL = tuple(range(1, MAX_ALPHABET + 1, 2))


def _dot(**parameters: Any) -> DotConfig:
    common = {"lanes": 16, "act_bits": 8, "acc_bits": 24, "weight_code": "decoded", "weight_registers": False}
    return DotConfig(**{**common, **parameters})


def _exact(bits: int, **parameters: Any) -> DotConfig:
    return _dot(arithmetic="exact", weight_bits=bits, **parameters)


def _recoded(bits: int, **parameters: Any) -> DotConfig:
    return _exact(bits, weight_form=booth_form(bits), **parameters)


DESIGNS = {
    "exact W=4": _exact(4),
    "exact W=5": _exact(5),
    "exact W=8": _exact(8),
    "{1} W=5": _dot(alphabets=(1,), weight_bits=5),
    "{1,3} W=5": _dot(alphabets=(1, 3), weight_bits=5),
    "W=8 shifted by an activation on {1}, A=4": _exact(8, act_bits=4, act_alphabets=(1,)),
    "bare": _dot(arithmetic="bare"),
    "exact W=4 A=4": _exact(4, act_bits=4),
    "{1} W=5 A=4": _dot(alphabets=(1,), weight_bits=5, act_bits=4),
}
"""Measured in every technology."""

FURTHER = {
    "exact W=4, 4 columns": _exact(4, columns=4),
    "{1,3} W=5, 4 columns on one bank": _dot(alphabets=(1, 3), weight_bits=5, columns=4),
    "exact W=2": _exact(2),
    "{1} W=2 (-1, 0, 1)": _dot(alphabets=(1,), weight_bits=2),
    "exact W=3": _exact(3),
    "{1} W=3": _dot(alphabets=(1,), weight_bits=3),
    "exact W=4 A=8 signed": _exact(4, act_signed=True),
    "{1} W=5 A=8 signed": _dot(alphabets=(1,), weight_bits=5, act_signed=True),
}
"""Measured in the first technology."""

LARGE = {
    f"{name}, {lanes} lanes": replace(DESIGNS[name], lanes=lanes)
    for lanes, names in (
        (72, ("exact W=4 A=4", "{1} W=5 A=4")),
        (144, ("exact W=4 A=4", "{1} W=5 A=4", "exact W=4", "exact W=5", "exact W=8", "{1} W=5")),
    )
    for name in names
}
"""Columns of the engine's shapes: built as their likes of 16 lanes that take least, in the first technology."""

RATIOS = (
    *(("{1} W=5", other) for other in ("exact W=4", "exact W=5", "exact W=8", "bare")),
    ("{1} W=5 A=4", "exact W=4 A=4"),
    *(("{1,3} W=5", other) for other in ("exact W=4", "exact W=5")),
)
"""Rows of the table that say how designs compare."""
FURTHER_RATIOS = (
    *(("{1,3} W=5, 4 columns on one bank", other) for other in ("exact W=4, 4 columns", "exact W=5", "exact W=8")),
    ("{1} W=2 (-1, 0, 1)", "exact W=2"),
    ("{1} W=3", "exact W=3"),
    ("{1} W=5 A=8 signed", "exact W=4 A=8 signed"),
    *((f"{{1}} W=5 A=4, {lanes} lanes", f"exact W=4 A=4, {lanes} lanes") for lanes in (72, 144)),
    *(("{1} W=5, 144 lanes", f"exact W={bits}, 144 lanes") for bits in (4, 5, 8)),
)

SERIES: dict[str, dict[str, list[tuple[str, DotConfig]]]] = {
    "alphabets": {
        f"W={bits}": [(str(len(a)), _dot(alphabets=a, weight_bits=bits)) for a in ((1,), (1, 3), (1, 3, 5, 7), ALL)]
        for bits in (5, 8)
    },
    "weight bits": {
        "{1}": [(str(bits), _dot(alphabets=(1,), weight_bits=bits)) for bits in range(3, 9)],
        "{1,3}": [(str(bits), _dot(alphabets=(1, 3), weight_bits=bits)) for bits in range(3, 9)],
        "exact": [(str(bits), _recoded(bits)) for bits in range(3, 9)],
    },
    "lanes": {
        "{1} W=5": [(str(lanes), _dot(alphabets=(1,), weight_bits=5, lanes=lanes)) for lanes in (4, 8, 16, 32)],
        "exact W=5": [(str(lanes), _recoded(5, lanes=lanes)) for lanes in (4, 8, 16, 32)],
        "bare": [(str(lanes), _dot(arithmetic="bare", lanes=lanes)) for lanes in (4, 8, 16, 32)],
    },
}
"""Designs of the plots, by what varies and by line: each built in one way, ``SERIES_POINT``."""
SERIES_POINT = {"structure": "wallace", "recipe": "balanced"}

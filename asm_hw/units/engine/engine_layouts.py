"""Amaranth layouts of what the parts of an engine tell one another."""

from __future__ import annotations

from collections.abc import Iterable

from amaranth.hdl import signed
from amaranth.lib import data
from amaranth.utils import bits_for

from asm_hw.gateware.shapes import struct_of

from .engine_config import BANKS, EngineConfig
from .engine_records import COORDINATE, COUNT
from .engine_stages import SWAP_STAGE

PLACES = ("out", "skip", "also")
"""Tensors at the pixels of the outputs: the one that is written, the one that joins, a narrowed copy of the first."""


_RESULT = (
    *("largest", "low", "high", "also_add", "also_shift", "also_low", "also_high"),
    *("encode", "offset", "also_encode", "also_offset"),
    *("look_up", "table"),
)
RAISED = {"also_low_raised": "also_low", "also_high_raised": "also_high"}
"""Limits of a narrowed copy as results meet them, before they are moved down; and the fields that they are made of."""
_PLANES = tuple(f"{name}_{field}" for name in PLACES for field in ("plane", "pair"))


def place_layout(config: EngineConfig) -> data.StructLayout:
    """Where the words of a pixel lie: row and column address, bank numbers, and group modulo 3."""
    a = config.address_bits
    return data.StructLayout({"row": a, "col": a, "m3": 2, "m2": 1, "rest": 2})


def job_layout(config: EngineConfig) -> data.StructLayout:
    """A tile over a block of pixels: all that the issuer needs beside the layer's record."""
    a = config.address_bits
    flags = ("first", "last", "starts_pass", "starts_layer", "ends_layer", "starts_sum", "ends_sum")
    return data.StructLayout(
        {
            "y": signed(COORDINATE), "x": signed(COORDINATE), "row": a, "col": a, "m3": 2, "m2": 1,
            "mask": BANKS, "shift": 3, "pad": 2 * config.act_bits, "height": COUNT, "width": COUNT,
            **dict.fromkeys(flags, 1),
            **{name: place_layout(config) for name in PLACES},
        }
    )  # fmt: skip


def result_layout(config: EngineConfig) -> data.StructLayout:
    """Fields of a layer's record that say what becomes of its sums; limits of a narrowed copy as results meet them too,
    before they are moved down by ``also_shift``."""
    members = _of_layer(config, _RESULT).members
    return data.StructLayout(members | dict.fromkeys(RAISED, config.act_bits + (1 << members["also_shift"]) - 1))


def planes_layout(config: EngineConfig) -> data.StructLayout:
    """Fields of a layer's record that say where a second plane of `PLACES` lies."""
    return _of_layer(config, _PLANES if config.planes > 1 else ())


def _of_layer(config: EngineConfig, names: Iterable[str]) -> data.StructLayout:
    return struct_of(field for field in config.records.layer if field.name in names)


def spot_layout(config: EngineConfig) -> data.StructLayout:
    """Where the first word of a pixel lies: address, bank numbers, and, before others, group modulo 3."""
    rest = {"rest": 2} if config.beat_words > 1 else {}
    return data.StructLayout({"address": config.address_bits, "m3": 2, "m2": 1} | rest)


def request_layout(config: EngineConfig) -> data.StructLayout:
    """Words of a cycle, by slot: slot 2 * i + j lies in the bank (``m3`` + i modulo 3, ``m2`` + i + j modulo 2)."""
    a = config.address_bits
    return data.StructLayout({"enable": BANKS, "address": data.ArrayLayout(a, BANKS), "m3": 2, "m2": 1})


def window_layout() -> data.StructLayout:
    """How the words of a cycle enter the window.

    ``one`` or ``two`` new columns from the right, with ``two`` perhaps padding on the left; or the words of a
    ``point``. ``padded``: slots that take padding instead of a word.
    """
    return data.StructLayout({"one": 1, "two": 1, "left_pad": 1, "point": 1, "padded": BANKS})


def step_layouts(config: EngineConfig) -> list[data.StructLayout]:
    """What follows a step through the stages, by stage: how its words enter the window, and what becomes of its sum.

    A stage has only what it and later ones need.
    """
    swap, finish, last = SWAP_STAGE, config.finish_stage, config.last_stage
    fields = {
        "window": (window_layout(), swap), "pad": (2 * config.act_bits, swap), "swap": (1, swap),
        "add": (1, finish), "entry": (bits_for(config.hold - 1), finish), "clear": (1, finish), "shift": (3, finish),
        "swap_parameters": (1, finish), "finish": (1, finish + 1), "joins": (1, finish),
        "write": (1, last), "also": (1, last), "phase": (4, last), "ends_layer": (1, last),
    }  # fmt: skip
    return [
        data.StructLayout({name: shape for name, (shape, until) in fields.items() if stage <= until})
        for stage in range(last + 1)
    ]


def control_layout(config: EngineConfig) -> data.StructLayout:
    """What the columns take of the steps: each field from the stage in which they need it."""
    gather = step_layouts(config)[config.finish_stage].members
    names = ("add", "entry", "clear", "shift", "finish", "swap_parameters", "joins")
    return data.StructLayout(
        {
            "swap": 1,
            "add": config.stages,
            "gather": data.StructLayout({name: gather[name] for name in names}),
            "finish": 1,
            "phase": gather["phase"], "also": 1,
        }
    )  # fmt: skip

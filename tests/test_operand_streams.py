"""Operand streams: the same real values for a unit and its baselines, rounded to levels."""

from __future__ import annotations

import numpy as np
import pytest

from asm_hw import ParameterError
from asm_hw.ppa.activity.level_rounding import nearest_levels
from asm_hw.ppa.activity.operand_streams import StreamOptions, operands
from asm_hw.ppa.activity.port_stimulus import REGISTERS, STREAMS, check_unit, port_kind
from asm_hw.units.bitline.bitline_config import BitlineConfig
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.units.mac.mac_config import MacConfig
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig


def test_baselines_see_the_same_operands():
    config = DotConfig(alphabets=(1,), columns=2)
    exact = config.baseline("exact")
    for options in (StreamOptions(), StreamOptions(stream="half_normal", weights="streaming", seed=3)):
        ours, theirs = (operands(unit, options, 120) for unit in (config, exact))
        assert (ours.x == theirs.x).all() and ours.x.any()
        assert np.corrcoef(ours.w.ravel(), theirs.w.ravel())[0, 1] > 0.9
        assert set(np.unique(ours.w)) <= {value for _, value in config.weight.table}
        assert (operands(config, options, 120).w == ours.w).all(), "the same seed, the same stream"


def test_weights_are_held_or_streaming():
    held = operands(DotConfig(), StreamOptions(hold=20), 60)
    assert np.flatnonzero(held.load).tolist() == [0, 20, 40]
    assert (np.diff(held.w, axis=0) != 0).any((1, 2)).nonzero()[0].tolist() == [19, 39]
    assert operands(DotConfig(), StreamOptions(weights="streaming"), 60).load.all()


def test_reals_take_the_nearest_level_and_ties_the_smaller():
    reals = np.array([-8.0, -6.0, -3.0, -0.4, 0.5, 3.1, 8.0])
    levels = np.array([-8, -4, -2, -1, 0, 1, 2, 4, 8])
    population = np.repeat([-8.0, -4.0, 0.0, 4.0, 8.0], 100)
    assert nearest_levels(levels, reals, population).tolist() == [-8, -4, -2, 0, 0, 4, 8]


def test_units_are_driven_by_their_ports():
    """Those that hold weights of their own have the ports of a dot product too, and more."""
    assert port_kind(MacConfig) is REGISTERS
    assert port_kind(DotConfig) is STREAMS
    assert port_kind(NearMemoryConfig) is port_kind(BitlineConfig) is None
    with pytest.raises(ParameterError, match="unit must be mac or dot for this measurement of energy, not 'bitline'"):
        check_unit(BitlineConfig())

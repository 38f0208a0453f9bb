"""Matrix products laid out for units with a memory: what no memory holds is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from asm_hw.errors import ParameterError
from asm_hw.units.near_memory.near_memory_config import Block, NearMemoryConfig
from asm_hw.units.near_memory.near_memory_program import program
from asm_hw.units.vn_array.vn_array_config import VnArrayConfig
from asm_hw.units.vn_scalar.vn_scalar_config import VnScalarConfig
from asm_hw.units.von_neumann.word_program import array_program, word_program

SMALL = NearMemoryConfig(alphabets=(1,), lanes=4, columns=2, hold=4, depth=64)
WORD = SMALL.requantize.encode({"scale": 1, "bias": 0, "shift": 0})


def test_weights_that_do_not_fit_are_refused():
    with pytest.raises(ParameterError, match=r"depth must be at least \d+ for 2 x 200 weights, not 64"):
        program(SMALL, [[0] * 200] * 2, [[0] * 200], [0, 0])


@pytest.mark.parametrize(
    ("w", "x", "channels", "sentence"),
    [
        ([[99] * 6] * 2, [[1] * 6], [WORD] * 2, "w must hold codes from 0 to 15, not 99"),
        ([[0] * 6] * 2, [[300] * 6], [WORD] * 2, "x must hold codes from 0 to 255, not 300"),
        ([[0] * 6] * 2, [[1, -1, 1, 1, 1, 1]], [WORD] * 2, "x must hold codes from 0 to 255, not -1"),
        ([[0] * 6] * 2, [[1] * 5], [WORD] * 2, "x must have 6 codes a row, as the first of w, not 5"),
        ([[0] * 6, [0] * 5], [[1] * 6], [WORD] * 2, "w must have 6 codes a row, as the first of w, not 5"),
        ([[0] * 6] * 2, [[1] * 6], [WORD], "channels must be 2, one an output, not 1"),
        ([[0] * 6] * 2, [], [WORD] * 2, "w and x must not be empty, not 2 x 6 weights and 0 vectors"),
    ],
)
def test_what_no_memory_holds_is_refused(w, x, channels, sentence):
    assert SMALL.weight.code_bits == 4
    near, scalar = replace(SMALL, act_bits=8, depth=64), VnScalarConfig(alphabets=SMALL.alphabets, depth=64)
    shared = VnArrayConfig(**near.parameters | {"depth": 256})
    for build, config in ((program, near), (word_program, scalar), (array_program, shared)):
        with pytest.raises(ParameterError) as error:
            build(config, w, x, channels)
        assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("block", "sentence"),
    [
        (Block(0, 0, 1, True), f"tiles of a block must be an integer from 1 to {SMALL.max_tiles}, not 0"),
        (Block(0, 1, 5, True), "vectors of a block must be an integer from 1 to 4, not 5"),
        (Block(64, 1, 1, True), "row must be from 0 to 63, not 64"),
        (Block(-1, 1, 1, True), "row must be from 0 to 63, not -1"),
    ],
)
def test_commands_without_a_meaning_are_refused(block, sentence):
    with pytest.raises(ParameterError) as error:
        SMALL.command_word(block)
    assert str(error.value) == sentence

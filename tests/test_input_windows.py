"""Inputs as windows: those of an independent unfold; programs with them are written and read again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import RandomNetwork

from asm_hw.compiler.compile_network import compile_network
from asm_hw.compiler.folding import InputWindows
from asm_hw.compiler.program_file import from_json, to_json
from asm_hw.errors import ParameterError
from asm_hw.units.engine.engine_config import EngineConfig

PAIR = st.tuples(st.integers(1, 3), st.integers(1, 3))


@settings(max_examples=60, deadline=None)
@given(kernel=PAIR, stride=PAIR, padding=st.tuples(st.integers(0, 2), st.integers(0, 2)), dilation=PAIR)
def test_windows_are_those_of_torch(kernel, stride, padding, dilation):
    shape = (2, 9, 8)
    values = torch.arange(1, 1 + 2 * 9 * 8).reshape(1, *shape)
    expected = torch.nn.functional.unfold(values.double(), kernel, dilation, padding, stride)[0]
    size = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(shape[1:], kernel, stride, padding, dilation, strict=True)
    )
    windows = InputWindows(shape, kernel, stride, padding, dilation, size)
    found = windows.of(values[0].numpy())
    assert found.shape == windows.written_shape
    assert np.array_equal(found.reshape(len(expected), -1), expected.numpy())


def _folded_program():
    """The first random network whose input is written as windows on an engine of single taps."""
    config = EngineConfig(
        alphabets=(1, 3), lanes=4, taps=1, columns=8, hold=16, segments=16, weight_rows=1 << 16, program_rows=1 << 13
    )
    for seed in range(50):
        program = compile_network(RandomNetwork(seed, (1, 3), 4).network(), config)
        if program.windows:
            return program
    raise AssertionError("no network folds its first layer")


def test_a_program_keeps_its_windows(tmp_path):
    program = _folded_program()
    path = tmp_path / "program.json"
    path.write_text(to_json(program))
    again = from_json(path)
    assert again.windows == program.windows
    x = np.random.default_rng(0).integers(*program.tensors["input"].layout.format.range, program.input_shape)
    assert again.input_rows(x) == program.input_rows(x)


def test_windows_that_are_not_the_inputs_are_refused(tmp_path):
    program = _folded_program()
    kernel = program.windows.kernel
    object.__setattr__(program.windows, "kernel", (kernel[0] + 1, kernel[1]))
    path = tmp_path / "program.json"
    path.write_text(to_json(program))
    with pytest.raises(ParameterError, match=r"input_windows must give the input's shape"):
        from_json(path)

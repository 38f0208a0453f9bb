"""Max pools as sums: the same numbers, and no pool left."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asm_hw.compiler.compile_network import compile_network
from asm_hw.compiler.wide_maxima import without_wide_maxima
from asm_hw.errors import ParameterError
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.integer_pools import IntegerMaxPool
from asm_hw.units.engine.engine_config import EngineConfig

sides = st.integers(1, 5)


def pool_network(stored, kernel, stride, padding=(0, 0), ceil_mode=False):
    """A network of one pool over maps of three channels."""
    pool = IntegerMaxPool(name="pool", kernel=kernel, stride=stride, padding=padding, ceil_mode=ceil_mode)
    return IntegerNetwork(
        layers=(pool,), input_shape=(3, 9, 11), input_scale=1.0, output_scale=1.0, input_format=stored
    )


@settings(max_examples=60, deadline=None)
@given(
    stored=st.builds(ActivationFormat, st.integers(5, 8), st.booleans()),
    kernel=st.tuples(sides, sides),
    stride=st.tuples(sides, sides),
    padded=st.booleans(),
    seed=st.integers(0, 1 << 30),
)
def test_sums_are_the_largest(stored, kernel, stride, padded, seed):
    padding = tuple(side // 2 for side in kernel) if padded and not stored.signed else (0, 0)
    network = pool_network(stored, kernel, stride, padding, padded and not stored.signed)
    sums = without_wide_maxima(network, 4)
    assert not any(isinstance(layer, IntegerMaxPool) for layer in sums.layers)
    low, high = stored.range
    x = torch.randint(low, high + 1, (4, *network.input_shape), generator=torch.Generator().manual_seed(seed))
    assert torch.equal(sums(x), network(x))


def test_what_lanes_compare_stays():
    network = pool_network(ActivationFormat(4), (2, 2), (2, 2))
    assert isinstance(without_wide_maxima(network, 4).layers[0], IntegerMaxPool)


def test_signed_pools_with_padding_are_refused_by_name():
    network = pool_network(ActivationFormat(8, True), (3, 3), (2, 2), (1, 1))
    config = EngineConfig(lanes=18, columns=2, hold=8, bank_rows=64)
    with pytest.raises(ParameterError, match=r"layer 'pool' must take the largest .* signed and padded: act_bits 8"):
        compile_network(network, config)

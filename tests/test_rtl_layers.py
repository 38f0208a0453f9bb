"""Layers of a network as products of an array: what a unit cannot take is refused."""

from __future__ import annotations

import pytest
import torch
from tiny_network import draw, tiny, vectors_of

from asm_hw.errors import ParameterError
from asm_hw.network.rtl_layers import near_program, products_of
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig


def test_the_products_of_every_layer_are_its_sums():
    """A grouped convolution is a product each group."""
    counts = []
    for layer, source, size in zip(
        tiny().products, ((2, 7, 5), (4, 4, 3), (6, 3, 3), (5,)), (48, 54, 5, 3), strict=True
    ):
        x = draw(range(64), (3, *source), 9)
        products = products_of(layer, x)
        sums = torch.cat([vectors @ weight.T for weight, vectors in products], 1)
        expected = layer.accumulate(x)
        assert sums.tolist() == vectors_of(expected)
        assert expected.numel() == 3 * size
        counts.append(len(products))
    assert counts == [1, 2, 1, 1]


def test_a_grouped_convolution_is_no_single_product():
    with pytest.raises(ParameterError, match="layer 'grouped' must have 1 group to be one product, not 2"):
        near_program(NearMemoryConfig(), tiny().layers[1], draw(range(256), (1, 4, 4, 3), 9))


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"out_signed": True}, "must give what the unit does, 8-bit signed outputs, not 8-bit unsigned"),
        ({"weight_bits": 3}, "must have weights that unit near_memory_asm_1_3_w3"),
        ({"act_bits": 3}, "must have activations that unit near_memory_asm_1_3_w5_u3"),
        ({"acc_bits": 10}, "acc_bits must be at least 14 for layer 'first', not 10"),
    ],
)
def test_a_layer_of_other_formats_is_refused(parameters, sentence):
    with pytest.raises(ParameterError) as error:
        near_program(NearMemoryConfig(**parameters), tiny().layers[0], draw(range(64), (1, 1, 8, 8), 9))
    assert sentence in str(error.value)

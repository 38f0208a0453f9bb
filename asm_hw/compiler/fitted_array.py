"""The bitline array that a network needs: what its weights, values and sums ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from asm_hw.errors import ParameterError, check_range
from asm_hw.formats.accumulator_format import ACC_BITS
from asm_hw.network.integer_layers import IntegerLayer
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.numbers.integers import signed_bits
from asm_hw.numbers.level_code import ACT_BITS
from asm_hw.units.bitline.bitline_config import BitlineConfig

from .bitline_products import OnArray, array_products, check_asm, digits_of

SIZES_SUMS = ("acc_bits", "terms")
"""Parameters by which accumulators get another width than the least."""
_LEAST_WEIGHT_BITS = 2
"""Of a pool, whose weights are 1."""


def array_for(network: IntegerNetwork, **parameters: Any) -> BitlineConfig:
    """The `BitlineConfig` of these ``parameters``; formats that are not given are as the network needs them."""
    sized = parameters.keys() & SIZES_SUMS
    widest = {} if sized else {"acc_bits": ACC_BITS[1]}
    config = BitlineConfig(**needed_formats(network, parameters) | widest | parameters)
    return config if sized else with_least_sums(config, network, parameters.get("word_bits"))


def needed_formats(network: IntegerNetwork, given: Mapping[str, Any]) -> dict[str, Any]:
    """``alphabets``, ``act_bits`` and ``weight_bits`` of an array that takes the network, beside what is ``given``.

    Where ``act_bits`` are given, wider values lie in several rows of unsigned binary words, and the weights of their
    higher digits are wider. Raises `ParameterError` where no node forms sums, and for the bit-serial array.
    """
    check_asm(given.get("arithmetic") or "asm")
    pairs = zip(network.layers, network.sources, strict=True)
    nodes = [(node, network.formats[sources[0]]) for node, sources in pairs if isinstance(node, OnArray)]
    if not nodes:
        raise ParameterError("network must have a convolution, matrix product or sum pool for a bitline array")
    layers = [node.operands.weight for node, _ in nodes if isinstance(node, IntegerLayer)]
    alphabets = AlphabetSet(tuple({1}.union(*(weight.alphabets for weight in layers))))
    if given.get("act_signed") or given.get("act_alphabets"):
        bits = [stored.bits if stored.levels else signed_bits(*stored.range) for _, stored in nodes]
        weight_bits = max((weight.bits for weight in layers), default=_LEAST_WEIGHT_BITS)
        return {"alphabets": alphabets, "act_bits": max(bits), "weight_bits": weight_bits}
    act_bits = given.get("act_bits")
    if act_bits is None:
        act_bits = max((stored.range[1] - stored.range[0]).bit_length() for _, stored in nodes)
    check_range("act_bits", act_bits, *ACT_BITS)
    wide = [
        (node.operands.weight.bits if isinstance(node, IntegerLayer) else _LEAST_WEIGHT_BITS)
        + act_bits * (digits_of(stored, act_bits) - 1)
        for node, stored in nodes
    ]
    return {"alphabets": alphabets, "act_bits": act_bits, "weight_bits": max(wide)}


def with_least_sums(config: BitlineConfig, network: IntegerNetwork, word_bits: int | None) -> BitlineConfig:
    """``config`` with accumulators as wide as the sums of the network need; ``word_bits`` None: the fewest that fit."""
    needed = [config.value_bits]
    for node, sources in zip(network.layers, network.sources, strict=True):
        if isinstance(node, OnArray):
            zeros = torch.zeros(1, *network.shapes[sources[0]], dtype=torch.int64)
            needed += [p.acc_bits for p in array_products(config, node, network.formats[sources[0]], zeros)]
    return replace(config, acc_bits=max(needed), word_bits=word_bits)

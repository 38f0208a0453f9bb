"""``asm-hw compile --unit bitline``: the folder that it writes, and what no array takes."""

from __future__ import annotations

import json

import pytest
import torch
from array_networks import SMALL, inputs_of
from tiny_network import last, tiny

from asm_hw.compiler.bitline_products import array_products
from asm_hw.compiler.bitline_program import compile_bitline
from asm_hw.compiler.fitted_array import array_for
from asm_hw.errors import ParameterError
from asm_hw.formats.product_format import ProductFormat
from asm_hw.golden import matvec
from asm_hw.network.integer_layers import IntegerLinear
from asm_hw.network.integer_moves import IntegerMove
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.network_file import save
from asm_hw.numbers.bit_fields import split_fields
from asm_hw.units.bitline.bitline_instructions import Instruction, Operation
from asm_hw.units.bitline.bitline_model import BitlineModel


def test_the_command_writes_a_folder_whose_micro_operations_give_the_sums(cli, tmp_path):
    network = tiny()
    save(network, tmp_path / "net.safetensors")
    options = ("--unit", "bitline", "--rows", "24", "--cols", "60")
    done = cli("compile", "net.safetensors", *options, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    folder = tmp_path / result.pop("folder")
    assert folder == tmp_path / "build" / "net-bitline"
    assert sorted(path.name for path in folder.iterdir()) == [
        "bitline.json", "network.safetensors", "operations.json", "rtl",
    ]  # fmt: skip
    config = array_for(network, **SMALL)
    assert result == json.loads((folder / "bitline.json").read_text())
    assert result == json.loads(json.dumps(compile_bitline(network, config).report))
    for key in ("fits", "batch", "layers", "cycles"):  # as of an engine
        assert key in result
    x = inputs_of(network, 1)
    beats = json.loads((folder / "operations.json").read_text())
    assert result["program_entries"] == sum(len(one) for products in beats.values() for one in products)
    for layer, (source,) in zip(network.layers, network.sources, strict=True):
        products = array_products(config, layer, network.formats[source], x)
        for one, product in zip(beats[layer.name], products, strict=True):
            played = play(config, one, product.vectors[: config.words])
            assert torch.equal(played, matvec(product.weights, product.vectors[: config.words]).T)
        x = layer.forward(x)
    assert "cycles of the array" in cli("compile", "net.safetensors", *options).stdout
    other = cli("compile", "net.safetensors", "--alphabets", "1,3", "--out", folder)
    assert other.returncode == 2
    assert "must be absent, or a folder that compile wrote" in other.stderr


def play(config, beats, vectors):
    """Sums [outputs, vectors] of the beats of ``i_op``: the k-th WRITE takes the k-th input."""
    model, columns, left = BitlineModel(config), iter(vectors.T), []
    for beat in beats:
        fields = split_fields(config.op_fields, int(beat, 16))
        instruction = Instruction(Operation(fields.pop("op")), **fields)
        row = torch.zeros(config.words, dtype=torch.int64)
        if instruction.op == Operation.WRITE:
            row[: len(vectors)] = next(columns)
        words = model.execute(instruction, row)
        left += [] if words is None else [words[: len(vectors)]]
    outputs = len(left) // len(tiles_of(beats, config))
    return torch.stack(left).reshape(-1, outputs, len(vectors)).sum(0)


def tiles_of(beats, config):
    """Runs of writes among the beats: one begins each tile."""
    writes = [split_fields(config.op_fields, int(beat, 16))["op"] == Operation.WRITE for beat in beats]
    return [now for before, now in zip([False, *writes], writes, strict=False) if now and not before]


REFUSED = {
    "too few bits of a weight": ({"weight_bits": 3}, ["layer 'first'", "weights on {1,3} of 3 bits"]),
    "no digits of wide values": ({"act_bits": 4, "weight_bits": 5}, ["layer 'first'", "for each of the 2 digits"]),
    "sums too narrow": ({"acc_bits": 12}, ["acc_bits must be at least", "layer 'first'", "not 12"]),
    "signed words too narrow": (
        {"act_signed": True, "act_bits": 8}, ["layer 'grouped' must take", "(8, True, None)", "(8, False, None)"],
    ),
    "not encoded": ({"alphabets": (1,), "act_alphabets": (1,)}, ["layer 'first' must take", "(6, False, None)"]),
    "other alphabets": ({"alphabets": (1,)}, ["layer 'first' must have weights on {1}"]),
    "bit-serial": ({"arithmetic": "exact"}, ["arithmetic must be asm", "not 'exact'"]),
    "negative bits": ({"act_bits": -4}, ["act_bits must be an integer from 1 to 16, not -4"]),
    "columns": ({"cols": 61}, ["cols must be a multiple of word_bits 10, not 61"]),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_array_does_not_take_is_refused_by_name(case):
    parameters, words = REFUSED[case]
    network = tiny()
    with pytest.raises(ParameterError) as refused:
        compile_bitline(network, array_for(network, **SMALL | parameters))
    assert all(word in str(refused.value) for word in words), refused.value


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--weight-bits", "3"], ["layer 'first' must have weights", "of 3 bits"]),
        (["--batch", "2"], ["layer 'first' must be a matrix product", "batch 2"]),
    ],
)
def test_the_command_refuses_before_anything_is_written(cli, tmp_path, arguments, words):
    save(tiny(), tmp_path / "net.safetensors")
    refused = cli("compile", "net.safetensors", "--unit", "bitline", *arguments)
    assert refused.returncode == 2, refused.stderr
    assert len(refused.stderr.splitlines()) == 1, refused.stderr
    assert all(word in refused.stderr for word in words), refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["net.safetensors"]


def test_rows_for_all_multiples_of_one_value():
    operands = ProductFormat.of(alphabets=(1, 3, 5, 7, 9), weight_bits=5, act_bits=4)
    layer = IntegerLinear(
        name="wide", operands=operands, weight=torch.tensor([[3], [5], [7], [9]]), requantize=last(4, 1)
    )
    network = IntegerNetwork(layers=(layer,), input_shape=(1,), input_scale=1.0, output_scale=1.0)
    with pytest.raises(ParameterError, match="layer 'wide' must fit the array: rows must be at least 5"):
        compile_bitline(network, array_for(network, rows=4, cols=64))


def test_a_network_that_forms_no_sums_is_refused():
    operands = ProductFormat.of(alphabets=(1,), weight_bits=5, act_bits=4)
    move = IntegerMove(name="turn", action="reshape", arguments=(2, 3))
    network = IntegerNetwork(
        layers=(move,), input_shape=(6,), input_scale=1.0, output_scale=1.0, input_format=operands.activation
    )
    with pytest.raises(ParameterError, match="network must have a convolution"):
        array_for(network)

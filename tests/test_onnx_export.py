"""Integer networks as ONNX: onnxruntime gives every integer of the golden model; the file is as others expect it."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from judged_by_onnxruntime import binary, chained, check_onnx, extreme_inputs, step
from onnx.reference import ReferenceEvaluator
from random_networks import RandomNetwork
from table_networks import one_table
from tiny_network import draw, tiny

from asm_hw import __version__
from asm_hw.errors import ParameterError
from asm_hw.exchange.onnx_judge import compare_with_onnxruntime
from asm_hw.exchange.onnx_model import onnx_model, save_onnx
from asm_hw.exchange.onnx_nodes import NodeWriter
from asm_hw.network.integer_moves import IntegerMove
from asm_hw.network.integer_requantize import Requantize
from asm_hw.network.integer_sums import IntegerSum
from asm_hw.network.integer_table import IntegerTable
from asm_hw.network.network_file import KINDS, load
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.report.engine_run import random_inputs

SETTINGS = settings(max_examples=15, deadline=None, derandomize=True)
ALPHABETS = [((1, 3), None), ((1,), (1, 3)), ((1, 3, 5, 7), (1,))]


@pytest.mark.parametrize(("alphabets", "encoded"), ALPHABETS)
def test_random_networks_equal_golden_in_every_tensor(alphabets, encoded):
    @SETTINGS
    @given(seed=st.integers(0, 1 << 30))
    def run(seed):
        network = RandomNetwork(seed, alphabets, 8, encoded).network()
        check_onnx(network, torch.cat([random_inputs(network, 2, seed), extreme_inputs(network, 1, seed)]))

    run()


@pytest.mark.full
@pytest.mark.parametrize("seed", range(200))
def test_more_random_networks(seed):
    network = RandomNetwork(seed, *ALPHABETS[seed % 3][:1], 8, ALPHABETS[seed % 3][1]).network()
    check_onnx(network, torch.cat([random_inputs(network, 2, seed), extreme_inputs(network, 1, seed)]))


def test_every_kind_of_node_is_written_and_drawn():
    graph_kinds = set(NodeWriter(tiny(), None)._write)
    assert graph_kinds == set(KINDS.values())
    drawn = {type(n) for seed in range(40) for n in RandomNetwork(seed, (1, 3), 8).network().layers}
    assert drawn == graph_kinds - {IntegerTable}
    assert {type(n) for n in one_table(binary(8), binary(8)).layers} == {IntegerTable}


WRITTEN = {
    "IntegerConv2d": "dilation groups name operands padding requantize sources stride weight",
    "IntegerLinear": "name operands requantize sources weight",
    "IntegerSum": "name requantize sources",
    "IntegerSumPool": "ceil_mode kernel name padding requantize sources stride",
    "IntegerMaxPool": "ceil_mode kernel name padding sources stride",
    "IntegerMove": "action arguments name sources",
    "IntegerConcat": "count dim name sources",
    "IntegerTable": "name sources stored taken values",
    "Requantize": "alphabets bias bits encode limits scale shift signed skip_scale skip_shift",
}


def test_every_field_of_a_node_is_known_to_the_writer():
    """A field that is added to a node must be written too, and then stand here."""
    for kind in (*KINDS.values(), Requantize):
        assert " ".join(sorted(field.name for field in fields(kind))) == WRITTEN[kind.__name__]


@pytest.mark.parametrize("act_alphabets", [None, AlphabetSet((1,))])
def test_onnx_reference_in_numpy_agrees_too(act_alphabets):
    """A second judge: the evaluator of the ONNX project, which shares no code with onnxruntime."""
    network = tiny(act_alphabets, signed=True)
    x = torch.cat([draw(range(-32, 32), (3, 2, 7, 5), 8), extreme_inputs(network, 1)])
    model = onnx_model(network)
    (result,) = ReferenceEvaluator(model).run(None, {"input": x.numpy().astype(np.int8)})
    assert np.array_equal(result, network(x).numpy())


def test_the_file_is_valid_and_says_what_it_holds(tmp_path):
    network = tiny(AlphabetSet((1,)))
    path = tmp_path / "net.onnx"
    save_onnx(network, path)
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    assert (model.producer_name, model.producer_version) == ("asm-hw", __version__)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 14)]
    assert {node.domain for node in model.graph.node} == {""}
    assert [dim.dim_param or dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim] == [
        "batch",
        2,
        7,
        5,
    ]
    facts = {prop.key: json.loads(prop.value) for prop in model.metadata_props}
    assert facts["asm_hw.input_scale"] == 0.125 and facts["asm_hw.output_scale"] == 0.5
    assert facts["asm_hw.alphabets"] == [1, 3]
    assert facts["asm_hw.formats"]["first"] == {"bits": 8, "signed": False, "alphabets": [1]}
    assert facts["asm_hw.operands"]["grouped"]["weight_bits"] == 5
    names = [node.output[0] for node in model.graph.node]
    assert {"first", "grouped", "hidden", "last"} <= set(names) and model.graph.output[0].name == "last"
    save_onnx(load_again(network, tmp_path), tmp_path / "second")
    assert (tmp_path / "second").read_bytes() == path.read_bytes()


def load_again(network, folder):
    from asm_hw.network.network_file import save

    save(network, folder / "network")
    return load(folder / "network")


def types_of(model):
    """The element types of all tensors and constants."""
    graph = model.graph
    values = [*graph.input, *graph.output, *graph.value_info]
    return {v.type.tensor_type.elem_type for v in values} | {t.data_type for t in graph.initializer}


def test_a_model_of_integers_holds_no_float_and_multiplies_unsigned_bytes_alone():
    """An operand that is signed may take a kernel whose 16-bit sums saturate: see `asm_hw/exchange/onnx_products.py`."""
    for seed in range(12):
        model = onnx_model(RandomNetwork(seed, (1, 3), 8, (1,)).network())
        assert not types_of(model) & {onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE}
        kinds = {v.name: v.type.tensor_type.elem_type for v in (*model.graph.input, *model.graph.value_info)}
        kinds |= {t.name: t.data_type for t in model.graph.initializer}
        products = [n for n in model.graph.node if n.op_type in ("ConvInteger", "MatMulInteger")]
        assert products
        assert {kinds[name] for node in products for name in node.input} == {onnx.TensorProto.UINT8}


@pytest.mark.parametrize("count", [0, 1, 5])
def test_any_batch(count):
    import onnxruntime

    network = tiny()
    session = onnxruntime.InferenceSession(onnx_model(network).SerializeToString(), providers=["CPUExecutionProvider"])
    x = draw(range(64), (count, 2, 7, 5), 1)
    (result,) = session.run(None, {"input": x.numpy().astype(np.uint8)})
    assert result.shape == (count, 3) and np.array_equal(result, network(x).numpy())


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("act_alphabets", [None, AlphabetSet((1, 3))])
def test_real_numbers_in_and_out(signed, act_alphabets):
    network = tiny(act_alphabets, signed)
    if act_alphabets is not None:  # an encoded input too
        channels = network.input_shape[0]
        stored = replace(binary(6, signed), alphabets=act_alphabets)
        first = IntegerSum(name="decode", requantize=step(channels, bits=6, signed=signed))
        network = replace(network, layers=(first, *network.layers), input_format=stored)
    model = onnx_model(network, input="real", result="real")
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    values = 6 * torch.randn(500, *network.input_shape, generator=torch.Generator().manual_seed(0))
    values[0], values[1], values[2] = 1e30, -1e30, 0.0625  # a tie of the scale 0.125
    (result,) = session.run(None, {"input": values.numpy()})
    expected = network(network.quantize_input(values)) * network.output_scale
    assert result.dtype == np.float32 and np.array_equal(result, expected.numpy())
    found = compare_with_onnxruntime(model.SerializeToString(), network, network.quantize_input(values[:9]))
    assert found.mismatches == 0 and found.images == 9


@pytest.mark.parametrize(
    ("bits", "signed"), [(24, True), (25, False), (30, True), (31, False), (33, False), (53, True)]
)
def test_real_numbers_beyond_what_a_float_tells_apart(bits, signed):
    """The largest integer of 31 bits is no float; the nearest is 2**31, which no int32 holds."""
    import onnxruntime

    network = chained(
        [IntegerSum(name="s", requantize=step(2, bits=bits, signed=signed))], (2, 3), binary(bits, signed)
    )
    model = onnx_model(network, input="real")
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    values = torch.tensor([[[1e30, -1e30, 0.5], [2.0 ** (bits - 1), 2.0**bits, 3.0]]])
    (result,) = session.run(None, {"input": values.numpy()})
    integers = network.quantize_input(values)
    low, high = binary(bits, signed).binary_range
    assert (integers.min().item(), integers.max().item()) == (low, high)
    assert np.array_equal(result, network(integers).numpy())


def test_names_of_any_kind():
    names = ["", "input/sums", "a b", "größe", "n/scale", "n", "n.2", "graph", "output"]
    channels = 2
    layers = [
        IntegerSum(name=name, sources=(before,), requantize=step(channels, 3, 5, 1))
        for before, name in zip(["input", *names[:-1]], names, strict=True)
    ]
    network = chained(layers, (channels, 3, 3), binary(8))
    model = check_onnx(network, extreme_inputs(network))
    outputs = [value.name for value in model.graph.output]
    assert outputs == ["unnamed", *names[1:]] and len(set(outputs)) == len(names)
    wrong = chained([IntegerSum(name="\ud800", requantize=step(2))], (2, 3, 3), binary(8))
    with pytest.raises(ParameterError, match="name of a layer must be text that UTF-8 holds"):
        onnx_model(wrong)


def test_what_cannot_be_written_is_refused(tmp_path):
    network = tiny()
    with pytest.raises(ParameterError, match="input must be one of integers, real, not 'float'"):
        onnx_model(network, input="float")
    with pytest.raises(ParameterError, match="result must be one of integers, real, not ''"):
        onnx_model(network, result="")
    for path in (tmp_path / "none" / "net.onnx", tmp_path):
        with pytest.raises(ParameterError, match="must be a file in a folder that exists"):
            save_onnx(network, path)

    class Turned(IntegerMove):
        kind = "turned"

    turned = chained([Turned(name="t", action="reshape", arguments=(4,))], (2, 2), binary(8))
    with pytest.raises(ParameterError, match="layer 't' must be of a kind that ONNX files know, not 'turned'"):
        onnx_model(turned)
    other = onnx_model(chained([IntegerSum(name="s", requantize=step(3))], (3, 2, 2), binary(8)))
    with pytest.raises(ParameterError, match="must be of this network"):
        compare_with_onnxruntime(other.SerializeToString(), network, draw(range(64), (1, 2, 7, 5), 1))
    assert list(tmp_path.iterdir()) == []

"""Files of integer networks: good ones come back, bad ones are refused in one sentence."""

from __future__ import annotations

import json
import random
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_network import draw, tiny

from asm_hw.errors import ParameterError
from asm_hw.network.network_file import load, save
from asm_hw.numbers.alphabets import AlphabetSet


@pytest.mark.parametrize("act_alphabets", [None, AlphabetSet((1,))])
def test_saved_network_comes_back(tmp_path, act_alphabets):
    network = tiny(act_alphabets)
    path = tmp_path / "net.safetensors"
    save(network, path)
    assert [p.name for p in tmp_path.iterdir()] == ["net.safetensors"]
    again = load(path)
    x = draw(range(64), (4, 2, 7, 5), 8)
    assert torch.equal(again(x), network(x))
    assert again.sizes == network.sizes
    assert [layer.operands for layer in again.layers] == [layer.operands for layer in network.layers]
    assert (again.input_scale, again.output_scale) == (0.125, 0.5)
    save(again, tmp_path / "second")
    assert (tmp_path / "second").read_bytes() == path.read_bytes()


def rewrite(path, change_header=None, change_tensors=None):
    """Write the file at ``path`` again with its header or tensors changed."""
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(json.loads(raw[8 : 8 + size])["__metadata__"]["asm_hw"])
    tensors = load_file(path)
    if change_header:
        header = change_header(header) or header
    if change_tensors:
        change_tensors(tensors)
    save_file(tensors, path, {"asm_hw": json.dumps(header)})


@pytest.mark.parametrize(
    ("header", "tensors", "sentence"),
    [
        (None, lambda t: t["2.weight"].fill_(0x88), "packed weights must hold codes of weights, not 8"),
        (None, lambda t: t.update({"2.weight": t["2.weight"][1:]}), "packed weights of shape .* must be 4 bits each"),
        (lambda h: h["layers"][2].update(shape=[3, "4"]), None, "shape of packed weights must be integers above 0"),
        (None, lambda t: t["0.scale"].fill_(10), "requantize scale must hold levels"),
        (None, lambda t: t["0.shift"].fill_(40), "shift must be from 0 to 31, not 40"),
        (None, lambda t: t.pop("3.bias"), "must hold '3.bias', which is missing"),
        (None, lambda t: t.update({"1.bias": t["1.bias"].float()}), "tensor 1.bias must hold integers"),
        (None, lambda t: t.update({"1.bias": t["1.bias"][:2]}), "requantize bias must be int64 with one value"),
        (lambda h: h.update(schema=99), None, "must have schema 3, not 99"),
        (lambda h: [h], None, "must have schema 3"),
        (lambda h: h.pop("layers"), None, "must hold 'layers', which is missing"),
        (lambda h: h.update(layers=7), None, "must have the structure of schema 3"),
        (lambda h: h.update(input_shape=[2, 7, "5"]), None, "input_shape must be an integer"),
        (lambda h: h.update(input_scale=0), None, "input_scale must be a number above 0, normal in float32, not 0"),
        (lambda h: h["layers"].pop(), None, None),
        (lambda h: h["layers"].pop(1), None, "is refused"),
        (lambda h: h["layers"][0].update(kind="lstm"), None, "kind of layer 0 must be one of conv2d, linear"),
        (lambda h: h["layers"][0].update(kind=[]), None, "must have the structure of schema 3"),
        (lambda h: h["layers"][0].update(name=None), None, "name of a layer must be text, not None"),
        (lambda h: h["layers"][0]["operands"].update(alphabets=[2]), None, "alphabet 2 must be odd"),
        (lambda h: h["layers"][0]["operands"].update(weight_bits=4), None, "packed weights must hold codes"),
        (lambda h: h["layers"][0]["operands"].update(extra=4), None, "must have the structure of schema 3"),
        (lambda h: h["layers"][0].update(groups=0), None, "groups must be an integer"),
        (lambda h: h["layers"][0].update(stride=[1, "x"]), None, "stride must be an integer"),
        (lambda h: h["layers"][0]["requantize"]["format"].__setitem__(0, 4), None, "layer 'grouped' must be given the"),
        (lambda h: h["layers"][0]["requantize"]["format"].__setitem__(1, 0), None, "format signed must be true or false"),
        (lambda h: h["layers"][0]["requantize"].update(limits=[5, 999]), None, "limits must be two integers from 0 to 255"),
        (lambda h: h["layers"][1].update(sources=["later"]), None, "must have sources listed before it, not 'later'"),
        (lambda h: h["layers"][1].update(sources=["input", "first"]), None, "layer 'grouped' must have 1 sources, not 2"),
        (lambda h: h["layers"][1].update(name="first"), None, "name of a layer must be its own, not 'first' again"),
    ],
)  # fmt: skip
def test_bad_files_are_refused_in_one_sentence(tmp_path, header, tensors, sentence):
    path = tmp_path / "net"
    save(tiny(), path)
    rewrite(path, header and (lambda h: r if isinstance(r := header(h), list) and r == [h] else None), tensors)
    if sentence is None:  # a shorter chain is a network too
        assert len(load(path).layers) == 3
        return
    with pytest.raises(ParameterError, match=sentence) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_files_of_other_kinds_are_refused(tmp_path):
    good, bad = tmp_path / "good", tmp_path / "bad"
    save(tiny(), good)
    raw = good.read_bytes()
    for content in (b"", b"{}", raw[:100], raw[:-1], b"\xff" * 64):
        bad.write_bytes(content)
        with pytest.raises(ParameterError, match="must be a readable safetensors file"):
            load(bad)
    with pytest.raises(ParameterError, match="must be a readable safetensors file"):
        load(tmp_path / "missing")
    with pytest.raises(ParameterError, match="must be a file, not a folder"):
        load(tmp_path)
    for metadata in (None, {"other": "1"}, {"asm_hw": "no json"}):
        save_file({"x": torch.zeros(1)}, bad, metadata)
        with pytest.raises(ParameterError, match="must hold metadata 'asm_hw' in JSON"):
            load(bad)
    for path in (tmp_path / "none" / "net", tmp_path):
        with pytest.raises(ParameterError, match="must be a file in a folder that exists"):
            save(tiny(), path)
    with pytest.raises(ParameterError, match="network must be what convert gives, not dict"):
        save({}, tmp_path / "net")


def test_a_damaged_file_never_gives_a_traceback(tmp_path):
    good, bad = tmp_path / "good", tmp_path / "bad"
    save(tiny(), good)
    raw, chance = good.read_bytes(), random.Random(0)
    for _ in range(300):
        damaged = bytearray(raw)
        for _ in range(chance.randint(1, 3)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        bad.write_bytes(damaged)
        try:
            load(bad)
        except ParameterError as error:
            assert "\n" not in str(error)


def test_network_loads_without_amaranth_and_training():
    program = (
        "import sys, asm_hw.network.network_file;"
        "sys.exit(any(name.split('.')[0] == 'amaranth' or name.startswith('asm_hw.training') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_weights_of_sixteen_bits_each_are_still_read(tmp_path):
    path, network = tmp_path / "net", tiny()
    save(network, path)
    weights = {
        f"{i}.weight": layer.weight.to(torch.int16)
        for i, layer in enumerate(network.layers)
        if hasattr(layer, "weight")
    }

    def older(header):
        header["schema"] = 2
        for entry in header["layers"]:
            entry.pop("shape", None)

    rewrite(path, older, lambda tensors: tensors.update(weights))
    x = draw(range(64), (4, 2, 7, 5), 8)
    assert torch.equal(load(path)(x), network(x))

"""The project's networks, their ONNX files in every form that exporters give, and their integers."""

from __future__ import annotations

import ast
import logging
import sys
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from asm_hw import convert, freeze, prepare, settle
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.training.models.mobilenet import MobileNetV2
from asm_hw.training.models.resnet import CifarResNet, ResNet8

HERE = Path(__file__).resolve().parent
EXPORTS = {
    "TorchScript, norms": {"dynamo": False, "training": torch.onnx.TrainingMode.PRESERVE},
    "TorchScript, norms folded": {"dynamo": False},
    "torch.export, norms": {"dynamo": True, "optimize": False},
    "torch.export, norms folded": {"dynamo": True},
}


def ds_cnn() -> nn.Module:
    """That of ``examples/keyword_spotting.py``, which trains where it is imported: its definitions alone are run."""
    tree = ast.parse((HERE.parent / "examples" / "keyword_spotting.py").read_text())
    wanted = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name in ("block", "ds_cnn")]
    wanted += [n for n in tree.body if isinstance(n, ast.Assign) and "WORDS" in ast.unparse(n.targets[0])]
    names: dict = {"nn": nn}
    exec(compile(ast.Module(sorted(wanted, key=lambda n: n.lineno), []), "ds_cnn", "exec"), names)  # noqa: S102
    return names["ds_cnn"]()


NETWORKS = {
    "resnet8": (ResNet8, (3, 32, 32)),
    "resnet20": (lambda: CifarResNet(3), (3, 32, 32)),
    "ds_cnn": (ds_cnn, (1, 49, 10)),
    "mobilenet_v2": (lambda: MobileNetV2(10, 32, width=0.5), (3, 32, 32)),
}


@torch.no_grad()
def network(name: str) -> tuple[nn.Module, Tensor]:
    """A network with norms that do something, and a sample of its inputs."""
    torch.manual_seed(1)
    make, shape = NETWORKS[name]
    model = make().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.uniform_(0.5, 1.5)
            module.bias.normal_(0, 0.2)
    return model, torch.randn(4, *shape) if name == "ds_cnn" else torch.rand(4, *shape)


def imagenet_network(data: Path) -> tuple[nn.Module, Tensor]:
    """The real MobileNetV2 of the ImageNet sample, and inputs that are smaller than its images."""
    folder = data / "imagenet_sample"
    sys.path.insert(0, str(folder))
    import mobilenet_tf

    state = load_file(folder / "mobilenet_v2.safetensors")
    model = mobilenet_tf.v2(len(state["classifier.bias"]))
    model.load_state_dict(state)
    torch.manual_seed(2)
    return model.eval(), 2 * torch.rand(2, 3, 64, 64) - 1


def exported(model: nn.Module, sample: Tensor, path: Path, **how) -> Path:
    """``model`` as an ONNX file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        torch.onnx.export(model, (sample[:2],), path, verbose=False, external_data=False, **how)
        logging.disable(logging.NOTSET)
    return path


def folded(model: nn.Module) -> nn.Module:
    """A copy of ``model`` whose convolutions hold the norms that follow them, by PyTorch's own arithmetic."""
    traced = torch.fx.symbolic_trace(model)
    for node in list(traced.graph.nodes):
        norm = traced.get_submodule(node.target) if node.op == "call_module" else None
        if isinstance(norm, nn.BatchNorm2d):
            path = node.args[0].target
            fused = fuse_conv_bn_eval(traced.get_submodule(path), norm)
            traced.set_submodule(path, fused)
            node.replace_all_uses_with(node.args[0])
            traced.graph.erase_node(node)
    traced.recompile()
    return traced.eval()


def take_weights(model: nn.Module, other: nn.Module) -> float:
    """Give the layers of ``model`` the weights of those of ``other``, in order; the largest relative change."""
    layers = [[m for m in one.modules() if isinstance(m, nn.Conv2d | nn.Linear)] for one in (model, other)]
    changes = []
    for own, theirs in zip(*layers, strict=True):
        for name in ("weight", "bias"):
            before, after = getattr(own, name), getattr(theirs, name)
            assert (before is None) == (after is None)
            if before is not None:
                changes.append(((before - after).abs().max() / before.abs().max().clamp(min=1e-3)).item())
                before.data = after.data.clone()
    return max(changes)


def integers(model: nn.Module, sample: Tensor, **how) -> IntegerNetwork:
    """Its integers without training."""
    prepared = prepare(model, sample, **how)
    freeze(prepared)
    settle(prepared)
    return convert(prepared)


def assert_same_integers(one: IntegerNetwork, two: IntegerNetwork, sample: Tensor) -> None:
    """Every weight, multiplier and offset, and every output integer is the same."""
    assert Counter(type(layer) for layer in one.layers) == Counter(type(layer) for layer in two.layers)
    weighted = [{layer.name: layer for layer in net.layers if hasattr(layer, "weight")} for net in (one, two)]
    assert weighted[0].keys() == weighted[1].keys()
    for own, theirs in ((weighted[0][name], weighted[1][name]) for name in weighted[0]):
        for name, value in vars(own).items():
            if isinstance(value, Tensor):
                assert torch.equal(value, getattr(theirs, name)), (own.name, name)
    first, second = (net(net.quantize_input(sample)) for net in (one, two))
    assert torch.equal(first, second) and first.abs().max() > 0
    assert one.output_scale == two.output_scale


class Calibration(CalibrationDataReader):
    def __init__(self, name: str, sample: Tensor) -> None:
        self.batches = iter([{name: one[None].numpy()} for one in sample])

    def get_next(self):
        return next(self.batches, None)


def quantized(path: Path, sample: Tensor, **how) -> Path:
    """The ONNX file ``path`` quantized by onnxruntime, with QuantizeLinear and DequantizeLinear; batch of one image."""
    target = path.with_name(f"qdq_{path.name}")
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "n"
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "n"
    del model.graph.value_info[:]
    onnx.save(model, path)
    logging.disable(logging.WARNING)
    settings = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8, "per_channel": True} | how
    quantize_static(
        path, target, Calibration(model.graph.input[0].name, sample), quant_format=QuantFormat.QDQ, **settings
    )
    logging.disable(logging.NOTSET)
    return target


def dequantized(path: Path) -> list[np.ndarray]:
    """What the integer weights of a QDQ file stand for, by plain arithmetic, in the file's order."""
    model = onnx.load(path)
    held = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    read = {name for n in model.graph.node if n.op_type in ("Conv", "Gemm") for name in n.input[1:]}
    values = []
    for n in model.graph.node:
        if n.op_type == "DequantizeLinear" and n.input[0] in held and n.output[0] in read:
            integer, scale, zero = (held[name] for name in n.input[:3])
            axis = next((a.i for a in n.attribute if a.name == "axis"), 1)
            shape = (
                [-1 if i == axis else 1 for i in range(integer.ndim)]
                if scale.ndim and scale.size > 1
                else [1] * integer.ndim
            )
            value = (integer.astype("int64") - zero.reshape(shape)).astype("float32") * scale.reshape(shape)
            values.append(value)
    return values

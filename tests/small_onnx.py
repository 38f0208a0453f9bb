"""Small ONNX models by node, and onnxruntime's answer to them: what imports are judged by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnx import ModelProto, NodeProto, helper, numpy_helper

from asm_hw.training.onnx_in.onnx_import import from_onnx


def node(kind: str, *more, source: str = "x", target: str = "y", **how) -> tuple[NodeProto, list]:
    """A node on ``source``, and its constants: arrays among ``more``; None leaves an input out."""
    constants = [
        numpy_helper.from_array(np.asarray(one), f"{target}_{i}") for i, one in enumerate(more) if one is not None
    ]
    names = ["" if one is None else f"{target}_{i}" for i, one in enumerate(more)]
    return helper.make_node(kind, [source, *names], [target], name=f"{kind}_{target}", **how), constants


def chain(*nodes, shape=("n", 3, 9, 10), opset: int = 18) -> ModelProto:
    """A model of ``nodes``: each reads what the one before gives, unless it says otherwise."""
    made, constants = [], []
    for one, own in nodes:
        made.append(one)
        constants += own
    ends = [helper.make_tensor_value_info("x", 1, shape)], [helper.make_tensor_value_info("y", 1, None)]
    graph = helper.make_graph(made, "g", *ends, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def runs(model: ModelProto, inputs: np.ndarray) -> np.ndarray:
    """What onnxruntime computes."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: inputs})[0]


def imported(model: ModelProto, folder: Path, **how) -> torch.nn.Module:
    (folder / "net.onnx").write_bytes(model.SerializeToString())
    return from_onnx(folder / "net.onnx", **how)


def assert_equal(
    model: ModelProto, folder: Path, shape: tuple[int, ...], batch: int = 5, order=None
) -> torch.nn.Module:
    """``model`` is imported as the function that onnxruntime computes, on inputs [batch, *shape] of the file's order."""
    module = imported(model, folder)
    inputs = np.random.default_rng(7).normal(0.2, 1.5, (batch, *shape)).astype(np.float32)
    theirs = runs(model, inputs)
    given = torch.from_numpy(inputs if order is None else inputs.transpose(order).copy())
    with torch.no_grad():
        ours = module(given).numpy()
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max())
    assert np.abs(theirs).max() > 0
    return module

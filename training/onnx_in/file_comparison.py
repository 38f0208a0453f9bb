"""Whether a module is the function in its ONNX file, as onnxruntime computes that.

Quantizers of the file round in the module as well, and the module goes on from the file's own result of each, so that
a value at the edge of a step, which sums in another order round the other way, does not spread.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import ModelProto
from torch.fx import GraphModule, Interpreter, Node

from asm_hw.errors import ParameterError

from .file_quantizers import FileQuantizer
from .onnx_file import QONNX_DOMAINS, the_input

RELATIVE = 1e-4
"""Of the largest value: by so much results may differ, as kernels round."""
TIES = 0.01
"""Share of a tensor's values that another order of sums may round the other way, by one step."""
Results = Mapping[str, np.ndarray]


def has_onnxruntime() -> bool:
    """Whether there is what `check_same` compares with."""
    return importlib.util.find_spec("onnxruntime") is not None


@torch.no_grad()
def check_same(model: ModelProto, module: GraphModule, runs: Sequence[tuple[int, ...]], order: tuple[int, ...]) -> None:
    """Raise `ParameterError` unless ``module`` gives what ``model`` gives, for inputs [n, ...] of the sizes ``runs``.

    ``order``: of the file's sizes in the module's input. Inputs are random, the same ones every time. Where n differs
    between ``runs``, what a file computes from the number of inputs is seen.
    """
    generator = np.random.default_rng(0)
    inputs = [(1 + 2 * i) * generator.standard_normal(run).astype(np.float32) for i, run in enumerate(runs)]
    names = [one.source for one in module.modules() if isinstance(one, FileQuantizer)]
    found = _merged([_results(model, one, names) for one in inputs])
    checker = _Checker(module.eval(), found)
    values = torch.from_numpy(np.concatenate(inputs)).permute(*np.argsort(order).tolist()).contiguous()
    own, theirs = checker.run(values), found[model.graph.output[0].name]
    if tuple(own.shape) != theirs.shape:
        raise ParameterError(
            f"the module read from it must give {list(theirs.shape)}, as onnxruntime, not {[*own.shape]}"
        )
    if not np.isfinite(theirs).all():
        raise ParameterError("it must give finite numbers for finite inputs, and onnxruntime computes others")
    difference, limit = np.abs(own.numpy() - theirs).max(), RELATIVE * np.abs(theirs).max()
    if not difference <= limit:
        raise ParameterError(
            f"the module read from it differs from onnxruntime by {difference:.3g}, of {limit:.3g} allowed"
        )


class _Checker(Interpreter):
    """Runs a module, and goes on from the file's results behind each quantizer."""

    def __init__(self, module: GraphModule, found: Results) -> None:
        super().__init__(module)
        self.found = found
        self.extra_traceback = False

    def run_node(self, n: Node) -> Any:
        result = super().run_node(n)
        module = self.submodules.get(str(n.target)) if n.op == "call_module" else None
        if not isinstance(module, FileQuantizer):
            return result
        theirs = torch.from_numpy(self.found[module.source])
        theirs = theirs.permute(*np.argsort(n.meta["order"]).tolist()) if theirs.dim() == result.dim() else theirs
        steps = (result - theirs).abs() / module.step
        if steps.max() > 1.01 or (steps > 0.01).float().mean() > TIES:
            raise ParameterError(
                f"quantizer {n.target!r} must round as in onnxruntime, and differs in {int((steps > 0.01).sum())} of "
                f"{steps.numel()} values by up to {steps.max().item():.3g} steps"
            )
        return theirs.contiguous()


def _merged(runs: list[Results]) -> Results:
    """The results of several batches as one."""
    first, last = runs[0], runs[-1]
    if any(first[name].shape[1:] != last[name].shape[1:] for name in first):
        raise ParameterError("each of its results must have the same sizes for any number of inputs, but for the first")
    return {name: np.concatenate([run[name] for run in runs]) for name in first}


def _results(model: ModelProto, inputs: np.ndarray, names: list[str]) -> Results:
    """The output of ``model`` and the tensors ``names``, as onnxruntime, or qonnx on top of it, computes them."""
    try:
        custom = any(node.domain in QONNX_DOMAINS for node in model.graph.node)
        the_input(model).type.tensor_type.shape.dim[0].dim_value = len(inputs)
        wanted = [*dict.fromkeys([model.graph.output[0].name, *names])]
        return (_qonnx if custom else _onnxruntime)(model, inputs, wanted)
    except Exception as error:  # of any kind: a library's, for a stranger's model
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ParameterError(f"it must be a model that onnxruntime computes: {reason}") from None


def _onnxruntime(model: ModelProto, inputs: np.ndarray, names: list[str]) -> Results:
    import onnxruntime

    more = ModelProto()
    more.CopyFrom(model)
    more.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names[1:])
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # tensors keep their names
    options.log_severity_level = 4
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(more.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip(names, session.run(names, {the_input(model).name: inputs}), strict=True))


def _qonnx(model: ModelProto, inputs: np.ndarray, names: list[str]) -> Results:
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    wrapped = ModelWrapper(model, make_deepcopy=True).transform(InferShapes())
    context = execute_onnx(wrapped, {the_input(model).name: inputs}, return_full_exec_context=True)
    return {name: context[name] for name in names}

"""Post-training quantization: scales and norms fitted on unlabelled images, no training.

network = convert(quantize(model, images, alphabets=(1, 3)))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Interpreter, Node

from asm_hw.errors import ParameterError

from .error_feedback import round_model
from .float_twin import float_twin
from .freeze import freeze, is_frozen, settle
from .model_checks import check_inputs
from .prepare import prepare
from .quantizer import ActivationQuantizer, Narrowing
from .rounding_checkpoint import RoundingCheckpoint
from .scale_fitting import fit_narrow, subsample
from .tensor_shapes import evaluating, prepared_graph, prepared_shape
from .traced_operations import NORMS

KEPT_BATCHES = 8
"""Batches whose values are kept to fit a scale on."""


@torch.no_grad()
def calibrate(model: nn.Module, batches: Iterable[Tensor], reestimate: bool = True) -> None:
    """Fit the activation scales of a prepared ``model`` to ``batches`` [n, ...], then its norms. In place.

    Scales are fitted in the order of execution, each on what the quantizers before it let through, so that
    they see the errors that they will meet. ``reestimate``: norms take the statistics of the quantized
    network (`reestimate_norms`). The input's scale stays; a model is calibrated before it is frozen.
    Raises `ParameterError` where there is no batch.
    """
    graph = prepared_graph(model)
    images = _checked(islice(batches, KEPT_BATCHES), prepared_shape(model))
    with evaluating(model):
        _Fitter(graph).run(torch.cat(images).to(next(model.parameters()).device))
    if reestimate:
        reestimate_norms(model, images)


@torch.no_grad()
def reestimate_norms(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace the running statistics of every batch norm by the means over ``batches``. In place.

    Weights that were rounded shift and scale what the norms see. Norms that `freeze` fixed stay. Raises
    `ParameterError` where there is no batch, or one is not of finite float32 inputs.
    """
    batches = _checked(batches)
    norms = [m for m in model.modules() if isinstance(m, NORMS) and m.track_running_stats and not is_frozen(m)]
    momenta = [norm.momentum for norm in norms]
    device = next(model.parameters()).device
    with evaluating(model):
        for norm in norms:
            norm.reset_running_stats()
            norm.train().momentum = None  # the plain mean of all batches
        for batch in batches:
            model(batch.to(device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _checked(batches: Iterable[Tensor], shape: tuple[int, ...] | None = None) -> list[Tensor]:
    """All of ``batches``, each of inputs of ``shape`` (`check_inputs`); `ParameterError` where there is none."""
    found = list(batches)
    if not found:
        raise ParameterError("batches must hold at least one batch, not none")
    for batch in found:
        check_inputs("batches", batch, shape)
    return found


@torch.no_grad()
def correct_norms(model: nn.Module, reference: nn.Module, images: Tensor) -> None:
    """Take out of the norms of a frozen ``model`` what quantization shifts on average. In place.

    Each running mean moves by as much as the mean of its input on ``images`` [n, ...] differs from that in the
    float model ``reference``, one norm after another, each behind those before it (bias correction, Nagel et
    al., arXiv 1906.04721). The difference of two means hardly depends on which images they are of, unlike
    the means. Multipliers stay where they are. Norms that are called more than once stay too.
    """
    graph = prepared_graph(model)
    check_inputs("images", images, prepared_shape(model))
    known = dict(reference.named_modules())
    for path, module in model.named_modules():
        if isinstance(module, NORMS) and not isinstance(known.get(path), NORMS):
            raise ParameterError(f"reference must be the float model, and it has no norm at {path!r}")
    images = images.to(next(model.parameters()).device)
    means = _means(reference, images)
    with evaluating(model):
        _Corrector(graph, means).run(images)


def quantize(
    model: nn.Module,
    images: Tensor,
    *,
    feedback: bool = True,
    report: Callable[[str], None] | None = None,
    checkpoint: RoundingCheckpoint | None = None,
    **settings: Any,
) -> GraphModule:
    """The prepared copy of the float ``model`` that is ready for `convert`, fitted on ``images`` without training.

    ``feedback``: weights are rounded with error feedback (`round_model`), which tells ``report`` and ``checkpoint``
    each layer that is done; otherwise each to its nearest level, in a fraction of the time. ``settings``: those of
    `prepare`. Raises `ParameterError` as `prepare` and `convert` do.
    """
    prepared = prepare(model, images, **settings)
    reference = float_twin(prepared) if feedback else None
    freeze(prepared)
    if reference is not None:
        round_model(prepared, reference, images, report, checkpoint)
    correct_norms(prepared, model, images)
    settle(prepared.eval())
    return prepared


def mean_of(values: Tensor) -> Tensor:
    """The mean [channels] of ``values`` [n, channels, ...]."""
    return values.transpose(0, 1).flatten(1).mean(1)


def _means(model: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """The mean of what each norm of ``model`` sees on ``images``, by path; of those that are called once."""
    seen: dict[str, list[Tensor]] = {}

    def keep(path: str) -> Any:
        return lambda norm, inputs: seen.setdefault(path, []).append(mean_of(inputs[0]))

    norms = [(path, module) for path, module in model.named_modules() if isinstance(module, NORMS)]
    hooks = [norm.register_forward_pre_hook(keep(path)) for path, norm in norms]
    with evaluating(model):
        model(images)
    for hook in hooks:
        hook.remove()
    return {path: means[0] for path, means in seen.items() if len(means) == 1}


class _Corrector(Interpreter):
    """Runs a frozen model once and moves each norm's mean when its input arrives."""

    def __init__(self, model: GraphModule, means: dict[str, Tensor]) -> None:
        super().__init__(model)
        self.means = means

    def run_node(self, n: Node) -> object:
        path = str(n.target)
        norm = self.submodules.get(path) if n.op == "call_module" else None
        if path in self.means and isinstance(norm, NORMS) and norm.running_mean is not None:
            (values,), _ = self.fetch_args_kwargs_from_env(n)
            norm.running_mean.add_(mean_of(values) - self.means[path])
        return super().run_node(n)


class _Fitter(Interpreter):
    """Runs a prepared model once and fits each quantizer when its input arrives.

    One that several tensors share is fitted to the largest of them.
    """

    def __init__(self, model: GraphModule) -> None:
        super().__init__(model)
        self.fitted: set[ActivationQuantizer] = set()

    def run_node(self, n: Node) -> object:
        module = self.submodules.get(str(n.target)) if n.op == "call_module" else None
        if isinstance(module, ActivationQuantizer) and module.log2_scale.requires_grad:
            (values,), _ = self.fetch_args_kwargs_from_env(n)
            self._fit(n, module, subsample(values))
        return super().run_node(n)

    def _fit(self, node: Node, quantizer: ActivationQuantizer, sample: Tensor) -> None:
        """The scale of ``quantizer`` and the shifts of what narrows it."""
        narrow = _narrowings(node, self.submodules)
        found = quantizer.fit(sample).double().log2()
        if quantizer in self.fitted and bool(found <= quantizer.log2_scale):
            return
        self.fitted.add(quantizer)
        quantizer.log2_scale.copy_(found)
        shifts = fit_narrow(quantizer, sample, list(dict.fromkeys(m.format for m in narrow)))
        for module in narrow:
            module.shift.fill_(shifts[module.format])


def _narrowings(quantized: Node, modules: dict[str, nn.Module]) -> list[Narrowing]:
    """The modules that take the scale of the quantizer at ``quantized``."""
    name = f"{quantized.target}.log2_scale"
    users = [user for node in quantized.graph.nodes if node.target == name for user in node.users]
    return [module for user in users if isinstance(module := modules.get(str(user.target)), Narrowing)]

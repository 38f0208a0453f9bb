"""Post-training rounding of a whole model: each layer makes good what those before it and its own levels lose.

Layers are rounded in the order of execution. Each sees its inputs twice, as the float model has them and as the layers
rounded before it leave them; its weights are first moved to where they give the float output from the latter (least
squares), then rounded with error feedback (`feedback_rounding`) at the scale whose error is least among those that keep
the requantize multipliers levels. What remains of the mean output goes into the bias.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.fx import GraphModule

from asm_hw.golden import finest_shift

from .feedback_rounding import Moments, round_with_feedback
from .float_twin import Lockstep
from .fold import fold
from .folded_steps import Output, Product, SumStep, Term, Wide
from .input_moments import InputMoments, input_moments
from .levels import scale_of
from .prepared_layers import LAYERS, Layer, float_weight, weight_quantizer
from .requantize_multipliers import EXACT, multiplier_levels, nearest_multiplier
from .rounding_checkpoint import RoundingCheckpoint
from .tensor_shapes import prepared_graph, watch_prepared

SCALES = tuple(2.0 ** (-k / 8) for k in range(-2, 9))
"""Scales tried, as multiples of the one that was fitted to the weights alone."""

FINALISTS = 4
"""Of them, those whose error is measured with feedback: the best ones after plain rounding."""


@torch.no_grad()
def round_model(
    prepared: GraphModule,
    reference: GraphModule,
    images: Tensor,
    report: Callable[[str], None] | None = None,
    checkpoint: RoundingCheckpoint | None = None,
) -> None:
    """Round the weights of a frozen ``prepared`` model with error feedback, in place.

    ``reference``: its `float_twin`, made before it was frozen. ``images``: of the model's input [n, ...], without
    labels. ``report`` is told each layer's path when it is done, ``checkpoint`` keeps it: those that it has already are
    left as they are in its file. Layers that are called more than once keep their nearest levels. Scales stay such
    that requantize multipliers are levels.
    """
    graph = prepared_graph(prepared)
    if checkpoint is not None:
        checkpoint.restore(graph)
    done = [] if checkpoint is None else checkpoint.done
    steps = _steps(graph)
    calls = [str(node.target) for node in graph.graph.nodes if node.op == "call_module"]
    for node, (inputs, float_inputs) in Lockstep(graph.eval(), reference).run(images):
        path = str(node.target)
        if path in steps and calls.count(path) == 1 and path not in done:
            layer = graph.get_submodule(path)
            assert isinstance(layer, LAYERS)
            weight = float_weight(reference.get_submodule(path))
            _Rounding(*steps[path], weight, input_moments(layer, inputs, float_inputs)).run()
            if checkpoint is not None:
                checkpoint.add(path, graph)
            if report is not None:
                report(path)


def _steps(graph: GraphModule) -> dict[str, tuple[SumStep | Wide, Term]]:
    """By layer path the step, or the output, that its accumulators enter, and as which term."""
    found = {}
    for step in fold(graph, watch_prepared(graph)):
        wide = step.source if isinstance(step, SumStep | Output) else None
        if isinstance(wide, Wide):
            for term in wide.terms:
                if isinstance(term.operand, Product):
                    found[term.operand.path] = (step if isinstance(step, SumStep) else wide, term)
    return found


class _Rounding:
    """One layer: its float weight [out, ...] and the moments of its inputs."""

    def __init__(self, step: SumStep | Wide, term: Term, weight: Tensor, seen: InputMoments) -> None:
        assert isinstance(term.operand, Product)
        self.step, self.term, self.seen = step, term, seen
        self.layer: Layer = term.operand.layer
        self.weights = weight_quantizer(self.layer)
        groups = len(seen.matrix)
        self.weight = weight
        self.rows = weight.reshape(groups, len(weight) // groups, -1)
        self.moments = Moments.of(seen.matrix)
        self.target = self.rows + self.rows @ seen.shift
        self.gain = term.unit / (self.weights.scale.double() * term.operand.source.scale)

    def run(self) -> None:
        """Set the layer's weight, scale and bias."""
        legal, log2_scales = zip(*map(self._legal_scale, SCALES), strict=True)
        plain = torch.stack([self._plain_error(s) for s in log2_scales])
        plain = plain.where(torch.stack(legal), math.inf)
        if self.weights.log2_scale.numel() == 1:
            plain = plain.sum(1, keepdim=True)
        best: tuple[Tensor, ...] | None = None
        for candidate in plain.argsort(0)[:FINALISTS]:
            log2_scale = torch.stack(log2_scales).gather(0, candidate[None])[0]
            levels, error = self._round(log2_scale)
            if log2_scale.numel() == 1:
                error = error.sum(0, keepdim=True)
            error = error.where(plain.gather(0, candidate[None])[0] < math.inf, math.inf)
            found = (levels, error, log2_scale)
            best = found if best is None else self._better(best, found)
        assert best is not None
        self._store(best[0], best[2])

    def _better(self, one: tuple[Tensor, ...], two: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Of levels, errors and scales the better ones, by channel."""
        take = two[1] < one[1]
        rows = take[:, None] if take.numel() > 1 else take
        return torch.where(rows, two[0], one[0]), torch.where(take, two[1], one[1]), torch.where(take, two[2], one[2])

    def _legal_scale(self, factor: float) -> tuple[Tensor, Tensor]:
        """(whether there is one, its log2): the scale nearest to ``factor`` times the present one that keeps levels."""
        log2_scale = self.weights.log2_scale
        moved = log2_scale + math.log2(factor)
        if not isinstance(self.step, SumStep):
            return torch.ones_like(log2_scale, dtype=torch.bool), moved
        if factor == 1 or not self.term.movable:
            return torch.full_like(log2_scale, factor == 1, dtype=torch.bool), log2_scale.clone()
        step, code = self.step, multiplier_levels(self.step)
        main = next(i for i, term in enumerate(step.source.terms) if term is self.term)
        ratio = step.ratios[main]
        level, shift, _ = nearest_multiplier(ratio * factor, code, finest_shift(step.target.format.bits))
        real = level / torch.exp2(shift.double())
        legal = level != 0
        for i, other in enumerate(step.ratios):
            if i != main:
                legal &= nearest_multiplier(other, code, max_shift=shift)[2] <= EXACT
        move = torch.where(legal, real / ratio, 1.0).log2()
        return legal.expand_as(log2_scale), log2_scale + move

    def _plain_error(self, log2_scale: Tensor) -> Tensor:
        """The error [out] of rounding each weight by itself."""
        scale = self._row_scale(log2_scale)[..., None]
        lost = self.weights.nearest(self.target / scale) * scale - self.target
        return ((lost @ self.seen.matrix) * lost).sum(2).flatten()

    def _round(self, log2_scale: Tensor) -> tuple[Tensor, Tensor]:
        """Levels [out, terms] and their errors [out]."""
        levels, error = round_with_feedback(
            self.target, self._row_scale(log2_scale), self.moments, self.weights.nearest
        )
        return levels.flatten(0, 1), error.flatten()

    def _row_scale(self, log2_scale: Tensor) -> Tensor:
        return scale_of(log2_scale).expand(len(self.weight)).view(self.rows.shape[:2])

    def _store(self, levels: Tensor, log2_scale: Tensor) -> None:
        self.weights.log2_scale.copy_(log2_scale)
        scale = scale_of(log2_scale).view(-1, 1)
        rounded = levels * scale
        float_weight(self.layer).copy_(rounded.view_as(self.weight))
        rows = rounded.view_as(self.rows)
        lost = (self.rows * self.seen.float_mean[:, None]).sum(2) - (rows * self.seen.mean[:, None]).sum(2)
        self._add_to_bias(lost.flatten())

    def _add_to_bias(self, lost: Tensor) -> None:
        """What the layer's outputs [out] lack on average enters the sum that they enter."""
        source = self.step.source if isinstance(self.step, SumStep) else self.step
        if source.anchor is None:
            return
        parameter, factor = source.anchor
        parameter.add_(torch.where(factor == 0, 0.0, lost.double() * self.gain / factor).to(parameter))

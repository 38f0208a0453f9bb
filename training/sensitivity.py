"""Which layer needs how many alphabets: sensitivity, and the smallest sets within a budget.

Both work on post-training quantization (`calibrate.quantize`), which takes seconds a trial; train with the
sets that were selected.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from asm_hw.errors import ParameterError
from asm_hw.numbers.alphabets import AlphabetSet

from .alphabet_costs import Cost, weight_cost
from .calibrate import quantize
from .prepare import prepare
from .prepared_layers import quantized_layers
from .tensor_shapes import evaluating

CANDIDATES = ((1,), (1, 3), (1, 3, 5, 7), tuple(range(1, 16, 2)))
"""Sets from the cheapest to the exact one."""

Score = Callable[[nn.Module], float]
"""How good a model is, more is better: an accuracy on held-out images, or `closeness` to the float model."""


@dataclass(frozen=True)
class Point:
    """A step of the search: the set of each layer, the score reached and the cost."""

    alphabets: dict[str, AlphabetSet]
    score: float
    cost: float
    raised: str | None = None
    """The layer whose set was raised to get here."""


@dataclass(frozen=True)
class Selection:
    """``alphabets`` by module path, ``overrides`` as `prepare` takes them; how they were found.

    ``sensitivity``: what the score loses when one layer alone has the first candidate, by path. ``top``:
    the last candidate everywhere. ``curve``: every step of the escalation, the first with the first
    candidate everywhere; ``selected``: its first point that reached the score, else its best.
    """

    alphabets: dict[str, AlphabetSet]
    overrides: dict[str, dict[str, Any]]
    sensitivity: dict[str, float]
    top: Point
    curve: tuple[Point, ...]
    selected: Point
    reached: bool


def closeness(model: nn.Module, images: Tensor) -> Score:
    """A `Score` without labels: minus the mean divergence (KL) of the outputs from those of ``model``."""
    with torch.no_grad(), evaluating(model):
        expected = model(images).log_softmax(1)

    @torch.no_grad()
    def score(candidate: nn.Module) -> float:
        with evaluating(candidate):
            found = candidate(images).log_softmax(1)
        return -torch.nn.functional.kl_div(found, expected, log_target=True, reduction="batchmean").item()

    return score


def select_alphabets(
    model: nn.Module,
    images: Tensor,
    score: Score,
    *,
    least: float = math.inf,
    within: float | None = None,
    most_cost: float = math.inf,
    candidates: Sequence[Any] = CANDIDATES,
    cost: Cost | None = None,
    formats: Mapping[str, Any] | None = None,
    report: Callable[[Point], None] | None = None,
) -> Selection:
    """The smallest alphabet set of each layer of the float ``model``, found by escalation.

    All layers start with the first of ``candidates``. The layer with the most sensitivity for the cost of
    its next set is raised, until the score is at least ``least``, or at most ``within`` below that of the
    last candidate everywhere (0 unless one of the two is given), or the next step would cost more than
    ``most_cost``, or all layers have the last. ``images``: unlabelled, to fit scales on; ``formats``: further
    settings of `prepare`, and of `prepare`'s overrides all but alphabets. ``cost``: by path and set, by default
    `weight_cost`. ``report`` is called with all that is measured.

    Raises `ParameterError` for candidates that do not cost more from one to the next, and for a
    ``most_cost`` below that of the first one everywhere.
    """
    if within is not None and not within >= 0:
        raise ParameterError(f"within must be a number of at least 0, not {within!r}")
    sets = [AlphabetSet.of(candidate) for candidate in candidates]
    if not sets:
        raise ParameterError("candidates must name at least one alphabet set, not none")
    search = _Search(model, images, score, sets, cost or weight_cost(model, images), dict(formats or {}), report)
    search.check(most_cost)
    top = search.point(dict.fromkeys(search.paths, len(sets) - 1))
    if within is not None or least == math.inf:
        least = min(least, top.score - (within or 0.0))
    sensitivity = search.sensitivity(top)
    set_index = dict.fromkeys(search.paths, 0)
    curve = [search.point(set_index)]
    while curve[-1].score < least:
        path = search.next_layer(set_index, sensitivity, most_cost)
        if path is None:
            break
        set_index[path] += 1
        curve.append(search.point(set_index, path))
    # max() takes the first of equals: the one of least cost.
    selected = curve[-1] if curve[-1].score >= least else max(curve, key=lambda point: point.score)
    overrides = search.overrides(selected.alphabets)
    return Selection(selected.alphabets, overrides, sensitivity, top, tuple(curve), selected, selected.score >= least)


class _Search:
    def __init__(
        self,
        model: nn.Module,
        images: Tensor,
        score: Score,
        sets: list[AlphabetSet],
        cost: Cost,
        formats: dict[str, Any],
        report: Callable[[Point], None] | None,
    ) -> None:
        self.model, self.images, self.score, self.sets = model, images, score, sets
        self.cost, self.formats, self.report = cost, formats, report
        self.own = dict(formats.pop("overrides", None) or {})
        self.paths = list(quantized_layers(prepare(model, images[:2], overrides=self.own, **formats)))

    def check(self, most_cost: float) -> None:
        """Raise `ParameterError` for candidates or a budget that leave nothing to select."""
        costs = [sum(self.cost(path, alphabets) for path in self.paths) for alphabets in self.sets]
        for before, after, one, other in zip(self.sets, self.sets[1:], costs, costs[1:], strict=False):
            if not one < other:
                raise ParameterError(
                    f"candidates must cost more from one to the next, and {after} after {before} does not:"
                    f" {other:.4g} after {one:.4g}"
                )
        if most_cost < costs[0]:
            raise ParameterError(
                f"most_cost must be at least {costs[0]:.4g}, that of {self.sets[0]}, not {most_cost:.4g}"
            )

    def overrides(self, alphabets: Mapping[str, AlphabetSet]) -> dict[str, dict[str, Any]]:
        """What `prepare` is told of each layer."""
        selected = {path: {**self.own.get(path, {}), "alphabets": tuple(one)} for path, one in alphabets.items()}
        return self.own | selected

    def point(self, set_index: dict[str, int], raised: str | None = None) -> Point:
        """What the sets at ``set_index`` reach and cost."""
        alphabets = {path: self.sets[i] for path, i in set_index.items()}
        overrides = self.overrides(alphabets)
        prepared = quantize(self.model, self.images, feedback=False, overrides=overrides, **self.formats)
        total = sum(self.cost(path, one) for path, one in alphabets.items())
        point = Point(alphabets, self.score(prepared), total, raised)
        if self.report:
            self.report(point)
        return point

    def sensitivity(self, top: Point) -> dict[str, float]:
        """What the score of ``top`` loses when one layer falls from the last set to the first."""
        last = dict.fromkeys(self.paths, len(self.sets) - 1)
        return {path: top.score - self.point({**last, path: 0}).score for path in self.paths}

    def next_layer(self, set_index: dict[str, int], sensitivity: dict[str, float], most_cost: float) -> str | None:
        """The layer to raise: most sensitivity left for each unit of cost; None if none may be."""
        total = sum(self.cost(path, self.sets[i]) for path, i in set_index.items())
        gains: dict[str, float] = {}
        for path, i in set_index.items():
            if i + 1 < len(self.sets):
                extra = self.cost(path, self.sets[i + 1]) - self.cost(path, self.sets[i])
                if total + extra <= most_cost:
                    left = sensitivity[path] * 2.0**-i  # each further set recovers less
                    gains[path] = left / extra if extra > 0 else math.inf
        return max(gains, key=gains.__getitem__) if gains else None

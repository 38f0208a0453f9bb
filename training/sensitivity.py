"""Which layer needs how many alphabets: sensitivity, and the smallest sets within a budget.

Both work on post-training quantization (`calibrate`), which takes seconds a trial and ranks layers as
training would start from them; train with the sets that were chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..alphabet import AlphabetSet
from ..errors import ParameterError
from .calibrate import calibrate
from .prepare import prepare, quantized_layers

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
class Choice:
    """``alphabets`` by module path, for ``prepare(overrides=choice.overrides)``; how it was found.

    ``sensitivity``: what the score loses when one layer alone has the first candidate, by path.
    ``curve``: every step of the escalation, the first with the first candidate everywhere.
    """

    alphabets: dict[str, AlphabetSet]
    sensitivity: dict[str, float]
    curve: tuple[Point, ...]
    reached: bool

    @property
    def overrides(self) -> dict[str, dict[str, Any]]:
        """The choice as `prepare` takes it."""
        return {path: {"alphabets": alphabets} for path, alphabets in self.alphabets.items()}


def closeness(model: nn.Module, images: Tensor) -> Score:
    """A `Score` without labels: minus the mean divergence (KL) of the outputs from those of ``model``."""
    model = model.eval()
    with torch.no_grad():
        expected = model(images).log_softmax(1)

    @torch.no_grad()
    def score(candidate: nn.Module) -> float:
        found = candidate.eval()(images).log_softmax(1)
        return -torch.nn.functional.kl_div(found, expected, log_target=True, reduction="batchmean").item()

    return score


def weight_cost(model: nn.Module) -> Callable[[str, AlphabetSet], float]:
    """A cost for `choose_alphabets`: digits that a layer's weights may take, so every weight counts alike.

    Energy per layer from measured figures may stand in its place: any function of (path, alphabets).
    """
    sizes = {path: module.weight.numel() for path, module in model.named_modules() if hasattr(module, "weight")}

    def cost(path: str, alphabets: AlphabetSet) -> float:
        return float(sizes[path] * len(alphabets))

    return cost


def choose_alphabets(
    model: nn.Module,
    batches: Iterable[Tensor],
    score: Score,
    *,
    least: float = float("inf"),
    most_cost: float = float("inf"),
    candidates: Sequence[Any] = CANDIDATES,
    cost: Callable[[str, AlphabetSet], float] | None = None,
    formats: Mapping[str, Any] | None = None,
) -> Choice:
    """The smallest alphabet set of each layer of the float ``model``, found by escalation.

    All layers start with the first of ``candidates``. The layer with the most sensitivity for the cost of
    its next set is raised, until the score is at least ``least``, or the next step would cost more than
    ``most_cost``, or all layers have the last. ``batches``: unlabelled images to calibrate on;
    ``formats``: further settings of `prepare`. ``cost``: by path and set, by default `weight_cost`.
    """
    sets = [AlphabetSet.of(candidate) for candidate in candidates]
    if not sets:
        raise ParameterError("candidates must name at least one alphabet set, not none")
    search = _Search(model, list(batches), score, sets, cost or weight_cost(model), dict(formats or {}))
    sensitivity = search.sensitivity()
    place, curve = dict.fromkeys(search.paths, 0), [search.point(dict.fromkeys(search.paths, 0))]
    while curve[-1].score < least:
        path = search.next_layer(place, sensitivity, most_cost)
        if path is None:
            break
        place[path] += 1
        curve.append(search.point(place, path))
    last = curve[-1]
    return Choice(last.alphabets, sensitivity, tuple(curve), last.score >= least)


class _Search:
    def __init__(
        self,
        model: nn.Module,
        batches: list[Tensor],
        score: Score,
        sets: list[AlphabetSet],
        cost: Callable[[str, AlphabetSet], float],
        formats: dict[str, Any],
    ) -> None:
        self.model, self.batches, self.score, self.sets = model, batches, score, sets
        self.cost, self.formats = cost, formats
        self.paths = list(quantized_layers(prepare(model, batches[0], **formats)))

    def point(self, place: dict[str, int], raised: str | None = None) -> Point:
        """What the sets at ``place`` reach and cost."""
        alphabets = {path: self.sets[i] for path, i in place.items()}
        overrides = {path: {"alphabets": chosen} for path, chosen in alphabets.items()}
        prepared = prepare(self.model, self.batches[0], overrides=overrides, **self.formats)
        calibrate(prepared, self.batches)
        total = sum(self.cost(path, chosen) for path, chosen in alphabets.items())
        return Point(alphabets, self.score(prepared.eval()), total, raised)

    def sensitivity(self) -> dict[str, float]:
        """What the score loses when one layer falls from the last set to the first."""
        top = dict.fromkeys(self.paths, len(self.sets) - 1)
        best = self.point(top).score
        return {path: best - self.point({**top, path: 0}).score for path in self.paths}

    def next_layer(self, place: dict[str, int], sensitivity: dict[str, float], most_cost: float) -> str | None:
        """The layer to raise: most sensitivity left for each unit of cost; None if none may be."""
        total = sum(self.cost(path, self.sets[i]) for path, i in place.items())
        gains: dict[str, float] = {}
        for path, i in place.items():
            if i + 1 < len(self.sets):
                extra = self.cost(path, self.sets[i + 1]) - self.cost(path, self.sets[i])
                if total + extra <= most_cost:
                    left = sensitivity[path] * 2.0**-i  # each further set recovers less
                    gains[path] = left / extra if extra > 0 else float("inf")
        return max(gains, key=gains.__getitem__) if gains else None

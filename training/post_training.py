"""The quick paths of the command line: quantization, and the selection of alphabets, without training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from asm_hw.errors import ParameterError, check_range
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.training.data.images import Splits

from . import calibrate
from .alphabet_costs import Cost, energy_cost, weight_cost
from .checkpoint import write_tensors
from .distributed import Group
from .evaluate import evaluate, percent
from .final_evaluation import check_formats, evaluate_test_set
from .models import check_name
from .provenance import provenance
from .rounding_checkpoint import RoundingCheckpoint
from .run_folder import (
    CHECKPOINT,
    RESULT,
    WEIGHTS,
    finished_result,
    make_folder,
    make_run_folder,
    read_result,
    write_result,
)
from .run_options import StartOptions, command_of, find_init
from .run_settings import StartSettings
from .sensitivity import Point, Score, Selection, select_alphabets
from .tensor_shapes import evaluating
from .training_start import begin_model, spread_images

MAX_IMAGES = 1 << 16
Report = Callable[[str], None]


@dataclass(frozen=True)
class _Begun:
    """The float model, its data, and images to fit scales on."""

    settings: StartSettings
    splits: Splits
    init: Path
    model: nn.Module
    images: Tensor

    @property
    def source(self) -> dict[str, Any]:
        """Where a result comes from."""
        return provenance(self.splits, self.init, torch.get_num_threads(), Group())


def _begin(options: StartOptions, images: int) -> _Begun:
    check_name(options.model)
    init = find_init(options.init, options.model)
    if init is None:
        raise ParameterError("init must be given: a file of float weights, or the folder of a run")
    check_range("images", images, 2, MAX_IMAGES)
    splits = options.load()
    settings = StartSettings(**options.settings(splits, init))
    model = begin_model(settings.model, splits, init).eval()
    check_formats(settings, splits)
    return _Begun(settings, splits, init, model, spread_images(splits.train, images)[0])


def run_quantization(
    options: StartOptions, out: Path, images: int, feedback: bool = True, report: Report | None = None
) -> dict[str, Any]:
    """Quantize float weights without training; the result, also in ``out/result.json``.

    Scales and norms are fitted on ``images`` training images, evenly chosen, whose labels are not read. ``out`` gets
    the prepared weights and the integers as a training would leave them; a folder that holds the same result
    gives it again, one of another run is refused, and one that was interrupted is gone on with. ``feedback``: as in
    `calibrate.quantize`. ``report`` is told what is at work.
    """
    begun = _begin(options, images)
    more = {"images": images, "rounding": "feedback" if feedback else "nearest"}
    settings = begun.settings.as_json() | more
    if (finished := finished_result(out, settings, begun.splits)) is not None:
        return finished
    make_run_folder(out)
    report = report or (lambda _: None)
    formats = begun.settings.prepare_arguments()
    kept = RoundingCheckpoint(out / CHECKPOINT, settings)
    model = calibrate.quantize(begun.model, begun.images, feedback=feedback, report=report, checkpoint=kept, **formats)
    report("evaluating")
    write_tensors(out / WEIGHTS, model.state_dict(), {"settings": settings})
    held_out = {"held_out_percent": percent(evaluate(model, begun.splits.held_out))}
    result = {
        "settings": settings,
        "test": evaluate_test_set(model, begun.splits, begun.settings, out, begun.model),
        "choices": held_out,
        "command": command_of(begun.settings, "quantize", **more, threads=torch.get_num_threads()),
        "provenance": begun.source,
    }
    write_result(out / RESULT, result)
    kept.remove()
    return result


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Where the escalation of alphabets stops; `select_alphabets` says how.

    ``within``: percent points of the score. ``most_cost``: alphabets a weight, or with ``energy`` (of one MAC
    by set) energy a MAC; means over the network. ``labels``: the score is the accuracy, else the share of
    images that get the class that the float model gives them.
    """

    candidates: Sequence[AlphabetSet]
    within: float | None
    most_cost: float | None
    energy: dict[AlphabetSet, float] | None
    labels: bool

    def as_json(self) -> dict[str, Any]:
        """The budget as the command line has it."""
        energy = None if self.energy is None else [f"{one}={value:g}" for one, value in self.energy.items()]
        return {**vars(self), "candidates": list(map(str, self.candidates)), "energy": energy}


def run_selection(
    options: StartOptions,
    budget: Budget,
    out: Path,
    images: int,
    report: Callable[[Point], None] | None = None,
) -> dict[str, Any]:
    """The smallest alphabets of each layer within ``budget``; the result, also in the file ``out``.

    The score is of ``images`` held-out images, scales are fitted on as many training images.
    ``layers`` of the result is what ``--layers`` of a training takes. A file that holds the same result gives
    it again, another one is refused.
    """
    begun = _begin(options, images)
    if not len(begun.splits.held_out):
        raise ParameterError("hold_out must be at least 1: alphabets are chosen on held-out images, not 0")
    settings = begun.settings.as_json() | budget.as_json() | {"images": images}
    if (finished := read_result(out, settings, begun.splits)) is not None:
        return finished
    make_folder(out.parent)
    score = _agreement(begun, images, budget.labels)
    selection = select_alphabets(
        begun.model,
        begun.images,
        score,
        within=budget.within,
        most_cost=float("inf") if budget.most_cost is None else budget.most_cost,
        candidates=budget.candidates,
        cost=_cost(begun, budget),
        formats={name: value for name, value in begun.settings.prepare_arguments().items() if name != "alphabets"},
        report=report,
    )
    counts = {"fitted": len(begun.images), "scored": min(images, len(begun.splits.held_out))}
    result = {"settings": settings, "images": counts, "float_score": score(begun.model)}
    result |= _as_json(selection) | {"provenance": begun.source}
    write_result(out, result)
    return result


def _as_json(selection: Selection) -> dict[str, Any]:
    layers = {path: own | {"alphabets": list(own["alphabets"])} for path, own in selection.overrides.items()}
    return {
        "top": _row(selection.top),
        "curve": [_row(point) for point in selection.curve],
        "chosen": _row(selection.selected),
        "reached": selection.reached,
        "sensitivity": selection.sensitivity,
        "layers": layers,
    }


def _row(point: Point) -> dict[str, Any]:
    """A point of the curve: what was raised to which set."""
    to = None if point.raised is None else list(point.alphabets[point.raised])
    return {"raised": point.raised, "to": to, "score": point.score, "cost": point.cost}


def _cost(begun: _Begun, budget: Budget) -> Cost:
    if budget.energy is None:
        return weight_cost(begun.model, begun.images)
    return energy_cost(begun.model, begun.images, budget.energy)


def _agreement(begun: _Begun, images: int, labels: bool) -> Score:
    """Percent of some held-out images to which a model gives their class, or the float model's."""
    inputs, classes = spread_images(begun.splits.held_out, images)
    if not labels:
        classes = _classes(begun.model, inputs)
    return lambda model: round(100 * (_classes(model, inputs) == classes).double().mean().item(), 4)


@torch.no_grad()
def _classes(model: nn.Module, inputs: Tensor) -> Tensor:
    with evaluating(model):
        return torch.cat([model(part).argmax(1) for part in inputs.split(500)])

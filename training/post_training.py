"""The quick paths of the command line: quantization, and the choice of alphabets, without training."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..alphabet import AlphabetSet
from ..errors import ParameterError, check_range
from .calibrate import calibrate
from .checkpoint import write_atomic, write_tensors
from .convert import freeze, settle
from .data.images import Splits
from .distributed import Group
from .evaluate import evaluate, percent
from .prepare import prepare
from .program import CHECKPOINT, WEIGHTS, begin_model, first_images
from .result import RESULT, StartOptions, command_of, find_init, judge, make_folder, provenance
from .sensitivity import Cost, Point, Score, choose_alphabets, energy_cost, weight_cost
from .settings import Start

MOST_IMAGES = 1 << 16
WIDTHS = ("weight_bits", "act_bits", "act_alphabets")


@dataclass(frozen=True)
class _Begun:
    """The float model, its data, and images to calibrate on."""

    settings: Start
    splits: Splits
    init: Path
    model: nn.Module
    images: Tensor

    @property
    def source(self) -> dict[str, Any]:
        """Where a result comes from."""
        return provenance(self.splits, self.init, torch.get_num_threads(), Group())


def _begin(options: StartOptions, images: int) -> _Begun:
    init = find_init(options.init)
    if init is None:
        raise ParameterError("init must be given: a file of float weights, or the folder of a run")
    check_range("images", images, 2, MOST_IMAGES)
    splits = options.load()
    settings = Start(**options.settings(splits, init))
    model = begin_model(settings.model, splits, init).eval()
    return _Begun(settings, splits, init, model, first_images(splits.train, images)[0])


def quantize(options: StartOptions, out: Path, images: int) -> dict[str, Any]:
    """Quantize float weights without training; the result, also in ``out/result.json``.

    Activation scales are fitted on the first ``images`` training images, whose labels are not read; norms
    are estimated anew on them. ``out`` gets the prepared weights and the integers as a training would
    leave them. A folder that holds the same already gives it again, one of another run is refused.
    """
    begun = _begin(options, images)
    more = {"images": images}
    command = command_of(begun.settings, "quantize", **more)
    settings = begun.settings.as_json() | more
    if (known := _known(out, settings)) is not None:
        return known
    model = prepare(begun.model, begun.images, **begun.settings.formats())
    calibrate(model, [begun.images])
    freeze(model)
    settle(model.eval())
    make_folder(out)
    write_tensors(out / WEIGHTS, model.state_dict(), {"settings": settings})
    before = {"float_percent": percent(evaluate(begun.model, begun.splits.test))}
    test = before | judge(model, begun.splits, begun.settings, out)
    result = {"settings": settings, "test": test, "command": command, "provenance": begun.source}
    return _write(out / RESULT, result)


def _known(out: Path, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The result that ``out`` holds of the same settings; None for a new folder."""
    if not any((out / name).exists() for name in (CHECKPOINT, WEIGHTS, RESULT)):
        return None
    try:
        known = json.loads((out / RESULT).read_text())
    except (OSError, ValueError):
        known = {}
    if known.get("settings") == settings:
        return known
    raise ParameterError(f"out must be a new folder or one of the same settings, and {str(out)!r} holds another run")


def _write(path: Path, result: dict[str, Any]) -> dict[str, Any]:
    write_atomic(path, json.dumps(result, indent=1).encode() + b"\n")
    return result


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Where the escalation of alphabets stops; `choose_alphabets` says how.

    ``within``: percent points of the score. ``most_cost``: alphabets a weight, or with ``energies`` (of one
    MAC by set) energy a MAC; means over the network. ``labels``: the score is the accuracy, else the share
    of images that get the class that the float model gives them.
    """

    candidates: Sequence[AlphabetSet]
    within: float | None
    most_cost: float
    energies: dict[AlphabetSet, float] | None
    labels: bool


def choose(
    options: StartOptions,
    budget: Budget,
    out: Path,
    images: int,
    report: Callable[[Point], None] | None = None,
) -> dict[str, Any]:
    """The smallest alphabets of each layer within ``budget``; the result, also in the file ``out``.

    The score is of the first ``images`` held-out images, scales are fitted on as many training images.
    ``layers`` of the result is what ``--layers`` of a training takes.
    """
    begun = _begin(options, images)
    if not len(begun.splits.held_out):
        raise ParameterError("hold_out must be at least 1: alphabets are chosen on held-out images, not 0")
    make_folder(out.parent)
    score = _share(begun, images, budget.labels)
    chosen = choose_alphabets(
        begun.model,
        [begun.images],
        score,
        within=budget.within,
        most_cost=budget.most_cost,
        candidates=budget.candidates,
        cost=_cost(begun, budget),
        formats={name: value for name, value in begun.settings.formats().items() if name in WIDTHS},
        report=report,
    )
    result = {
        "settings": begun.settings.as_json() | {"images": images, "labels": budget.labels},
        "float_score": score(begun.model),
        "top": _row(chosen.top),
        "curve": [_row(point) for point in chosen.curve],
        "reached": chosen.reached,
        "sensitivity": chosen.sensitivity,
        "layers": {path: {"alphabets": list(alphabets)} for path, alphabets in chosen.alphabets.items()},
        "provenance": begun.source,
    }
    return _write(out, result)


def _row(point: Point) -> dict[str, Any]:
    """A point of the curve as JSON: what was raised to which set."""
    to = None if point.raised is None else list(point.alphabets[point.raised])
    return {"raised": point.raised, "to": to, "score": point.score, "cost": point.cost}


def _cost(begun: _Begun, budget: Budget) -> Cost:
    if budget.energies is None:
        return weight_cost(begun.model)
    return energy_cost(begun.model, begun.images, budget.energies)


def _share(begun: _Begun, images: int, labels: bool) -> Score:
    """Percent of the first held-out images to which a model gives their class, or the float model's."""
    inputs, classes = first_images(begun.splits.held_out, images)
    if not labels:
        classes = _classes(begun.model, inputs)
    return lambda model: round(100 * (_classes(model, inputs) == classes).double().mean().item(), 4)


@torch.no_grad()
def _classes(model: nn.Module, inputs: Tensor) -> Tensor:
    return torch.cat([model.eval()(part).argmax(1) for part in inputs.split(500)])

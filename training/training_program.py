"""A whole run: settings from options, training, one evaluation on the test set, ``result.json``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import nn

from asm_hw.errors import ParameterError
from asm_hw.training.data.images import Splits

from .device import is_cuda
from .distributed import Group
from .final_evaluation import check_formats, evaluate_test_set
from .models import check_name
from .provenance import provenance
from .recipes import recipe_for
from .run_folder import RESULT, WEIGHTS, finished_result, make_run_folder, write_result
from .run_options import Options, command_of, find_init
from .run_settings import TrainingSettings
from .training_run import Epoch, Tick, Training
from .training_start import begin_model, check_batch

Report = Callable[[Epoch, Path], None]
"""Called after each epoch with the folder that it was trained in."""


def run_training(
    options: Options, out: Path, group: Group, report: Report | None = None, tick: Tick | None = None
) -> dict[str, Any]:
    """Train as ``options`` say in the folder ``out``, or go on there; the result, also in ``out/result.json``.

    An alphabet-aware training without ``init`` begins with a float training in ``out/float``. A finished
    run gives its result again. Raises `ParameterError` on bad options before anything is written.
    """
    check_name(options.model)
    splits = _load(options, group)
    init = find_init(options.init, options.model)
    settings = _settings(options, splits, init)
    group.part(settings.recipe.batch)
    check_batch(settings.recipe.batch, splits)
    if settings.alphabets is not None:
        check_formats(settings, splits)
        if init is None:
            init = _train_float(options, out / "float", group, report, tick)
            settings = _settings(options, splits, init)
    begin_model(settings.model, splits, init)  # raises before there is a folder
    finished = finished_result(out, settings.as_json(), splits)
    group.agree("out", "a result" if finished else "no result")
    if finished is not None:
        return finished
    if group.first:
        make_run_folder(out)
    group.wait()
    training, model = _train(settings, splits, init, options, out, group, report, tick)
    result = _write_result(training, model, options, out) if group.first else {}
    group.wait()
    return result


def _load(options: Options, group: Group) -> Splits:
    """The data; the first process of each machine downloads what is missing."""
    if group.local:
        group.wait()
    splits = options.load()
    if not group.local:
        group.wait()
    return splits


def _settings(options: Options, splits: Splits, init: Path | None) -> TrainingSettings:
    recipe = recipe_for(options.model, splits.image_size, options.alphabets is not None, **options.recipe)
    return TrainingSettings(**options.settings(splits, init), recipe=recipe, seed=options.seed)


def _train_float(options: Options, out: Path, group: Group, report: Report | None, tick: Tick | None) -> Path:
    """The weights of a float training of the same model by its own recipe, in the folder ``out``."""
    try:
        run_training(replace(options, alphabets=None, layers=None, recipe={}), out, group, report, tick)
    except ParameterError as error:
        raise ParameterError(f"{error} (in the float training that comes first without init)") from None
    return out / WEIGHTS


def _train(
    settings: TrainingSettings,
    splits: Splits,
    init: Path | None,
    options: Options,
    out: Path,
    group: Group,
    report: Report | None,
    tick: Tick | None,
) -> tuple[Training, nn.Module]:
    """The training in the folder ``out``, which is left as it was if it cannot begin, and its model."""
    try:
        training = Training(settings, splits, out, init, group, options.save_seconds, options.device)
        return training, training.run((lambda epoch: report(epoch, out)) if report else None, tick)
    except ParameterError:
        with suppress(OSError):
            out.rmdir()  # if nothing has been written
        raise


def _write_result(training: Training, model: nn.Module, options: Options, out: Path) -> dict[str, Any]:
    settings, splits = training.settings, training.splits
    result = {
        "settings": settings.as_json(),
        "test": evaluate_test_set(model, splits, settings, out),
        "history": [asdict(row) for row in training.history],
        "training_s": round(training.seconds, 1),
        "command": command_of(
            settings, threads=training.threads, device=options.device if is_cuda(options.device) else None
        ),
        "provenance": provenance(splits, out / WEIGHTS, training.threads, training.group, training.environments),
    }
    write_result(out / RESULT, result)
    return result

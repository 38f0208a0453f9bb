"""A whole run: settings from options, training, one evaluation on the test set, ``result.json``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from asm_hw.errors import ParameterError
from asm_hw.network.network_file import save as save_network
from asm_hw.training.data.images import Splits

from .checkpoint import read_metadata, sha256, write_atomic
from .convert import convert, freeze
from .device import is_cuda
from .distributed import Group
from .evaluate import compare, evaluate, percent
from .layer_settings import Start, check_same
from .models import check_name
from .prepare import prepare
from .provenance import data_of, provenance
from .recipes import recipe_for
from .run_options import Options, command_of, find_init
from .training_run import (
    CHECKPOINT,
    RESULT,
    WEIGHTS,
    Epoch,
    Settings,
    Tick,
    Training,
    begin_model,
    check_batch,
    first_images,
)

INTEGERS = "integers.safetensors"
WRITABLE = ".writable"
"""A file that is made and removed to see whether a folder can be written."""

Report = Callable[[Epoch, Path], None]
"""Called after each epoch with the folder that it was trained in."""


def run(
    options: Options, out: Path, group: Group, report: Report | None = None, tick: Tick | None = None
) -> dict[str, Any]:
    """Train as ``options`` say in the folder ``out``, or go on there; the result, also in ``out/result.json``.

    An alphabet-aware training without ``init`` begins with a float training in ``out/float``. A finished
    run gives its result again. Raises `ParameterError` on bad options before anything is written.
    """
    check_name(options.model)
    if group.local:
        group.wait()  # the first process of each machine downloads what is missing
    splits = options.load()
    if not group.local:
        group.wait()
    init = find_init(options.init)
    settings = _settings(options, splits, init)
    group.part(settings.recipe.batch)
    check_batch(settings.recipe.batch, splits)
    if settings.alphabets is not None:
        check_formats(settings, splits)
    if init is None and settings.alphabets is not None:
        begun = Options(**{**vars(options), "alphabets": None, "layers": None, "recipe": {}})
        try:
            run(begun, out / "float", group, report, tick)
        except ParameterError as error:
            raise ParameterError(f"{error} (in the float training that comes first without init)") from None
        init = out / "float" / WEIGHTS
        settings = _settings(options, splits, init)
    begin_model(settings.model, splits, init)  # raises before there is a folder
    known = known_result(out, settings.as_json(), splits)
    group.agree("out", "a result" if known else "no result")
    if known is not None:
        return known
    if group.first:
        make_run_folder(out)
    group.wait()
    try:
        training = Training(settings, splits, out, init, group, options.save_seconds, options.device)
        model = training.run((lambda epoch: report(epoch, out)) if report else None, tick)
    except ParameterError:
        with suppress(OSError):
            out.rmdir()  # if nothing has been written
        raise
    result: dict[str, Any] = {}
    if group.first:
        result = {
            "settings": settings.as_json(),
            "test": judge(model, splits, settings, out),
            "history": [asdict(row) for row in training.history],
            "training_s": round(training.seconds, 1),
            "command": command_of(
                settings, threads=training.threads, device=options.device if is_cuda(options.device) else None
            ),
            "provenance": provenance(splits, out / WEIGHTS, training.threads, group, training.environments),
        }
        write_result(out / RESULT, result)
    group.wait()
    return result


def _settings(options: Options, splits: Splits, init: Path | None) -> Settings:
    recipe = recipe_for(options.model, splits.image_size, options.alphabets is not None, **options.recipe)
    return Settings(**options.settings(splits, init), recipe=recipe, seed=options.seed)


def check_formats(settings: Start, splits: Splits) -> None:
    """Raise `ParameterError`, naming the module, for a model that would not become integers after training."""
    model = begin_model(settings.model, splits, None)
    prepared = prepare(model, first_images(splits.train, 2)[0], **settings.formats())
    freeze(prepared)
    convert(prepared)


def make_run_folder(out: Path) -> None:
    """The folder ``out`` of a run; `ParameterError` if other things lie there, or it cannot be made or written."""
    own = {CHECKPOINT, WEIGHTS, INTEGERS, RESULT, "float", "tensorboard", WRITABLE}
    others = [path.name for path in out.iterdir() if path.name.removesuffix(".part") not in own] if out.is_dir() else []
    if others:
        raise ParameterError(f"out must be a new folder or that of a run, and {str(out)!r} holds {others[0]!r}")
    make_folder(out)


def make_folder(out: Path) -> None:
    """The folder ``out``; `ParameterError` if it cannot be made or written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / WRITABLE).touch()
        (out / WRITABLE).unlink()
    except OSError as error:
        raise ParameterError(f"out must be a folder that can be written, and {str(out)!r} is not: {error}") from None


def known_result(out: Path, settings: dict[str, Any], splits: Splits) -> dict[str, Any] | None:
    """The result in the folder ``out``, None if it holds none; `ParameterError` if of other settings or images."""
    for name in (CHECKPOINT, WEIGHTS):
        if (out / name).exists():
            check_same(read_metadata(out / name).get("settings"), settings, out / name)
    made = (WEIGHTS,) if settings["alphabets"] is None else (WEIGHTS, INTEGERS)
    known = read_result(out / RESULT, settings, splits)
    return known if all((out / name).is_file() for name in made) else None  # what is missing is made again


def read_result(path: Path, settings: dict[str, Any], splits: Splits) -> dict[str, Any] | None:
    """The result in the file ``path``, None if there is none; `ParameterError` if of other settings or images."""
    if not path.exists():
        return None
    try:
        result = json.loads(path.read_text())
        found, data = result["settings"], result["provenance"]["data"]
    except (OSError, ValueError, KeyError, TypeError):
        raise ParameterError(f"out must be new or hold a whole result, and {str(path)!r} is none") from None
    check_same(found, settings, path)
    if data != data_of(splits):
        raise ParameterError(f"dataset must be the images of {str(path)!r}, and these differ: give another --out")
    return result


def write_result(path: Path, result: dict[str, Any]) -> None:
    """``result`` as JSON, all or nothing."""
    write_atomic(path, json.dumps(result, indent=1).encode() + b"\n")


def judge(model: nn.Module, splits: Splits, settings: Start, out: Path) -> dict[str, Any]:
    """Accuracies in percent on the test set: of the float model, or of the fake-quantized one and its integers.

    The integers, written to the folder ``out``, are evaluated by the golden model. ``agreement_percent``:
    images to which both give the same class.
    """
    started = time.monotonic()
    model = model.cpu()
    result: dict[str, Any] = {"images": len(splits.test)}
    if settings.alphabets is None:
        return result | {"float_percent": percent(evaluate(model, splits.test))}
    network = convert(model)
    save_network(network, out / INTEGERS)
    result |= compare(model, network, splits.test)
    return result | {"integers_sha256": sha256(out / INTEGERS), "evaluation_s": round(time.monotonic() - started, 1)}

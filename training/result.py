"""A whole run: settings from options, training, one evaluation on the test set, ``result.json``."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import nn

from ..alphabet import AlphabetSet
from ..errors import ParameterError
from ..network.storage import save as save_network
from .checkpoint import sha256, write_atomic
from .convert import convert
from .data import load_data
from .data.images import Splits
from .distributed import Group
from .evaluate import compare, evaluate, percent
from .prepare import prepare
from .program import WEIGHTS, Settings, Tick, Training, begin_model, check_batch, first_images
from .program import Report as Report
from .recipes import recipe_for
from .settings import Start, read_layers

RESULT, INTEGERS = "result.json", "integers.safetensors"


@dataclass(frozen=True, kw_only=True)
class StartOptions:
    """Model, data and formats as a command line gives them."""

    model: str
    dataset: str
    alphabets: str | None
    weight_bits: int
    act_bits: int
    act_alphabets: str | None
    layers: Path | None
    init: str | None
    hold_out: int | None
    image_size: int
    workers: int

    def load(self) -> Splits:
        """The data."""
        return load_data(self.dataset, self.hold_out, self.image_size, self.workers)

    def settings(self, splits: Splits, init: Path | None) -> dict[str, Any]:
        """The parameters of `Start`."""
        folder = self.dataset.startswith("folder:")
        return {
            "model": self.model,
            "dataset": self.dataset.partition(":")[0] if folder else self.dataset,
            "alphabets": tuple(AlphabetSet.parse(self.alphabets)) if self.alphabets is not None else None,
            "weight_bits": self.weight_bits,
            "act_bits": self.act_bits,
            "act_alphabets": tuple(AlphabetSet.parse(self.act_alphabets)) if self.act_alphabets else None,
            "layers": None if self.layers is None else read_layers(self.layers),
            "hold_out": len(splits.held_out),
            "init": None if init is None else init.name,
            "init_sha256": None if init is None else sha256(init),
        }


@dataclass(frozen=True, kw_only=True)
class Options(StartOptions):
    """What the command line of a training gives; ``recipe``: the parameters that are not to be the recipe's."""

    seed: int
    device: str
    save_seconds: float
    recipe: dict[str, Any]


def run(
    options: Options, out: Path, group: Group, report: Report | None = None, tick: Tick | None = None
) -> dict[str, Any]:
    """Train as ``options`` say in the folder ``out``, or go on there; the result, also in ``out/result.json``.

    An alphabet-aware training without ``init`` begins with a float training in ``out/float``. A finished
    run gives its result again. Raises `ParameterError` on bad options before anything is written.
    """
    if not group.first:
        group.wait()  # the first process downloads what is missing
    splits = options.load()
    if group.first:
        group.wait()
    init = find_init(options.init)
    settings = _settings(options, splits, init)
    group.part(settings.recipe.batch)
    check_batch(settings.recipe.batch, splits)
    if settings.alphabets is not None:
        check_formats(settings, splits)
    if init is None and settings.alphabets is not None:
        begun = Options(**{**vars(options), "alphabets": None, "layers": None, "recipe": {}})
        run(begun, out / "float", group, report, tick)
        init = out / "float" / WEIGHTS
        settings = _settings(options, splits, init)
    begin_model(settings.model, splits, init)  # raises before there is a folder
    if group.first:
        make_folder(out)
    group.wait()
    training = Training(settings, splits, out, init, group, options.save_seconds, options.device)
    if (out / RESULT).exists():
        return json.loads((out / RESULT).read_text())
    model = training.run(report, tick)
    result: dict[str, Any] = {}
    if group.first:
        result = {
            "settings": settings.as_json(),
            "test": judge(model, splits, settings, out),
            "history": [asdict(row) for row in training.history],
            "training_s": round(training.seconds, 1),
            "command": command_of(settings),
            "provenance": provenance(splits, out / WEIGHTS, training.threads, group),
        }
        write_atomic(out / RESULT, json.dumps(result, indent=1).encode() + b"\n")
    group.wait()
    return result


def find_init(init: str | None) -> Path | None:
    """The file of ``init``: a path, a path below ``ASM_HW_DATA``, or a folder of an earlier run."""
    if init is None:
        return None
    below = Path(os.environ.get("ASM_HW_DATA") or ".") / init
    path = below if not Path(init).exists() and below.exists() else Path(init)
    path = path / WEIGHTS if path.is_dir() else path
    if not path.is_file():
        raise ParameterError(f"init must be a file of weights or the folder of a run, and {init!r} is neither")
    return path


def _settings(options: Options, splits: Splits, init: Path | None) -> Settings:
    recipe = recipe_for(options.model, splits.image_size, options.alphabets is not None, **options.recipe)
    return Settings(**options.settings(splits, init), recipe=recipe, seed=options.seed)


def check_formats(settings: Start, splits: Splits) -> None:
    """Raise `ParameterError` for a model that cannot be prepared as ``settings`` say, layers by name too."""
    prepare(begin_model(settings.model, splits, None), first_images(splits.train, 2)[0], **settings.formats())


def make_folder(out: Path) -> None:
    """The folder ``out``; `ParameterError` if it cannot be made or written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / ".writable").touch()
        (out / ".writable").unlink()
    except OSError as error:
        raise ParameterError(f"out must be a folder that can be written, and {str(out)!r} is not: {error}") from None


def judge(model: nn.Module, splits: Splits, settings: Start, out: Path) -> dict[str, Any]:
    """Accuracies in percent on the test set: of the float model, or of the fake-quantized one and its integers.

    The integers, written to the folder ``out``, are evaluated by the golden model; for a model that does
    not convert, ``integers`` says why. ``agreement_percent``: images to which both give the same class.
    """
    started = time.monotonic()
    model = model.cpu()
    result: dict[str, Any] = {"images": len(splits.test)}
    if settings.alphabets is None:
        return result | {"float_percent": percent(evaluate(model, splits.test))}
    try:
        network = convert(model)
    except ParameterError as error:
        return result | {"fake_quant_percent": percent(evaluate(model, splits.test)), "integers": str(error)}
    save_network(network, out / INTEGERS)
    result |= compare(model, network, splits.test)
    return result | {"integers_sha256": sha256(out / INTEGERS), "evaluation_s": round(time.monotonic() - started, 1)}


def command_of(settings: Start, command: str = "train", **more: Any) -> str:
    """The command with which ``settings`` are used again; files and folders by their names alone.

    The layers are those that the result holds, so it names the result. ``more``: options of ``command``.
    """
    plain = settings.as_json()
    given = {**plain.pop("recipe", {}), **plain, "init_sha256": None, **more}
    given["layers"] = RESULT if plain["layers"] else None
    values = {name: ",".join(map(str, v)) if isinstance(v, list) else v for name, v in given.items() if v is not None}
    return " ".join([f"asm-hw {command}", *(f"--{name.replace('_', '-')} {value}" for name, value in values.items())])


def provenance(splits: Splits, weights: Path, threads: int, group: Group) -> dict[str, Any]:
    """What a reader needs to make the result again, without paths of this machine."""
    sets = {"train": splits.train, "held_out": splits.held_out, "test": splits.test}
    return {
        "data": {name: {"images": len(data), "sha256": data.fingerprint()} for name, data in sets.items()},
        "weights_sha256": sha256(weights),
        "versions": {name: version(name) for name in ("asm-hw", "torch", "numpy", "safetensors")}
        | {"python": platform.python_version()},
        "commit": commit(),
        "machine": platform.machine(),
        "threads": threads,
        "processes": group.size,
    }


def commit() -> str | None:
    """The commit of the checkout that this code runs from, ``+`` if files differ from it; None outside one."""
    here = Path(__file__).resolve().parent

    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.run(command, cwd=here, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None

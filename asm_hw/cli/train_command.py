"""The command ``asm-hw train``, and the options that it shares with `post_training_commands`."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from asm_hw.errors import ParameterError

from .image_options import image_options
from .unit_options import option, refuse_given

_MODEL = (
    option("--model", default="resnet20", show_default=True, help="Name, ONNX file, or module:function of classes."),
    option("--dataset", default="cifar10", show_default=True, help="cifar10, digits, folder:PATH or module:function."),
    option("--init", help="Float weights to begin with: a file, also below ASM_HW_DATA, or the folder of a run."),
    option("--hold-out", type=int, help="Training images kept for choices. [default: 5000, at most a tenth]"),
    option("--image-size", type=int, default=224, show_default=True, help="Of folder data, pixels."),
    image_options,
    option("--workers", type=int, default=0, show_default=True, help="Processes that decode folder data."),
    option("--threads", type=int, help="Threads of PyTorch; a run goes on with those it began with. [default: all]"),
)
_WIDTHS = (
    option("--weight-bits", type=int, default=5, show_default=True, help="Weight bits, sign included."),
    option("--act-bits", type=int, default=8, show_default=True, help="Activation bits."),
    option("--act-alphabets", help="Alphabets on which activations are encoded. [default: none, binary]"),
)
layers_option = option(
    "--layers",
    type=click.Path(path_type=Path),
    help="JSON file of what differs by layer, such as asm-hw choose writes. [default: none]",
)
_RECIPE = (
    option("--epochs", type=int, help="Epochs; not of a float training that comes first. [default: the recipe's]"),
    option("--batch", type=int, help="Images a step, over all processes. [default: the recipe's]"),
    option("--learning-rate", type=float, help="Highest learning rate. [default: the recipe's]"),
    option("--weight-decay", type=float, help="Of weights. [default: the recipe's]"),
    option("--warmup", type=float, help="Share of the steps in which the rate rises. [default: the recipe's]"),
    option("--label-smoothing", type=float, help="0 to 1. [default: the recipe's]"),
    option("--settle", type=int, help="Last epochs, scales frozen on ASM multipliers. [default: the recipe's]"),
    option("--scale-learning-rate", type=float, help="Of the logarithms of scales. [default: the recipe's]"),
    option("--distill", type=float, help="Weight of the float model's answers, 0 to 1. [default: the recipe's]"),
    option("--precision", help="float32 or bfloat16, in training. [default: the recipe's]"),
)


def _adding(options: tuple[Callable, ...]) -> Callable:
    """A decorator that adds ``options``."""

    def decorate(command: Callable) -> Callable:
        for add in reversed(options):
            command = add(command)
        return command

    return decorate


model_options, width_options, recipe_options = _adding(_MODEL), _adding(_WIDTHS), _adding(_RECIPE)


def use_threads(threads: int | None) -> None:
    """PyTorch's threads as ``--threads`` has them."""
    import torch

    if threads is not None:
        if threads < 1:
            raise ParameterError(f"threads must be at least 1, not {threads}")
        torch.set_num_threads(threads)


@click.command()
@model_options
@option("--alphabets", help="Alphabet set of the weights. [default: none, a float training]")
@width_options
@layers_option
@option("--out", type=click.Path(path_type=Path), help="Folder of the run. [default: runs/ and what is trained]")
@option("--seed", type=int, default=0, show_default=True, help="Of weights, order and augmentation.")
@option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@option("--save-seconds", type=float, default=60.0, show_default=True, help="Between checkpoints.")
@option("--tensorboard", is_flag=True, help="Write events for TensorBoard into the folder.")
@recipe_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def train(as_json: bool, out: Path | None, threads: int | None, tensorboard: bool, **given: Any) -> None:
    """Train a model, in float or on the levels of an alphabet set, and evaluate it once on the test set.

    \b
    asm-hw train --model resnet8                                        float, from scratch
    asm-hw train --model resnet20 --alphabets 1,3 --init FILE          from float weights
    torchrun --nproc-per-node 2 -m asm_hw.cli train --model resnet8     several processes

    Kill it at any moment: the same command goes on to the same weights. OUT holds checkpoint, weights,
    integers and result.json.
    """
    from asm_hw.training.distributed import process_group
    from asm_hw.training.recipes import ALPHABET_OPTIONS, Recipe
    from asm_hw.training.run_options import Options
    from asm_hw.training.training_program import run_training

    if given["alphabets"] is None:
        refuse_given(
            ("weight_bits", "act_bits", "act_alphabets", "layers", *ALPHABET_OPTIONS), "where no alphabets are given"
        )
    if tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise ParameterError("tensorboard must be installed for --tensorboard: pip install 'asm-hw[train]'")
    recipe = {f.name: given.pop(f.name) for f in fields(Recipe)}
    options = Options(**given, recipe=recipe)
    use_threads(threads)
    out = out or Path("runs") / run_name(options, f"seed{options.seed}")
    with process_group(options.device) as group, _Display(group.first, tensorboard) as display:
        result = run_training(options, out, group, display.report, display.tick)
        if display.folder != out:
            display.console.print(f"{out} had been trained to the end: nothing was trained")
    if group.first:
        print(json.dumps(result)) if as_json else Console().print(result_table(result))


def run_name(options: Any, *more: str) -> str:
    """What a run is called by its model, its data and its formats."""
    data = Path(options.dataset).name if options.dataset.startswith("folder:") else options.dataset
    model = Path(options.model).stem if options.model.endswith(".onnx") else options.model
    parts = [model] if data == "cifar10" else [model, data]
    if options.alphabets is None:
        parts += ["float"]
    else:
        parts += [options.alphabets, f"w{options.weight_bits}", f"a{options.act_bits}"]
        parts += [f"on_{options.act_alphabets}"] if options.act_alphabets else []
    parts += [options.layers.stem] if options.layers else []
    return "_".join([*parts, *more]).replace(",", "_").replace(":", "_").replace("/", "_")


class _Display:
    """Bars on a terminal, a line an epoch elsewhere, both on stderr; events where asked."""

    def __init__(self, shown: bool, events: bool) -> None:
        self.console = Console(stderr=True, quiet=not shown, highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.progress = Progress(*columns, console=self.console, disable=not (shown and self.console.is_terminal))
        self.events = events and shown
        self.writers: dict[Path, Any] = {}
        self.folder: Path | None = None
        self.task = self.progress.add_task("training")

    def __enter__(self) -> _Display:
        self.progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.progress.stop()
        for writer in self.writers.values():
            writer.close()

    def tick(self, done: int, steps: int, loss: float) -> None:
        self.progress.update(self.task, completed=done, total=steps, description=f"loss {loss:.3f}")

    def report(self, row: Any, folder: Path) -> None:
        if folder != self.folder:
            self.folder = folder
            self.console.print(f"in {folder}:")
        held = "-" if row.held_out_accuracy is None else f"{100 * row.held_out_accuracy:.2f} %"
        self.console.print(f"epoch {row.epoch}: loss {row.loss:.4f}, held-out {held}, {row.seconds:.0f} s")
        if self.events:
            self._write(row, folder)

    def _write(self, row: Any, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        if folder not in self.writers:
            # Events of epochs that an interrupted run wrote and did not keep are dropped.
            self.writers[folder] = SummaryWriter(str(folder / "tensorboard"), purge_step=row.epoch)
        writer = self.writers[folder]
        writer.add_scalar("loss", row.loss, row.epoch)
        writer.add_scalar("learning_rate", row.learning_rate, row.epoch)
        if row.held_out_accuracy is not None:
            writer.add_scalar("held_out_accuracy", row.held_out_accuracy, row.epoch)


def result_table(result: dict[str, Any]) -> Table:
    """The accuracies of a run."""
    settings, test = result["settings"], result["test"]
    kind = "float" if settings["alphabets"] is None else "{" + ",".join(map(str, settings["alphabets"])) + "}"
    table = Table("", "", title=f"{settings['model']} {kind}, {test['images']} test images", show_header=False)
    for name, value in test.items():
        table.add_row(name.replace("_", " "), f"{value:.2f}" if isinstance(value, float) else str(value))
    if "training_s" in result:
        table.add_row("training, s", f"{result['training_s']:.0f}")
    return table

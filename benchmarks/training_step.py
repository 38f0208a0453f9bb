"""What quantization costs in time on ResNet-20: docs/results/training_step.json and the table of docs/quantization.md.

    python benchmarks/training_step.py [--tables-only]

Processor seconds of a step of the training program (`Training.train_on`, a batch of 128 CIFAR-sized images), and their
ratio to the float step. ``step``: in float32 on the labels alone. ``recipe``: both as their recipes train, in bfloat16,
the quantized one taught by the float model, whose forward counts. ``golden``: integer networks on images against the
float forward. Runs take turns, the median counts; processor time on one thread, so that other work on the machine
counts less; images and weights are random, which changes no time.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from figures import RESULTS, provenance, write_block

from asm_hw.training.convert import convert
from asm_hw.training.data.images import ImageTensor, Splits
from asm_hw.training.freeze import freeze
from asm_hw.training.models import make_model
from asm_hw.training.prepare import prepare
from asm_hw.training.recipes import recipe_for
from asm_hw.training.run_settings import TrainingSettings
from asm_hw.training.training_run import Training
from asm_hw.training.training_start import first_images

FORMATS: dict[str, dict[str, Any]] = {
    "{1,3} W=5 A=8": {"alphabets": (1, 3), "act_bits": 8},
    "{1,3} W=5 A=4": {"alphabets": (1, 3), "act_bits": 4},
    "{1} W=5 A=4": {"alphabets": (1,), "act_bits": 4},
    "{1} W=5 A=4 on {1,3}": {"alphabets": (1,), "act_bits": 4, "act_alphabets": (1, 3)},
}
ENDS = (next(iter(FORMATS)), list(FORMATS)[-1])
"""The formats that the recipe's step and the golden model are measured for."""

SHAPE = (3, 32, 32)
OUTPUT = RESULTS / "training_step.json"


def random_splits(batch: int) -> Splits:
    """Two batches of random images to train on."""

    def draw(count: int) -> ImageTensor:
        return ImageTensor(torch.randint(0, 256, (count, *SHAPE), dtype=torch.uint8), torch.randint(0, 10, (count,)))

    return Splits(draw(2 * batch), draw(2), draw(2), classes=10, image_size=32)


def stepper(splits: Splits, batch: int, formats: dict[str, Any], **changes: Any) -> Callable[[], object]:
    """A function that trains ResNet-20 by one step, in float without ``formats``; ``changes`` to the recipe."""
    recipe = replace(recipe_for("resnet20", 32, bool(formats)), batch=batch, **changes)
    settings = TrainingSettings(model="resnet20", dataset="random", recipe=recipe, **formats)
    with tempfile.TemporaryDirectory() as folder:
        training = Training(settings, splits, Path(folder))
    images, labels = first_images(splits.train, batch)
    model = training.model.train()
    return lambda: training.train_on(model, images, labels)


def medians(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median processor seconds of each of ``runs``, which take turns."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            started = time.process_time()
            run()
            times[name].append(time.process_time() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def with_ratios(seconds: dict[str, float]) -> dict[str, dict[str, float]]:
    """Seconds, and their ratio to those of ``float``."""
    return {
        name: {"cpu_s": round(value, 4), "ratio": round(value / seconds["float"], 3)} for name, value in seconds.items()
    }


@torch.no_grad()
def golden_runs(images: int) -> dict[str, Callable[[], object]]:
    """The float forward and the integers of `ENDS`, on the same images."""
    model = make_model("resnet20", classes=10, image_size=32, seed=0)
    model = model.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    x = torch.randn(images, *SHAPE)
    fast = x.to(memory_format=torch.channels_last)

    @torch.no_grad()
    def forward() -> None:
        for part in fast.split(128):
            model(part)

    runs: dict[str, Callable[[], object]] = {"float": forward}
    for name in ENDS:
        prepared = prepare(model, x[:64], **FORMATS[name])
        freeze(prepared)
        network = convert(prepared)
        runs[name] = partial(network, network.quantize_input(x))
    return runs


def main() -> None:
    """Measure and print the JSON."""
    parser = argparse.ArgumentParser(description="Time of quantized training and of the golden model beside float")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--images", type=int, default=1000, help="images of the golden evaluation")
    parser.add_argument("--tables-only", action="store_true", help="only write the table, from the JSON file")
    args = parser.parse_args()
    if not args.tables_only:
        result = measure(args.rounds, args.batch, args.images)
        OUTPUT.write_text(json.dumps(result, indent=1) + "\n")
    write_block("training_step", table(), "docs/quantization.md")


def measure(rounds: int, batch: int, images: int) -> dict[str, Any]:
    """All medians and ratios, in this process."""
    command = f"python benchmarks/training_step.py --rounds {rounds} --batch {batch} --images {images}"
    result = provenance(command) | {"processor": platform.processor() or platform.machine()}
    torch.set_num_threads(1)
    splits = random_splits(batch)
    plain = {"precision": "float32", "distill": 0.0}
    steps = {"float": stepper(splits, batch, {}, **plain)}
    steps |= {name: stepper(splits, batch, formats, **plain) for name, formats in FORMATS.items()}
    recipe = {"float": stepper(splits, batch, {})} | {name: stepper(splits, batch, FORMATS[name]) for name in ENDS}
    result["step"] = with_ratios(medians(steps, rounds))
    result["recipe"] = with_ratios(medians(recipe, rounds))
    return result | {"golden": with_ratios(medians(golden_runs(images), 3))}


TITLES = {
    "step": "training step on labels, float32",
    "recipe": "training step of the recipe: bfloat16, taught by the float model",
    "golden": "integers of the golden model, forward",
}


def table() -> str:
    """Ratios to float as Markdown."""
    result = json.loads(OUTPUT.read_text())
    lines = ["| ResNet-20, processor time over that of float | format | ratio |", "|---|---|---|"]
    for group, title in TITLES.items():
        rows = [(name, row["ratio"]) for name, row in result[group].items() if name != "float"]
        lines += [f"| {title} | {name} | {ratio:.2f} |" for name, ratio in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    main()

"""What each part of the training method is worth: docs/results/ablation.json and the table of docs/quantization.md.

    ASM_HW_DATA=FOLDER python benchmarks/ablation.py RUNS [--init FILE] [--threads 1] [--tables-only]

ResNet-20 from float weights, {1} W=5 A=4, few epochs, one part changed at a time, and no training at all.
Accuracy is that of the integers on the 5,000 held-out training images; no variant sees the test set. The float start
was trained elsewhere on all training images, so that the figures rank variants and mean nothing else. RUNS holds a
folder a variant: an interrupted call goes on.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from figures import RESULTS, write_block
from torch import nn

from asm_hw.training.calibrate import calibrate, correct_norms
from asm_hw.training.convert import convert
from asm_hw.training.data import load_data
from asm_hw.training.data.images import Splits
from asm_hw.training.evaluate import evaluate
from asm_hw.training.freeze import freeze, settle
from asm_hw.training.prepared_layers import float_weight, quantized_layers, weight_quantizer
from asm_hw.training.provenance import provenance
from asm_hw.training.quantizer import WeightQuantizer, anneal
from asm_hw.training.recipes import recipe_for
from asm_hw.training.run_options import find_init
from asm_hw.training.run_settings import TrainingSettings
from asm_hw.training.training_run import Tick, Training
from asm_hw.training.training_start import begin_model

OUTPUT = RESULTS / "ablation.json"
EPOCHS, SETTLE = 3, 1
FORMAT: dict[str, Any] = {"alphabets": (1,), "weight_bits": 5, "act_bits": 4}
VARIANTS: dict[str, dict[str, Any]] = {
    "the recipe": {},
    "without distillation": {"distill": 0.0},
    "the float model's answers alone": {"distill": 1.0},
    "scales as the error search found them": {"scale_learning_rate": 1e-12},
    "without settling: scales frozen at the end": {"settle": 0},
    "a third of the learning rate": {"learning_rate": 0.0067},
    "convolutions in float32": {"precision": "float32"},
}
DRAWN = 0.01
"""Of the way to its level, by which a weight moves after a step, at the end of training."""

UNTRAINED = (
    "no training",
    "no training, calibrated on 512 images",
    "no training, norms corrected behind the freeze",
)


def measure(runs: Path, init: Path) -> dict[str, Any]:
    """Every variant's accuracy."""
    splits = load_data("cifar10")
    common = {"epochs": EPOCHS, "settle": SETTLE}
    recipe = recipe_for("resnet20", splits.image_size, quantized=True, **common)
    settings = TrainingSettings(model="resnet20", dataset="cifar10", recipe=recipe, init=init.name, **FORMAT)
    result: dict[str, Any] = {"settings": settings.as_json(), "rows": []}
    for effort, name in enumerate(UNTRAINED):
        training = Training(settings, splits, runs / "untrained", init)
        _report(result, name, {}, _untrained(training, begin_model("resnet20", splits, init), effort), splits)
    for name, changes in [*VARIANTS.items(), *((name, {}) for name in IN_STEPS)]:
        changed = recipe_for("resnet20", splits.image_size, quantized=True, **common | changes)
        folder = runs / re.sub(r"\W+", "_", name)
        folder.mkdir(parents=True, exist_ok=True)
        training = Training(TrainingSettings(**vars(settings) | {"recipe": changed}), splits, folder, init)
        tick = _after_each_step(training, IN_STEPS[name]) if name in IN_STEPS else None
        _report(result, name, changes, training.run(lambda epoch: print(asdict(epoch), flush=True), tick), splits)
    return result | {"provenance": provenance(splits, init, torch.get_num_threads(), training.group)}


def _untrained(training: Training, reference: nn.Module, effort: int) -> nn.Module:
    """The prepared model with scales as ``prepare`` finds them, frozen; or calibrated (1), or norms corrected (2)."""
    model = training.model
    if effort == 1:
        calibrate(model, [training.sample()])
    freeze(model)
    if effort == 2:
        correct_norms(model, reference, training.sample())
    settle(model.eval())
    return model


def _after_each_step(training: Training, act: Callable[[Training], None]) -> Tick:
    if not training.step or act is _anneal:  # a share is in no checkpoint, what moved weights is
        act(training)
    return lambda done, steps, loss: act(training)


def _anneal(training: Training) -> None:
    """Blends from all integers to the alphabet set over the first epoch."""
    anneal(training.model, min(1.0, training.step / training.steps))


@torch.no_grad()
def _centre(training: Training) -> None:
    """No channel's weights have a mean: weight normalisation, whose other half is the learned scale."""
    for weight, _ in _quantized(training.model):
        weight.sub_(weight.mean(tuple(range(1, weight.dim())), keepdim=True))


@torch.no_grad()
def _draw(training: Training) -> None:
    """Away from the boundaries between levels, ever more: dampened oscillations (Nagel et al., arXiv 2203.11086)."""
    share = training.step / (training.steps * training.recipe.epochs)
    if share > 0.5:
        for weight, quantizer in _quantized(training.model):
            weight.lerp_(quantizer(weight).to(weight), DRAWN * (2 * share - 1))


IN_STEPS: dict[str, Callable[[Training], None]] = {
    "annealed: from all integers to {1} in the first epoch": _anneal,
    "weights centred in each channel after every step": _centre,
    "weights drawn to their level in the second half": _draw,
}
"""What a variant does before the first step and after each."""


def _quantized(model: nn.Module) -> Iterator[tuple[torch.Tensor, WeightQuantizer]]:
    """Each float weight that training moves, and its quantizer."""
    for layer in quantized_layers(model).values():
        yield float_weight(layer), weight_quantizer(layer)


def _report(result: dict[str, Any], name: str, changes: dict[str, Any], model: nn.Module, splits: Splits) -> None:
    network = convert(model)
    share = evaluate(lambda images: network(network.quantize_input(images)), splits.held_out)
    assert share is not None
    result["rows"].append({"variant": name, "changes": changes, "held_out_percent": round(100 * share, 2)})
    print(result["rows"][-1], flush=True)


def table() -> str:
    """The rows as Markdown."""
    rows = json.loads(OUTPUT.read_text())["rows"]
    lines = ["| ResNet-20, {1} W=5 A=4 | held-out images, % |", "|---|---|"]
    return "\n".join([*lines, *(f"| {row['variant']} | {row['held_out_percent']:.2f} |" for row in rows)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="folder of the runs")
    parser.add_argument("--init", default="resnet_cifar10/resnet20-12fca82f.th", help="float weights")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tables-only", action="store_true", help="only write the table, from the JSON file")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if not arguments.tables_only:
        found = find_init(arguments.init)
        assert found is not None
        OUTPUT.write_text(json.dumps(measure(arguments.runs, found), indent=1) + "\n")
    write_block("ablation", table(), "docs/quantization.md")

"""What quantization costs in time on ResNet-20: docs/results/training_step.json and the table of docs/quantization.md.

    python benchmarks/training_step.py [--tables-only]

``step``: processor seconds of a training step (batch of 128 CIFAR-sized images, channels last) by format,
and their ratio to the float step; the formats take turns, the median counts. ``golden``: the integer
network on images against the float forward. Processor time on one thread, so that other work on the
machine counts less; images and weights are random, which changes no time.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from asm_hw.training.convert import convert, freeze
from asm_hw.training.models import make_model
from asm_hw.training.prepare import prepare
from figures import RESULTS, provenance, write_block

FORMATS = {
    "{1,3} W=5 A=8": {"alphabets": (1, 3), "act_bits": 8},
    "{1,3} W=5 A=4": {"alphabets": (1, 3), "act_bits": 4},
    "{1} W=5 A=4": {"alphabets": (1,), "act_bits": 4},
    "{1} W=5 A=4 on {1,3}": {"alphabets": (1,), "act_bits": 4, "act_alphabets": (1, 3)},
}
SHAPE = (3, 32, 32)
OUTPUT = RESULTS / "training_step.json"


def stepper(model: torch.nn.Module, batch: int) -> Callable[[], None]:
    """A function that trains ``model`` by one step of SGD."""
    x = torch.randn(batch, *SHAPE).to(memory_format=torch.channels_last)
    labels = torch.randint(0, 10, (batch,))
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), 0.001, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), labels).backward()
        optimizer.step()

    return step


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
def golden_runs(model: torch.nn.Module, images: int) -> dict[str, Callable[[], object]]:
    """The float forward and the integers, on the same images."""
    x = torch.randn(images, *SHAPE)
    prepared = prepare(model, x[:64])
    freeze(prepared)
    network = convert(prepared)
    integers, fast = network.quantize_input(x), x.to(memory_format=torch.channels_last)
    model.eval()

    @torch.no_grad()
    def forward() -> None:
        for part in fast.split(128):
            model(part)

    return {"float": forward, "integers": lambda: network(integers)}


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
    model = make_model("resnet20", classes=10, image_size=32, seed=0).to(memory_format=torch.channels_last)
    sample = torch.randn(64, *SHAPE)
    steps = {"float": stepper(model, batch)}
    steps |= {name: stepper(prepare(model, sample, **formats), batch) for name, formats in FORMATS.items()}
    result["step"] = with_ratios(medians(steps, rounds))
    return result | {"golden": with_ratios(medians(golden_runs(model, images), 3))}


def table() -> str:
    """Ratios to float as Markdown."""
    result = json.loads(OUTPUT.read_text())
    lines = ["| ResNet-20, processor time over float | ratio |", "|---|---|"]
    lines += [
        f"| training step, {name} | {row['ratio']:.2f} |" for name, row in result["step"].items() if name != "float"
    ]
    lines.append(f"| integers of the golden model, forward | {result['golden']['integers']['ratio']:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

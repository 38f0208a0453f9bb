"""What the integers of a quantized network cost beside its float model when images are read and evaluated.

    python benchmarks/evaluation.py RUN --init FILE --dataset folder:PATH [--images 200]

``RUN`` is a folder of ``asm-hw quantize`` on a folder of images; docs/results/evaluation.json gets a row. Processor
seconds, on one thread so that other work on the machine counts less, of reading the images, of the float forward and of
the integers, which take turns batch by batch; ``ratio``: (reading + integers) / (reading + float).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from figures import RESULTS, provenance

from asm_hw.network.network_file import load
from asm_hw.training.data import Preprocessing, load_data
from asm_hw.training.evaluate import in_parts
from asm_hw.training.run_folder import INTEGERS, RESULT
from asm_hw.training.training_start import begin_model

BATCH = 100
OUTPUT = RESULTS / "evaluation.json"


@torch.no_grad()
def measure(run: Path, init: Path, dataset: str, images: int) -> dict[str, Any]:
    """Processor seconds of the first ``images`` test images, and the classes that both give alike."""
    settings = json.loads((run / RESULT).read_text())["settings"]
    preprocessing = Preprocessing(settings["resize"], tuple(settings["mean"]), tuple(settings["std"]))
    data = load_data(dataset, image_size=settings["image_size"], preprocessing=preprocessing)
    model = begin_model(settings["model"], data, init).eval()
    network = load(run / INTEGERS)
    seconds = {"reading": 0.0, "float": 0.0, "integers": 0.0}
    same, started = 0, time.process_time()

    def lap(name: str) -> None:
        nonlocal started
        now = time.process_time()
        seconds[name] += now - started
        started = now

    count = min(images, len(data.test))
    for batch, _ in data.test.batches(torch.arange(count), BATCH):
        lap("reading")
        logits = in_parts(model, batch)
        lap("float")
        integers = network(network.quantize_input(batch))
        lap("integers")
        same += int((logits.argmax(1) == integers.argmax(1)).sum())
    ratio = (seconds["reading"] + seconds["integers"]) / (seconds["reading"] + seconds["float"])
    figures = {f"{name}_cpu_ms": round(1000 * value / count, 2) for name, value in seconds.items()}
    return {"images": count, **figures, "ratio": round(ratio, 3), "same_class_percent": round(100 * same / count, 2)}


def main() -> None:
    """Measure one run and add its row, in place of one of the same settings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--init", type=Path, required=True, help="the float weights")
    parser.add_argument("--dataset", required=True, help="as asm-hw quantize takes it")
    parser.add_argument("--images", type=int, default=200)
    args = parser.parse_args()
    torch.set_num_threads(1)
    settings = json.loads((args.run / RESULT).read_text())["settings"]
    named = {name: settings[name] for name in ("model", "alphabets", "weight_bits", "act_bits", "image_size")}
    figures = measure(args.run, args.init, args.dataset, args.images)
    row = {**named, **figures, **provenance(f"python benchmarks/evaluation.py RUN --images {args.images}")}
    known = json.loads(OUTPUT.read_text()) if OUTPUT.exists() else []
    rows = [one for one in known if any(one[name] != value for name, value in named.items())] + [row]
    OUTPUT.write_text(json.dumps(rows, indent=1) + "\n")
    print(json.dumps(row))


if __name__ == "__main__":
    main()

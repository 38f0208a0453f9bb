"""Accuracy on the digits, float against alphabet sets; prints one JSON object.

    python benchmarks/demo_accuracy.py [--keep FOLDER]

Test accuracies are percent of 450 images, so one image is 0.22 points: differences between rows, and
between seeds of a row, of a few images are noise. The last weights count; nothing is chosen by the test
set. ``agreement_percent``: images on which the fake-quantized model and the integers name the same class.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import statistics
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from asm_hw.network.network_file import save
from asm_hw.training.convert import convert
from asm_hw.training.data import ImageData, digits
from asm_hw.training.digits_training import ASM_EPOCHS, EPOCHS, accuracy, train, train_asm
from asm_hw.training.models import digits_cnn
from asm_hw.training.requantize_multipliers import scale_errors

WEIGHT_BITS, ACT_BITS = 5, 8
ALPHABETS = ("1,3", "1")
INPUT_SHAPE = (1, 8, 8)


def measure(data: ImageData, seed: int, epochs: int, asm_epochs: int, keep: Path | None) -> list[dict[str, Any]]:
    """The rows of one seed: the float model, then each alphabet set trained from it, its integers kept in a folder."""
    started = time.perf_counter()
    model = digits_cnn(seed)
    train(model, data, epochs=epochs, seed=seed)
    rows: list[dict[str, Any]] = [
        {"seed": seed, "model": "float", "float_percent": _percent(model, data), "time_s": _since(started)}
    ]
    for alphabets in ALPHABETS:
        started = time.perf_counter()
        settings: dict[str, Any] = {"alphabets": alphabets, "weight_bits": WEIGHT_BITS, "act_bits": ACT_BITS}
        prepared = train_asm(model, data, epochs=asm_epochs, seed=seed, **settings)
        network = convert(prepared, INPUT_SHAPE)
        integers = network(network.quantize_input(data.test_images)).argmax(1)
        with torch.no_grad():
            agree = (prepared(data.test_images).argmax(1) == integers).double().mean().item()
        rows.append(
            {
                "seed": seed,
                "model": f"{{{alphabets}}}",
                "fake_quant_percent": _percent(prepared, data),
                "integer_percent": round(100 * (integers == data.test_labels).double().mean().item(), 2),
                "agreement_percent": round(100 * agree, 2),
                "multiplier_error": float(f"{max(scale_errors(prepared).values()):.1e}"),
                "time_s": _since(started),
            }
        )
        if keep:
            path = keep / f"digits_cnn_{alphabets.replace(',', '_')}_w{WEIGHT_BITS}_a{ACT_BITS}.safetensors"
            save(network, path)
            rows[-1]["integers_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return rows


def means(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Mean accuracies over the seeds, by model."""
    result: dict[str, dict[str, float]] = {}
    for model in dict.fromkeys(row["model"] for row in rows):
        mine = [row for row in rows if row["model"] == model]
        keys = [key for key in mine[0] if key.endswith("_percent")]
        result[model] = {key: round(statistics.mean(row[key] for row in mine), 2) for key in keys}
    return result


def _percent(model: torch.nn.Module, data: ImageData) -> float:
    return round(100 * accuracy(model, data.test_images, data.test_labels), 2)


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 1)


def main() -> None:
    """Measure every seed and print the JSON."""
    parser = argparse.ArgumentParser(description="Accuracy of float, fake-quantized and integer networks on the digits")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="epochs of the float model")
    parser.add_argument("--asm-epochs", type=int, default=ASM_EPOCHS, help="epochs of alphabet-aware training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=1, help="the last bits of float sums depend on it")
    parser.add_argument("--keep", type=Path, help="folder for the integers of the first seed")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    data = digits()
    kept = {args.seeds[0]: args.keep}
    rows = [row for seed in args.seeds for row in measure(data, seed, args.epochs, args.asm_epochs, kept.get(seed))]
    result = {
        "data": f"scikit-learn digits, {len(data.train_images)} train, {len(data.test_images)} test",
        "weight_bits": WEIGHT_BITS,
        "act_bits": ACT_BITS,
        "arguments": {name: value for name, value in vars(args).items() if name != "keep"},
        "versions": {"asm_hw": version("asm-hw"), "torch": torch.__version__, "python": platform.python_version()},
        "rows": rows,
        "means": means(rows),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()

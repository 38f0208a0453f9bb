"""Gathers finished quantizations without training: docs/results/post_training.json and its table in docs/accuracy.md.

    asm-hw quantize --model MODULE:v2 --init FILE --dataset folder:PATH --resize 224 --mean 0.50196 --std 0.50196 \\
        --hold-out 0 --alphabets 1,3 --weight-bits 8 --images 256 --out RUN
    python benchmarks/quantizations.py RUN ...              # adds runs, or replaces those alike

A run's ``result.json`` says how it was made. Without runs only the table is written.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from figures import RESULTS
from trainings import formats_of, gather

OUTPUT = RESULTS / "post_training.json"
HEAD = (
    "network",
    "weights",
    "activations",
    "test images",
    "float, %",
    "integers, %",
    "points below float, same images",
    "their spread",
    "same class as fake-quant",
    "images fitted on",
)


def add(folders: list[Path]) -> None:
    """Take over what ``folders`` hold; a run replaces one of the same settings."""
    known: list[dict[str, Any]] = json.loads(OUTPUT.read_text()) if OUTPUT.exists() else []
    found = [json.loads((folder / "result.json").read_text()) for folder in folders]
    settings = [result["settings"] for result in found]
    rows = [result for result in known if result["settings"] not in settings] + found
    OUTPUT.write_text(json.dumps(sorted(rows, key=_order), indent=1) + "\n")


def _order(result: dict[str, Any]) -> list[Any]:
    s = result["settings"]
    return [s["dataset"], s["model"], -s["weight_bits"], -len(s["alphabets"]), s["layers"] is not None, s["rounding"]]


def table() -> str:
    """A row for each run."""
    lines = [f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|"]
    for result in json.loads(OUTPUT.read_text()):
        settings, test = result["settings"], result["test"]
        model, weights, activations = formats_of(settings)
        widths = {layer["weight_bits"] for layer in (settings["layers"] or {}).values() if "weight_bits" in layer}
        weights += f", depthwise layers W={', '.join(map(str, sorted(widths)))}" if widths else ""
        weights += ", nearest levels" if settings["rounding"] == "nearest" else ""
        figures = [test[name] for name in ("float_percent", "integer_percent", "below_float_points")]
        cells = [model, weights, activations, f"{test['images']:,}", *(f"{figure:.2f}" for figure in figures)]
        cells += [f"{test['below_float_spread_points']:.2f}", f"{test['agreement_percent']:.2f} %"]
        lines.append(f"| {' | '.join(cells)} | {settings['images']} |")
    return "\n".join(lines)


if __name__ == "__main__":
    gather(__doc__, add, "post training", table)

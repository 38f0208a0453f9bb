"""Gathers finished trainings: docs/results/trainings.json and the table of docs/accuracy.md.

    asm-hw train --model resnet20 --alphabets 1,3 ... --out RUN     # or make train, for each row
    python benchmarks/trainings.py RUN ...                          # adds runs, or replaces those alike

A run's ``result.json`` says how it was made: settings, commit, versions, hashes of data and weights, command.
Without runs only the table is written. The integers of a row are the file in ``zoo/`` that has their hash.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from figures import REPOSITORY, RESULTS, write_block

from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.numbers.level_code import weight_levels

OUTPUT = RESULTS / "trainings.json"
NAMES = {
    "resnet8": "ResNet-8",
    "resnet18": "ResNet-18",
    "resnet20": "ResNet-20",
    "mobilenet_v2_050": "MobileNetV2 (width 0.5)",
    "mobilenet_v2": "MobileNetV2",
    "mobilenet_tf:v2": "MobileNetV2 (ImageNet)",
    "mobilenet_tf:v1_050": "MobileNetV1 0.5 (ImageNet)",
}


def add(folders: list[Path]) -> None:
    """Take over what ``folders`` hold, without the histories of their epochs but the number of them."""
    known: list[dict[str, Any]] = json.loads(OUTPUT.read_text()) if OUTPUT.exists() else []
    found = [json.loads((folder / "result.json").read_text()) for folder in folders]
    for result in found:
        result["epochs"] = len(result.pop("history"))
    rows = [result for result in known if not any(_same(result, other) for other in found)] + found
    OUTPUT.write_text(json.dumps(sorted(rows, key=_order), indent=1) + "\n")


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two results are of the same settings, in what both name."""
    a, b = one["settings"], other["settings"]
    return all(a[name] == b[name] for name in a.keys() & b.keys())


def _order(result: dict[str, Any]) -> list[Any]:
    s = result["settings"]
    return [s["model"], s["alphabets"] is not None, -s["weight_bits"], -s["act_bits"], *(_texts(s)), s["seed"]]


def _texts(settings: dict[str, Any]) -> tuple[str, str]:
    return tuple(",".join(map(str, settings[name] or ())) for name in ("alphabets", "act_alphabets"))  # type: ignore


def table() -> str:
    """A row for each format, seeds side by side: percent of the 10,000 test images, of the integers."""
    head = (
        "CIFAR-10 test accuracy, %",
        "weights",
        "activations",
        "epochs",
        "integers, by seed",
        "same class as fake-quant",
        "integers in `zoo/`",
    )
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    kept = zoo_files()
    rows: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for result in json.loads(OUTPUT.read_text()):
        rows.setdefault((*formats_of(result["settings"]), str(result["epochs"])), []).append(result["test"])
    for row, tests in rows.items():
        if "float_percent" in tests[0]:
            cells = [" / ".join(f"{test['float_percent']:.2f}" for test in tests) + " (float)", "-", "-"]
        else:
            cells = [" / ".join(f"{test['integer_percent']:.2f}" for test in tests)]
            cells.append(" / ".join(f"{test['agreement_percent']:.2f} %" for test in tests))
            files = [f"`{kept[test['integers_sha256']]}`" for test in tests if test["integers_sha256"] in kept]
            cells.append(", ".join(files) or "-")
        lines.append(f"| {' | '.join((*row, *cells))} |")
    return "\n".join(lines)


def zoo_files() -> dict[str, str]:
    """The names of the files in zoo/ by their SHA-256."""
    return {
        hashlib.sha256(path.read_bytes()).hexdigest(): path.name for path in (REPOSITORY / "zoo").glob("*.safetensors")
    }


def formats_of(settings: dict[str, Any]) -> tuple[str, str, str]:
    """Model, weights and activations of a run in words."""
    model = NAMES.get(settings["model"], settings["model"])
    if settings["alphabets"] is None:
        return model, "float32", "float32"
    alphabets, encoded = _texts(settings)
    activations = f"A={settings['act_bits']}" + (f" on {{{encoded}}}" if encoded else "")
    levels = weight_levels(AlphabetSet.parse(alphabets), settings["weight_bits"]).levels
    uniform = len(levels) == levels[-1] - levels[0] + 1
    return model, f"{'uniform' if uniform else f'{{{alphabets}}}'} W={settings['weight_bits']}", activations


def gather(about: str | None, add: Callable[[list[Path]], None], marker: str, table: Callable[[], str]) -> None:
    """Take over the runs that the command line names, if any, and write ``table`` at ``marker`` of docs/accuracy.md."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, help="folders of finished runs")
    arguments = parser.parse_args()
    if arguments.runs:
        add(arguments.runs)
    write_block(marker, table(), "docs/accuracy.md")


if __name__ == "__main__":
    gather(__doc__, add, "trainings", table)

"""Records what the generator emits: ``python tests/emitted_bytes.py`` writes ``tests/emitted_bytes.json``.

A digest for each row of the catalogue and for `RANDOM` other configurations of all units. Record again where the
emitted text is meant to change, and say so in the commit.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from asm_hw.emission.emit_folder import render
from asm_hw.errors import ParameterError
from asm_hw.formats.accumulator_format import STRUCTURES
from asm_hw.units.catalog import CATALOG
from asm_hw.units.registry import make_config

RECORD = Path(__file__).with_suffix(".json")
RANDOM = 30


def digest(files: Mapping[str, str]) -> str:
    """The sha256 of all files of an emitted folder, names included."""
    total = hashlib.sha256()
    for name, text in sorted(files.items()):
        total.update(f"{name}\0{len(text)}\0{text}".encode())
    return total.hexdigest()


def _emitted_digest(unit: str, parameters: dict[str, Any]) -> str:
    config = make_config(unit, **parameters)
    return digest(render(config, config.slug))


def _parameters(unit: str, rng: random.Random) -> dict[str, Any]:
    """Random parameters of a unit, legal or not."""
    drawn: dict[str, Any] = {
        "alphabets": rng.choice([(1,), (1, 3), (1, 5), (1, 3, 7), (1, 3, 5, 7)]),
        "weight_bits": rng.randint(2, 9),
        "act_bits": rng.randint(1, 9),
        "act_signed": rng.random() < 0.5,
        "act_alphabets": rng.choice([None, None, (1,), (1, 3)]),
        "arithmetic": rng.choice(["asm", "asm", "asm", "exact", "bare"]),
    }
    if unit != "bitline":
        drawn |= {"structure": rng.choice(STRUCTURES), "weight_form": rng.choice([None, "one_hot", "binary", "booth"])}
    if unit in ("multiplier", "mac", "dot"):
        drawn["weight_code"] = rng.choice(["packed", "packed", "fields", "decoded"])
    if unit not in ("multiplier", "bitline"):
        drawn |= {"acc_bits": rng.choice([None, 12, 24]), "overflow": rng.choice(["wrap", "saturate"])}
    if unit in ("dot", "near_memory", "vn_array"):
        drawn |= {"lanes": rng.choice([1, 2, 3, 8]), "columns": rng.choice([1, 2, 4])}
    if unit == "dot":
        drawn["weight_registers"] = rng.random() < 0.7
    if unit in ("near_memory", "vn_array"):
        drawn |= {"hold": rng.randint(1, 9), "depth": rng.choice([64, 150]), "outputs": rng.choice([None, 1])}
    if unit in ("near_memory", "vn_array", "vn_scalar"):
        drawn |= {"out_bits": rng.randint(2, 12), "out_signed": rng.random() < 0.5}
        drawn["memory"] = rng.choice(["inferred", "macro"])
    if unit in ("vn_array", "vn_scalar"):
        drawn |= {"bus_bits": rng.choice([16, 32]), "depth": 200}
    if unit == "bitline":
        drawn |= {"rows": rng.choice([16, 64]), "cols": rng.choice([24, 36]), "counter_bits": rng.choice([0, 8, 32])}
    return drawn


def drawn_rows() -> Iterator[tuple[str, dict[str, Any]]]:
    """`RANDOM` legal configurations, the units in turn."""
    rng = random.Random(0)
    units = ("multiplier", "mac", "dot", "near_memory", "vn_scalar", "vn_array", "bitline")
    for index in range(RANDOM):
        while True:
            try:
                config = make_config(units[index % len(units)], **_parameters(units[index % len(units)], rng))
            except ParameterError:
                continue
            yield config.unit, config.parameters
            break


def main() -> None:
    rows = [(config.unit, config.parameters) for config in CATALOG.values()] + list(drawn_rows())
    with ProcessPoolExecutor() as pool:
        digests = pool.map(_emitted_digest, *zip(*rows, strict=True))
        found = [
            {"unit": unit, "parameters": parameters, "sha256": sha256}
            for (unit, parameters), sha256 in zip(rows, digests, strict=True)
        ]
    lines = ",\n".join(json.dumps(row) for row in found)
    RECORD.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()

"""The generated tables of README and docs are what their scripts make of docs/results."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


BLOCKS = {
    ("README.md", "results"): ("headline", "table"),
    ("README.md", "engine_results"): ("headline", "engine_sentence"),
    ("docs/area-and-energy.md", "area"): ("figures", "area_table"),
    ("docs/area-and-energy.md", "energy"): ("ppa", "energy_table"),
    ("docs/fpga.md", "fpga"): ("fpga", "fpga_table"),
    ("docs/accuracy.md", "accuracy"): ("figures", "accuracy_table"),
    ("docs/accuracy.md", "trainings"): ("trainings", "table"),
    ("docs/bitline.md", "bitline"): ("bitline", "table"),
    ("docs/quantization.md", "ablation"): ("ablation", "table"),
    ("docs/quantization.md", "training_step"): ("training_step", "table"),
    ("docs/bitline.md", "arrays"): ("bitline", "beside_arrays"),
    ("docs/bitline.md", "networks"): ("bitline_networks", "table"),
    ("docs/engine.md", "bitline"): ("bitline_networks", "beside_engine"),
    ("docs/bitline.md", "scaling"): ("bitline_scaling", "table"),
    ("docs/near-memory.md", "energy"): ("near_memory", "table"),
    ("docs/engine.md", "area"): ("engine_area", "table"),
    ("docs/engine.md", "default_area"): ("engine_area", "default_table"),
    ("docs/engine.md", "whole"): ("engine_whole", "table"),
    ("docs/engine.md", "engine_fpga"): ("engine_fpga", "table"),
    ("docs/engine.md", "energy"): ("engine", "table"),
    ("docs/near-memory.md", "scaling"): ("near_memory_scaling", "table"),
}
"""The pages' generated tables: the script in benchmarks/ and its function."""


@pytest.mark.parametrize(("page", "marker"), BLOCKS)
def test_a_page_holds_the_measured_table(page, marker, monkeypatch):
    script, function = BLOCKS[page, marker]
    monkeypatch.syspath_prepend(REPOSITORY / "benchmarks")
    table = getattr(importlib.import_module(script), function)()
    assert table.count("\n") >= (1 if function == "engine_sentence" else 3)
    assert f"<!-- {marker} -->\n{table}\n<!-- /{marker} -->" in (REPOSITORY / page).read_text()


def test_every_generated_table_is_held():
    pages = [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]
    markers = [(page, marker) for page in pages for marker in re.findall(r"<!-- (\w+) -->", page.read_text())]
    assert sorted((str(page.relative_to(REPOSITORY)), marker) for page, marker in markers) == sorted(BLOCKS)

"""The emitted folders are those of the record; ``python tests/emitted_bytes.py`` writes it anew."""

from __future__ import annotations

import json

import pytest
from emitted_bytes import RANDOM, RECORD, digest

from asm_hw.units.catalog import CATALOG
from asm_hw.units.registry import make_config

ROWS = [(row["unit"], row["parameters"], row["sha256"]) for row in json.loads(RECORD.read_text())]
NAMES = [make_config(unit, **parameters).slug for unit, parameters, _ in ROWS]


def test_the_record_holds_the_whole_catalogue_and_others():
    assert set(CATALOG) <= set(NAMES)
    assert len(ROWS) == len(CATALOG) + RANDOM


@pytest.mark.parametrize(("unit", "parameters", "sha256"), ROWS, ids=NAMES)
def test_the_emitted_folder_is_the_recorded_one(unit, parameters, sha256, emit_once):
    folder = emit_once(make_config(unit, **parameters)).folder
    assert digest({path.name: path.read_bytes().decode() for path in folder.iterdir()}) == sha256

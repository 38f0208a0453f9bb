"""The catalogue covers what the README promises."""

from __future__ import annotations

from itertools import product

from asm_hw.formats.accumulator_format import STRUCTURES
from asm_hw.formats.weight_format import WEIGHT_CODES, WEIGHT_FORMS
from asm_hw.units.catalog import CATALOG
from asm_hw.units.operands_config import DatapathConfig
from asm_hw.units.registry import BUILT_IN


def test_catalog_covers_what_the_readme_promises():
    rows = CATALOG.values()
    datapaths = [c for c in rows if isinstance(c, DatapathConfig)]
    assert len(rows) >= 30
    assert {c.slug for c in rows} == set(CATALOG)
    assert {(1,), (1, 3), (1, 5), (1, 3, 7), (1, 3, 5, 7), (1, 3, 5, 7, 9, 11, 13, 15)} <= {
        c.alphabets.values for c in rows
    }
    assert {3, 4, 5, 8, 12} <= {c.weight_bits for c in rows}
    assert {4, 8, 12} <= {c.act_bits for c in rows}
    assert {c.unit for c in rows} == set(BUILT_IN)
    assert {c.weight_code for c in datapaths} == set(WEIGHT_CODES)
    assert {c.weight_registers for c in rows if c.unit == "dot"} == {False, True}
    assert any(c.act_signed for c in rows)
    assert any(c.act_alphabets for c in rows)
    # Digits of one bit, both ends of the ranges, every structure and form of every arithmetic and unit.
    assert {2, 6, 10, 14, 16} <= {c.weight_bits for c in rows}
    assert {1, 16} <= {c.act_bits for c in rows}
    assert {(c.unit, c.arithmetic, c.structure) for c in datapaths} >= set(
        product(("mac", "dot"), ("asm",), STRUCTURES)
    )
    assert {c.structure for c in datapaths if c.arithmetic == "exact"} == set(STRUCTURES)
    forms = {(c.unit, c.arithmetic, c.weight_form) for c in datapaths}
    every = {(u, a, f) for u in ("mac", "dot") for a, names in WEIGHT_FORMS.items() for f in names}
    assert forms >= every - {("mac", "exact", "pairs")}, "one product makes no pair"
    digits = {
        part for c in datapaths if c.weight.digits and c.weight_form != "booth" for part in c.weight_form.split("_")
    }
    assert digits == {"1", "u2", "2", "3"}
    assert {(c.arithmetic, c.stages) for c in rows if c.unit == "dot"} >= {("asm", 1), ("exact", 1)}
    assert any(c.weight_form == "booth" and c.weight_bits % 2 for c in datapaths)
    assert any(c.arithmetic != "asm" and c.act_alphabets for c in rows)

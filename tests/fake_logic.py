"""Logic that costs what its form of weights says, instead of gate-level runs, for tests of comparisons."""

from __future__ import annotations

from asm_hw.ppa.energy import memory_comparison

PARTS = ("multiply", "clock")


def replace_logic(monkeypatch):
    """Put such logic in place; the list of what was asked for, which grows."""
    seen = []

    def per_column(config, *_):
        seen.append((config.arithmetic, config.structure, config.weight_form))
        return logic_at(config.weight_form) | {"measured": [built(config.structure, config.weight_form)]}

    def min_energy(config, *_):
        seen.append((config.unit, config.arithmetic, config.weight_bits, config.acc_bits))
        return None, {"parts_per_mac_fj": dict.fromkeys(PARTS, 5.0)} | built("heap", "binary")

    monkeypatch.setattr(memory_comparison, "per_column", per_column)
    monkeypatch.setattr(memory_comparison, "min_energy", min_energy)
    return seen


def built(structure, weight_form):
    return {"structure": structure, "weight_form": weight_form, "recipe": "balanced", "min_period_ns": 3.0}


def logic_at(form):
    price = {"one_hot": 100.0, "binary": 200.0}.get(form, 150.0)  # digits of exact weights
    return {"column_fj": dict.fromkeys(PARTS, price), "shared_fj": dict.fromkeys(PARTS, 2 * price)}

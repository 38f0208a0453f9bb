"""The manifest says all that a program needs to drive a unit."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asm_hw.emission.emit_folder import render
from asm_hw.emission.manifest import config_of, describe, load, seal
from asm_hw.units.catalog import CATALOG
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.units.mac.mac_config import MacConfig
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig
from asm_hw.units.registry import make_component

PACKAGE = Path(__file__).resolve().parent.parent / "asm_hw"
SCHEMA = json.loads((PACKAGE / "emission" / "manifest.schema.json").read_text())


@pytest.mark.parametrize("parameters", [{}, {"alphabets": (1,)}, {"arithmetic": "exact"}, {"out_signed": True}])
def test_the_manifest_says_how_to_requantize(parameters):
    """The word of an output's parameters, made from the manifest alone, is the one that the unit reads."""
    config = NearMemoryConfig(lanes=3, columns=2, hold=2, depth=40, **parameters)
    told = describe(config, make_component(config), "unit")
    jsonschema.validate(seal(told), SCHEMA)
    assert told["memory"]["rows"] == 40 and told["memory"]["bits"] == config.row_bits
    unit, scale = config.requantize, told["requantize"]["scale"]
    levels, field = unit.scale.levels.levels, {f["name"]: f for f in told["requantize"]["fields"]}
    for level in (0, levels[0], levels[-1], *levels[:: max(1, len(levels) // 50)]):
        code, left = int(level < 0) << next(f["lsb"] for f in scale["fields"] if f["name"] == "sign"), abs(level)
        for number in reversed(range(len(scale["digits"]))):
            lsb = next(f["lsb"] for f in scale["fields"] if f["name"] == f"digit{number}")
            index, value = max(entry for entry in enumerate(scale["digits"][number]) if entry[1] <= left)
            code, left = code | index << lsb, left - value
        for value in (5, -5):
            bias = value & (1 << field["bias"]["width"]) - 1
            word = code << field["scale"]["lsb"] | bias << field["bias"]["lsb"] | 7 << field["shift"]["lsb"]
            assert (word, left) == (unit.encode({"scale": level, "bias": value, "shift": 7}), 0)
    assert told["requantize"]["rows"] == config.rows_per_channel


@pytest.mark.parametrize("config", CATALOG.values(), ids=CATALOG)
def test_the_manifest_is_complete(config, emit_once):
    emitted = emit_once(config)
    jsonschema.validate(emitted.manifest, SCHEMA)
    assert config_of(load(emitted.folder)) == config
    for file, digest in emitted.manifest["sha256"].items():
        assert hashlib.sha256((emitted.folder / file).read_bytes()).hexdigest() == digest
    widths = {port["name"]: port["width"] for port in emitted.manifest["ports"]}
    header = emitted.verilog.read_text().split(";", 1)[0]
    assert header.replace("\n", "") == f"module {config.slug}({', '.join(widths)})"
    table = emitted.manifest["weight"]["table"]
    assert len({row["code"] for row in table}) == len(table) > 1
    for port in emitted.manifest["ports"]:
        covered = sum(field["width"] for field in port.get("fields", []))
        assert covered in (0, port["width"])


def test_the_mac_contract():
    ports = json.loads(render(MacConfig(), "m")["manifest.json"])["ports"]
    assert [p["name"] for p in ports] == ["clk", "rst", "en", "clear", "x", "w", "acc"]
    baseline = json.loads(render(MacConfig(arithmetic="exact"), "m")["manifest.json"])
    assert [p["name"] for p in baseline["ports"]] == [p["name"] for p in ports]
    assert {"code": 31, "value": -1} in baseline["weight"]["table"]


@pytest.mark.parametrize("name", ["multiplier", "mac", "dot"])
def test_constraints_name_every_input_but_the_clock(name):
    config = next(config for config in CATALOG.values() if config.unit == name)
    files = render(config, "unit", clock_mhz=250)
    ports = json.loads(files["manifest.json"])["ports"]
    inputs = {p["name"]: p["width"] for p in ports if p["direction"] == "input" and p["name"] != "clk"}
    constraints = files["unit.sdc"]
    constrained = re.search(r"set_input_delay 0\.000 -clock \w+ \[get_ports {([^}]*)}\]", constraints)[1].split()
    assert constrained == [f"{port}[*]" if width > 1 else port for port, width in inputs.items()]
    assert "-period 4.000" in constraints
    assert ("[get_ports clk]" in constraints) == (config.latency > 0)


@settings(deadline=None)
@given(
    unit=st.sampled_from([MacConfig, DotConfig]),
    signed=st.booleans(),
    arithmetic=st.sampled_from(["asm", "exact", "bare"]),
    acc_bits=st.integers(2, 40),
)
def test_safe_terms_is_the_last_count_that_fits(unit, signed, arithmetic, acc_bits):
    config = unit(act_signed=signed, arithmetic=arithmetic, acc_bits=acc_bits)
    low, high = config.product.range

    def fits(terms):
        return -(1 << acc_bits - 1) <= terms * low and terms * high <= (1 << acc_bits - 1) - 1

    assert fits(config.safe_terms)
    assert not fits(config.safe_terms + 1)


def test_automatic_accumulator_holds_the_terms_asked_for():
    assert MacConfig(terms=512).safe_terms >= 512
    assert MacConfig(terms=513).safe_terms >= 513

"""Emission: bytes, folders, manifest, parsers; no PyTorch needed."""

from __future__ import annotations

import hashlib
import json
import random
import re
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asm_hw.emission.emit_folder import emit, render
from asm_hw.emission.manifest import config_of, describe, load, seal
from asm_hw.errors import ParameterError
from asm_hw.formats.accumulator_format import STRUCTURES
from asm_hw.formats.weight_format import WEIGHT_CODES, WEIGHT_FORMS
from asm_hw.ppa.netlist.yosys import count_cells
from asm_hw.sim import verilator
from asm_hw.units.catalog import CATALOG
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.units.mac.mac_config import MacConfig
from asm_hw.units.multiplier.multiplier_config import MultiplierConfig
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig
from asm_hw.units.registry import make_component

ROWS = pytest.mark.parametrize("config", CATALOG.values(), ids=CATALOG)
SCHEMA = json.loads((Path(__file__).resolve().parent.parent / "asm_hw" / "manifest.schema.json").read_text())


def test_catalog_covers_what_the_readme_promises():
    rows = CATALOG.values()
    assert len(rows) >= 30
    assert {c.slug for c in rows} == set(CATALOG)
    assert {(1,), (1, 3), (1, 5), (1, 3, 7), (1, 3, 5, 7), (1, 3, 5, 7, 9, 11, 13, 15)} <= {
        c.alphabets.values for c in rows
    }
    assert {3, 4, 5, 8, 12} <= {c.weight_bits for c in rows}
    assert {4, 8, 12} <= {c.act_bits for c in rows}
    assert {c.weight_code for c in rows} == set(WEIGHT_CODES)
    assert {c.weight_registers for c in rows if c.unit == "dot"} == {False, True}
    assert any(c.act_signed for c in rows)
    assert any(c.act_alphabets for c in rows)
    # Digits of one bit, both ends of the ranges, every structure and form of every arithmetic and unit.
    assert {2, 6, 10, 14, 16} <= {c.weight_bits for c in rows}
    assert {1, 16} <= {c.act_bits for c in rows}
    assert {(c.unit, c.arithmetic, c.structure) for c in rows} >= set(product(("mac", "dot"), ("asm",), STRUCTURES))
    assert {c.structure for c in rows if c.arithmetic == "exact"} == set(STRUCTURES)
    forms = {(c.unit, c.arithmetic, c.weight_form) for c in rows}
    assert forms >= {(u, a, f) for u in ("mac", "dot") for a, names in WEIGHT_FORMS.items() for f in names}
    assert any(c.weight_form == "booth" and c.weight_bits % 2 for c in rows)
    assert any(c.arithmetic != "asm" and c.act_alphabets for c in rows)


@ROWS
def test_every_row_is_clean_in_every_tool(config, tmp_path):
    emitted = emit(config, tmp_path)
    text = emitted.verilog.read_text()
    assert "\\" not in text, "escaped identifiers"
    assert not re.search(r"'[bhd][0-9a-f_]*[xz]", text), "undefined constants"
    assert verilator.lint(emitted.verilog, emitted.manifest["top"]) == ""
    if shutil.which("iverilog"):
        command = ["iverilog", "-g2005", "-Wall", "-t", "null", str(emitted.verilog)]
        result = subprocess.run(command, capture_output=True, text=True)
        complaints = [line for line in result.stderr.splitlines() if "timescale" not in line]
        assert (result.returncode, complaints) == (0, [])
    pyslang = pytest.importorskip("pyslang")
    tree = pyslang.syntax.SyntaxTree.fromText(text)
    compilation = pyslang.ast.Compilation()
    compilation.addSyntaxTree(tree)
    errors = [d for d in compilation.getAllDiagnostics() if d.isError()]
    assert not errors
    assert [i.name for i in compilation.getRoot().topInstances] == [emitted.manifest["top"]]
    multipliers = count_cells(text, emitted.manifest["top"])
    multiplies = config.arithmetic == "exact" and not config.adders.has_heap and not config.product.shifts_weight
    assert (multipliers > 0) == multiplies


def drawn_config(seed):
    """A random legal configuration; wide dot units among them, whose small modules Verilator inlines."""
    rng = random.Random(seed)
    while True:
        parameters = {
            "alphabets": rng.choice([(1,), (1, 3), (1, 5), (1, 3, 7), (1, 3, 5, 7)]),
            "weight_bits": rng.randint(2, 9), "act_bits": rng.randint(1, 9), "act_signed": rng.random() < 0.5,
            "act_alphabets": rng.choice([None, None, (1,), (1, 3)]), "structure": rng.choice(STRUCTURES),
            "arithmetic": rng.choice(["asm", "asm", "asm", "exact", "bare"]),
            "weight_form": rng.choice([None, "one_hot", "binary", "booth"]),
            "weight_code": rng.choice(["packed", "packed", "fields", "decoded"]),
        }  # fmt: skip
        unit = rng.choice([MultiplierConfig, MacConfig, DotConfig, DotConfig])
        if unit is DotConfig:
            parameters |= {"lanes": rng.choice([1, 2, 3, 8]), "columns": rng.choice([1, 2, 4])}
            parameters |= {"weight_registers": rng.random() < 0.7}
        if unit is not MultiplierConfig:
            parameters |= {"acc_bits": rng.choice([None, 6, 24]), "overflow": rng.choice(["wrap", "saturate"])}
        try:
            return unit(**parameters)
        except ParameterError:
            continue


@pytest.mark.parametrize("config", [
    # Small modules that Verilator inlines beside wires of the same automatic name.
    DotConfig(alphabets=(1,), lanes=8, columns=4),
    DotConfig(alphabets=(1,), lanes=16, columns=2),
    *(pytest.param(drawn_config(seed), marks=[] if seed < 8 else pytest.mark.full) for seed in range(30)),
], ids=lambda config: config.slug)  # fmt: skip
def test_any_configuration_is_clean_in_verilator(config, tmp_path):
    emitted = emit(config, tmp_path)
    assert "\\" not in emitted.verilog.read_text()
    assert verilator.lint(emitted.verilog, emitted.manifest["top"]) == ""


@pytest.mark.parametrize(("rule", "body"), [
    ("WIDTHTRUNC", "assign y = a + b;"),
    ("WIDTHEXPAND", "assign y = a[1:0];"),
    ("WIDTHEXPAND", "assign y = a[2:0] & b[1:0];"),
    ("UNUSEDSIGNAL", "wire [3:0] sum = a; assign y = b[2:0];"),
    ("UNUSEDSIGNAL", "wire [3:0] sum = a; assign y = sum[2:0] + b[2:0];"),
    ("UNDRIVEN", "wire [2:0] row; assign y = row + a[2:0];"),
    ("LATCH", "reg [2:0] r; always @* if (a[0]) r = b[2:0]; assign y = r;"),
    ("BLKSEQ", "reg [2:0] r; always @(posedge clk) r = b[2:0]; assign y = r;"),
    ("MULTIDRIVEN", "assign y = a[2:0]; assign y = b[2:0];"),
    ("PINMISSING", "part p(.i(a)); assign y = b[2:0];"),
])  # fmt: skip
def test_the_waivers_hide_no_mistake(rule, body, tmp_path):
    path = tmp_path / "broken.v"
    ports = "input clk, input [3:0] a, input [3:0] b, output [2:0] y"
    part = "module part(input [3:0] i, output [3:0] o); assign o = i; endmodule\n"
    path.write_text(f"module broken({ports});\n{body}\nendmodule\n{part}")
    assert f"-{rule}" in verilator.lint(path, "broken")


@pytest.mark.parametrize("parameters", [{}, {"alphabets": (1,)}, {"arithmetic": "exact"}, {"out_signed": True}])
def test_the_manifest_says_how_to_requantize(parameters):
    """The word of an output's parameters, made from the manifest alone, is the one that the unit reads."""
    config = NearMemoryConfig(lanes=3, columns=2, hold=2, depth=40, **parameters)
    told = describe(config, make_component(config), "unit")
    jsonschema.validate(seal(told), SCHEMA)
    assert told["memory"]["rows"] == 40 and told["memory"]["bits"] == config.row_bits
    unit, scale, field = (
        config.requantize,
        told["requantize"]["scale"],
        {f["name"]: f for f in told["requantize"]["fields"]},
    )
    for level in (0, unit.scale.min, unit.scale.max, *unit.scale.levels[:: max(1, len(unit.scale.levels) // 50)]):
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


@ROWS
def test_the_manifest_is_complete(config, tmp_path):
    emitted = emit(config, tmp_path, name="unit_under_test")
    jsonschema.validate(emitted.manifest, SCHEMA)
    assert config_of(load(emitted.folder)) == config
    for file, digest in emitted.manifest["sha256"].items():
        assert hashlib.sha256((emitted.folder / file).read_bytes()).hexdigest() == digest
    widths = {port["name"]: port["width"] for port in emitted.manifest["ports"]}
    header = emitted.verilog.read_text().split(";", 1)[0]
    assert header == f"module unit_under_test({', '.join(widths)})"
    table = emitted.manifest["weight"]["table"]
    assert len({row["code"] for row in table}) == len(table) > 1
    for port in emitted.manifest["ports"]:
        covered = sum(field["width"] for field in port.get("fields", []))
        assert covered in (0, port["width"])


def test_the_mac_contract():
    ports = json.loads(render(MacConfig(), "m")["manifest.json"])["ports"]
    assert [p["name"] for p in ports] == ["clk", "rst", "en", "clear", "x", "w", "acc"]
    twin = json.loads(render(MacConfig(arithmetic="exact"), "m")["manifest.json"])
    assert [p["name"] for p in twin["ports"]] == [p["name"] for p in ports]
    assert {"code": 31, "value": -1} in twin["weight"]["table"]


def test_bytes_do_not_depend_on_folder_or_hash_seed(cli, tmp_path):
    for seed, folder in (("1", "a"), ("2", "deeper/b")):
        result = cli(
            "rtl", "--alphabets", "1,3", "--unit", "dot", "--columns", "3", "--out", folder, PYTHONHASHSEED=seed
        )
        assert result.returncode == 0, result.stderr
    one, two = (next((tmp_path / folder).iterdir()) for folder in ("a", "deeper/b"))
    files = sorted(path.name for path in one.iterdir())
    assert files == sorted(path.name for path in two.iterdir())
    assert len(files) == 9
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in files)


def test_equal_parts_are_one_module():
    text = render(DotConfig(lanes=8, columns=4), "d")["d.v"]
    modules = [line.split("(")[0].split()[1] for line in text.splitlines() if line.startswith("module")]
    assert sorted(modules) == [
        *("d", "d_column", "d_full_adder", "d_half_adder", "d_heap", "d_lane", "d_negatives"),
        *("d_weight_decoder", "d_x_bank"),
    ]


def test_an_alphabet_set_of_one_has_no_bank():
    assert "bank" not in render(DotConfig(alphabets=(1,), lanes=2), "d")["d.v"]
    assert "bank" in render(DotConfig(alphabets=(1, 3), lanes=2), "d")["d.v"]


def test_emission_imports_no_torch_and_training_no_amaranth():
    probe = "import sys, {}; sys.exit({!r} in sys.modules)"
    for module, heavy in (
        ("asm_hw.emission.emit_folder, asm_hw.cli.commands, asm_hw.units.catalog", "torch"),
        ("asm_hw.training.prepare, asm_hw.golden", "amaranth"),
    ):
        assert subprocess.run([sys.executable, "-c", probe.format(module, heavy)]).returncode == 0, module


def test_an_own_folder_is_replaced_and_a_touched_one_is_kept(cli, tmp_path):
    arguments = ("rtl", "--name", "mine")
    assert cli(*arguments).returncode == 0
    assert cli(*arguments).returncode == 0
    folder = tmp_path / "rtl_out" / "mine"
    (folder / "notes.txt").write_text("keep me")
    refused = cli(*arguments)
    assert refused.returncode == 2
    assert "notes.txt" in refused.stderr
    assert (folder / "notes.txt").read_text() == "keep me"
    assert cli(*arguments, "--force").returncode == 0
    assert not (folder / "notes.txt").exists()
    assert sorted(path.name for path in folder.parent.iterdir()) == ["mine"]


def test_an_edited_manifest_is_kept(cli, tmp_path):
    arguments = ("rtl", "--name", "mine")
    assert cli(*arguments).returncode == 0
    path = tmp_path / "rtl_out" / "mine" / "manifest.json"
    edited = path.read_text().replace('"latency_cycles": 1', '"latency_cycles": 2')
    path.write_text(edited)
    refused = cli(*arguments)
    assert refused.returncode == 2
    assert "manifest.json" in refused.stderr
    assert path.read_text() == edited


def test_a_failed_replacement_leaves_the_old_folder(tmp_path, monkeypatch):
    old = emit(MacConfig(), tmp_path, "mine")
    before = {path.name: path.read_bytes() for path in old.folder.iterdir()}
    rename = Path.rename

    def fails_for_the_new_folder(path, target):
        if path.name == "new":
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fails_for_the_new_folder)
    with pytest.raises(ParameterError, match="Input/output error"):
        emit(MacConfig(acc_bits=20), tmp_path, "mine")
    assert {path.name: path.read_bytes() for path in old.folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_json_and_help_everywhere(cli):
    for command in ("rtl", "catalog", "levels"):
        assert json.loads(cli(command, "--json").stdout)
    assert cli("rtl", "--name", "unit").returncode == 0
    assert json.loads(cli("manifest", "rtl_out/unit", "--json").stdout)["unit"] == "mac"
    for command in ("rtl", "manifest", "catalog", "levels", "sim", "wave", "synth", "demo"):
        text = cli(command, "--help").stdout
        assert "--json" in text
        assert len(text.splitlines()) > 6


@pytest.mark.full
def test_make_passes_its_variables(tmp_path):
    repository = Path(__file__).resolve().parent.parent
    command = [
        "make",
        "-s",
        "-C",
        str(repository),
        "rtl",
        "ALPHABETS=1,3",
        "NAME=from_make",
        f"OUT={tmp_path}",
        "LANES=16",
    ]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert load(tmp_path / "from_make")["parameters"]["alphabets"] == [1, 3]
    hostile = subprocess.run([*command[:-3], "NAME=$(touch x);'", f"OUT={tmp_path}"], capture_output=True, text=True)
    assert hostile.returncode != 0
    assert not (repository / "x").exists()


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

"""Emitted Verilog is clean in every parser, and one module for equal parts."""

from __future__ import annotations

import random
import re
import shutil
import subprocess

import pytest

from asm_hw.emission.emit_folder import emit, render
from asm_hw.errors import ParameterError
from asm_hw.formats.accumulator_format import STRUCTURES
from asm_hw.ppa.netlist.yosys import count_cells
from asm_hw.sim import verilator
from asm_hw.units.catalog import CATALOG
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.units.mac.mac_config import MacConfig
from asm_hw.units.multiplier.multiplier_config import MultiplierConfig
from asm_hw.units.operands_config import DatapathConfig


@pytest.mark.parametrize("config", CATALOG.values(), ids=CATALOG)
def test_every_row_is_clean_in_every_tool(config, emit_once):
    emitted = emit_once(config)
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
    by_operator = isinstance(config, DatapathConfig) and not config.adders.has_heap
    assert (multipliers > 0) == (by_operator and config.multiplies)


def drawn_config(seed):
    """A random legal configuration; wide dot units among them, whose small modules Verilator inlines."""
    rng = random.Random(seed)
    while True:
        parameters = {
            "alphabets": rng.choice([(1,), (1, 3), (1, 5), (1, 3, 7), (1, 3, 5, 7)]),
            "weight_bits": rng.randint(2, 9),
            "act_bits": rng.randint(1, 9),
            "act_signed": rng.random() < 0.5,
            "act_alphabets": rng.choice([None, None, (1,), (1, 3)]),
            "structure": rng.choice(STRUCTURES),
            "arithmetic": rng.choice(["asm", "asm", "asm", "exact", "bare"]),
            "weight_form": rng.choice([None, "one_hot", "binary", "booth"]),
            "weight_code": rng.choice(["packed", "packed", "fields", "decoded"]),
        }
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


@pytest.mark.parametrize(
    "config",
    [
        # Small modules that Verilator inlines beside wires of the same automatic name.
        DotConfig(alphabets=(1,), lanes=8, columns=4),
        DotConfig(alphabets=(1,), lanes=16, columns=2),
        *(pytest.param(drawn_config(seed), marks=[] if seed < 8 else pytest.mark.full) for seed in range(30)),
    ],
    ids=lambda config: config.slug,
)
def test_any_configuration_is_clean_in_verilator(config, tmp_path):
    emitted = emit(config, tmp_path)
    assert "\\" not in emitted.verilog.read_text()
    assert verilator.lint(emitted.verilog, emitted.manifest["top"]) == ""


@pytest.mark.parametrize(
    ("rule", "body"),
    [
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
    ],
)
def test_the_waivers_hide_no_mistake(rule, body, tmp_path):
    path = tmp_path / "broken.v"
    ports = "input clk, input [3:0] a, input [3:0] b, output [2:0] y"
    part = "module part(input [3:0] i, output [3:0] o); assign o = i; endmodule\n"
    path.write_text(f"module broken({ports});\n{body}\nendmodule\n{part}")
    assert f"-{rule}" in verilator.lint(path, "broken")


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

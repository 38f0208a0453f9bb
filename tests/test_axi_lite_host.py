"""A compiled network on an engine behind AXI4-Lite, started and read by a bus that is not ours (cocotbext-axi)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import axi_lite_host
import numpy as np
import pytest
from cocotb_tools.check_results import get_results
from test_engine_corners import check, corner
from test_engine_registers import compiled

from asm_hw.compiler.compile_network import compile_network
from asm_hw.report.engine_run import random_inputs
from asm_hw.units.engine.engine_config import BANKS, EngineConfig
from asm_hw.units.engine.engine_counters import COUNTED
from asm_hw.units.engine.engine_registers import RDL_FILE
from asm_hw.units.engine.program_header import ERRORS, payload

CONFIG = EngineConfig(
    alphabets=(1, 3), lanes=18, taps=9, columns=4, hold=8, segments=4, bank_rows=32, weight_rows=256, program_rows=256,
    control="axi_lite",
)  # fmt: skip
IMAGES = 2


def test_every_tensor_and_cycle_of_a_network_started_over_the_bus(emit_once):
    check(corner("the input joins"), emit_once(CONFIG), CONFIG)


def payloads(rows):
    return [f"{payload(CONFIG, row):x}" for row in rows]


@pytest.mark.parametrize("simulator", [
    pytest.param("icarus", marks=pytest.mark.skipif(not shutil.which("iverilog"), reason="needs Icarus Verilog")),
    pytest.param("verilator", marks=pytest.mark.full),
])  # fmt: skip
def test_a_network_runs_twice_by_interrupt(simulator, emit_once, tmp_path):
    emitted, network = emit_once(CONFIG), corner("the input joins")
    # Compiled for the engine with ports: the program is the same.
    program = compile_network(network, replace(CONFIG, control="ports"))
    inputs = random_inputs(network, IMAGES, 1)
    registers = compiled((emitted.folder / RDL_FILE).read_text(), tmp_path).registers()
    addresses = [address << 3 | bank for address in range(CONFIG.segments * CONFIG.bank_rows) for bank in range(BANKS)]
    images = [[("activations", *row) for row in program.input_rows(values)] for values in inputs.numpy()]
    job = {
        "rows": payloads(program.rows),
        "images": [payloads(image) for image in images],
        "registers": {register.inst_name: register.absolute_address for register in registers},
        "cycles": program.cycles,
        "layers": len(program.layers),
        "counts": {name.upper(): sum(getattr(layer.predicted, name) for layer in program.layers) for name in COUNTED},
        "addresses": addresses,
        "checksum_error": ERRORS.index("checksum"),
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    build = tmp_path / "build"
    build.mkdir()
    command = [sys.executable, axi_lite_host.__file__, emitted.folder, simulator, build, tmp_path / "job.json"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    result = subprocess.run([*map(str, command)], env=environment, capture_output=True, text=True)
    assert get_results(build / "results.xml") == (3, 0), result.stdout[-3000:] + result.stderr[-3000:]
    expected = network.tensors(inputs)[program.output].numpy()
    for words, wanted in zip(json.loads((build / axi_lite_host.RESULT).read_text()), expected, strict=True):
        # No digit is 255.
        digits = [
            [255 if word is None else word >> CONFIG.act_bits * i & 15 for i in range(CONFIG.group)] for word in words
        ]
        memory = np.array(digits, dtype=np.uint8).reshape(-1, BANKS, CONFIG.group)
        values = program.tensor(program.output, memory)
        assert np.array_equal(values, wanted.reshape(values.shape))

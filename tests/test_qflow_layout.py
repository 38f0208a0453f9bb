"""A unit placed and routed by Debian's qflow, from its emitted folder to a netlist that the bench accepts."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from asm_hw.emission.emit_folder import emit
from asm_hw.units.dot.dot_config import DotConfig

TECHNOLOGY = Path("/usr/share/qflow/tech/osu018")
ROUTED = re.compile(r"\n- (\S+)(.*?);", re.DOTALL)


def place_and_route(verilog: Path, top: str, project: Path) -> None:
    """Synthesise, place and route with qflow in the folder ``project``; the layout is ``<top>.def``.

    qflow alone would map module by module: its script is replaced by one that flattens first. It
    finds sources in ``source`` and asks nothing where the technology is named. Packages: qflow,
    qflow-tech-osu018.
    """
    source = project / "source"
    source.mkdir(parents=True)
    shutil.copy(verilog, source)
    (source / "flatten.ys").write_text(f"synth -flatten -top {top}\n")
    (project / "project_vars.sh").write_text("set yosys_script = flatten.ys\n")
    command = ["qflow", "synthesize", "place", "route", "-T", TECHNOLOGY.name, "-p", str(project), top]
    with (project / "run.log").open("w") as log:
        subprocess.run(command, cwd=project, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=True)


@pytest.mark.full
@pytest.mark.skipif(
    not (shutil.which("qflow") and TECHNOLOGY.is_dir()), reason="qflow and its osu018 must be installed"
)
def test_dot_is_placed_and_routed(tmp_path):
    config = DotConfig(alphabets=(1, 3), weight_bits=5, act_bits=8, lanes=16)
    emitted = emit(config, tmp_path, name="dot16", clock_mhz=20)  # inputs then hold longer than clock buffers take
    project = tmp_path / "layout"
    place_and_route(emitted.verilog, "dot16", project)
    log = (project / "log" / "route.log").read_text()
    assert re.findall(r"^Final: (.*)$", log, re.MULTILINE) == ["No failed routes!"]
    assert not (project / "failed.out").exists()

    layout = (project / "dot16.def").read_text()
    nets = ROUTED.findall(layout[layout.index("\nNETS ") : layout.index("\nEND NETS")])
    assert len(nets) == int(re.search(r"\nNETS (\d+) ;", layout)[1]) > 1000
    unrouted = [name for name, body in nets if "ROUTED" not in body and body.count("(") > 1]
    assert unrouted == []

    if shutil.which("iverilog"):
        models = TECHNOLOGY / "osu018_stdcells.v"
        program = str(tmp_path / "layout.vvp")
        sources = map(str, (emitted.folder / "dot16_tb.v", project / "dot16.rtlnopwr.v", models))
        subprocess.run(["iverilog", "-g2005", "-gspecify", "-o", program, *sources], check=True, capture_output=True)
        result = subprocess.run(["vvp", "-N", program], capture_output=True, text=True)
        assert result.stdout.endswith("PASS: 64 responses\n"), result.stdout[-1000:]

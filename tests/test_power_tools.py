"""What is exported for power tools, read by the rules of OpenSTA 3: every pin has its activity, the power is ours."""

from __future__ import annotations

import json
import re
import shutil

import pytest

pytest.importorskip("pyosys", reason="needs the extra synth")

from opensta3_reading import PowerReading, read_saif

from asm_hw.ppa.activity.operand_streams import StreamOptions
from asm_hw.ppa.energy.energy_comparison import compare_energy
from asm_hw.ppa.energy.energy_export import export_energy
from asm_hw.ppa.energy.power_tool_files import plain_names
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.units.mac.mac_config import MacConfig

pytestmark = pytest.mark.skipif(not shutil.which("iverilog"), reason="needs Icarus Verilog")
CLOCK_MHZ = 100.0
CYCLES = 200


@pytest.fixture(
    scope="module",
    params=[
        (MacConfig(alphabets=(1, 3), act_bits=4, acc_bits=12), "streaming"),
        pytest.param((DotConfig(alphabets=(1,), lanes=4, act_bits=4, acc_bits=14), "held"), marks=pytest.mark.full),
    ],
    ids=lambda given: given[0].unit,
)
def exported(request, tmp_path_factory):
    out = tmp_path_factory.mktemp("power") / "out"
    config, weights = request.param
    stream = StreamOptions(stream="half_normal", weights=weights, cycles=CYCLES)
    result, measured = compare_energy(config, stream, CLOCK_MHZ, waves=True, wires=False)
    export_energy(out, result, measured, CLOCK_MHZ, "sg13g2")
    return out, json.loads((out / "energy.json").read_text())["rows"]


def test_every_pin_has_its_activity_and_power_is_that_of_the_figure(exported):
    out, rows = exported
    for row in rows.values():
        reading = PowerReading(out, row["name"], out / "sg13g2.lib")
        pins = {(instance.name, pin.name) for instance, _, pin in reading.pins()}
        assert pins and pins == set(reading.activities)
        joules = (reading.switching() + reading.internal() + reading.leakage()) / CLOCK_MHZ / 1e6
        assert joules * 1e15 == pytest.approx(row["energy_per_cycle_fj"], rel=0.05), row["name"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r"\(INSTANCE (\w+)\n", r"(INSTANCE \1\\[0\\]\n"),
        (r"    \(INSTANCE \w+\n      \(NET\n", "    (NET\n      (NET\n"),
        (r"\(T0 \d+\)", "(T0 1)"),
        (r"\(SAIFILE", "(SAIF"),
    ],
    ids=["an escaped name", "a net beside instances", "times that are no whole", "no SAIF"],
)
def test_the_reader_refuses_what_opensta_does(exported, old, new):
    out, rows = exported
    name = rows["bare"]["name"]
    text = (out / f"{name}.saif").read_text()
    read_saif(text, name)
    with pytest.raises(ValueError):
        places = list(re.finditer(old, text))
        where = places[-1]
        read_saif(text[: where.start()] + where.expand(new) + text[where.end() :], name)


def test_a_cell_without_activity_is_missed(exported):
    out, rows = exported
    name = rows["bare"]["name"]
    path = out / f"{name}.saif"
    kept = path.read_text()
    path.write_text(re.sub(r"    \(INSTANCE \w+\n      \(NET\n(        .*\n)+      \)\n    \)\n", "", kept, count=1))
    try:
        reading = PowerReading(out, name, out / "sg13g2.lib")
        with pytest.raises(KeyError):
            reading.switching()
            reading.internal()
    finally:
        path.write_text(kept)


def test_names_become_plain():
    text = "module m(a);\n wire \\x[0] ; wire \\1a ; wire \\x_0_ ; wire x_0__; INV \\reg (.A(\\x[0] ));\nendmodule"
    plain, names = plain_names(text)
    assert "\\" not in plain
    assert len(set(names.values())) == len(names) == 4
    assert not set(names.values()) & {"x_0__", "reg"} and all(
        re.fullmatch(r"[A-Za-z_]\w*", name) for name in names.values()
    )

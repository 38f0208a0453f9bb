"""Energy of engines by events: the account of layers, the fit, and what is read of waves."""

from __future__ import annotations

import json

import numpy as np
import pytest
from random_networks import RandomNetwork
from test_engine_networks import ENGINES

from asm_hw.compiler import event_energy
from asm_hw.compiler.compile_network import compile_network
from asm_hw.compiler.event_energy import LOGIC_PARAMETERS, SHAPE_PARAMETERS, events_of, layer_energies_pj
from asm_hw.ppa.activity.vcd_file import Vcd
from asm_hw.ppa.energy.engine_energy import EVENTS, explain, explained_percent, memory_events
from asm_hw.ppa.energy.engine_windows import layer_at, middle_windows, quiet_windows
from asm_hw.ppa.energy.traced_netlist import CycleWaves

CONFIG = ENGINES["windows"]


@pytest.fixture(scope="module")
def program():
    return compile_network(RandomNetwork(3, tuple(CONFIG.alphabets), CONFIG.act_bits).network(), CONFIG)


def test_layers_are_priced_by_their_events_where_the_engine_was_measured(program, tmp_path, monkeypatch):
    path = tmp_path / "engine.json"
    monkeypatch.setattr(event_energy, "RESULTS", path)
    assert layer_energies_pj(program) is None
    known = {name: program.config.parameters[name] for name in (*LOGIC_PARAMETERS, *SHAPE_PARAMETERS)}
    events = {"one": {"cycles": 2000.0, "products": 10.0}, "other": {"output_words": 500.0}}
    event_energy._rows.cache_clear()
    path.write_text(json.dumps({"engines": [{"parameters": known, "event_fj": events}]}))
    counted = [events_of(layer) for layer in program.layers]
    expected = [round(2 * of["cycles"] + of["products"] / 100 + of["output_words"] / 2, 1) for of in counted]
    assert layer_energies_pj(program) == expected
    event_energy._rows.cache_clear()
    path.write_text(json.dumps({"engines": [{"parameters": known | {"hold": 64}, "event_fj": events}]}))
    assert layer_energies_pj(program) is None
    event_energy._rows.cache_clear()


def test_products_of_a_layer_are_those_of_its_weights(program):
    """No more than lanes could form, and none for a weight of 0: a tile's weights meet every pixel."""
    for layer in program.layers:
        assert 0 <= layer.products <= layer.lane_steps
    assert sum(layer.products for layer in program.layers) > 0


def test_the_fit_finds_the_energies_that_made_the_windows():
    draw = np.random.default_rng(0)
    made = {part: dict(zip(events, (5000.0, 300.0, 200.0, 400.0), strict=False)) for part, events in EVENTS.items()}
    rows = []
    for part, energies in made.items():
        for _ in range(6):
            events = {event: int(draw.integers(1, 1000)) for event in energies}
            took = sum(fj * events[event] for event, fj in energies.items())
            rows.append(
                {"part": part, "events": events, "clock_fj": took / 2, "moving_fj": took / 2, "leakage_fj": 0.0}
            )
    found = explain(rows, columns=1)
    for part, energies in made.items():
        assert found[part] == pytest.approx(energies, rel=1e-3)
    assert all(abs(explained_percent([row], found[row["part"]])) < 0.1 for row in rows)
    # Of four equal columns; a product is of one of them already.
    whole = explain(rows, columns=4)
    assert whole["columns"]["cycles"] == pytest.approx(4 * 5000, rel=1e-3)
    assert whole["columns"]["products"] == pytest.approx(300, rel=1e-3)
    assert whole["control"]["steps"] == pytest.approx(300, rel=1e-3)


def test_windows_lie_within_their_layers(program):
    names = [layer.name for layer in program.layers]
    ends = np.cumsum([layer.predicted.cycles for layer in program.layers])
    for name, window in zip(names, middle_windows(program, names, 4), strict=True):
        end = ends[names.index(name)]
        assert end - program.layers[names.index(name)].predicted.cycles <= window.start < window.stop <= end


def test_quiet_windows_are_of_layers_with_tiles_that_end_no_sum(program):
    names = [layer.name for layer in program.layers]
    several = {layer.name for layer in program.layers if layer.predicted.steps > layer.ended_sums}
    found = quiet_windows(program, names, 2)
    assert found and {layer_at(program, window.start).name for window in found} <= several
    assert all(layer_at(program, window.start) is layer_at(program, window.stop - 1) for window in found)
    assert all(0 < layer.ended_sums <= layer.predicted.steps for layer in program.layers)


def test_memories_are_priced_by_access_and_by_cycle():
    events = memory_events(CONFIG, 100.0)
    slow = memory_events(CONFIG, 50.0)
    assert slow["memories' leakage"]["cycles"] == pytest.approx(2 * events["memories' leakage"]["cycles"])
    assert events["activation writes"]["output_words"] > events["activation reads"]["source_words"] > 0


def test_a_signal_has_a_value_in_each_cycle(tmp_path):
    head = (
        "$timescale 1ps $end\n$scope module TOP $end\n$var wire 4 a x [3:0] $end\n$var wire 1 b y $end\n$upscope $end\n"
    )
    path = tmp_path / "dump.vcd"
    path.write_text(head + "$enddefinitions $end\n#7\nb101 a\n1b\n#8\nb11 a\n#10\nb0 a\n0b\n")
    waves = CycleWaves(Vcd(path), range(7, 11))
    assert waves.words("TOP.x") == [5, 3, 3, 0]
    assert waves.words("TOP.y") == [1, 1, 1, 0]
    assert waves.has("TOP.y")
    assert not waves.has("TOP.z")
    assert sorted(waves.names("TOP.")) == ["x", "y"]

"""Measures the energy of engines by events: docs/results/engine.json and the table of docs/engine.md.

    python benchmarks/engine.py --asm resnet8=FILE,... --int4 resnet8=FILE --int8 resnet8=FILE [--tables-only]

FILE: integers of a network, {1} W=5 A=4 for ``--asm``. Modules are measured gate by gate in some cycles of a run of the
first one (`asm_hw.ppa.energy.engine_energy`); all networks are then accounted by the events that the cycle model
counts. Engines that are not given keep what was measured. IHP SG13G2, without wires.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from figures import RESULTS, provenance, write_block

from asm_hw.compiler.area_model import engine_areas_um2
from asm_hw.compiler.compile_network import compile_network
from asm_hw.compiler.engine_candidates import with_rows
from asm_hw.compiler.engine_program import EngineProgram
from asm_hw.compiler.event_energy import LOGIC_PARAMETERS, SHAPE_PARAMETERS, layer_energy_pj
from asm_hw.compiler.program_folder import compile_folder, load_folder
from asm_hw.errors import ParameterError
from asm_hw.network.network_file import load
from asm_hw.ppa.activity.gate_simulation import simulator
from asm_hw.ppa.energy.engine_energy import WEIGHT_BANK, explain, explained_percent, measure, memory_events
from asm_hw.ppa.energy.engine_windows import middle_windows, quiet_windows
from asm_hw.ppa.technology.cell_library import Library, compact_library
from asm_hw.sim.engine_player import EnginePlayer
from asm_hw.training.evaluate import integer_batches
from asm_hw.units.engine.engine_config import EngineConfig
from asm_hw.units.engine.program_header import HEADER_ROWS

CLOCK_MHZ = 100.0
LAYERS = (
    *("conv1", "layer1.conv1", "layer1.conv2", "layer2.conv1", "layer2.downsample", "layer2.conv2"),
    *("layer3.conv1", "layer3.downsample", "layer3.conv2"),
)
CYCLES = 60
OUTPUT = RESULTS / "engine.json"
EVENT_NAMES = (
    "cycles",
    "steps",
    "products",
    "moved_words",
    "ended_sums",
    "weight_rows",
    "source_words",
    "skip_words",
    "output_words",
)
TARGETS_UJ = {"resnet8": 7.6, "resnet20": 21, "mobilenet_v2_050": 34}
ENGINES: dict[str, dict[str, Any]] = {
    "asm": {},
    "asm64x128": {"hold": 128, "segments": 64, "bank_rows": 128},
    "asm144": {"lanes": 144, "hold": 128, "segments": 64, "bank_rows": 64},
    "int4": {"arithmetic": "exact", "weight_bits": 4},
    "int8": {"arithmetic": "exact", "weight_bits": 8, "act_bits": 8},
}
"""The default engine; more accumulators, and as many small banks as MobileNetV2 needs; that with twice the lanes; exact
multipliers."""
_PROGRAMS = {"weight_rows": 32768, "program_rows": 2048}
LARGER: tuple[dict[str, int], ...] = ({}, _PROGRAMS, {"bank_rows": 1024, **_PROGRAMS})
"""Memories: the default ones, or those that take any of the networks."""


class TracedRun(NamedTuple):
    """An engine with a program, an image of CIFAR-10, and the cells to map it to."""

    player: EnginePlayer
    verilog: str
    program: EngineProgram
    image: np.ndarray
    library: Library


@contextmanager
def traced_run(config: EngineConfig, network: Path) -> Iterator[TracedRun]:
    """The network in a file on an engine whose signals can be recorded."""
    with tempfile.TemporaryDirectory() as scratch:
        compile_folder(network, config, Path(scratch, "engine"))
        folder = load_folder(Path(scratch, "engine"))
        player = EnginePlayer(folder.emitted, traced=True)
        images, _ = next(iter(integer_batches(folder.network, "cifar10", 1)))
        library = compact_library(Path(scratch), "sg13g2")
        yield TracedRun(player, folder.emitted.verilog.read_text(), folder.program, np.asarray(images[0]), library)


def measure_engine(config: EngineConfig, network: Path) -> dict[str, Any]:
    """The windows of an engine."""
    rows = []
    with traced_run(config, network) as run:
        # In the middle of a layer of several tiles a pass has just ended: half of the cycles have outputs.
        windows = [window for of in (middle_windows, quiet_windows) for window in of(run.program, LAYERS, CYCLES)]
        for row in measure(run.player, run.verilog, run.program, run.image, windows, run.library, CLOCK_MHZ):
            rows.append(row)
            print(row, flush=True)
    return {"parameters": config.parameters, "windows": rows}


def fitted(engine: dict[str, Any]) -> dict[str, Any]:
    """An engine whose windows were measured, with what its events take, and how well those of the other layers foretell
    the windows of each one."""
    rows, config = engine["windows"], EngineConfig(**engine["parameters"])
    left_out: dict[str, dict[str, float]] = {}
    for layer in dict.fromkeys(row["layer"] for row in rows):
        others = explain([row for row in rows if row["layer"] != layer], 1)  # of one instance, as the windows are
        for part, energies in others.items():
            own = [row for row in rows if (row["layer"], row["part"]) == (layer, part)]
            left_out.setdefault(part, {})[layer] = explained_percent(own, energies)
    events = explain(rows, config.columns) | memory_events(config, CLOCK_MHZ)
    events = {part: {event: round(fj, 3) for event, fj in of.items()} for part, of in events.items()}
    return {"parameters": engine["parameters"], "event_fj": events, "left_out_percent": left_out, "windows": rows}


def compiled(network: Path, parameters: dict[str, Any]) -> EngineProgram:
    """A network's program for the engine with these parameters, or with memories that take it."""
    known = {name: parameters[name] for name in (*LOGIC_PARAMETERS, *SHAPE_PARAMETERS)}
    for memories in LARGER:
        try:
            return compile_network(load(network), EngineConfig(**known | memories))
        except ParameterError as error:
            found = error
    raise found


def account(engine: dict[str, Any], networks: dict[str, Path]) -> list[dict[str, Any]]:
    """Energy by part of an image of each network, nJ; the area of the engine with the rows that the network needs."""
    rows = []
    for name, path in networks.items():
        program = compiled(path, engine["parameters"])
        events = engine["event_fj"] | memory_events(program.config, CLOCK_MHZ)
        layers = [layer_energy_pj(layer, events) for layer in program.layers]
        parts = {part: round(sum(layer[part] for layer in layers) / 1000, 2) for part in events}
        memories = {name: getattr(program.config, name) for name in ("segments", "bank_rows", "weight_rows")}
        row = {"network": name, "cycles": program.cycles, "memories": memories, "parts_nj": parts}
        needed = with_rows(program.config, {}, len(program.weights), HEADER_ROWS + len(program.program))
        if areas := engine_areas_um2(needed):
            row["area_mm2"] = round(sum(areas.values()) / 1e6, 2)
        rows.append(row | {"total_nj": round(sum(parts.values()), 2)})
    return rows


def table() -> str:
    """Energy of each network by part, and what an event of the first engine takes, Markdown."""
    engines = json.loads(OUTPUT.read_text())["engines"]
    totals = engines[0]["networks"][0]["parts_nj"]
    parts = [part for part in engines[0]["event_fj"] if totals[part]]  # resident weights are not written
    base = {row["network"]: row["total_nj"] for row in engines[0]["networks"]}
    lines = [
        f"| uJ an image | engine | {' | '.join(parts)} | **all** | to reach | of {{1}} | cycles | mm2 | uJ x ms x mm2 |"
    ]
    lines += ["|---" * (len(parts) + 8) + "|"]
    for engine in engines:
        own = engine["parameters"]["arithmetic"] == "asm"
        for row in engine["networks"]:
            total, target = row["total_nj"] / 1000, TARGETS_UJ.get(row["network"])
            met = f"{target} ({'met' if total <= target else 'missed'})" if target and own else "-"
            figures = [f"{row['parts_nj'][part] / 1000:.2f}" for part in parts]
            figures += [f"**{total:.1f}**", met, f"{row['total_nj'] / base[row['network']]:.2f}", f"{row['cycles']:,}"]
            figures += product_figures(row)
            lines.append(f"| {row['network']} | {title(engine)} | {' | '.join(figures)} |")
    return "\n".join([*lines, "", *event_lines(engines[0])])


def product_figures(row: dict[str, Any]) -> tuple[str, str]:
    """The area of an engine, and energy x delay x area of an image."""
    if "area_mm2" not in row:
        return "-", "-"
    milliseconds = row["cycles"] / CLOCK_MHZ / 1000
    return f"{row['area_mm2']:.1f}", f"{row['total_nj'] / 1000 * milliseconds * row['area_mm2']:,.1f}"


def event_lines(engine: dict[str, Any]) -> list[str]:
    """What an event takes, and how far those of the other layers are off in a layer, at worst."""
    lines = ["| pJ an event | " + " | ".join(EVENT_NAMES) + " | windows of a layer left out are met to, % |"]
    lines += ["|---" * (len(EVENT_NAMES) + 2) + "|"]
    for part, events in engine["event_fj"].items():
        figures = [f"{events[event] / 1000:.3g}" if events.get(event) else "-" for event in EVENT_NAMES]
        errors = [abs(percent) for percent in engine["left_out_percent"].get(part, {}).values()]
        lines.append(f"| {part} | {' | '.join(figures)} | {f'{max(errors):.1f}' if errors else '-'} |")
    return lines


def title(engine: dict[str, Any]) -> str:
    """An engine in few words: its multipliers, LANES x TAPS x COLUMNS x HOLD, segments x rows of a bank."""
    of = engine["parameters"]
    kind = "{1}" if of["arithmetic"] == "asm" else "exact"
    sizes = f"{of['lanes']}x{of['taps']}x{of['columns']}x{of['hold']}"
    return f"{kind} W={of['weight_bits']} A={of['act_bits']}, {sizes}, {of['segments']}x{of['bank_rows']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for kind in ENGINES:
        parser.add_argument(f"--{kind}", default="", help="NAME=FILE,..., the first one is measured")
    parser.add_argument("--events", choices=("measured", "kept"), default="measured", help="those of the JSON file")
    parser.add_argument("--tables-only", action="store_true", help="only write the table, from the JSON file")
    given = parser.parse_args()
    for kind in ENGINES:
        pairs = [pair.split("=") for pair in getattr(given, kind).split(",") if pair]
        if pairs and not given.tables_only:
            update(kind, {name: Path(path) for name, path in pairs}, kept=given.events == "kept")
    write_block("energy", table(), "docs/engine.md")


def update(kind: str, networks: dict[str, Path], kept: bool) -> None:
    """Measure an engine of `ENGINES`, unless ``kept``, and account its networks; others stay as they are."""
    result = json.loads(OUTPUT.read_text())
    engines = {engine["kind"]: engine for engine in result["engines"]}
    if not kept:
        first = next(iter(networks.values()))
        engines[kind] = measure_engine(EngineConfig(alphabets=load(first).alphabets, **ENGINES[kind]), first)
        result |= provenance("python benchmarks/engine.py ...") | {"clock_mhz": CLOCK_MHZ}
        result |= {"activity": simulator(), "weight_bank_rows": WEIGHT_BANK}
    engine = {"kind": kind} | fitted(engines[kind])
    engines[kind] = engine | {"networks": account(engine, networks)}
    result["engines"] = [engines[name] for name in ENGINES if name in engines]
    OUTPUT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

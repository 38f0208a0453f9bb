"""The demo: a real network from training to RTL, and one table that says how it went."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from asm_hw.compiler.program_folder import compile_folder, load_folder
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.network_file import save
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.numbers.integers import ceil_div
from asm_hw.ppa.baselines.area_comparison import compare_area
from asm_hw.sim import verilator
from asm_hw.sim.engine_player import EnginePlayer
from asm_hw.training.convert import convert
from asm_hw.training.data import ImageData, digits
from asm_hw.training.digits_training import ASM_EPOCHS, EPOCHS, accuracy, train, train_asm
from asm_hw.training.models import digits_cnn
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.units.engine.engine_config import QUARTET, EngineConfig

from .engine_run import CHUNK, EngineReport, run_engine

LANES, COLUMNS = 18, 4
MEMORIES: dict[str, Any] = {"hold": 16, "segments": 4, "bank_rows": 64, "weight_rows": 4096, "program_rows": 512}
"""Of the engine, which shall be small: most of the demo's time is what tools take for it."""
BUILD = Path("build/demo")
_STORAGES = ("float_bits", "binary_bits", "packed_bits")


class _Steps:
    """Shows progress on stderr and remembers the seconds of each step."""

    def __init__(self, progress: Progress):
        self.progress = progress
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str, total: int = 1) -> Iterator[Any]:
        task = self.progress.add_task(name, total=total)
        if not self.progress.console.is_terminal:  # no bars there
            self.progress.console.print(f"{name} ...", highlight=False)
        start = perf_counter()
        yield lambda *_: self.progress.advance(task)
        self.progress.update(task, completed=total)
        self.seconds[name] = round(perf_counter() - start, 2)


def run_demo(
    alphabets: str, weight_bits: int, act_bits: int, seed: int, epochs: int | None = None, as_json: bool = False
) -> int:
    """Run every step and print the table; 0 if all that the engine did is as golden and the cycle model say."""
    operands: dict[str, Any] = {
        "alphabets": AlphabetSet.parse(alphabets),
        "weight_bits": weight_bits,
        "act_bits": act_bits,
    }
    torch.set_num_threads(1)  # the last bits of float sums, and so the trained weights, depend on it
    array = DotConfig(**operands, lanes=LANES, columns=COLUMNS)  # refuses bad values before anything is trained
    verilator.check_build(BUILD)
    with Progress(console=Console(stderr=True)) as progress:
        result = _measure(_Steps(progress), operands, array, seed, epochs)
    if as_json:
        print(json.dumps(result))
    else:
        Console().print(_table(result))
    return 0 if result["mismatches"] == 0 and result["as_predicted"] else 1


def _measure(
    steps: _Steps, operands: dict[str, Any], array: DotConfig, seed: int, epochs: int | None
) -> dict[str, Any]:
    """All steps, and what they found. ``array``: the products of the engine alone, whose area is shown."""
    data = digits()
    float_accuracy, network = _train(steps, data, operands, seed, epochs)
    x = network.quantize_input(data.test_images)
    report = _run_engine(steps, network, array, x)
    with steps.step("synthesize the array"):
        area = compare_area(array, thorough=False)
    asm = area["rows"]["asm"]
    outputs = torch.tensor([output.ravel().tolist() for output in report.outputs])
    return {
        "parameters": array.parameters | {"seed": seed},
        "engine": report.program.config.parameters,
        "test_images": len(x),
        "accuracy_float": float_accuracy,
        "accuracy_asm": accuracy(network, x, data.test_labels),
        "accuracy_rtl": accuracy(lambda _: outputs, x, data.test_labels),
        **_totals(report),
        **{f"weight_{kind}": sum(getattr(size, kind) for size in network.sizes) for kind in _STORAGES},
        "area_um2": {name: row["area_um2"] for name, row in area["rows"].items()},
        "area_ratio_to_exact": asm["area_ratio_to_exact"],
        "area_ratio_to_bare": asm["area_ratio_to_bare"],
        "library": area["library"],
        "seconds": steps.seconds,
    }


def _totals(report: EngineReport) -> dict[str, Any]:
    """What all images' runs sum up to, and each layer of an image."""
    ran = report.to_json()
    return {
        "mismatches": ran["mismatches"],
        "outputs_compared": ran["compared"],
        "cycles": sum(report.cycles),
        "cycles_per_image": ran["cycles"],
        **{name: ran[name] for name in ("predicted_cycles", "as_predicted", "first_difference", "layers")},
    }


def _train(
    steps: _Steps, data: ImageData, operands: dict[str, Any], seed: int, epochs: int | None
) -> tuple[float, IntegerNetwork]:
    """Float training, alphabet-aware training from it, conversion: (float accuracy, integer network)."""
    model = digits_cnn(seed)
    with steps.step("train float", epochs or EPOCHS) as advance:
        train(model, data, epochs=epochs or EPOCHS, seed=seed, progress=advance)
    with steps.step("train alphabet-aware", epochs or ASM_EPOCHS) as advance:
        asm = train_asm(model, data, epochs=epochs or ASM_EPOCHS, seed=seed, progress=advance, **operands)
    with steps.step("convert to integers"):
        network = convert(asm, tuple(data.test_images.shape[1:]))
    return accuracy(model, data.test_images, data.test_labels), network


def _engine_of(network: IntegerNetwork, array: DotConfig) -> EngineConfig:
    """The small engine that runs the network: wider weights and tensors take several turns of its lanes."""
    act_bits = QUARTET if array.act_bits <= QUARTET else 2 * QUARTET
    config = EngineConfig(alphabets=array.alphabets, act_bits=act_bits, lanes=LANES, columns=COLUMNS, **MEMORIES)
    needed = max(layer.acc_bits for layer in network.products)
    return config if needed <= config.accumulator.bits else replace(config, acc_bits=needed)


def _run_engine(steps: _Steps, network: IntegerNetwork, array: DotConfig, x: torch.Tensor) -> EngineReport:
    """Every image through the Verilog of an engine: what ``asm-hw compile`` and ``asm-hw run`` do."""
    config, integers = _engine_of(network, array), BUILD / "integers.safetensors"
    with steps.step("compile for the engine"):
        BUILD.mkdir(parents=True, exist_ok=True)
        save(network, integers)
        compile_folder(integers, config, BUILD / "engine", force=True)
        folder = load_folder(BUILD / "engine")
    with steps.step("build the simulator"):
        EnginePlayer(folder.emitted)
    with steps.step("run the test set", ceil_div(len(x), CHUNK)) as advance:
        return run_engine(folder, x, done=advance)


def _table(result: dict[str, Any]) -> Table:
    parameters = result["parameters"]
    alphabets = ",".join(map(str, parameters["alphabets"]))
    title = (
        f"{{{alphabets}}} W={parameters['weight_bits']} A={parameters['act_bits']}, {result['test_images']} test images"
    )
    table = Table("", "", title=title, show_header=False)
    for kind in ("float", "asm", "rtl"):
        table.add_row(f"accuracy {kind}", f"{100 * result[f'accuracy_{kind}']:.2f} %")
    table.add_row("mismatches RTL / golden", f"{result['mismatches']} of {result['outputs_compared']:,} values")
    predicted = "as predicted" if result["as_predicted"] else f"not as predicted: {result['predicted_cycles']:,}"
    table.add_row("clock cycles an image", f"{result['cycles_per_image']:,} ({predicted})")
    table.add_row("clock cycles", f"{result['cycles']:,} (engine of {LANES} lanes x {COLUMNS} columns)")
    for kind, text in zip(_STORAGES, ("float32", "binary", "encoded"), strict=True):
        table.add_row(f"weight bits {text}", f"{result[f'weight_{kind}']:,}")
    areas = ", ".join(f"{name} {area:,.0f}" for name, area in result["area_um2"].items())
    table.add_row("array area um2", f"{areas} ({result['library']})")
    table.add_row("area / exact, / bare", f"{result['area_ratio_to_exact']:.2f}, {result['area_ratio_to_bare']:.2f}")
    for step, seconds in result["seconds"].items():
        table.add_row(f"seconds: {step}", f"{seconds:.1f}")
    return table

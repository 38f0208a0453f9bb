"""Runs a compiled network through the emitted engine and compares every stored tensor with the golden model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from asm_hw.compiler.batch import batched, in_maps, in_vectors
from asm_hw.compiler.engine_program import EngineProgram, ProgramLayer
from asm_hw.compiler.program_folder import ProgramFolder
from asm_hw.errors import ParameterError, check_choice
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.integer_node import INPUT
from asm_hw.sim.engine_player import EnginePlayer, EngineRun
from asm_hw.units.engine.engine_counters import COUNTED

COMPARE = ("all", "output", "none")
CHUNK = 16
"""Images a process of the simulator runs."""
_BY_LAYER = tuple(name for name in COUNTED if name not in ("weight_rows", "streamed_rows", "idle", "stream_waits"))
"""Counts that a layer's end separates; rows are read ahead for the layer that follows."""


@dataclass
class EngineReport:
    """What the runs of a program have shown so far."""

    program: EngineProgram
    images: int = 0
    mismatches: int = 0
    compared: int = 0
    cycles: list[int] = field(default_factory=list)
    ended: bool = True
    """Whether every run went through all layers, each of them as in the first one, and all counters ended as the model
    says.
    """
    counted: list[dict[str, int]] = field(default_factory=list)
    """By layer, its cycles and counts."""
    first_difference: dict[str, Any] | None = None
    outputs: list[np.ndarray] = field(default_factory=list)
    seconds: float = 0.0

    @cached_property
    def predicted_counts(self) -> dict[str, int]:
        """All counters at the end of a run, with a host that is never late."""
        return {name: sum(getattr(layer.predicted, name) for layer in self.program.layers) for name in COUNTED}

    @property
    def as_predicted(self) -> bool:
        """Whether every run took just the predicted cycles and accesses."""
        alike = all(counted == predicted for _, counted, predicted in self._by_layer())
        return self.ended and alike and all(cycles == self.program.cycles for cycles in self.cycles)

    def _by_layer(self) -> list[tuple[ProgramLayer, dict[str, int], dict[str, int]]]:
        """Every layer that has ended, what was counted of it, and what the model says."""
        found = []
        for layer, counted in zip(self.program.layers, self.counted, strict=False):
            found.append((layer, counted, {name: getattr(layer.predicted, name) for name in counted}))
        return found

    def to_json(self) -> dict[str, Any]:
        """What ``asm-hw run --json`` prints."""
        layers = [
            {"name": layer.name, "macs": layer.macs, "counted": counted, "predicted": predicted}
            for layer, counted, predicted in self._by_layer()
        ]
        return {
            "images": self.images,
            "batch": self.program.batch,
            "mismatches": self.mismatches,
            "compared": self.compared,
            "cycles": self.cycles[0] if self.cycles else 0,
            "predicted_cycles": self.program.cycles,
            "as_predicted": self.as_predicted,
            "images_per_second": round(self.images / self.seconds, 3) if self.seconds else None,
            "layers": layers,
            "first_difference": self.first_difference,
        }


def random_inputs(network: IntegerNetwork, images: int, seed: int) -> Tensor:
    """Seeded integers over the whole range of the input."""
    low, high = network.formats[INPUT].range
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(low, high + 1, (images, *network.input_shape), generator=generator)


def file_inputs(network: IntegerNetwork, path: Path) -> tuple[Tensor, float]:
    """The images of a NumPy file: integers as they are, real numbers quantized as the network says.

    Beside them the share of real numbers that are clipped: they lie a step or more beyond the input's range.
    """
    try:
        values = np.load(path, allow_pickle=False)
    except OSError as error:
        raise ParameterError(f"inputs {str(path)!r} must be a readable .npy file: {error}") from None
    except (ValueError, EOFError, BadZipFile):  # numpy advises to unpickle
        raise ParameterError(f"inputs {str(path)!r} must be a whole .npy file of numbers") from None
    if not isinstance(values, np.ndarray):
        raise ParameterError(f"inputs {str(path)!r} must be one array (.npy), not several (.npz)")
    if tuple(values.shape[1:]) != network.input_shape or not len(values):
        wanted = f"(images, {', '.join(map(str, network.input_shape))})"
        raise ParameterError(f"inputs must have shape {wanted}, not {values.shape}")
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise ParameterError(f"inputs {str(path)!r} must hold finite numbers, and not nan or infinities")
        low, high = network.formats[INPUT].binary_range
        steps = values / network.input_scale
        clipped = float(((steps <= low - 1) | (steps >= high + 1)).mean())
        return network.quantize_input(torch.from_numpy(values.astype(np.float32))), clipped
    if values.dtype.kind not in "iu":
        raise ParameterError(f"inputs must be integers or real numbers, not {values.dtype}")
    low, high = network.formats[INPUT].range
    least, most = int(values.min()), int(values.max())
    if least < low or most > high:
        raise ParameterError(f"inputs must be from {low} to {high}, not {least} to {most}")
    return torch.from_numpy(values.astype(np.int64)), 0.0


def run_engine(
    folder: ProgramFolder, x: Tensor, compare: str = "all", done: Callable[[int], None] | None = None
) -> EngineReport:
    """Run every input ``x`` [n, ...] through the Verilog. ``done``: told how many images have been run."""
    check_choice("compare", compare, COMPARE)
    batch = folder.program.batch
    network, maps = batched(folder.network, batch), in_maps(x, batch)
    report = EngineReport(folder.program)
    player = EnginePlayer(folder.emitted)
    shape = folder.program.input_shape
    for part in maps.split(CHUNK):
        expected = network.tensors(part) if compare != "none" else {}
        begin = perf_counter()
        runs = list(player.run(folder.program, part.numpy().reshape(-1, *shape), images=compare == "all"))
        report.seconds += perf_counter() - begin
        for index, run in enumerate(runs):
            _judge(report, run, {name: tensor[index].numpy() for name, tensor in expected.items()}, compare)
        if done:
            done(len(part) * batch)
    report.outputs = [vector for output in report.outputs for vector in in_vectors(output, batch)][: len(x)]
    report.images = len(x)  # not the runs
    return report


def _judge(report: EngineReport, run: EngineRun, expected: dict[str, np.ndarray], compare: str) -> None:
    program = report.program
    report.images += 1
    report.cycles.append(run.cycles)
    report.ended &= run.done and not run.error and len(run.layers) == len(program.layers)
    before, end = dict.fromkeys(COUNTED, 0), 0
    for image, layer in zip(run.layers, program.layers, strict=False):
        own = {name: image.counts[name] - before[name] for name in _BY_LAYER} | {"cycles": image.cycle - end}
        if len(report.counted) <= image.layer:
            report.counted.append(own)
        elif own != report.counted[image.layer]:
            report.ended = False  # cycles do not depend on data
        before, end = image.counts, image.cycle
        if layer is program.layers[-1]:
            report.ended &= image.counts == report.predicted_counts
        if image.memory is None:
            continue
        # Without all layers' images there is the last one alone, in which the output still lies.
        for name in layer.tensors if compare == "all" else (program.output,):
            if compare == "all" and name not in expected:
                continue  # between the sums of a pool
            values = program.tensor(name, image.memory)
            if name == program.output:
                report.outputs.append(values)
            if compare != "none":
                _compare(report, layer.name, name, values, expected[name], image.cycle)


def _compare(report: EngineReport, layer: str, name: str, values: np.ndarray, expected: np.ndarray, cycle: int) -> None:
    wanted = expected.reshape(values.shape)
    wrong = np.argwhere(values != wanted)
    report.compared += values.size
    report.mismatches += len(wrong)
    if len(wrong) and report.first_difference is None:
        place = tuple(wrong[0].tolist())
        report.first_difference = {
            "image": report.images - 1,
            "layer": layer,
            "tensor": name,
            "index": place,
            "engine": int(values[place]),
            "golden": int(wanted[place]),
            "cycle": cycle,
        }

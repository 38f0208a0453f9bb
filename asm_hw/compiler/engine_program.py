"""A program of an engine: memory images, tensors and predicted cycles; its file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from asm_hw.errors import ParameterError
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.units.engine.engine_config import EngineConfig
from asm_hw.units.engine.engine_schedule import LayerCycles
from asm_hw.units.engine.program_header import Row, program_rows
from asm_hw.units.registry import make_config

from .layer_records import Placed
from .tensor_layout import TensorLayout

SCHEMA_VERSION = 1
FILE_NAME = "program.json"


@dataclass(frozen=True)
class ProgramLayer:
    """A layer of a program: the tensors that it completes, its work and what the model predicts."""

    name: str
    tensors: tuple[str, ...]
    macs: int
    lane_steps: int
    predicted: LayerCycles

    def utilization(self) -> float:
        """Share of the products that lanes could form which the network asked for."""
        return self.macs / self.lane_steps if self.lane_steps else 0.0


@dataclass(frozen=True)
class EngineProgram:
    """What an engine needs to run a network.

    Attributes
    ----------
    rows : images of program and weight memory
    tensors : every tensor that is stored, by the node that gives it; ``input`` among them
    output : the tensor that is the network's result
    """

    config: EngineConfig
    layers: tuple[ProgramLayer, ...]
    program: list[int]
    weights: list[int]
    tensors: Mapping[str, Placed]
    output: str
    network_sha256: str

    @cached_property
    def cycles(self) -> int:
        """Cycles from the one of ``start`` to the one that writes the last output."""
        return sum(layer.predicted.cycles for layer in self.layers)

    @cached_property
    def rows(self) -> list[Row]:
        """What the host writes, in this order: the header, program and weights."""
        return program_rows(self.config, self.program, self.weights, self.cycles)

    def input_rows(self, values: np.ndarray) -> list[tuple[int, int]]:
        """(host address, word) of the input, integers [channels, height, width]."""
        placed = self.tensors["input"]
        rows = []
        for group, words in placed.layout.to_words(values).items():
            address, bank = placed.layout.places(group)
            host = ((placed.base + address) << 3 | bank).ravel().tolist()
            rows += zip(host, words.ravel().tolist(), strict=True)
        return rows

    def tensor(self, name: str, memory: np.ndarray) -> np.ndarray:
        """A stored tensor out of an image of the activation memory [addresses, 6, group]."""
        placed = self.tensors[name]
        return placed.layout.from_memory(memory, placed.base)

    @property
    def report(self) -> dict[str, Any]:
        """What ``compile --json`` prints."""
        return {
            "fits": True,
            "engine": self.config.parameters,
            "layers": [
                {
                    "name": layer.name,
                    "macs": layer.macs,
                    "utilization": round(layer.utilization(), 4),
                    **_described(layer.predicted),
                }
                for layer in self.layers
            ],
            "cycles": self.cycles,
            "weight_rows": len(self.weights),
            "program_rows": len(self.program),
        }


def _described(cycles: LayerCycles) -> dict[str, Any]:
    values = asdict(cycles)
    accesses = {name: values.pop(name) for name in ("weight_rows", "source_words", "skip_words", "output_words")}
    return {"cycles": values.pop("cycles"), "accesses": accesses, "stalls": values}


def to_json(program: EngineProgram) -> str:
    """The text of a program's file."""
    tensors = {
        name: {
            "base": placed.base,
            "shape": placed.layout.shape,
            "bits": placed.layout.format.bits,
            "signed": placed.layout.format.signed,
            "words": placed.layout.words,
            "packed": placed.layout.packed,
        }
        for name, placed in program.tensors.items()
    }
    layers = [
        {"name": l.name, "tensors": l.tensors, "macs": l.macs, "lane_steps": l.lane_steps, "predicted": asdict(l.predicted)}
        for l in program.layers
    ]
    body = {
        "schema_version": SCHEMA_VERSION,
        "engine": program.config.parameters,
        "network_sha256": program.network_sha256,
        "output": program.output,
        "tensors": tensors,
        "layers": layers,
        "program": [f"{row:x}" for row in program.program],
        "weights": [f"{row:x}" for row in program.weights],
    }
    text = json.dumps(body)
    return json.dumps(body | {"sha256": hashlib.sha256(text.encode()).hexdigest()})


def from_json(path: Path) -> EngineProgram:
    """The program in a file. Raises `ParameterError` for anything else, a changed one included."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError(f"program {str(path)!r} must be a readable file: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise ParameterError(f"program {str(path)!r} must be JSON, whole as it was written") from None
    if not isinstance(body, dict) or body.get("schema_version") != SCHEMA_VERSION:
        raise ParameterError(f"program {str(path)!r} must have schema version {SCHEMA_VERSION}")
    stated = body.pop("sha256", None)
    if stated != hashlib.sha256(json.dumps(body).encode()).hexdigest():
        raise ParameterError(f"program {str(path)!r} must be as it was written, but its checksum is not")
    config = make_config("engine", **body["engine"])
    layers = tuple(
        ProgramLayer(l["name"], tuple(l["tensors"]), l["macs"], l["lane_steps"], LayerCycles(**l["predicted"])) for l in body["layers"]
    )
    return EngineProgram(
        config=config,
        layers=layers,
        program=[int(row, 16) for row in body["program"]],
        weights=[int(row, 16) for row in body["weights"]],
        tensors={name: _restored(config, entry) for name, entry in body["tensors"].items()},
        output=body["output"],
        network_sha256=body["network_sha256"],
    )


def _restored(config: EngineConfig, entry: Mapping[str, Any]) -> Placed:
    stored = ActivationFormat(entry["bits"], entry["signed"])
    layout = TensorLayout(config, tuple(entry["shape"]), stored, entry["words"], entry["packed"])
    return Placed(layout, entry["base"])

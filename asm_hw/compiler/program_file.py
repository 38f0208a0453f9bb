"""Programs of engines in files: JSON with a checksum, of which nothing is believed that its engine cannot hold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from asm_hw.errors import ParameterError, check_flag, check_range
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.network.integer_node import INPUT
from asm_hw.numbers.integers import ceil_div
from asm_hw.units.engine.engine_config import EngineConfig
from asm_hw.units.engine.engine_records import ENTRY_BITS, PROGRAM_BITS, TABLE_ENTRIES
from asm_hw.units.engine.engine_schedule import LayerCycles
from asm_hw.units.engine.program_header import HEADER_ROWS, STREAM
from asm_hw.units.registry import make_config

from .batch import MAX_BATCH
from .engine_program import EngineProgram, ProgramLayer
from .folding import InputWindows
from .tensor_layout import Placed, TensorLayout

SCHEMA_VERSION = 4
SCHEMA = Path(__file__).with_name("program.schema.json")
"""What keys and values a program's file has; it is written beside every program."""
FILE_NAME = "program.json"
MAX_CHANNELS = 1 << 16
MAX_COUNT = 1 << 62
"""Any number of cycles, words or products."""


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
    body = {
        "schema_version": SCHEMA_VERSION,
        "engine": program.config.parameters,
        "network_sha256": program.network_sha256,
        "batch": program.batch,
        "output": program.output,
        "input_windows": asdict(program.windows) if program.windows else None,
        "tensors": tensors,
        "layers": [_layer_entry(layer) for layer in program.layers],
        "program": [f"{row:x}" for row in program.program],
        "weights": [f"{row:x}" for row in program.weights],
    }
    if program.tables:
        body["tables"] = [f"{entry:x}" for entry in program.tables]
    return json.dumps(body | {"sha256": _checksum(body)})


def _layer_entry(layer: ProgramLayer) -> dict[str, Any]:
    """What the file says of a layer."""
    return {
        "name": layer.name,
        "tensors": layer.tensors,
        "macs": layer.macs,
        "lane_steps": layer.lane_steps,
        "products": layer.products,
        "moved_words": layer.moved_words,
        "ended_sums": layer.ended_sums,
        "predicted": asdict(layer.predicted),
    }


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
    if body.pop("sha256", None) != _checksum(body):
        raise ParameterError(f"program {str(path)!r} must be as it was written, but its checksum is not")
    try:
        return _program(body)
    except ParameterError as error:
        raise ParameterError(f"program {str(path)!r} is refused: {error}") from None
    except KeyError as error:
        raise ParameterError(f"program {str(path)!r} must hold {error.args[0]!r}, which is missing") from None
    except (TypeError, AttributeError, ValueError) as error:  # JSON of another structure
        raise ParameterError(
            f"program {str(path)!r} must have the structure of schema version {SCHEMA_VERSION}: {error}"
        ) from None


def _checksum(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body).encode()).hexdigest()


def _program(body: Mapping[str, Any]) -> EngineProgram:
    config = make_config("engine", **body["engine"])
    tensors = {name: _tensor(config, name, entry) for name, entry in body["tensors"].items()}
    for name in (INPUT, body["output"]):
        _check_known(name, tensors)
    if not body["layers"]:
        raise ParameterError("layers must be at least one, not none")
    return EngineProgram(
        config=config,
        layers=tuple(_layer(entry, tensors) for entry in body["layers"]),
        program=_rows("program", body["program"], PROGRAM_BITS, config.program_rows - HEADER_ROWS),
        weights=_rows("weights", body["weights"], config.row_bits, (1 << STREAM["rows"]) - 1),
        tensors=tensors,
        output=body["output"],
        network_sha256=_text("network_sha256", body["network_sha256"]),
        windows=_windows(body["input_windows"], tensors[INPUT].layout.shape),
        tables=_rows("tables", body.get("tables", []), ENTRY_BITS, config.tables * TABLE_ENTRIES),
        batch=check_range("batch", body["batch"], 1, MAX_BATCH),
    )


def _windows(entry: Mapping[str, Any] | None, shape: tuple[int, int, int]) -> InputWindows | None:
    """How an input that lies in ``shape`` is written."""
    if entry is None:
        return None
    lows = {"shape": 1, "kernel": 1, "stride": 1, "padding": 0, "dilation": 1, "out_size": 1}
    numbers: dict[str, Any] = {
        name: tuple(check_range(name, value, low, MAX_CHANNELS) for value in entry[name]) for name, low in lows.items()
    }
    for name, values in numbers.items():
        if len(values) != (3 if name == "shape" else 2):
            raise ParameterError(f"{name} of input_windows must have another number of integers, not {len(values)}")
    windows = InputWindows(**numbers)
    if windows.written_shape != shape:
        raise ParameterError(f"input_windows must give the input's shape {shape}, not {windows.written_shape}")
    return windows


def _rows(name: str, rows: Any, bits: int, most: int) -> list[int]:
    """The image of a memory from hexadecimal numbers."""
    if not isinstance(rows, list) or len(rows) > most:
        raise ParameterError(f"{name} must be a list of at most {most} rows")
    values = [int(row, 16) for row in rows]
    wrong = next((value for value in values if value < 0 or value >> bits), None)
    if wrong is not None:
        raise ParameterError(f"{name} must have rows of {bits} bits, not {wrong:#x}")
    return values


def _layer(entry: Mapping[str, Any], tensors: Collection[str]) -> ProgramLayer:
    for name in entry["tensors"]:
        _check_known(name, tensors)
    predicted = {name: check_range(name, value, 0, MAX_COUNT) for name, value in entry["predicted"].items()}
    names = ("macs", "lane_steps", "products", "moved_words", "ended_sums")
    work = {name: check_range(name, entry[name], 0, MAX_COUNT) for name in names}
    name = _text("name of a layer", entry["name"])
    return ProgramLayer(name, tuple(entry["tensors"]), **work, predicted=LayerCycles(**predicted))


def _tensor(config: EngineConfig, name: str, entry: Mapping[str, Any]) -> Placed:
    """A tensor that lies in the memory as a whole."""
    channels, height, width = (check_range(f"shape of {name!r}", size, 1, MAX_CHANNELS) for size in entry["shape"])
    stored = ActivationFormat(entry["bits"], entry["signed"])
    packed = check_flag(f"packed of {name!r}", entry["packed"])
    digits = ceil_div(stored.bits, config.act_bits)
    if packed and (digits > 2 or channels > config.group // 2):
        raise ParameterError(f"packed of {name!r} must be False for {channels} channels of {digits} digits")
    needed = 1 if packed else ceil_div(channels, config.group)
    words = check_range(f"words of {name!r}", entry["words"], needed, MAX_CHANNELS)
    layout = TensorLayout(config, (channels, height, width), stored, words, packed)
    room = config.segments * config.bank_rows - layout.size
    if room < 0:
        raise ParameterError(f"size of {name!r} must be within the activation memory, not {layout.size} addresses")
    return Placed(layout, check_range(f"base of {name!r}", entry["base"], 0, room))


def _check_known(name: Any, tensors: Collection[str]) -> None:
    if name not in tensors:
        raise ParameterError(f"tensors must hold {name!r}, which is missing")


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ParameterError(f"{name} must be text, not {value!r}")
    return value

"""Checkpoints: tensors and JSON in one safetensors file that is complete or not there.

Written beside, flushed to the disk and renamed: a process that dies at any moment leaves the file
before or the file after. Nothing is pickled, so that a checkpoint from elsewhere runs no code.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from asm_hw.errors import ParameterError

METADATA = "asm_hw"
"""The one key of a file's metadata; its value is JSON."""


def write_atomic(path: Path, content: bytes) -> None:
    """Put ``content`` at ``path``, all or nothing, also when the machine dies."""
    beside = path.with_name(path.name + ".part")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


def write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
    """One safetensors file. Tensors that share memory are written each."""
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_atomic(path, save(plain, {METADATA: json.dumps(metadata, sort_keys=True)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors, metadata) of a file of `write_tensors`, or of any safetensors file, whose metadata is {}."""
    with _opened(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, _metadata(file)  # noqa: SIM118


def read_metadata(path: Path) -> dict[str, Any]:
    """The metadata alone of a file of `write_tensors`."""
    with _opened(path) as file:
        return _metadata(file)


def _metadata(file: Any) -> dict[str, Any]:
    return json.loads((file.metadata() or {}).get(METADATA, "{}"))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The safetensors file at ``path``; `ParameterError` for one that is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (OSError, SafetensorError, ValueError) as error:
        raise ParameterError(f"checkpoint {str(path)!r} must be a whole safetensors file: {error}") from None


WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "module")
"""Names under which trainers keep the state dict of a model beside other things."""

PREFIXES = ("model.", "net.")
"""What wrappers put before the name of every tensor."""


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict of a float model: safetensors, or a ``.th``, ``.pt`` or ``.pth`` file of tensors alone.

    Dictionaries around it are taken off (`WRAPPERS`), and what torch.compile and DataParallel put into names.
    """
    if not path.is_file():
        raise ParameterError(f"init must be a file of weights, and {str(path)!r} is none")
    if path.suffix == ".safetensors":
        return _plain_names(read_tensors(path)[0])
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # whatever a damaged file makes torch's reader raise; it advises to unpickle
        raise ParameterError(f"init {str(path)!r} must be a file of tensors alone, as torch.save writes") from None
    while isinstance(state, dict) and (inner := [name for name in WRAPPERS if isinstance(state.get(name), dict)]):
        state = state[inner[0]]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ParameterError(f"init {str(path)!r} must hold a state dict of tensors")
    return _plain_names(state)


def _plain_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.replace("_orig_mod.", "").removeprefix("module."): value for name, value in state.items()}


def _without_prefix(state: dict[str, Tensor], wanted: Collection[str]) -> dict[str, Tensor]:
    """``state`` without what Lightning and others put before all names, unless the model has it, too."""
    for prefix in (*PREFIXES, *PREFIXES):
        if all(name.startswith(prefix) for name in state) and not any(name.startswith(prefix) for name in wanted):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def load_state(model: nn.Module, state: dict[str, Tensor], source: str) -> None:
    """Load ``state`` into ``model``; `ParameterError` names the first parameter that does not fit."""
    wanted = model.state_dict()
    state = _without_prefix(state, wanted)
    if any(".parametrizations." in name for name in state.keys() - wanted.keys()):
        raise ParameterError(f"{source} must be float weights, not those of a quantized run")
    load_prepared(model, state, source)


def load_prepared(model: nn.Module, state: dict[str, Tensor], source: str) -> None:
    """Load ``state`` with the very names of ``model``, prepared or not; raises as `load_state`."""
    wanted = model.state_dict()
    for name in sorted(wanted.keys() ^ state.keys()):
        problem = "lacks" if name in wanted else "has, unlike the model,"
        if not name.endswith("num_batches_tracked"):  # older files do without
            raise ParameterError(f"{source} must fit the model: it {problem} {name!r}")
    for name in wanted.keys() & state.keys():
        if wanted[name].shape != state[name].shape:
            shapes = f"{list(wanted[name].shape)}, not {list(state[name].shape)}"
            raise ParameterError(f"{source} must fit the model: {name!r} must have shape {shapes}")
        if wanted[name].is_floating_point() and not state[name].is_floating_point():
            kind = str(state[name].dtype).removeprefix("torch.")
            raise ParameterError(f"{source} must hold floats, and {name!r} holds {kind}")
        if not state[name].isfinite().all():
            raise ParameterError(f"{source} must hold finite numbers, and {name!r} holds others")
    model.load_state_dict(state, strict=False)


def pack(model: nn.Module, optimizers: list[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """Every tensor that training goes on from: ``model.<name>`` and ``optimizer.<which>.<parameter>.<name>``."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    for i, optimizer in enumerate(optimizers):
        for parameter, values in optimizer.state_dict()["state"].items():
            for name, value in values.items():
                if isinstance(value, Tensor):
                    tensors[f"optimizer.{i}.{parameter}.{name}"] = value
    return tensors


def unpack(tensors: dict[str, Tensor], model: nn.Module, optimizers: list[torch.optim.Optimizer], source: str) -> None:
    """Put the tensors of `pack` back."""
    state = {name.removeprefix("model."): value for name, value in tensors.items() if name.startswith("model.")}
    load_state(model, state, source)
    for i, optimizer in enumerate(optimizers):
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        for key, value in tensors.items():
            kind, _, rest = key.partition(".")
            which, _, rest = rest.partition(".")
            if kind == "optimizer" and int(which) == i:
                number, _, name = rest.partition(".")
                parameter = parameters[int(number)]
                # The memory layout of the parameter: another one may round differently.
                like = torch.empty_like(parameter) if value.shape == parameter.shape else torch.empty_like(value)
                optimizer.state[parameter][name] = like.copy_(value)


def sha256(path: Path) -> str:
    """sha256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Where a result comes from: code, versions and device that computed it, hashes of what it was computed on."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from asm_hw.training.data.images import Splits

from .checkpoint import sha256
from .device import device_name, is_cuda
from .distributed import Group

Environment = dict[str, Any]


def environment(device: str = "cpu") -> Environment:
    """What computes from now on: commit, versions, machine and ``device``; to be asked before it begins."""
    versions = {name: version(name) for name in ("asm-hw", "torch", "numpy", "safetensors")}
    versions["python"] = platform.python_version()
    if is_cuda(device):
        versions |= {"cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}
    return {"commit": commit(), "versions": versions, "machine": platform.machine(), "device": device_name(device)}


def provenance(
    splits: Splits, weights: Path, threads: int, group: Group, environments: list[Environment] | None = None
) -> dict[str, Any]:
    """What a reader needs to make the result again, without paths of this machine.

    ``environments``: those of the run in order, by default the present one. ``resumed_in``: all but the first, where
    an interrupted run went on in others.
    """
    first, *others = environments or [environment()]
    found = {"data": data_of(splits), "weights_sha256": sha256(weights), **first}
    found |= {"threads": threads, "processes": group.size}
    return found | ({"resumed_in": others} if others else {})


def data_of(splits: Splits) -> dict[str, Any]:
    """Number and fingerprint of the images of each set."""
    sets = {"train": splits.train, "held_out": splits.held_out, "test": splits.test}
    return {name: {"images": len(data), "sha256": data.fingerprint()} for name, data in sets.items()}


def commit() -> str | None:
    """The commit of the checkout that this code runs from, ``+`` if files differ from it; None outside one."""
    here = Path(__file__).resolve()

    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.run(command, cwd=here.parent, capture_output=True, text=True, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", here.name)  # not a repository around an installed package
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None

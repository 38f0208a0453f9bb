"""Trainings of `tiny_training`, in this process and in others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import tiny_training
import torch

from asm_hw.training.checkpoint import read_tensors
from asm_hw.training.recipes import Recipe
from asm_hw.training.run_folder import WEIGHTS
from asm_hw.training.run_settings import TrainingSettings
from asm_hw.training.training_run import Training

HERE = Path(__file__).resolve().parent
TINY = ["--dataset", "tiny_training:splits", "--batch", "32", "--threads", "1", "--save-seconds", "0"]


class Interrupted(Exception):
    """What a test raises within a training."""


def settings(model="with_norm", **changes):
    recipe = Recipe(epochs=changes.pop("epochs", 3), batch=32, **changes.pop("recipe", {}))
    return TrainingSettings(model=f"tiny_training:{model}", dataset="tiny_training:splits", recipe=recipe, **changes)


def training(folder, chosen, **options):
    folder.mkdir(exist_ok=True)
    return Training(chosen, tiny_training.splits(), folder, save_seconds=0, **options)


def equal(one, other):
    one, other = (read_tensors(folder / WEIGHTS)[0] for folder in (one, other))
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def command(*arguments):
    return [sys.executable, "-m", "asm_hw.cli", "train", *TINY, *map(str, arguments)]


def environment(**more):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ASM_HW_")}
    return clean | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"} | more


def run(*arguments):
    done = subprocess.run(command(*arguments), cwd=HERE, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done

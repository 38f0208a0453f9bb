"""A copy of the package with a mutation, which a bench must catch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import asm_hw
from asm_hw.units.mac.mac_config import MacConfig
from asm_hw.units.multiplier.multiplier_config import MultiplierConfig


@dataclass(frozen=True)
class Mutation:
    """Each ``old`` (found once) becomes ``new`` in a file of asm_hw/; ``config`` is the unit that shows it."""

    file: str
    old: str | tuple[str, ...]
    new: str | tuple[str, ...]
    config: MultiplierConfig = field(default_factory=MacConfig)

    @property
    def edits(self):
        """Pairs of old and new text."""
        return [(self.old, self.new)] if isinstance(self.old, str) else zip(self.old, self.new, strict=True)


def mutated(mutation, folder, program):
    """Run ``program``, which finds ``config`` and ``Path``, on a copy of the package with the mutation."""
    shutil.copytree(Path(asm_hw.__file__).parent, folder / "asm_hw", ignore=shutil.ignore_patterns("__pycache__"))
    source = folder / "asm_hw" / mutation.file
    text = source.read_text()
    for old, new in mutation.edits:
        assert text.count(old) == 1, f"{old!r} is not in {mutation.file} exactly once"
        text = text.replace(old, new)
    source.write_text(text)
    setup = (
        "import json, sys; from pathlib import Path; from asm_hw import make_config\n"
        "config = make_config(sys.argv[1], **json.loads(sys.argv[2]))\n"
    )
    command = [sys.executable, "-c", setup + program, mutation.config.unit, json.dumps(mutation.config.parameters)]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)

"""How far rounding with error feedback has come, in a file: an interrupted run goes on behind its last layer."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from torch import nn

from .checkpoint import load_prepared, read_tensors, write_tensors
from .run_settings import check_same


class RoundingCheckpoint:
    """The file ``path`` of a run with ``settings``, written at most every ``seconds``."""

    def __init__(self, path: Path, settings: dict[str, Any], seconds: float = 60.0) -> None:
        self.path, self.settings, self.seconds = path, settings, seconds
        self.done: list[str] = []
        self._saved = time.monotonic()

    def restore(self, model: nn.Module) -> None:
        """Give a frozen ``model`` the state of the file, if there is one, and know its layers as ``done``."""
        if not self.path.exists():
            return
        tensors, metadata = read_tensors(self.path)
        check_same(metadata.get("settings"), self.settings, self.path)
        load_prepared(model, tensors, f"checkpoint {self.path.name!r}")
        self.done = list(metadata["done"])

    def add(self, layer: str, model: nn.Module) -> None:
        """``layer`` is done."""
        self.done.append(layer)
        if time.monotonic() - self._saved >= self.seconds:
            write_tensors(self.path, model.state_dict(), {"settings": self.settings, "done": self.done})
            self._saved = time.monotonic()

    def remove(self) -> None:
        """Remove the file: the run has ended."""
        self.path.unlink(missing_ok=True)

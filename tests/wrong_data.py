"""Data sets that nobody can train on; named on the command line as ``wrong_data:...``."""

from __future__ import annotations

from dataclasses import replace

import torch
from tiny_training import splits

from asm_hw.training.data.folder import Loaded
from asm_hw.training.data.images import Splits


def labels_too_large() -> Splits:
    return replace(splits(), classes=3)


def test_labels_too_large() -> Splits:
    whole = splits()
    return replace(whole, test=replace(whole.test, labels=whole.test.labels - 1))


def no_test() -> Splits:
    whole = splits()
    return replace(whole, test=whole.test.subset(torch.arange(0)))


def other_size() -> Splits:
    return replace(splits(), image_size=32)


def takes_something(what: int) -> Splits:
    return splits()


def not_numbers() -> Splits:
    """Images are nan from the first one on."""
    items = [(torch.full((1, 8, 8), torch.nan), label % 4) for label in range(64)]
    return replace(splits(), train=Loaded(items, name="nan"))

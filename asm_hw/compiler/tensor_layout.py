"""How a tensor lies in the activation memory of an engine: words of channels, planes of digits, banks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.numbers.integers import ceil_div
from asm_hw.units.engine.engine_config import BANKS, ROWS, EngineConfig


def stored_offset(stored: ActivationFormat) -> int:
    """What is added to a value where it is stored: memories hold no negative numbers."""
    return 1 << stored.bits - 1 if stored.signed else 0


@dataclass(frozen=True)
class TensorLayout:
    """A tensor [channels, height, width] in words of ``config.group`` channels, channel-innermost.

    A value is stored as an offset above the least of its format, in digits of ``act_bits``: a *plane* holds one digit
    of all channels, in words of its own. ``packed``: a tensor of few channels has both digits in one word, the low
    ones in the lower half. The word of group g at (y, x) lies in bank ((y + g) modulo 3, (y + x + g) modulo 2): so
    do three rows of two columns, and six groups of a pixel, in banks of their own.

    ``words``: groups of a plane, those that the columns of a whole pass write included.
    """

    config: EngineConfig
    shape: tuple[int, int, int]
    format: ActivationFormat
    words: int
    packed: bool = False

    @property
    def offset(self) -> int:
        """What is added to a value where it is stored."""
        return stored_offset(self.format)

    @property
    def bits(self) -> int:
        """Bits of a stored value."""
        return self.format.bits

    @property
    def digits(self) -> int:
        """Digits of a value."""
        return ceil_div(self.bits, self.config.act_bits)

    @cached_property
    def planes(self) -> int:
        """Digits of a value, in whole phases of those that are written at once."""
        if self.packed or self.digits == 1:
            return 1
        return ceil_div(self.digits, self.config.planes) * self.config.planes

    @property
    def phases(self) -> int:
        """Cycles that writing a pixel takes."""
        return ceil_div(self.planes, self.config.planes)

    @cached_property
    def plane_words(self) -> int:
        """How far the groups of neighbouring planes are apart: planes that are used at once meet other banks."""
        if self.planes == 1:
            return self.words
        rest = ROWS if self.config.planes > 1 else 0
        return self.words + (rest - self.words) % BANKS

    @property
    def groups(self) -> int:
        """Groups of all planes."""
        return self.plane_words * (self.planes - 1) + self.words

    @property
    def col(self) -> int:
        """Addresses of a pair of columns."""
        return ceil_div(self.groups, ROWS)

    @property
    def row(self) -> int:
        """Addresses of a row."""
        return ceil_div(self.shape[2], 2) * self.col

    @property
    def size(self) -> int:
        """Addresses of the tensor, in every bank."""
        return self.shape[1] * self.row

    def lanes(self, group: int) -> list[tuple[int, int] | None]:
        """(channel, digit) of each channel of a word; None where it holds nothing of use."""
        size, channels = self.config.group, self.shape[0]
        if self.packed:
            half = ceil_div(size, 2)
            found: list[tuple[int, int] | None] = [None] * size
            for channel in range(channels):
                for digit in range(self.digits):
                    found[channel + digit * half] = (channel, digit)
            return found
        digit, word = divmod(group, self.plane_words)
        first = word * size
        used = word < self.words and digit < self.digits
        return [(first + i, digit) if used and first + i < channels else None for i in range(size)]

    def _digit(self, stored: Any, digit: int) -> Any:
        """A digit of a stored integer, or of an array of them."""
        return stored >> digit * self.config.act_bits & (1 << self.config.act_bits) - 1

    def pad(self, group: int) -> int:
        """The padding of a word: the digit of a stored 0 for each half."""
        places = (0, 1) if self.packed else (group // self.plane_words,) * 2
        low, high = (self._digit(self.offset, place) for place in places)
        return low | high << self.config.act_bits

    def places(self, group: int) -> tuple[np.ndarray, np.ndarray]:
        """(address above the tensor's base, bank) of the words of a group, both [height, width]."""
        y, x = np.indices(self.shape[1:])
        address = y * self.row + x // 2 * self.col + group // ROWS
        return address, 2 * ((y + group) % 3) + (y + x + group) % 2

    def to_words(self, values: np.ndarray) -> dict[int, np.ndarray]:
        """The words by group, [height, width] of Python integers, of a tensor."""
        stored = values.astype(np.int64) + self.offset
        words = {}
        for group in range(self.groups):
            lanes = self.lanes(group)
            if any(lanes):
                word = np.zeros(self.shape[1:], dtype=object)
                for place, lane in enumerate(lanes):
                    if lane:
                        digit = self._digit(stored[lane[0]], lane[1]).astype(object)
                        word |= digit << place * self.config.act_bits
                words[group] = word
        return words

    def from_memory(self, memory: np.ndarray, base: int) -> np.ndarray:
        """The tensor, int64, that lies at ``base`` of ``memory`` [addresses, 6 banks, group] (digits)."""
        values = np.zeros(self.shape, dtype=np.int64)
        for group in range(self.groups):
            address, bank = self.places(group)
            for place, lane in enumerate(self.lanes(group)):
                if lane:
                    digit = memory[base + address, bank, place].astype(np.int64)
                    values[lane[0]] += digit << lane[1] * self.config.act_bits
        return values - self.offset


@dataclass(frozen=True)
class Placed:
    """A tensor's layout and where it begins."""

    layout: TensorLayout
    base: int

"""A bitline array, micro-operation by micro-operation: what its rows, accumulators and streams hold, and
how many cycles and micro-operations of each kind it takes."""

from __future__ import annotations

import torch
from torch import Tensor

from asm_hw.golden.integer_arithmetic import fit

from .bitline_config import BitlineConfig
from .bitline_counter import BitlineCounter
from .bitline_instructions import OPENED, End, Instruction, Operation


class BitlineModel(BitlineCounter):
    """The state of an array after reset.

    ``cells`` [rows, words] holds unsigned words (single bits in the serial array), ``acc`` [words] the
    accumulators; cells survive a reset. More words than ``config.words`` are those of several arrays that run the
    same program side by side (which masks none).
    """

    def __init__(self, config: BitlineConfig, cells: Tensor | None = None):
        super().__init__(config)
        self.cells = torch.zeros(config.rows, config.words, dtype=torch.int64) if cells is None else cells
        words = self.cells.shape[1]
        self.acc = torch.zeros(words, dtype=torch.int64)
        self.mask = torch.ones(words, dtype=torch.bool)
        self.tag = torch.zeros(words, dtype=torch.bool)
        self.carry = torch.zeros(words, dtype=torch.int64)

    def execute(self, instruction: Instruction, row: Tensor | None = None) -> Tensor | None:
        """One micro-operation; ``row`` [words] is what ``WRITE`` and ``MASK`` take. Returns the words that leave.

        Raises ValueError where shifts rise within a sum, or ``opened`` is not what the operation takes.
        """
        op = instruction.op
        if instruction.opened not in OPENED.get(op, (instruction.opened,)):
            allowed = " or ".join(map(str, OPENED[op]))
            raise ValueError(f"opened of {op.name} must be {allowed}, not {instruction.opened}")
        if op == Operation.ACCUMULATE:
            return self._accumulate(instruction)
        self.count(instruction)
        if op == Operation.READ:
            return self.cells[instruction.a].clone()
        if op == Operation.MASK:
            assert row is not None
            # The mask is the low bits of the whole row: they run on from word to word.
            bits = row[torch.arange(self.config.words) // self.config.columns_per_word]
            self.mask = bits >> torch.arange(self.config.words) % self.config.columns_per_word & 1 == 1
        elif op == Operation.TAG:
            self.tag = self.cells[instruction.a] == 1
        elif op == Operation.ADD:
            self._add(instruction)
        else:
            self._write(instruction.d, self._row(instruction, row))
        return None

    def _row(self, instruction: Instruction, row: Tensor | None) -> Tensor:
        """What a micro-operation on whole rows writes."""
        if instruction.op == Operation.WRITE:
            assert row is not None
            return row
        if instruction.op == Operation.CLEAR:
            return torch.zeros_like(self.acc)
        a = self.cells[instruction.a]
        b = self.cells[instruction.b] if instruction.opened == 2 else a
        if instruction.op in (Operation.COPY, Operation.AND):
            return a & b
        if instruction.op == Operation.XOR:
            return a ^ b if instruction.opened == 2 else torch.zeros_like(a)
        return a | b if instruction.op == Operation.OR else ~(a | b) & (1 << self.config.columns_per_word) - 1

    def _write(self, d: int, words: Tensor) -> None:
        self.cells[d] = torch.where(self.mask, words, self.cells[d])

    def _accumulate(self, instruction: Instruction) -> Tensor | None:
        begins = self._level is None
        moves = self.count(instruction)
        for move in moves[:-1]:
            self.acc = torch.where(self.mask, fit(self.acc << move, self.config.accumulator.bits), self.acc)
        start = torch.zeros_like(self.acc) if begins else self.acc << moves[-1]
        operand = self._operand(instruction)
        total = fit(start - operand if instruction.sign else start + operand, self.config.accumulator.bits)
        self.acc = torch.where(self.mask, total, self.acc)
        if instruction.end == End.STORED:
            self._write(instruction.d, total & (1 << self.config.columns_per_word) - 1)
        return self.acc.clone() if self.leaving else None

    def _operand(self, instruction: Instruction) -> Tensor:
        """The sum of the opened rows' values; of encoded ones already in their place."""
        config, rows = self.config, (instruction.a, instruction.b)[: instruction.opened]
        words = [self.cells[row] for row in rows]
        if config.product.is_power_of_two:
            assert config.activation.levels is not None
            words = [_decoded(config, word) << instruction.shift for word in words]
        elif config.act_signed:
            words = [fit(word, config.columns_per_word) for word in words]
        return sum(words, torch.zeros_like(self.acc))

    def _add(self, instruction: Instruction) -> None:
        """Bit-serial: one bit of each column's addition."""
        total = torch.full_like(self.carry, instruction.carry) if instruction.start else self.carry
        for row in (instruction.a, instruction.b)[: instruction.opened]:
            total = total + self.cells[row]
        taken = self.tag if instruction.tagged else torch.ones_like(self.tag)
        self.carry = torch.where(taken, total >> 1, 0)
        self.cells[instruction.d] = torch.where(taken, total & 1, self.cells[instruction.d])


def _decoded(config: BitlineConfig, words: Tensor) -> Tensor:
    """The values of encoded activations, as hardware reads any code word (docs/decisions/0004)."""
    assert config.activation.levels is not None
    values = torch.zeros_like(words)
    for digit, field in zip(config.activation.levels.digits, config.activation.levels.packed_fields, strict=False):
        table = torch.tensor([value for _, value in digit.packed_words]) << digit.position
        values += table[words >> field.lsb & (1 << field.width) - 1]
    sign = config.activation.levels.packed_fields[-1]
    return torch.where(words >> sign.lsb & 1 == 1, -values, values) if config.activation.signed else values

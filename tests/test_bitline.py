"""The bitline array: schedules and golden model against plain arithmetic."""

from __future__ import annotations

import json
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asm_hw.emission.emit_folder import render
from asm_hw.errors import ParameterError
from asm_hw.golden import fit, matvec
from asm_hw.units.bitline.bitline_config import BitlineConfig
from asm_hw.units.bitline.bitline_harness import asm_steps, serial_steps
from asm_hw.units.bitline.bitline_instructions import End, Instruction, Operation
from asm_hw.units.bitline.bitline_model import BitlineModel
from asm_hw.units.bitline.bitline_schedule import accesses, accumulate, digits, gaps, tiles
from asm_hw.units.bitline.serial_schedule import mac_cycles, max_terms, place, serial_sum
from asm_hw.units.catalog import CATALOG
from asm_hw.units.registry import make_config

ASM = [c for c in CATALOG.values() if c.unit == "bitline" and c.arithmetic == "asm"]
SERIAL = [c for c in CATALOG.values() if c.unit == "bitline" and c.arithmetic == "exact"]
ONE = BitlineConfig(alphabets=(1,), rows=64, cols=64, terms=64)


def run(config, steps):
    """(golden model after ``steps``, words that left)."""
    model = BitlineModel(config)
    left = [model.execute(i, None if row is None else torch.tensor(row)) for i, row in steps]
    return model, [words.tolist() for words in left if words is not None]


@pytest.mark.parametrize(
    "config",
    [
        BitlineConfig(alphabets=(1,), weight_bits=4, act_bits=3, rows=4, cols=6),
        BitlineConfig(arithmetic="exact", weight_bits=3, act_bits=2, acc_bits=6, rows=20, cols=6),
    ],
    ids=["asm", "exact"],
)
def test_rows_are_combined_bit_by_bit(config):
    """Every pair of words, all logic at once."""
    top = 1 << config.columns_per_word
    expected = {
        Operation.COPY: lambda a, b: a,
        Operation.CLEAR: lambda a, b: 0,
        Operation.AND: lambda a, b: a & b,
        Operation.OR: lambda a, b: a | b,
        Operation.XOR: lambda a, b: a ^ b,
        Operation.NOR: lambda a, b: (top - 1) - (a | b),
    }
    for a, b in product(range(top), repeat=2):
        rows = [[a] * config.words, [b] * config.words]
        steps = [(Instruction(Operation.WRITE, d=d), row) for d, row in enumerate(rows)]
        for op, result in expected.items():
            steps += [(Instruction(op, a=0, b=1, d=2, opened=1 if op == Operation.COPY else 2), None)]
            steps += [(Instruction(Operation.READ, a=2, opened=1), None)]
            assert run(config, steps)[1][-1] == [result(a, b)] * config.words, (op, a, b)
        complement = [*steps, (Instruction(Operation.NOR, a=0, opened=1, d=2), None)]
        assert run(config, [*complement, (Instruction(Operation.READ, a=2, opened=1), None)])[1][-1][0] == top - 1 - a


def test_a_mask_keeps_words_untouched():
    config = BitlineConfig(alphabets=(1,), act_bits=4, rows=4, cols=16, acc_bits=12)
    steps = [(Instruction(Operation.WRITE, d=0), [1, 2, 3, 4]), (Instruction(Operation.MASK), [0b0101, 0, 0, 0])]
    steps += [(Instruction(Operation.WRITE, d=0), [9, 9, 9, 9]), (Instruction(Operation.READ, a=0, opened=1), None)]
    steps += [(Instruction(Operation.ACCUMULATE, a=0, opened=1, end=End.LEAVES), None)]
    assert run(config, steps)[1] == [[9, 2, 9, 4], [9, 0, 9, 0]]


@pytest.mark.parametrize("config", ASM, ids=lambda c: c.slug)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_schedule_gives_the_matrix_product(config, data):
    """Results, counts and cycles of random matrices; the bank is computed once for all outputs."""
    terms, outputs = data.draw(st.integers(1, 7)), data.draw(st.integers(1, 4))
    weight, x = (
        st.sampled_from(config.weight.levels.levels),
        st.sampled_from([value for _, value in config.activation.table]),
    )
    weights = data.draw(st.lists(st.lists(weight, min_size=terms, max_size=terms), min_size=outputs, max_size=outputs))
    vectors = data.draw(
        st.lists(st.lists(x, min_size=terms, max_size=terms), min_size=config.words, max_size=config.words)
    )
    model, left = run(config, asm_steps(config, weights, vectors))
    total = torch.tensor(left).reshape(-1, outputs, config.words).sum(0).T
    expected = matvec(torch.tensor(weights), torch.tensor(vectors))
    assert torch.equal(fit(total, config.accumulator.bits), fit(expected, config.accumulator.bits))
    cut = tiles(config, weights)
    sums = [output for tile in cut for output in tile.sums]
    micro = sum(len(output) + gaps(config, output) for output in (*sums, *_sums_of(config, cut)))
    assert model.cycles == terms + micro == sum(model.counts.values())
    assert len({row for tile in cut for multiples in tile.rows for row in multiples.values()}) <= config.rows


def _sums_of(config, cut):
    """The micro-operations of each multiple."""
    for tile in cut:
        start = 0
        for i, instruction in enumerate(tile.bank):
            if instruction.end == End.STORED:
                yield tile.bank[start : i + 1]
                start = i + 1


@given(st.lists(st.sampled_from(ONE.weight.levels.levels), min_size=1, max_size=64))
def test_cycles_are_accesses_and_a_documented_overhead(weights):
    (tile,) = tiles(ONE, [weights])
    (made,) = tile.sums
    places = [shift for weight in weights for _, shift in digits(ONE, weight)]
    assert sum(i.opened for i in made) == len(places)  # zero digits cost nothing
    assert sum(i.opened > 0 for i in made) == accesses(ONE, weights) <= len(places)
    assert accesses(ONE, weights) <= len(places) // 2 + 8  # four shifts, two signs
    assert len(made) == accesses(ONE, weights) + (0 not in places)
    assert gaps(ONE, made) == 0


def test_wide_gaps_take_cycles_of_their_own():
    config = BitlineConfig(alphabets=(1,), weight_bits=12, act_bits=4, rows=4, cols=8)
    made = accumulate(config, [(0, 10, 0), (0, 2, 1)])
    assert [i.shift for i in made] == [10, 2, 0]
    assert gaps(config, made) == 2
    model, left = run(config, [(Instruction(Operation.WRITE, d=0), [5, 7]), *((i, None) for i in made)])
    assert left == [[5 * 1020, 7 * 1020]]
    assert model.cycles == 1 + 3 + 2
    assert dict(model.counts) == {"write": 1, "add": 1, "shift": 3, "shift_add": 1}


def test_shifts_that_rise_are_refused():
    model = BitlineModel(ONE)
    model.execute(Instruction(Operation.ACCUMULATE, shift=1))
    with pytest.raises(ValueError, match="shift 3 must not rise above 1"):
        model.execute(Instruction(Operation.ACCUMULATE, shift=3))


@pytest.mark.parametrize("op", [Operation.READ, Operation.COPY, Operation.XOR])
def test_an_operation_on_rows_that_opens_none_is_refused(op):
    """Hardware would take the precharged lines, all ones, for a row."""
    with pytest.raises(ValueError, match=f"opened of {op.name} must be 1( or 2)?, not 0"):
        BitlineModel(ONE).execute(Instruction(op))


@pytest.mark.parametrize("config", SERIAL, ids=lambda c: c.slug)
def test_the_serial_array_multiplies_in_the_cycles_stated(config):
    terms = max_terms(config)
    rows = place(config, terms)
    top = (1 << config.magnitude_bits) - 1
    weights = [[(-1) ** t * (top - t % (top + 1)) for t in range(terms)]]
    vectors = [[(3 * t + 5 * c) % (1 << config.act_bits) for t in range(terms)] for c in range(config.words)]
    left = torch.tensor(run(config, serial_steps(config, weights, vectors))[1])
    total = (left << torch.arange(config.accumulator.bits)[:, None]).sum(0)
    assert torch.equal(
        fit(total, config.accumulator.bits),
        fit(matvec(torch.tensor(weights), torch.tensor(vectors))[:, 0], config.accumulator.bits),
    )
    fixed = 2 * config.accumulator.bits + 3 * config.accumulator.bits  # clear both sums; complement, subtract, read
    assert len(list(serial_sum(config, rows, weights[0]))) == fixed + terms * mac_cycles(config)


def test_eight_times_fewer_cycles_than_bit_serial():
    """Every digit non-zero and every group odd: the worst sums of 64 terms still are."""
    config = BitlineConfig(alphabets=(1,), weight_bits=5, act_bits=8, rows=512, cols=512, terms=64)
    serial = BitlineConfig(arithmetic="exact", weight_bits=5, act_bits=8, rows=512, cols=512, acc_bits=config.acc_bits)
    weights = [(-1) ** t << (t // 2) % 4 for t in range(56)] + [1, 2, 4, 8, -1, -2, -4, -8]
    (tile,) = tiles(config, [weights])
    per_mac = (len(tile.sums[0]) + 1) / len(weights) / config.words
    assert mac_cycles(serial) / serial.words >= 8 * per_mac


@pytest.mark.parametrize(("parameters", "sentence"), [
    ({"rows": 2}, "rows must be an integer from 4 to 1024, not 2"),
    ({"cols": 100, "word_bits": 12}, "cols must be a multiple of word_bits 12, not 100"),
    ({"cols": 67}, "cols must be a multiple of word_bits 10, not 67"),
    ({"acc_bits": 6}, "acc_bits must be at least 10, the bits of a word, not 6"),
    ({"cols": 7}, "cols must be at least 10, the bits of a word, not 7"),
    ({"word_bits": 9}, "word_bits must be an integer from 10 to 22, not 9"),
    ({"weight_bits": 2}, "alphabets {1,3} must fit the digits of weight_bits 2: 3 needs 2 bits, a digit has 1"),
    ({"act_alphabets": (1, 3)}, "act_alphabets {1,3} must be left out, or 1 where alphabets are 1 (not 1,3): bit lines add binary words"),
    ({"arithmetic": "bare"}, "arithmetic of unit bitline must be one of asm, exact, not 'bare'"),
    ({"arithmetic": "exact", "act_signed": True}, "act_signed must be False where arithmetic is exact, not True: the serial array multiplies magnitudes"),
    ({"arithmetic": "exact", "rows": 128, "word_bits": 8}, "word_bits must be 1 where arithmetic is exact, not 8"),
    ({"arithmetic": "exact", "rows": 64}, "rows must be at least 68 for one term in bit-serial form, not 64"),
    ({"structure": "tree"}, "structure 'tree' must be left out: unit bitline has no such parameter"),
    ({"counter_bits": 99}, "counter_bits must be an integer from 0 to 62, not 99"),
])  # fmt: skip
def test_impossible_arrays_are_refused(parameters, sentence):
    with pytest.raises(ParameterError) as error:
        make_config("bitline", **{"alphabets": (1, 3)} | parameters)
    assert str(error.value) == sentence


def test_rows_that_cannot_hold_one_activation_are_refused():
    config = BitlineConfig(alphabets=(1, 3, 5, 7, 9), rows=4, cols=24)
    with pytest.raises(ParameterError, match="rows must be at least 5"):
        tiles(config, [[1], [3], [5], [7], [9]])
    for ragged, lengths in (([], r"\[\]"), ([[]], r"\[0\]"), ([[1, 2], [1]], r"\[1, 2\]")):
        with pytest.raises(ParameterError, match=f"weights must be rows of one length, .* not of {lengths}"):
            tiles(config, ragged)
    with pytest.raises(ParameterError, match="rows must be at least"):
        place(BitlineConfig(arithmetic="exact", rows=96, cols=8), 4)


def test_the_serial_baseline_has_words_of_one_column():
    baseline = BitlineConfig(alphabets=(1,), rows=128).baseline("exact")
    assert isinstance(baseline, BitlineConfig)
    assert (baseline.word_bits, baseline.words) == (1, 64)
    assert max_terms(baseline) >= 1


def test_the_manifest_gives_the_configuration_back():
    for config in (*ASM, *SERIAL):
        assert make_config(config.unit, **config.parameters) == config
        operations = json.loads(render(config, "unit")["manifest.json"])["operations"]
        assert operations["write"] == 0
        assert ("accumulate" in operations) == (config.arithmetic == "asm")

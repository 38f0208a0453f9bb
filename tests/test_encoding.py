"""Levels and codes, for every alphabet set, held to a plain definition written here."""

from __future__ import annotations

from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asm_hw.errors import ParameterError
from asm_hw.formats.accumulator_format import AccumulatorFormat
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.formats.weight_format import WeightFormat
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.numbers.level_code import activation_levels, weight_levels

ALL_SETS = [(1, *rest) for count in range(8) for rest in combinations((3, 5, 7, 9, 11, 13, 15), count)]


def plain_levels(alphabets, magnitude_bits):
    """DESIGN's words: quartets from the bottom, each 0 or a << s below 2**bits; all sums."""
    widths = [min(4, magnitude_bits - low) for low in range(0, magnitude_bits, 4)]
    digits = [sorted({0} | {a << s for a in alphabets for s in range(4) if a << s < 1 << w}) for w in widths]
    return sorted({sum(v << 4 * i for i, v in enumerate(values)) for values in product(*digits)})


def plain_nearest(levels, magnitude):
    """Smallest distance; of two the smaller level."""
    return min(levels, key=lambda level: (abs(level - magnitude), level))


@pytest.mark.parametrize("alphabets", [(1,), (1, 3), ALL_SETS[-1]], ids=str)
def test_a_value_that_equals_a_midpoint_stays_below_it(alphabets):
    code = weight_levels(AlphabetSet(alphabets), 7)
    for low, high, midpoint in zip(code.magnitudes, code.magnitudes[1:], code.midpoints, strict=False):
        assert midpoint - low == high - midpoint
        assert (code.nearest(midpoint), code.nearest(midpoint + 1e-9)) == (low, high)
    assert len(code.midpoints) == len(code.magnitudes) - 1


def test_there_are_128_alphabet_sets():
    assert len(ALL_SETS) == 128


@pytest.mark.parametrize("alphabets", ALL_SETS, ids=lambda a: "_".join(map(str, a)))
def test_every_set_up_to_nine_bits(alphabets):
    for weight_bits in range(2, 10):
        code = weight_levels(AlphabetSet(alphabets), weight_bits)
        levels = plain_levels(alphabets, weight_bits - 1)
        assert list(code.magnitudes) == levels
        assert list(code.levels) == sorted({-v for v in levels} | set(levels))
        assert [code.decode(code.encode(v)) for v in code.levels] == list(code.levels)
        assert [code.decode_fields(code.encode_fields(v)) for v in code.levels] == list(code.levels)
        assert len({code.encode(v) for v in code.levels}) == len(code.levels)
        assert max(code.encode(v) for v in code.levels) < 1 << code.packed_bits
        assert max(code.encode_fields(v) for v in code.levels) < 1 << code.fields_bits
        for doubled in range(2 * ((1 << weight_bits - 1) + 3)):  # halves: every tie is among them
            expected = plain_nearest(levels, doubled / 2)
            assert (code.nearest(doubled / 2), code.nearest(-doubled / 2)) == (expected, -expected)


@pytest.mark.parametrize(
    ("alphabets", "weight_bits", "count", "largest", "packed_bits"),
    [((1,), 8, 20, 72, 6), ((1, 3), 8, 48, 108, 7), ((1, 3, 5, 7), 8, 96, 126, 8), (ALL_SETS[-1], 8, 128, 127, 8),
     ((1,), 4, 4, 4, 3), ((1, 3), 5, 8, 12, 4)],
)  # fmt: skip
def test_published_counts(alphabets, weight_bits, count, largest, packed_bits):
    code = weight_levels(AlphabetSet(alphabets), weight_bits)
    assert (len(code.magnitudes), code.max, code.packed_bits) == (count, largest, packed_bits)


@pytest.mark.parametrize(("alphabets", "weight_bits"), [((1,), 6), ((1, 3), 6), ((1, 11), 5), ((1, 3, 7), 8)])
@pytest.mark.parametrize("storage", ["packed", "fields"])
def test_digit_words_hold_all_that_hardware_reads(alphabets, weight_bits, storage):
    code = weight_levels(AlphabetSet(alphabets), weight_bits)
    decode = code.decode if storage == "packed" else code.decode_fields
    words = {sum(c for c, _ in parts): sum(v for _, v in parts) for parts in product(*code.digit_words(storage))}
    bits = (code.packed_bits if storage == "packed" else code.fields_bits) - 1
    for word in range(1 << bits):
        try:
            value = decode(word)
        except ParameterError:  # reserved: only packed codes say what it reads as
            assert (word in words) == (storage == "packed")
        else:
            assert words[word] == value
    assert set(words.values()) == set(code.magnitudes)


def test_a_reserved_index_reads_as_the_largest_value():
    code = weight_levels(AlphabetSet((1,)), 6)  # 0 1 2 4 8 in three bits, 0 1 in one
    assert [value for _, value in code.digit_words()[0]] == [0, 1, 2, 4, 8, 8, 8, 8]
    assert code.digit_words()[1] == ((0, 0), (8, 16))


def test_mean_rounding_error_of_the_whole_magnitude():
    code = weight_levels(AlphabetSet((1, 3)), 8)
    errors = [abs(code.nearest(m) - m) for m in range(128)]
    assert round(sum(errors) / 128, 2) == 2.67  # DESIGN section 1


@settings(deadline=None)  # a code of 16 bits has up to 32,768 magnitudes, made once
@given(st.sampled_from(ALL_SETS), st.integers(10, 16), st.integers(-(1 << 16), 1 << 16))
def test_wide_codes_round_trip(alphabets, weight_bits, value):
    code = weight_levels(AlphabetSet(alphabets), weight_bits)
    level = code.nearest(value)
    assert code.decode(code.encode(level)) == code.decode_fields(code.encode_fields(level)) == level
    closest = min(abs(m - abs(value)) for m in code.magnitudes)
    assert abs(level - value) == closest


@pytest.mark.parametrize("alphabets", ALL_SETS, ids=lambda a: "_".join(map(str, a)))
def test_bank_steps_compute_every_alphabet(alphabets):
    known = {1}
    steps = AlphabetSet(alphabets).bank_steps
    for step in steps:
        assert {step.left, step.right} <= known
        right = step.right << step.right_shift
        assert (step.left << step.left_shift) + (-right if step.subtract else right) == step.multiple
        known.add(step.multiple)
    assert set(alphabets) <= known
    helper = not known <= set(alphabets)
    assert helper == (set(alphabets) in ({1, 11}, {1, 13}, {1, 11, 13}))
    assert len(steps) == len(alphabets) - 1 + helper


def test_zero_has_one_code_and_fields_name_their_bits():
    code = weight_levels(AlphabetSet((1, 3)), 8)
    assert code.encode(0) == 0
    assert [(f.name, f.lsb, f.width) for f in code.packed_fields] == [
        ("digit0", 0, 3),
        ("digit1", 3, 3),
        ("sign", 6, 1),
    ]
    assert "alphabet0" not in {f.name for f in weight_levels(AlphabetSet((1,)), 5).fields}


def test_unsigned_activation_codes():
    code = activation_levels(AlphabetSet((1,)), 4, signed=False)
    assert code.levels == (0, 1, 2, 4, 8)
    assert (code.packed_bits, code.nearest(-3), code.nearest(3), code.nearest(99)) == (3, 0, 2, 8)


@pytest.mark.parametrize("call", [
    lambda c: c.encode(5), lambda c: c.decode(-1), lambda c: c.decode(1 << c.packed_bits), lambda c: c.decode(7),
    lambda c: c.encode_fields(9),
])  # fmt: skip
def test_what_is_no_code_or_level_is_refused(call):
    with pytest.raises(ParameterError, match=r"code|value"):
        call(weight_levels(AlphabetSet((1,)), 5))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: WeightFormat(AlphabetSet((1,)), 99), "weight_bits must be an integer from 2 to 16, not 99"),
        (lambda: WeightFormat(AlphabetSet((1,)), 5, "asmx"), "arithmetic must be one of asm, exact, bare, not 'asmx'"),
        (lambda: WeightFormat(AlphabetSet((1,)), 5, form="booth"), "weight_form must be one of one_hot, binary"),
        (lambda: ActivationFormat(99), "activation bits must be an integer from 1 to 62, not 99"),
        (lambda: AccumulatorFormat(999), "acc_bits must be an integer from 2 to 62, not 999"),
        (lambda: AccumulatorFormat(20, "carry"), "overflow must be one of wrap, saturate, not 'carry'"),
    ],
)
def test_formats_refuse_what_they_are_not(make, sentence):
    with pytest.raises(ParameterError, match=sentence):
        make()

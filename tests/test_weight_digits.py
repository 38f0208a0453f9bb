"""Digits of exact weights against plain sums: every form of every width, and which of them are searched."""

from __future__ import annotations

from itertools import product

import pytest

from asm_hw.errors import ParameterError
from asm_hw.formats.weight_forms import cheapest_digits, row_cost
from asm_hw.numbers.bit_fields import split_fields
from asm_hw.numbers.weight_digits import (
    MULTIPLES,
    booth_form,
    digit_fields,
    digit_forms,
    encode_digits,
    fewest_digits,
    weight_digits,
)
from asm_hw.sim import amaranth_simulation
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.units.mac.mac_config import MacConfig

EVERY = [(bits, form) for bits in range(1, 9) for form in digit_forms(bits)]


def total(digits, chosen):
    return sum(value << digit.position for digit, value in zip(digits, chosen, strict=True))


@pytest.mark.parametrize("bits", range(2, 9))
def test_every_weight_is_the_sum_of_its_digits(bits):
    for form in digit_forms(bits):
        digits = weight_digits(form, bits)
        for weight in range(-(1 << bits - 1), 1 << bits - 1):
            chosen = fewest_digits(digits, weight)
            assert all(value in digit.values for digit, value in zip(digits, chosen, strict=True))
            assert total(digits, chosen) == weight


@pytest.mark.parametrize("bits", range(2, 7))
def test_no_other_digits_are_fewer(bits):
    for form in digit_forms(bits):
        digits = weight_digits(form, bits)
        fewest: dict[int, int] = {}
        for chosen in product(*(digit.values for digit in digits)):
            count = sum(value != 0 for value in chosen)
            fewest[total(digits, chosen)] = min(count, fewest.get(total(digits, chosen), bits))
        for weight in range(-(1 << bits - 1), 1 << bits - 1):
            assert sum(value != 0 for value in fewest_digits(digits, weight)) == fewest[weight]


def test_the_forms_of_a_width_are_these():
    assert set(digit_forms(3)) == {"1_1_1", "1_2", "2_1", "3", "u2_1"}
    assert {"2_2_1", "1_2_2", "u2_3", "3_2", "1_u2_2"} <= set(digit_forms(5)) & set(digit_forms(5))
    assert all(len(set(digit_forms(bits))) == len(digit_forms(bits)) for bits in range(2, 9))


def test_fields_hold_the_digits():
    digits = weight_digits("u2_2_1", 5)
    for weight in range(-16, 16):
        fields = split_fields(digit_fields(digits), encode_digits(digits, weight))
        held = []
        for i, digit in enumerate(digits):
            hot = [multiple for multiple in digit.multiples if fields[f"{MULTIPLES[multiple]}{i}"]]
            assert len(hot) <= 1
            held.append(sum(hot) * (-1 if fields.get(f"negative{i}", digit.sign == "minus") else 1))
        assert total(digits, held) == weight


def test_two_is_one_digit():
    """Booth's rule makes 2 of 4 - 2, two digits."""
    assert fewest_digits(weight_digits(booth_form(4), 4), 2) == (2, 0)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (
            "2_2",
            "must be binary, booth, pairs, or widths of digits, 1 to 3 or u2, from the lowest to a signed one, that add up to the 5 bits",
        ),
        ("ladder", "must be binary, booth, pairs, or widths of digits"),
        ("", "must be binary, booth, pairs, or widths of digits"),
        ("4_1", "must be binary, booth, pairs, or widths of digits"),
        ("1_2_u2", "must be binary, booth, pairs, or widths of digits"),
        ("2_1_2", "must have no unsigned digit above a signed one, as digit 1 is"),
    ],
)
def test_other_forms_are_refused(form, words):
    with pytest.raises(ParameterError, match=words):
        MacConfig(arithmetic="exact", weight_bits=5, weight_form=form)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"weight_form": "2_2_1", "structure": "tree"}, "weight_form '2_2_1' needs structure heap or carry_save, not 'tree'"),
        ({"weight_form": "pairs", "lanes": 1}, "weight_form 'pairs' needs two lanes that are added, not 1"),
        ({"weight_form": "2_2_2_2_1", "weight_bits": 9}, "needs weights that come decoded, or of at most 8 bits, not 9"),
        ({"weight_form": "2_2_1", "act_alphabets": (1,)}, "must be binary where activations are on {1}"),
    ],
)  # fmt: skip
def test_forms_that_a_unit_cannot_have_are_refused(config, words):
    with pytest.raises(ParameterError, match=words):
        DotConfig(**{"arithmetic": "exact", "weight_bits": 5} | config)


def test_the_digits_that_are_searched_are_the_cheapest():
    """By area of rows: an AND row for bit 0 beside two radix-4 digits in five bits, threefold rows where many share."""
    for columns in (1, 4):
        for bits in range(2, 9):
            weights = MacConfig(arithmetic="exact", weight_bits=bits).product
            others = [form for form in digit_forms(bits) if form not in ("_".join("1" * bits), booth_form(bits))]
            chosen = cheapest_digits(weights, columns, 2)
            costs = {form: row_cost(weight_digits(form, bits), 8, columns) for form in others}
            assert [costs[form] for form in chosen] == sorted(costs.values())[:2]
    assert "1_2_2" in cheapest_digits(MacConfig(arithmetic="exact", weight_bits=5).product, 1, 2)


@pytest.mark.parametrize(
    "others", [{"stages": 1}, {"acc_bits": 12, "overflow": "saturate", "act_signed": True}], ids=str
)
def test_a_pair_is_as_wide_as_two_products(others):
    amaranth_simulation.run(DotConfig(arithmetic="exact", weight_bits=4, lanes=5, weight_form="pairs", **others))

"""In which forms decoded weights can be held, and which of all forms of exact ones are worth mapping."""

from __future__ import annotations

from asm_hw.errors import ParameterError
from asm_hw.numbers.weight_digits import WeightDigit, booth_form, digit_forms, weight_digits

from .accumulator_format import AdderStyle
from .product_format import ProductFormat
from .weight_format import WEIGHT_FORMS

TABLE_BITS = 8
"""Most bits of a weight that a table recodes."""
DIGITS = 2
"""Forms of exact weights that are searched beside those with a name."""

_SELECT, _SIGN = 0.4, 0.45
"""AND-OR of one multiple, and an XOR, in full adders of SG13G2."""


def check_form(product: ProductFormat, adders: AdderStyle, lanes: int) -> None:
    """Raises `ParameterError` where a unit cannot hold weights in the form of ``product.weight``."""
    weight, form = product.weight, product.weight.form
    if form == "one_hot" and product.is_power_of_two:
        raise ParameterError("weight_form 'one_hot' must be binary where activations are on {1} too")
    recoded = weight.arithmetic == "exact" and form != "binary"
    if recoded and product.shifts_weight:
        raise ParameterError(f"weight_form {form!r} must be binary where activations are on {{1}}: nothing multiplies")
    if recoded and not adders.has_heap:
        raise ParameterError(f"weight_form {form!r} needs structure heap or carry_save, not {str(adders)!r}")
    if form == "pairs" and lanes < 2:
        raise ParameterError("weight_form 'pairs' needs two lanes that are added, not 1")
    if weight.digits and form != "booth" and weight.code == "packed" and weight.bits > TABLE_BITS:
        raise ParameterError(
            f"weight_form {form!r} needs weights that come decoded, or of at most {TABLE_BITS} bits, not {weight.bits}"
        )


def searched_forms(product: ProductFormat, columns: int, lanes: int, digits: int) -> list[str]:
    """Forms for a unit of so many columns and lanes: those with a name, and so many of the cheapest digits."""
    weight = product.weight
    if product.shifts_weight:
        return ["binary"]
    barred = {"one_hot"} if product.is_power_of_two else {"pairs"} if lanes == 1 else set()
    forms = [form for form in WEIGHT_FORMS[weight.arithmetic] if form not in barred]
    packed = weight.code == "packed"
    if weight.arithmetic != "exact" or (packed and weight.bits > TABLE_BITS):
        return forms
    # Recoded inside, Booth's digits are those of his rule; by their widths, they are the fewest.
    fewest = [booth_form(weight.bits)] if packed else []
    return [*forms, *fewest, *cheapest_digits(product, columns, digits)]


def cheapest_digits(product: ProductFormat, columns: int, count: int) -> list[str]:
    """The ``count`` forms of least `row_cost`, but those that have a name: AND rows alone (`binary`) and `booth`."""
    bits = product.weight.bits
    named = {"_".join("1" * bits), booth_form(bits)}
    forms = [form for form in digit_forms(bits) if form not in named]
    return sorted(forms, key=lambda form: row_cost(weight_digits(form, bits), product.activation.bits, columns))[:count]


def row_cost(digits: tuple[WeightDigit, ...], act_bits: int, columns: int) -> float:
    """Full adders' worth of area of a lane's rows, with its share of the threefold activation of all ``columns``."""
    cost = 0.0
    for digit in digits:
        width = act_bits + (digit.multiples[-1] - 1).bit_length()
        cost += width * (1 + _SELECT * len(digit.multiples) + _SIGN * (digit.sign == "either"))
    return cost + (act_bits + 1) / columns * any(3 in digit.multiples for digit in digits)

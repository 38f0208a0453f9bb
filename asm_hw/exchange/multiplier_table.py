"""The table of all products of two bytes, as emulators of approximate multipliers read it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from asm_hw.errors import ParameterError, check_choice, check_range
from asm_hw.formats.product_format import ProductFormat
from asm_hw.numbers.integers import to_signed
from asm_hw.whole_files import whole_file

BYTE = 8
FIRST = ("weight", "activation")
"""Operands of the first index."""
SUFFIXES = (".npy", ".h")
"""Files that are written."""


def multiplier_table(product: ProductFormat, first: str = "weight") -> np.ndarray:
    """The product of each weight byte and activation byte, int16 [256, 256].

    Entry [w][x], or [x][w] where the ``first`` index is the ``activation``. A weight is the byte's two's complement
    value, an activation its unsigned or, in a signed format, its two's complement value. Each is brought to the nearest
    value that its format holds: the weight to a level, an activation into its range or, encoded, to a level. Raises
    `ParameterError` for operands of more than 8 bits.
    """
    check_choice("first", first, FIRST)
    check_range("weight_bits", product.weight.bits, 2, BYTE)
    check_range("act_bits", product.activation.bits, 1, BYTE)
    signed = [to_signed(byte, BYTE) for byte in range(1 << BYTE)]
    weights = [product.weight.levels.nearest(value) for value in signed]
    low, high = product.activation.binary_range
    bytes_ = signed if product.activation.signed else range(1 << BYTE)
    values = [min(max(value, low), high) for value in bytes_]
    if product.activation.levels is not None:
        values = [product.activation.levels.nearest(value) for value in values]
    operands = (weights, values) if first == "weight" else (values, weights)
    return np.multiply.outer(*(np.array(operand, dtype=np.int16) for operand in operands))


def save_table(product: ProductFormat, path: str | Path, first: str = "weight") -> np.ndarray:
    """Write `multiplier_table` to ``path``: a NumPy file (.npy) or a C header (.h). The same bytes every time.

    Written beside first and then renamed. Raises `ParameterError` for other suffixes and where the folder is missing.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ParameterError(f"table file must end with {' or '.join(SUFFIXES)}, not {path.name!r}")
    table = multiplier_table(product, first)
    with whole_file("table file", path) as written:
        if path.suffix == ".npy":
            np.save(written, table, allow_pickle=False)
        else:
            written.write_text(_header(product, table, first))
    return table


def _header(product: ProductFormat, table: np.ndarray, first: str) -> str:
    """C, and C++: an array ``lut``, as AdaPT's kernels include it."""
    weight, activation = product.weight, product.activation
    kind = "signed" if activation.signed else "unsigned"
    coded = "" if activation.alphabets is None else f" on {{{activation.alphabets}}}"
    indices = " and ".join(f"the byte of the {operand}" for operand in (FIRST if first == FIRST[0] else FIRST[::-1]))
    rows = ",\n".join("  {" + ", ".join(map(str, row)) + "}" for row in table.tolist())
    return (
        f"/* Products of weights on {{{weight.alphabets}}} of {weight.bits} bits and {kind} activations of"
        f" {activation.bits} bits{coded}.\n   Indices: {indices}; signed bytes in two's complement, as (uint8_t). */\n"
        "#ifndef ASM_HW_MULTIPLIER_TABLE\n#define ASM_HW_MULTIPLIER_TABLE\n\n#include <stdint.h>\n\n"
        f"static const int16_t lut[256][256] = {{\n{rows}\n}};\n\n#endif\n"
    )

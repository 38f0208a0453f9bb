"""The 256 x 256 products of a multiplier: each entry by plain arithmetic, as NumPy file and as C."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest

from asm_hw.errors import ParameterError
from asm_hw.exchange.multiplier_table import multiplier_table, save_table
from asm_hw.formats.product_format import ProductFormat

FORMATS = [
    {"alphabets": (1, 3), "weight_bits": 8},
    {"alphabets": (1,), "weight_bits": 8, "act_signed": True},
    {"alphabets": (1, 3), "weight_bits": 5, "act_bits": 4},
    {"alphabets": (1,), "weight_bits": 5, "act_bits": 4, "act_signed": True, "act_alphabets": (1,)},
    {"alphabets": (1, 3, 5, 7, 9, 11, 13, 15), "weight_bits": 8},
    {"alphabets": (1,), "weight_bits": 2, "act_bits": 1},
]


def nearest(value, allowed):
    """The nearest of ``allowed``; of two as near the one of the smaller magnitude."""
    return min(allowed, key=lambda level: (abs(level - value), abs(level)))


@pytest.mark.parametrize("parameters", FORMATS)
def test_every_entry_is_plain_arithmetic(parameters):
    product = ProductFormat.of(**parameters)
    table = multiplier_table(product)
    assert table.shape == (256, 256) and table.dtype == np.int16
    signed = [*range(128), *range(-128, 0)]
    weights = [nearest(value, product.weight.values) for value in signed]
    activations = sorted({value for _, value in product.activation.table})
    values = [nearest(value, activations) for value in (signed if product.activation.signed else range(256))]
    assert table.tolist() == [[w * x for x in values] for w in weights]
    assert np.array_equal(multiplier_table(product, "activation"), table.T)


def test_all_alphabets_are_the_exact_multiplier():
    table = multiplier_table(ProductFormat.of((1, 3, 5, 7, 9, 11, 13, 15), 8, 8))
    byte = np.arange(256).astype(np.uint8)
    exact = np.multiply.outer(byte.view(np.int8).astype(int), byte.astype(int))
    exact[128] = -127 * byte.astype(int)  # sign and magnitude: there is no -128
    assert np.array_equal(table, exact)


def compiled(folder, source, compiler, header):
    (folder / "table.h").write_text(header)
    (folder / "main.c").write_text(source)
    arguments = [compiler, "-Wall", "-Wextra", "-Werror", "-o", folder / "main", folder / "main.c"]
    built = subprocess.run(list(map(str, arguments)), capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return subprocess.run([folder / "main"], capture_output=True, check=True).stdout


MAIN = """
#include "table.h"
#include "table.h"
#include <stdio.h>
int main(void) {
  for (int w = -128; w < 128; w++)
    for (int x = 0; x < 256; x++)
      if (printf("%d ", lut[(uint8_t)w][(uint8_t)x]) < 0) return 1;
  return 0;
}
"""


@pytest.mark.parametrize("compiler", ["gcc", "g++"])
def test_the_header_compiles_and_holds_the_table(tmp_path, compiler):
    product = ProductFormat.of((1, 3), 6, 7, act_signed=True)
    save_table(product, tmp_path / "net.h")
    printed = compiled(tmp_path, MAIN, compiler, (tmp_path / "net.h").read_text())
    rows = np.array(printed.split(), dtype=int).reshape(256, 256)
    assert np.array_equal(np.roll(rows, 128, 0), multiplier_table(product))  # from -128 on, not from 0


def test_the_command_writes_both_files(cli, tmp_path):
    done = cli("table", "--alphabets", "1,3", "--weight-bits", "5", "--act-signed", "1", "--out", "t.npy", "--json")
    assert done.returncode == 0, done.stderr
    product = ProductFormat.of((1, 3), 5, 8, act_signed=True)
    table = np.load(tmp_path / "t.npy", allow_pickle=False)
    assert np.array_equal(table, multiplier_table(product))
    result = json.loads(done.stdout)
    assert result["file"] == "t.npy" and result["parameters"] == product.parameters
    signed = np.arange(256).astype(np.uint8).view(np.int8).astype(int)
    assert result["largest_error"] == np.abs(table - np.multiply.outer(signed, signed)).max()
    both = [cli("table", "--first", "activation", "--out", name) for name in ("a.h", "b.h")]
    assert "256 x 256 products" in both[0].stdout
    assert (tmp_path / "a.h").read_bytes() == (tmp_path / "b.h").read_bytes()
    assert "the byte of the activation and the byte of the weight" in (tmp_path / "a.h").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h", "b.h", "t.npy"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--out", "t.txt"], "table file must end with .npy or .h, not 't.txt'"),
        (["--out", "none/t.h"], "must be a file in a folder that exists"),
        (["--out", "t.h", "--weight-bits", "9"], "weight_bits must be an integer from 2 to 8, not 9"),
        (["--out", "t.h", "--act-bits", "9"], "act_bits must be an integer from 1 to 8, not 9"),
        (["--out", "t.h", "--first", "x"], "first must be one of weight, activation, not 'x'"),
        (["--out", "t.h", "--alphabets", "2"], "alphabet 2 must be odd"),
        (["--out", "t.h", "--act-alphabets", "4"], "alphabet 4 must be odd"),
        (["--alphabets", "1"], "'--out'"),
    ],
)
def test_bad_input_is_one_sentence(cli, tmp_path, arguments, sentence):
    refused = cli("table", *arguments)
    assert refused.returncode == 2
    assert sentence in refused.stderr and len(refused.stderr.splitlines()) == 1, refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_wide_operands_are_refused_in_python():
    with pytest.raises(ParameterError, match="weight_bits must be an integer from 2 to 8, not 16"):
        multiplier_table(ProductFormat.of((1,), 16, 8))

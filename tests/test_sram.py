"""The SRAM model: its figures and errors, its derived energies, and the command that prints them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from asm_hw.errors import ParameterError
from asm_hw.ppa.technology.sram_model import (
    COLUMN_MUXES,
    PARTS,
    Sram,
    compute_energies_pj,
    estimate,
    macros,
    table,
)

REPOSITORY = Path(__file__).resolve().parent.parent
ACCEPTED = ["read_energy_pj", "write_energy_pj", "area_um2"]
FIGURES = [*ACCEPTED, "leakage_uw", "access_time_ns"]
SHAPES = [Sram(64, 32), Sram(512, 32), Sram(512, 32, 2), Sram(8192, 32), Sram(128, 64, 1, 1)]


def shape_of(row):
    return Sram(row["words"], row["bits"], row["ports"], row["column_mux"])


@pytest.mark.parametrize("name", ACCEPTED)
@pytest.mark.parametrize("ports", [1, 2])
def test_reported_errors_are_within_acceptance(name, ports):
    errors = estimate(Sram(512, 32, ports))["leave_one_out"][name]
    assert errors["mean_percent"] <= 10
    assert errors["worst_percent"] <= 20


@pytest.mark.parametrize("name", [*FIGURES, "read_write_energy_pj"])
def test_docs_state_the_errors_of_the_table(name):
    page = (REPOSITORY / "docs" / "sram.md").read_text(encoding="utf-8")
    for ports, errors in table()["leave_one_out"][name].items():
        row = f"| {errors['macros']} | {errors['mean_percent']} | {errors['worst_percent']} | {errors['worst_macro']} |"
        assert row in page, (name, ports, row)


def test_docs_state_the_coefficients_of_the_table():
    page = (REPOSITORY / "docs" / "sram.md").read_text(encoding="utf-8")
    for part, terms in table()["fits"]["energy_pj"].items():
        for term, value in terms.items():
            low, high = table()["energy_range_pj"][part][term]
            assert f"| {value * 1000:.4g} | {low * 1000:.4g} to {high * 1000:.4g} |" in page, (part, term)


def test_model_is_close_to_every_macro_and_shows_it():
    for macro in macros():
        result = estimate(shape_of(macro))
        assert not result["extrapolated"]
        for name in FIGURES:
            assert result["measured"][name] == macro[name]
            assert result[name] == pytest.approx(macro[name], rel=0.15), (macro, name)


@pytest.mark.parametrize("sram", SHAPES, ids=str)
def test_parts_add_up(sram):
    result = estimate(sram)
    parts = {part: result["parts"][f"{part}_pj"] for part in PARTS}
    assert min(parts.values()) > 0
    assert result["read_energy_pj"] == pytest.approx(sum(parts.values()) - parts["write_back"])
    assert result["write_energy_pj"] == pytest.approx(sum(parts.values()) - parts["sense"])


def test_each_part_scales_as_its_physics_says():
    small = estimate(Sram(256, 16))["parts"]
    tall, wide = estimate(Sram(512, 16))["parts"], estimate(Sram(256, 32))["parts"]
    assert (tall["decoder_pj"], tall["wordline_pj"]) == pytest.approx((2 * small["decoder_pj"], small["wordline_pj"]))
    assert (wide["decoder_pj"], wide["wordline_pj"]) == pytest.approx((small["decoder_pj"], 2 * small["wordline_pj"]))
    assert tall["bitline_pj"] == pytest.approx(2 * small["bitline_pj"]) == pytest.approx(wide["bitline_pj"])
    assert tall["sense_pj"] == pytest.approx(small["sense_pj"]) == pytest.approx(wide["sense_pj"] / 2)


@pytest.mark.parametrize("name", FIGURES)
def test_more_words_or_bits_never_cost_less(name):
    for words in (64, 128, 256, 512, 1024):
        for bits in (8, 16, 32):
            figure = estimate(Sram(words, bits, 1, 4))[name]
            assert estimate(Sram(2 * words, bits, 1, 4))[name] > figure
            assert estimate(Sram(words, 2 * bits, 1, 4))[name] >= figure


def test_second_port_costs_area_and_leakage_and_the_same_energy():
    one, two = estimate(Sram(512, 32)), estimate(Sram(512, 32, 2))
    assert 1.5 < two["area_um2"] / one["area_um2"] < 2.2
    assert two["leakage_uw"] > one["leakage_uw"]
    assert two["read_energy_pj"] == one["read_energy_pj"]


@pytest.mark.parametrize("sram", SHAPES, ids=str)
def test_computing_on_the_bit_lines_is_bounded(sram):
    """By hand: one read and its second amplifiers and decoder below, two reads above."""
    parts, computing = sram.parts_pj, compute_energies_pj(sram)
    read, write = sram.energy_pj("read"), sram.energy_pj("write")
    least, most = computing["two_row_energy_lower_bound_pj"], computing["two_row_energy_pj"]
    assert least == pytest.approx(read + parts["decoder"] + parts["sense"])
    assert most == pytest.approx(2 * read - parts["control"] - parts["io"])
    assert read < least < most < 2 * read
    lower, upper = computing["read_compute_write_energy_lower_bound_pj"], computing["read_compute_write_energy_pj"]
    assert upper == pytest.approx(2 * read + write - 2 * parts["control"] - parts["io"])
    assert sram.energy_pj("read_write") < lower < upper < 2 * read + write


def test_column_mux_is_chosen_as_in_the_library():
    chosen = {(m["words"], m["bits"], m["ports"]) for m in macros() if shape_of(m) != Sram(*list(m.values())[:3])}
    assert chosen == {(256, 8, 1), (512, 8, 1)}
    assert (Sram(16384, 8).column_mux, Sram(16384, 8).rows) == (16, 1024)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((16384, 32), ["rows 1024 is outside 16 to 512"]),
        ((256, 128, 1, 1), ["bits 128 is outside 8 to 64", "column_mux 1 is outside 4 to 16"]),
        ((256, 4), ["columns 16 is outside 32 to 512", "bits 4 is outside 8 to 64"]),
        ((2048, 32, 2), ["rows 512 is outside 16 to 256"]),
        ((8192, 32), []),
        ((300, 12), []),
    ],
)
def test_extrapolation_is_flagged(shape, said):
    result = estimate(Sram(*shape))
    assert (result["extrapolated"], result["outside_fit"]) == (bool(said), said)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--words", "15"], "words must be an integer from 16 to 32768, not 15"),
        (["--words", "32769"], "words must be an integer from 16 to 32768, not 32769"),
        (["--bits", "0"], "bits must be an integer from 1 to 512, not 0"),
        (["--bits", "513"], "bits must be an integer from 1 to 512, not 513"),
        (["--ports", "3"], "ports must be an integer from 1 to 2, not 3"),
        (["--column-mux", "3"], "column_mux must be one of 1, 2, 4, 8, 16, not 3"),
        (["--words", "510"], "words must be a multiple of column_mux (4), not 510"),
        (["--column-mux", "0"], "'--column-mux': 0 is not in the range x>=1."),
        (["--words", "many"], "'--words': 'many' is not a valid integer."),
    ],
)
def test_bad_input_is_one_sentence(cli, arguments, sentence):
    result = cli("sram", *arguments, "--json")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ") and result.stderr.endswith(sentence + "\n")
    assert result.stderr.count("\n") == 1


def test_python_refuses_what_the_command_refuses():
    for arguments in ({"words": 512.0}, {"ports": True}, {"column_mux": 32}, {"column_mux": True}, {"column_mux": -4}):
        with pytest.raises(ParameterError, match=next(iter(arguments))):
            Sram(**({"words": 512, "bits": 32} | arguments))
    assert all(Sram(512, 32, 1, mux).rows == 512 // mux for mux in COLUMN_MUXES)


def test_command_prints_the_estimate(cli):
    result = cli("sram", "--words", 512, "--bits", 32, "--ports", 2, "--json")
    assert result.returncode == 0
    assert json.loads(result.stdout) == estimate(Sram(512, 32, 2))
    by_environment = cli("sram", "--json", ASM_HW_WORDS="1024", ASM_HW_BITS="16", ASM_HW_COLUMN_MUX="8")
    assert json.loads(by_environment.stdout) == estimate(Sram(1024, 16, 1, 8))


def test_command_draws_a_table(cli):
    text = cli("sram", "--words", 16384).stdout
    assert "1024 rows x 512 columns" in text and "write energy, pJ" in text
    assert "rows 1024 is outside 16 to 512" in " ".join(text.split())


def test_estimate_needs_neither_numpy_nor_scipy():
    code = "import sys; from asm_hw.ppa.technology.sram_model import *; estimate(Sram(64, 8)); print({'numpy', 'scipy'} & {*sys.modules})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"

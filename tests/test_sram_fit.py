"""The fit of the SRAM model: against the library, on macros that it has not seen, of known coefficients."""

from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from asm_hw.ppa.technology.sram_model import (
    ACCESSES,
    Sram,
    macros,
    table,
)

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def extract():
    """The script that fits, as a module."""
    spec = importlib.util.spec_from_file_location("extract_sram", REPOSITORY / "benchmarks" / "extract_sram.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def library(data_folder):
    folder = data_folder / "sram_lib"
    if not folder.is_dir():
        pytest.skip("needs the SRAM macros of IHP in the data folder")
    return folder


def shape_of(row):
    return Sram(row["words"], row["bits"], row["ports"], row["column_mux"])


def assert_alike(ours, theirs):
    """Nested JSON objects: the same keys and texts, numbers but for the last digits that another machine may round."""
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            assert_alike(value, theirs[key])
    elif isinstance(ours, str):
        assert ours == theirs
    else:
        assert ours == pytest.approx(theirs, rel=1e-4)


def test_table_is_what_its_script_extracts_and_fits(extract, library, capsys):
    extract.main(library / "ihp_sg13g2_sram")
    made = json.loads(capsys.readouterr().out)
    assert made.pop("macros") == table()["macros"]
    assert_alike(made, {key: value for key, value in table().items() if key != "macros"})


def test_table_agrees_with_another_extraction(library):
    """`sram_macros.csv` was read off the same files by other means."""
    with (library / "sram_macros.csv").open() as file:
        rows = {(int(row["words"]), int(row["bits"]), int(row["ports"][0])): row for row in csv.DictReader(file)}
    assert len(rows) == len(macros()) == 23
    names = {
        "area_um2": "area_um2",
        "read_energy_pj": "read_energy_pJ",
        "write_energy_pj": "write_energy_pJ",
        "leakage_uw": "leakage_uW",
        "access_time_ns": "access_ns_max",
    }
    for macro in macros():
        row = rows[macro["words"], macro["bits"], macro["ports"]]
        assert f"_c{macro['column_mux'].bit_length() - 1}_" in row["macro"]
        for ours, theirs in names.items():
            assert macro[ours] == pytest.approx(float(row[theirs]), rel=1e-5)


def test_refit_gives_the_published_coefficients_and_errors(extract):
    """From the table's own macros: needs no library."""
    refit = extract.fit_all(macros())
    assert_alike(refit, {key: table()[key] for key in refit})


def test_errors_on_macros_left_out(extract):
    """Recomputed here, without the script's bookkeeping: no other macro of the same energies may stay in."""
    for access in ("read", "write"):
        errors = []
        for macro in extract.distinct(macros()):
            sram = shape_of(macro)
            others = [row for row in macros() if (row["words"], row["bits"]) != (sram.words, sram.bits)]
            coefficients = iter(extract.fit(extract.distinct(others), extract.energy_design))
            energy = 0.0
            for part, terms in extract.PART_TERMS.items():
                for term in terms:
                    coefficient = next(coefficients)
                    energy += coefficient * sram.terms[term] * (part in ACCESSES[access])
            errors.append(abs(energy / macro[f"{access}_energy_pj"] - 1))
        assert np.mean(errors) <= 0.10 and max(errors) <= 0.20
    for ports in (1, 2):
        terms = extract.FIGURE_TERMS["area_um2"][ports]
        known = [macro for macro in macros() if macro["ports"] == ports]
        errors = []
        for macro in known:
            rest = [row for row in known if row is not macro]
            coefficients = extract.fit(rest, extract.figure_design("area_um2", terms))
            area = sum(c * shape_of(macro).terms[term] for c, term in zip(coefficients, terms, strict=True))
            errors.append(abs(area / macro["area_um2"] - 1))
        assert np.mean(errors) <= 0.10 and max(errors) <= 0.20


def test_fit_recovers_known_coefficients(extract):
    """Energies made from chosen coefficients, one of them zero, on the shapes of the macros."""
    chosen = [2.0, 0.01, 0.08, 5e-4, 1e-3, 0.0, 0.1, 1.2, 0.2, 6e-4]
    made = []
    for macro in extract.distinct(macros()):
        energies = [np.dot(row, chosen) for row, _ in extract.energy_design(macro)]
        made.append(macro | {f"{access}_energy_pj": e for access, e in zip(ACCESSES, energies, strict=True)})
    assert extract.fit(made, extract.energy_design) == pytest.approx(chosen, rel=1e-6, abs=1e-9)
    broken = [made[0] | {"read_energy_pj": 2 * made[0]["read_energy_pj"]}, *made[1:]]
    assert extract.fit(broken, extract.energy_design) != pytest.approx(chosen, rel=1e-3, abs=1e-9)


def test_parts_are_identifiable_and_only_because_of_write_through(extract):
    equations = [list(extract.energy_design(macro)) for macro in extract.distinct(macros())]

    def condition(accesses):
        matrix = np.array([np.array(rows[i][0]) / rows[i][1] for rows in equations for i in accesses])
        return np.linalg.cond(matrix / matrix.max(axis=0))

    assert condition([0, 1, 2]) < 30
    assert condition([0, 1]) > 1e10  # reads and writes alone cannot tell io from sense


def test_parts_survive_the_loss_of_any_macro():
    """A part that vanished or doubled with one macro would be no property of the library."""
    for part, terms in table()["energy_range_pj"].items():
        for term, (low, high) in terms.items():
            assert 0 < low <= table()["fits"]["energy_pj"][part][term] <= high
            if part != "io":  # the page says that this one is poorly known
                assert high / low < 1.8, (part, term)

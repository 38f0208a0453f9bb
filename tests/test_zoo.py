"""The integers in zoo/ are those of published rows, and name as many test images right."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from asm_hw.cli import commands as command_line

REPOSITORY = Path(__file__).resolve().parent.parent
FLOAT_STARTS = ("resnet8", "mobilenet_v2_050")


DIGITS = sorted((REPOSITORY / "zoo").glob("digits_cnn_*.safetensors"))
FILES = sorted(
    path for path in (REPOSITORY / "zoo").glob("*.safetensors") if path.stem not in FLOAT_STARTS and path not in DIGITS
)


def results(name):
    return json.loads((REPOSITORY / "docs" / "results" / name).read_text())


def digest_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def published(path):
    """The row of docs/results/trainings.json whose integers these are."""
    (row,) = [row for row in results("trainings.json") if row["test"].get("integers_sha256") == digest_of(path)]
    return row


@pytest.mark.parametrize("path", DIGITS, ids=lambda path: path.stem)
def test_digits_come_out_as_published(path):
    rows = results("demo_accuracy.json")["accuracy"]["rows"]
    (row,) = [row for row in rows if row.get("integers_sha256") == digest_of(path)]
    assert path.stem == f"digits_cnn_{row['model'].strip('{}').replace(',', '_')}_w5_a8"
    result = CliRunner().invoke(command_line.cli, ["evaluate", str(path), "--dataset", "digits", "--json"])
    assert result.exit_code == 0, result.output
    assert round(json.loads(result.stdout)["accuracy_percent"], 2) == row["integer_percent"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_integers_are_of_a_published_row(path):
    settings = published(path)["settings"]
    alphabets = "_".join(map(str, settings["alphabets"]))
    assert path.stem == f"{settings['model']}_{alphabets}_w{settings['weight_bits']}_a{settings['act_bits']}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_five_hundred_images_come_out_as_published(path, data_folder, monkeypatch):
    if not (data_folder / "cifar10").is_dir():
        pytest.skip("needs cifar10 in the data folder")
    monkeypatch.setenv("ASM_HW_DATA", str(data_folder))
    command = ["evaluate", str(path), "--dataset", "cifar10", "--images", "500", "--json"]
    result = CliRunner().invoke(command_line.cli, command)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["accuracy_percent"]
    # Five hundred of ten thousand: a standard error of 1.4 points.
    assert abs(found - published(path)["test"]["integer_percent"]) < 4.5

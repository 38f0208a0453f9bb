"""Emitted folders: the same bytes everywhere, replaced as a whole or not at all; no PyTorch needed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from asm_hw.emission.emit_folder import emit
from asm_hw.emission.manifest import load
from asm_hw.errors import ParameterError
from asm_hw.units.mac.mac_config import MacConfig


def test_bytes_do_not_depend_on_folder_or_hash_seed(cli, tmp_path):
    for seed, folder in (("1", "a"), ("2", "deeper/b")):
        result = cli(
            "rtl", "--alphabets", "1,3", "--unit", "dot", "--columns", "3", "--out", folder, PYTHONHASHSEED=seed
        )
        assert result.returncode == 0, result.stderr
    one, two = (next((tmp_path / folder).iterdir()) for folder in ("a", "deeper/b"))
    files = sorted(path.name for path in one.iterdir())
    assert files == sorted(path.name for path in two.iterdir())
    assert len(files) == 9
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in files)


def test_an_own_folder_is_replaced_and_a_touched_one_is_kept(cli, tmp_path):
    arguments = ("rtl", "--name", "mine")
    assert cli(*arguments).returncode == 0
    assert cli(*arguments).returncode == 0
    folder = tmp_path / "rtl_out" / "mine"
    (folder / "notes.txt").write_text("keep me")
    refused = cli(*arguments)
    assert refused.returncode == 2
    assert "notes.txt" in refused.stderr
    assert (folder / "notes.txt").read_text() == "keep me"
    assert cli(*arguments, "--force").returncode == 0
    assert not (folder / "notes.txt").exists()
    assert sorted(path.name for path in folder.parent.iterdir()) == ["mine"]


def test_an_edited_manifest_is_kept(cli, tmp_path):
    arguments = ("rtl", "--name", "mine")
    assert cli(*arguments).returncode == 0
    path = tmp_path / "rtl_out" / "mine" / "manifest.json"
    edited = path.read_text().replace('"latency_cycles": 1', '"latency_cycles": 2')
    path.write_text(edited)
    refused = cli(*arguments)
    assert refused.returncode == 2
    assert "manifest.json" in refused.stderr
    assert path.read_text() == edited


def test_a_failed_replacement_leaves_the_old_folder(tmp_path, monkeypatch):
    old = emit(MacConfig(), tmp_path, "mine")
    before = {path.name: path.read_bytes() for path in old.folder.iterdir()}
    rename = Path.rename

    def fails_for_the_new_folder(path, target):
        if path.name == "new":
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fails_for_the_new_folder)
    with pytest.raises(ParameterError, match="Input/output error"):
        emit(MacConfig(acc_bits=20), tmp_path, "mine")
    assert {path.name: path.read_bytes() for path in old.folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_json_and_help_everywhere(cli):
    for command in ("rtl", "catalog", "levels"):
        assert json.loads(cli(command, "--json").stdout)
    assert cli("rtl", "--name", "unit").returncode == 0
    assert json.loads(cli("manifest", "rtl_out/unit", "--json").stdout)["unit"] == "mac"
    for command in ("rtl", "manifest", "catalog", "levels", "sim", "wave", "synth", "demo"):
        text = cli(command, "--help").stdout
        assert "--json" in text
        assert len(text.splitlines()) > 6


@pytest.mark.full
def test_make_passes_its_variables(tmp_path):
    repository = Path(__file__).resolve().parent.parent
    command = [
        "make",
        "-s",
        "-C",
        str(repository),
        "rtl",
        "ALPHABETS=1,3",
        "NAME=from_make",
        f"OUT={tmp_path}",
        "LANES=16",
    ]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert load(tmp_path / "from_make")["parameters"]["alphabets"] == [1, 3]
    hostile = subprocess.run([*command[:-3], "NAME=$(touch x);'", f"OUT={tmp_path}"], capture_output=True, text=True)
    assert hostile.returncode != 0
    assert not (repository / "x").exists()

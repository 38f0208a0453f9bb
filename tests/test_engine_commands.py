"""``asm-hw compile``, ``run`` and ``evaluate``: what they print, what they refuse."""

from __future__ import annotations

import json

import jsonschema
import numpy as np
import pytest
from test_engine_corners import corner

from asm_hw.compiler import program_folder
from asm_hw.network.network_file import save
from asm_hw.units.engine.engine_config import EngineConfig

SMALL = {
    "--lanes": "18", "--columns": "4", "--hold": "8", "--segments": "16", "--weight-rows": "65536",
    "--program-rows": "8192", "--alphabets": "1,3",
}  # fmt: skip


def small(*changes):
    """Options of a small engine, some of them others."""
    given = SMALL | dict(zip(changes[::2], changes[1::2], strict=True))
    return [word for pair in given.items() for word in pair]


@pytest.fixture
def network(tmp_path):
    """A file of integers."""
    path = tmp_path / "net.safetensors"
    save(corner("the input joins"), path)
    return path


def test_compile_and_run_a_network(cli, network, tmp_path):
    compiled = cli("compile", network, *small(), "--json")
    assert compiled.returncode == 0, compiled.stderr
    result = json.loads(compiled.stdout)
    assert result["fits"]
    assert result["engine"]["lanes"] == 18
    assert [layer["name"] for layer in result["layers"]] == ["a", "b", "c"]
    assert sum(layer["cycles"] for layer in result["layers"]) == result["cycles"]
    folder = tmp_path / result["folder"]
    assert sorted(path.name for path in folder.iterdir()) == [
        "network.safetensors",
        "program.json",
        "program.schema.json",
        "rtl",
    ]
    stated = json.loads((folder / "program.json").read_text())
    schema = json.loads((folder / "program.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(stated, schema)
    for damage in ({"batch": 0}, {"schema_version": 1}, {"weights": ["0x1"]}, {"extra": 1}, {"tensors": {}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(stated | damage, schema)
    for key in stated:
        with pytest.raises(jsonschema.ValidationError, match="required"):
            jsonschema.validate({name: value for name, value in stated.items() if name != key}, schema)
    again = cli("compile", network, *small(), "--out", "other", "--json")
    assert (tmp_path / "other" / "program.json").read_bytes() == (folder / "program.json").read_bytes()
    assert again.returncode == 0
    ran = cli("run", folder, "--images", "3", "--json")
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    assert (report["images"], report["mismatches"], report["first_difference"]) == (3, 0, None)
    assert report["cycles"] == report["predicted_cycles"] == result["cycles"]
    assert report["compared"] > 0
    np.save(tmp_path / "wide.npy", np.full((2, 4, 8, 6), 15.0) * np.array([1, 2]).reshape(2, 1, 1, 1))
    clipped = cli("run", folder, "--inputs", "wide.npy")
    assert clipped.returncode == 0, clipped.stderr
    assert "note: wide.npy holds 2 images" in clipped.stderr
    assert "note: 50 % of the numbers in wide.npy are beyond" in clipped.stderr
    np.save(tmp_path / "wrong.npy", np.zeros((2, 4, 8, 5), dtype=np.int64))
    np.save(tmp_path / "nan.npy", np.full((2, 4, 8, 6), np.nan))
    (tmp_path / "text.npy").write_text("no array")
    for arguments, words in (
        (("--inputs", "wrong.npy"), ["inputs must", "(2, 4, 8, 5)"]),
        (("--inputs", "missing.npy"), ["inputs 'missing.npy' must be"]),
        (("--inputs", "nan.npy"), ["inputs 'nan.npy' must hold finite numbers"]),
        (("--inputs", "text.npy"), ["inputs 'text.npy' must be a whole .npy file of numbers"]),
        (("--compare", "some"), ["compare must be one of all, output, none, not 'some'"]),
        (("--dataset", "nothing"), ["dataset must be one of", "'nothing'"]),
    ):
        refused = cli("run", folder, *arguments)
        assert refused.returncode == 2, refused.stderr
        assert len(refused.stderr.splitlines()) == 1
        assert all(word in refused.stderr for word in words), refused.stderr
    program = folder / "program.json"
    program.write_text(program.read_text()[:-40])
    cut = cli("run", folder)
    assert cut.returncode == 2
    assert "must be JSON" in cut.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--unit", "mac"), ["unit must be engine", "'mac'"]),
        (("--taps", "4"), ["taps must be one of 1, 3, 9, not 4"]),
        (("--columns", "5"), ["columns must be whole words of 2 channels", "not 5"]),
        (("--act-bits", "5"), ["act_bits of unit engine must be 4 or 8, not 5"]),
        (
            ("--lanes", "9", "--columns", "1", "--act-bits", "8", "--bank-rows", "65536"),
            ["columns must be at least 2, rows of a tile's record, not 1"],
        ),
        (("--alphabets", "1"), ["layer 'a' must have"]),
        (("--segments", "2", "--bank-rows", "8"), ["layer 'a' must find room in 2 segments of 8 rows"]),
        (("--weight-rows", "63"), ["weight_rows must be at least 64 for this network, or", "not 63"]),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(cli, network, tmp_path, arguments, words):
    refused = cli("compile", network, *small(*arguments), "--out", "out")
    assert refused.returncode == 2, refused.stderr
    assert len(refused.stderr.splitlines()) == 1, refused.stderr
    assert all(word in refused.stderr for word in words), refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == [network.name]


def test_other_folders_and_files_are_left_alone(cli, network, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").write_text("kept")
    refused = cli("compile", network, *small(), "--out", "mine")
    assert refused.returncode == 2
    assert "mine" in refused.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes"]
    (tmp_path / "file").write_text("kept")
    assert cli("compile", network, *small(), "--out", "file", "--force").returncode == 2
    assert (tmp_path / "file").read_text() == "kept"
    for missing in ("none.safetensors", "mine"):
        assert cli("compile", missing).returncode == 2
    assert cli("run", "mine").returncode == 2


def test_evaluate_gives_the_accuracy_of_integers(cli, network):
    refused = cli("evaluate", network, "--dataset", "digits")
    assert refused.returncode == 2
    assert "must have images of (4, 8, 6)" in refused.stderr


def test_an_engine_is_emitted_once(network, tmp_path, monkeypatch):
    """Another network on the same engine takes the same Verilog; another engine, or a changed program, its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    emitted, files = [], [network]
    render = program_folder.render
    monkeypatch.setattr(program_folder, "render", lambda *given: emitted.append(given[0]) or render(*given))
    monkeypatch.setattr(program_folder, "package_files", lambda: files)
    given = {name[2:].replace("-", "_"): int(value) for name, value in SMALL.items() if name != "--alphabets"}
    config = EngineConfig(alphabets=(1, 3), **given)
    other = EngineConfig(alphabets=(1, 3), **given | {"hold": 16})
    texts = []
    for number, engine in enumerate((config, config, other)):
        program_folder.compile_folder(network, engine, tmp_path / str(number))
        texts.append((tmp_path / str(number) / "rtl" / "engine" / "engine.v").read_text())
    assert texts[0] == texts[1] != texts[2]
    assert emitted == [config, other]
    files.append(tmp_path / "0" / "program.json")
    program_folder.compile_folder(network, config, tmp_path / "3")
    assert emitted == [config, other, config]

"""Bad input: one sentence on stderr that names the parameter and the value, exit status 2, nothing written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from asm_hw.cli import main
from asm_hw.emission.manifest import config_of
from asm_hw.errors import ParameterError
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.sim.runner import run_folder
from asm_hw.units.mac.mac_config import MacConfig

REPOSITORY = Path(__file__).resolve().parent.parent

CASES = {
    "even alphabet": (["--alphabets", "1,4"], "alphabet 4 must be odd: even multiples are reached by shifting"),
    "negative alphabet": (["--alphabets", "1,-3"], "alphabet -3 must be an odd integer from 1 to 15"),
    "zero alphabet": (["--alphabets", "0,1"], "alphabet 0 must be an odd integer from 1 to 15"),
    "duplicate alphabet": (["--alphabets", "1,3,3"], "alphabets [1, 3, 3] name 3 twice: each may appear once"),
    "missing 1": (["--alphabets", "3,5"], "alphabets [3, 5] must contain 1, so that every power of two is a level"),
    "17 in the alphabet": (["--alphabets", "1,17"], "alphabet 17 must be an odd integer from 1 to 15"),
    "alphabet no number": (["--alphabets", "1,three"], "alphabets must be odd integers separated by commas, such as 1,3, not '1,three'"),
    "empty alphabet": (["--alphabets", ""], "alphabets must be odd integers separated by commas, such as 1,3, not ''"),
    "alphabet with an underscore": (["--alphabets", "1,1_5"], "alphabets must be odd integers separated by commas, such as 1,3, not '1,1_5'"),
    "alphabet float": (["--alphabets", "1,3.0"], "alphabets must be odd integers separated by commas, such as 1,3, not '1,3.0'"),
    "weight bits 1": (["--weight-bits", "1"], "weight_bits must be an integer from 2 to 16, not 1"),
    "weight bits 17": (["--weight-bits", "17"], "weight_bits must be an integer from 2 to 16, not 17"),
    "act bits 0": (["--act-bits", "0"], "act_bits must be an integer from 1 to 16, not 0"),
    "act bits 17": (["--act-bits", "17"], "act_bits must be an integer from 1 to 16, not 17"),
    "encoded sign without magnitude": (["--act-bits", "1", "--act-signed", "1", "--act-alphabets", "1"], "act_bits must be an integer from 2 to 16, not 1"),
    "even act alphabet": (["--act-alphabets", "1,6"], "act_alphabets: alphabet 6 must be odd: even multiples are reached by shifting"),
    "acc bits 1": (["--acc-bits", "1"], "acc_bits must be an integer from 2 to 62, not 1"),
    "acc bits 63": (["--acc-bits", "63"], "acc_bits must be an integer from 2 to 62, not 63"),
    "acc bits no number": (["--acc-bits", "wide"], "acc_bits must be auto or an integer from 2 to 62, not 'wide'"),
    "terms 0": (["--terms", "0"], "terms must be an integer from 1 to 16777216, not 0"),
    "lanes 0": (["--unit", "dot", "--lanes", "0"], "lanes must be an integer from 1 to 256, not 0"),
    "lanes 0 of a mac": (["--lanes", "0"], "lanes must be an integer from 1 to 256, not 0"),
    "columns 257": (["--unit", "dot", "--columns", "257"], "columns must be an integer from 1 to 256, not 257"),
    "rows 2": (["--unit", "bitline", "--rows", "2"], "rows must be an integer from 4 to 1024, not 2"),
    "rows 0 of a mac": (["--rows", "0"], "rows must be an integer from 4 to 1024, not 0"),
    "cols that words do not divide": (["--unit", "bitline", "--word-bits", "12", "--cols", "64"], "cols must be a multiple of word_bits 12, not 64"),
    "words too narrow": (["--unit", "bitline", "--word-bits", "9"], "word_bits must be an integer from 10 to 22, not 9"),
    "alphabet too large for the digits": (["--unit", "bitline", "--weight-bits", "2"], "alphabets {1,3} must fit the digits of weight_bits 2: 3 needs 2 bits, a digit has 1"),
    "encoded activations on bit lines": (["--unit", "bitline", "--act-alphabets", "1,3"], "act_alphabets {1,3} must be left out, or 1 where alphabets are 1 (not 1,3): bit lines add binary words"),
    "a bus of a bit": (["--unit", "vn_scalar", "--bus-bits", "1"], "bus_bits must be an integer from 8 to 512, not 1"),
    "a bus of a mac": (["--bus-bits", "0"], "bus_bits must be an integer from 8 to 512, not 0"),
    "operands wider than words": (["--unit", "vn_scalar", "--bus-bits", "8", "--act-bits", "9"], "bus_bits must be at least 9, an operand or an output, not 8"),
    "a memory without room": (["--unit", "vn_scalar", "--depth", "3"], "depth must be at least 5, an output and its operands, not 3"),
    "a bus of an array": (["--unit", "vn_array", "--bus-bits", "513", "--depth", "8192"], "bus_bits must be an integer from 8 to 512, not 513"),
    "a memory without room for a tile": (["--unit", "vn_array", "--depth", "64"], "depth must be at least 2096, a tile, its parameters and a vector, not 64"),
    "unknown unit": (["--unit", "divider"], "unit must be one of multiplier, mac, dot, near_memory, bitline, vn_scalar, vn_array, engine, not 'divider'"),
    "unknown arithmetic": (["--arithmetic", "fuzzy"], "arithmetic must be one of asm, exact, bare, not 'fuzzy'"),
    "unknown weight code": (["--weight-code", "gray"], "weight_code must be one of packed, fields, decoded, not 'gray'"),
    "fields of the exact baseline": (["--arithmetic", "exact", "--weight-code", "fields"], "weight_code 'fields' needs arithmetic asm, not 'exact'"),
    "unknown structure": (["--structure", "ladder"], "structure must be one of heap, greedy, wallace, carry_save, tree, plain, not 'ladder'"),
    "unknown weight form": (["--weight-form", "gray"], "weight_form must be one of one_hot, binary, not 'gray'"),
    "booth of an ASM": (["--weight-form", "booth"], "weight_form must be one of one_hot, binary, not 'booth'"),
    "booth in a tree": (["--arithmetic", "exact", "--weight-form", "booth", "--structure", "tree"], "weight_form 'booth' needs structure heap or carry_save, not 'tree'"),
    "one hot twice": (["--alphabets", "1", "--act-alphabets", "1", "--weight-form", "one_hot"], "weight_form 'one_hot' must be binary where activations are on {1} too"),
    "carry save that saturates": (["--structure", "carry_save", "--overflow", "saturate"], "overflow 'saturate' must be wrap where structure is carry_save"),
    "unknown overflow": (["--overflow", "trap"], "overflow must be one of wrap, saturate, not 'trap'"),
    "name with a slash": (["--name", "../up"], "name '../up' must be a Verilog identifier of at most 128 letters, digits and underscores that starts with no digit"),
    "name with a space": (["--name", "my mac"], "name 'my mac' must be a Verilog identifier of at most 128 letters, digits and underscores that starts with no digit"),
    "name a keyword": (["--name", "module"], "name 'module' must not be a Verilog keyword"),
    "name with a digit first": (["--name", "4mac"], "name '4mac' must be a Verilog identifier of at most 128 letters, digits and underscores that starts with no digit"),
    "empty name": (["--name", ""], "name '' must be a Verilog identifier of at most 128 letters, digits and underscores that starts with no digit"),
    "name too long": (["--name", "m" * 200], f"name {'m' * 200!r} must be a Verilog identifier of at most 128 letters, digits and underscores that starts with no digit"),
    "clock 0": (["--clock-mhz", "0"], "clock_mhz must be from 0.001 to 100000, not 0.0"),
    "clock not a number": (["--clock-mhz", "nan"], "clock_mhz must be from 0.001 to 100000, not nan"),
}  # fmt: skip
# In the words of the library that reads the command line.
LIBRARY_CASES = {
    "weight bits no number": (["--weight-bits", "five"], ["weight-bits", "five"]),
    "act bits float": (["--act-bits", "8.5"], ["act-bits", "8.5"]),
    "act signed no flag": (["--act-signed", "maybe"], ["act-signed", "maybe"]),
    "unknown option": (["--alphabet", "1"], ["--alphabet"]),
    "stray argument": (["mac"], ["mac"]),
}


def called(capsys, *arguments):
    """``asm-hw`` with ``arguments`` in this process: what it left."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["asm-hw", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
    printed = capsys.readouterr()
    return subprocess.CompletedProcess([], stopped.value.code or 0, printed.out, printed.err)


def call(capsys, *arguments):
    """What ``asm-hw`` prints as JSON."""
    result = called(capsys, *arguments, "--json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def assert_refused(result, words):
    assert result.returncode == 2, result.stdout + result.stderr
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.strip().splitlines()) == 1
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr


@pytest.mark.parametrize(("arguments", "sentence"), CASES.values(), ids=CASES)
def test_rtl_refuses_in_one_sentence(cli, tmp_path, arguments, sentence):
    result = cli("rtl", *arguments)
    assert (result.returncode, result.stdout, result.stderr) == (2, "", f"error: {sentence}\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("arguments", "words"), LIBRARY_CASES.values(), ids=LIBRARY_CASES)
def test_rtl_refuses_what_is_no_option_or_no_value_of_it(cli, tmp_path, arguments, words):
    assert_refused(cli("rtl", *arguments), words)
    assert list(tmp_path.iterdir()) == []


def test_output_folder_cases(cli, tmp_path):
    (tmp_path / "file").write_text("content")
    assert_refused(cli("rtl", "--out", "file"), ["out", "file"])
    assert_refused(cli("rtl", "--out", "file/below"), ["out", "file"])
    foreign = tmp_path / "rtl_out" / "mine"
    foreign.mkdir(parents=True)
    (foreign / "thesis.txt").write_text("years of work")
    assert_refused(cli("rtl", "--name", "mine"), ["mine"])
    (tmp_path / "rtl_out" / "plain").write_text("a file")
    assert_refused(cli("rtl", "--name", "plain"), ["plain"])
    (tmp_path / "rtl_out" / "link").symlink_to(foreign)
    assert_refused(cli("rtl", "--name", "link"), ["link"])
    assert (foreign / "thesis.txt").read_text() == "years of work"
    assert sorted(path.name for path in (tmp_path / "rtl_out").iterdir()) == ["link", "mine", "plain"]


def test_unwritable_output(cli):
    assert_refused(cli("rtl", "--out", "/proc/asm_hw"), ["out", "/proc"])


def test_manifest_that_is_not_there(cli, tmp_path):
    assert_refused(cli("manifest", "rtl_out/nowhere"), ["nowhere", "manifest.json"])
    (tmp_path / "manifest.json").write_text("{not json")
    assert_refused(cli("manifest", "."), ["JSON"])
    (tmp_path / "manifest.json").write_text("[]")
    assert_refused(cli("manifest", "."), ["schema version"])
    (tmp_path / "manifest.json").write_text("[" * 100_000)
    assert_refused(cli("manifest", "."), ["JSON"])


def test_other_commands_refuse(cli):
    assert_refused(cli("sim", "no_such_row"), ["no_such_row", "catalogue"])
    assert_refused(cli("sim", "--simulator", "modelsim"), ["simulator", "modelsim"])
    assert_refused(cli("wave", "--simulator", "modelsim"), ["simulator", "modelsim"])
    assert_refused(cli("demo", "--alphabets", "2"), ["alphabet 2", "odd"])
    assert_refused(cli("demo", "--seed", "-1"), ["seed", "-1"])
    assert_refused(cli("demo", "--seed", "9" * 23), ["seed", "9" * 23])
    assert_refused(cli("synth", "--liberty", "absent.lib"), ["liberty", "absent.lib"])
    assert_refused(cli("synth", "--technology", "tsmc5"), ["technology", "tsmc5", "sky130hd"])
    assert_refused(cli("levels", "--weight-bits", "99"), ["weight_bits", ", not 99"])
    assert_refused(cli("frobnicate"), ["frobnicate"])


def test_damaged_manifest(cli, tmp_path):
    assert cli("rtl", "--name", "unit").returncode == 0
    path = tmp_path / "rtl_out" / "unit" / "manifest.json"
    whole = json.loads(path.read_text())
    # A top module names folders that are made and removed: only a plain identifier may.
    for damage in (
        {"ports": [{"name": "x"}]}, {"top": "../elsewhere", "verilog": "../elsewhere.v"},
        {"top": "/abs", "verilog": "/abs.v"}, {"top": "module", "verilog": "module.v"}, {"verilog": "other.v"},
    ):  # fmt: skip
        path.write_text(json.dumps(whole | damage))
        assert_refused(cli("manifest", "rtl_out/unit"), ["manifest", "schema version"])
        with pytest.raises(ParameterError, match="schema version"):
            run_folder(path.parent, "verilator", tmp_path / "build")
    assert not (tmp_path / "build").exists()
    with pytest.raises(ParameterError, match="parameters"):
        config_of(whole | {"parameters": {"weight_bits": 5, "unit": "mac"}})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["demo", "LANES=8"], ["LANES", "demo"]),
        (["train", "LANES=8"], ["LANES", "train", "LEARNING_RATE"]),
        (["synth", "NAME=mine"], ["NAME", "synth"]),
        (["compile", "LANES=8"], ["NETWORK", "Missing"]),
        (["compile", "NETWORK=none.safetensors"], ["'none.safetensors' must be"]),
        (["run", "FOLDER=none"], ["'none/program.json' must be"]),
        (["run", "NETWORK=none"], ["NETWORK", "FOLDER", "BATCH"]),
        (["evaluate", "NETWORK=none", "DATASET=digits"], ["'none'"]),
        (["rtl", "ALPHABETS="], ["ALPHABETS", "value"]),
        (["rtl", "ALPHABET=1"], ["ALPHABET ", "ALPHABETS"]),
        (["test", "UNIT=mac"], ["UNIT", "test"]),
    ],
)
def test_make_refuses(arguments, words):
    """A variable that a target does not take is an error of make, whose status is 2 too."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    result = subprocess.run(["make", *arguments], cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stdout == ""
    for word in words:
        assert word in result.stderr


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: AlphabetSet.of(5), "alphabets must be a list of odd integers, .* not 5"),
        (lambda: AlphabetSet.of(None), "alphabets must be .* not None"),
        (lambda: MacConfig(alphabets={1, 3}), "alphabets must be .* not {1, 3}"),
        (lambda: MacConfig(act_alphabets=3), "act_alphabets: .* not 3"),
        (lambda: MacConfig(act_signed=1), "act_signed must be True or False"),
    ],
)
def test_python_refuses(call, sentence):
    with pytest.raises(ParameterError, match=sentence):
        call()


@pytest.mark.parametrize("arguments", [["sim", "multiplier_asm_1_3_w5_u4"], ["wave"], ["demo"]])
def test_paths_that_make_would_split_are_refused(cli, tmp_path, arguments):
    folder = tmp_path / "with space"
    folder.mkdir()
    assert_refused(cli(*arguments, cwd=folder), ["with space", "no space"])
    assert list(folder.iterdir()) == []

"""Trainings that cannot begin: one sentence, and no folder is left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from test_bad_input import assert_refused, called
from tiny_runs import settings, training

from asm_hw.errors import ParameterError
from asm_hw.training.checkpoint import read_state
from asm_hw.training.distributed import Group
from asm_hw.training.recipes import recipe_for

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--device", "tpu"], ["device", "'tpu'"]),
        (["--device", "hpu"], ["device", "'hpu'"]),
        (["--device", "meta"], ["device", "'meta'"]),
        (["--model", "resnet9"], ["model", "'resnet9'"]),
        (["--batch", "100000"], ["batch", ", not 100000"]),
        (["--alphabets", "1", "--init", "weights.pth"], ["init", "tensors alone"]),
    ],
)
def test_what_cannot_begin_leaves_no_folder(cli, tmp_path, arguments, words):
    (tmp_path / "weights.pth").write_text("no weights")
    given = ["train", "--dataset", "digits", "--model", "digits_cnn", "--out", "run", *arguments]
    assert_refused(cli(*given), words)
    assert not (tmp_path / "run").exists()


def test_a_recipe_of_other_settings_is_refused_by_the_name_of_the_setting(tmp_path):
    training(tmp_path, settings()).run()
    with pytest.raises(ParameterError, match=r"weight_decay must be .*, with which .* was begun, not 0.5"):
        training(tmp_path, settings(recipe={"weight_decay": 0.5}))


def test_a_batch_that_processes_cannot_share_is_refused():
    assert [Group(rank, 3).part(12) for rank in range(3)] == [slice(0, 4), slice(4, 8), slice(8, 12)]
    with pytest.raises(ParameterError, match="batch must be a multiple of the 3 processes, not 16"):
        Group(0, 3).part(16)


class Evil:
    def __reduce__(self):
        return (os.mkdir, ("evil",))


def test_a_start_runs_no_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": Evil()}, "init.pt")
    with pytest.raises(ParameterError, match=r"init 'init.pt' must be a file of tensors"):
        read_state(Path("init.pt"))
    assert not Path("evil").exists()


def test_recipes_scale_and_refuse():
    assert recipe_for("resnet20", 32, True, epochs=10).settle == 3
    assert recipe_for("resnet18", 224, False).epochs == 90
    assert recipe_for("anything:else", 32, False, batch=64).batch == 64
    for wrong, sentence in [
        ({"epochs": 0}, "epochs must be an integer from 1"),
        ({"distill": 2.0}, "distill must be a number from 0 to 1"),
        ({"learning_rate": float("nan")}, "learning_rate must be a number above 0"),
        ({"precision": "float16"}, "precision must be one of float32, bfloat16"),
        ({"epochs": 3, "settle": 3}, "settle must be below epochs, which are 3, not 3"),
    ]:
        with pytest.raises(ParameterError, match=sentence):
            recipe_for("resnet20", 32, True, **wrong)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "resnet21"], ["model", "resnet20", "resnet21"]),
        (["--model", "no_such:thing"], ["model", "no_such:thing"]),
        (["--model", "tiny_training:not_a_model"], ["model", "int"]),
        (["--dataset", "cifar11"], ["dataset", "cifar11"]),
        (["--dataset", "folder:nowhere"], ["nowhere"]),
        (["--dataset", "os:getcwd"], ["dataset", "Splits"]),
        (["--alphabets", "1,4"], ["alphabet 4", "odd"]),
        (["--weight-bits", "99", "--alphabets", "1"], ["weight_bits", ", not 99"]),
        (["--act-alphabets", "2", "--alphabets", "1"], ["alphabet 2", "odd"]),
        (["--epochs", "0"], ["epochs", ", not 0"]),
        (["--batch", "1000"], ["batch", "461", ", not 1000"]),
        (["--learning-rate", "-1"], ["learning_rate", ", not -1.0"]),
        (["--seed", "-1"], ["seed", ", not -1"]),
        (["--save-seconds", "nan"], ["save_seconds", "nan"]),
        (["--threads", "0"], ["threads", ", not 0"]),
        (["--distill", "0.5"], ["distill", "where no alphabets are given"]),
        (["--hold-out", "512"], ["hold_out", ", not 512"]),
        (["--init", "nowhere.safetensors"], ["init", "nowhere.safetensors"]),
        (["--out", "/proc/asm_hw"], ["out", "/proc"]),
        (["--learning-rate", "1e30", "--warmup", "0"], ["learning_rate", "finite"]),
        (["--model", "resnet8"], ["model 'resnet8'", "images [1, 8, 8]"]),
        (["--model", "tiny_training:two_logits"], ["model", "4 logits an image, not shape [2]"]),
        (["--model", "os:getcwd"], ["model 'os:getcwd'", "number of classes"]),
        (["--model", "tiny_training:with_group_norm", "--alphabets", "1"], ["module '1'", "GroupNorm"]),
    ],
    ids=lambda value: " ".join(value) if value and value[0].startswith("--") else "",
)
def test_train_refuses(capsys, tmp_path, arguments, words):
    base = ["--model", "tiny_training:with_norm", "--dataset", "tiny_training:splits", "--out", str(tmp_path / "run")]
    assert_refused(called(capsys, "train", *base, *arguments), words)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        ("labels_too_large", ["labels", "from 0 to 2, not 3"]),
        ("no_test", ["test of a data set", "at least one image"]),
        ("other_size", ["image_size", "8, not 32"]),
        ("takes_something", ["dataset 'wrong_data:takes_something'", "takes nothing"]),
        ("not_numbers", ["images", "finite numbers"]),
    ],
)
def test_data_that_nobody_can_train_on_is_refused(capsys, tmp_path, dataset, words):
    given = ["--model", "tiny_training:plain", "--epochs", "1", "--batch", "32", "--out", str(tmp_path / "run")]
    assert_refused(called(capsys, "train", *given, "--dataset", f"wrong_data:{dataset}"), words)
    assert not (tmp_path / "run").exists()


def test_labels_of_the_test_set_are_checked(capsys, tmp_path):
    given = ["--model", "tiny_training:plain", "--epochs", "1", "--batch", "32", "--out", str(tmp_path)]
    outcome = called(capsys, "train", *given, "--dataset", "wrong_data:test_labels_too_large")
    assert outcome.returncode == 2 and "labels of the data set must be from 0 to 3, not -1" in outcome.stderr


def test_missing_data_is_one_sentence(cli, tmp_path):
    result = cli("train", "--out", tmp_path / "run", ASM_HW_DATA=str(tmp_path))
    assert_refused(result, ["ASM_HW_DATA", "cifar10"])
    assert not (tmp_path / "run").exists()

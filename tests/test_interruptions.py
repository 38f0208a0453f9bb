"""Trainings that are interrupted and go on, on a CPU and on a GPU."""

from __future__ import annotations

import dataclasses
import json
import random
import signal
import subprocess
import time

import pytest
import tiny_training
import torch
from tiny_runs import HERE, TINY, Interrupted, command, environment, equal, run, settings, training

from asm_hw.cli.commands import cli
from asm_hw.errors import ParameterError
from asm_hw.training.checkpoint import read_tensors, write_atomic, write_tensors
from asm_hw.training.distributed import Group
from asm_hw.training.run_folder import CHECKPOINT, WEIGHTS, WRITABLE, finished_result, make_run_folder
from asm_hw.training.training_run import Training

pytestmark = pytest.mark.usefixtures("one_thread")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


QUANTIZED = {"alphabets": (1, 3), "recipe": {"settle": 1, "distill": 0.5}}


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        ("with_norm", {}),
        ("with_dropout", {}),
        ("with_norm", QUANTIZED),
        ("plain", {"recipe": {"precision": "bfloat16"}}),
        ("Inverted", QUANTIZED),
    ],
    ids=["norm", "dropout", "quantized", "bfloat16", "inverted"],
)
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])
@pytest.mark.parametrize("stops", [(1,), (14, 28), (5, 29, 30, 41)], ids=str)
def test_an_interrupted_training_ends_with_the_same_weights(tmp_path, model, changes, stops, device):
    """Epochs have 14 steps; the scales freeze after 28: stops fall on, before and behind such borders."""
    chosen = settings(model, **changes)
    init = tmp_path / "init.safetensors"
    if "alphabets" in changes:
        training(tmp_path / "float", settings(model, epochs=2)).run()
        init = tmp_path / "float" / WEIGHTS
    begin = {"device": device} | ({"init": init} if "alphabets" in changes else {})
    training(tmp_path / "whole", chosen, **begin).run()
    total = 0

    def stop_at(wanted):
        def tick(done, steps, loss):
            nonlocal total
            total += 1
            if total == wanted:
                raise Interrupted

        return tick

    for stop in stops:
        with pytest.raises(Interrupted):
            training(tmp_path / "parts", chosen, **begin).run(tick=stop_at(stop))
        # The step before the exception is in no checkpoint: it is made again.
        total = (
            read_tensors(tmp_path / "parts" / CHECKPOINT)[1]["step"]
            if (tmp_path / "parts" / CHECKPOINT).exists()
            else 0
        )
    training(tmp_path / "parts", chosen, **begin).run()
    assert equal(tmp_path / "whole", tmp_path / "parts")
    histories = [training(tmp_path / name, chosen, **begin).history for name in ("whole", "parts")]
    assert [(row.epoch, row.loss, row.held_out_accuracy) for row in histories[0]] == [
        (row.epoch, row.loss, row.held_out_accuracy) for row in histories[1]
    ]


@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=pytest.mark.full)])
def test_killed_at_random_moments_and_started_again(tmp_path, kills):
    """SIGKILL while every step writes a checkpoint: many of the moments fall into writing."""
    options = [
        "--model",
        "tiny_training:with_norm",
        "--alphabets",
        "1,3",
        "--epochs",
        12 * kills,
        "--settle",
        4 * kills,
    ]
    training(tmp_path / "float", settings(epochs=2)).run()
    options += ["--init", tmp_path / "float"]
    run(*options, "--out", tmp_path / "whole")
    moments = random.Random(5)
    folder = tmp_path / "parts"
    reached = []
    for _ in range(kills):
        process = subprocess.Popen(
            command(*options, "--out", folder), cwd=HERE, env=environment(), stderr=subprocess.DEVNULL
        )
        before = written(folder)
        while written(folder) == before and process.poll() is None:
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.6))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "the training ended before it was killed"
        reached.append(read_tensors(folder / CHECKPOINT)[1]["step"])
    assert not (folder / WEIGHTS).exists() and reached == sorted(set(reached))
    run(*options, "--out", folder)
    assert (folder / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()
    results = [json.loads((path / "result.json").read_text()) for path in (folder, tmp_path / "whole")]
    assert results[0]["test"]["integers_sha256"] == results[1]["test"]["integers_sha256"]


def written(folder):
    try:
        return (folder / CHECKPOINT).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    training(tmp_path, settings()).run()
    with pytest.raises(ParameterError, match=r"seed must be 0, with which .* was begun, not 1"):
        training(tmp_path, settings(seed=1))
    (tmp_path / CHECKPOINT).write_bytes((tmp_path / CHECKPOINT).read_bytes()[:-100])
    with pytest.raises(ParameterError, match=r"checkpoint .* must be a whole safetensors file"):
        training(tmp_path, settings())
    write_tensors(tmp_path / CHECKPOINT, {"x": torch.zeros(1)}, {})
    with pytest.raises(ParameterError, match="out must hold nothing"):
        training(tmp_path, settings())


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_atomic(path, b"old")
    (tmp_path / "file.part").mkdir()
    with pytest.raises(OSError):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"


def test_a_run_goes_on_with_its_own_images_and_processes(tmp_path):
    """Neither is in the weights' names or shapes."""
    made = training(tmp_path, settings())
    made.save()
    other = tiny_training.splits()
    with pytest.raises(ParameterError, match=r"training_images must be '.*', with which .* was begun"):
        Training(settings(), dataclasses.replace(other, train=other.test), tmp_path)
    with pytest.raises(ParameterError, match=r"processes must be 1, with which .* was begun, not 2"):
        training(tmp_path, settings(), group=Group(0, 2))
    with pytest.raises(ParameterError, match=r"device must be 'cuda', with which .* was begun, not 'cpu'"):
        made.origin["device"] = "cuda"
        made.save()
        training(tmp_path, settings())
    del made.origin["device"]  # as files before there was a choice
    made.save()
    training(tmp_path, settings())
    with pytest.raises(ParameterError, match=r"image_size must be None, with which .* was begun, not 8"):
        training(tmp_path, settings(image_size=8))


def test_a_result_names_every_environment_that_it_was_made_in(tmp_path, monkeypatch):
    """The code that trained, not the code at the end."""
    arguments = ["train", *TINY, "--model", "tiny_training:plain", "--epochs", "2", "--out", str(tmp_path / "run")]

    def stop(self, row, folder):
        raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr("asm_hw.training.training_run.environment", lambda device: {"commit": "first"})
        patch.setattr("asm_hw.cli.train_command._Display.report", stop)
        with pytest.raises(Interrupted):
            cli.main(arguments, standalone_mode=False)
    cli.main(arguments, standalone_mode=False)
    made = json.loads((tmp_path / "run" / "result.json").read_text())["provenance"]
    assert made["commit"] == "first"
    assert [one["device"] for one in made["resumed_in"]] == ["cpu"]


def test_a_result_of_other_images_is_refused(tmp_path):
    """Settings do not tell two folders of images apart."""
    run("--model", "tiny_training:plain", "--epochs", "1", "--out", tmp_path)
    chosen = json.loads((tmp_path / "result.json").read_text())["settings"]
    splits = tiny_training.splits()
    assert finished_result(tmp_path, chosen, splits)
    with pytest.raises(ParameterError, match=r"dataset must be the images of .* give another --out"):
        finished_result(tmp_path, chosen, dataclasses.replace(splits, test=splits.train))


def test_a_folder_that_was_being_tried_is_still_that_of_a_run(tmp_path):
    (tmp_path / WRITABLE).touch()
    make_run_folder(tmp_path)
    assert not list(tmp_path.iterdir())

"""Trainings of several processes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import tiny_training
import torch
from tiny_runs import HERE, command, environment, run, settings, training

from asm_hw.errors import ParameterError
from asm_hw.training.checkpoint import load_state, read_state, read_tensors
from asm_hw.training.distributed import process_group
from asm_hw.training.evaluate import evaluate
from asm_hw.training.models import make_model
from asm_hw.training.run_folder import CHECKPOINT, WEIGHTS

pytestmark = pytest.mark.usefixtures("one_thread")
LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


@pytest.mark.parametrize("quantized", [False, True], ids=["float", "quantized"])
def test_two_processes_train_like_one_with_twice_the_batch(tmp_path, quantized):
    options = ["--model", "tiny_training:plain", "--epochs", "2", "--learning-rate", "0.02"]
    if quantized:
        training(tmp_path / "float", settings("plain")).run()
        options += ["--alphabets", "1,3", "--settle", "0", "--init", tmp_path / "float"]
    run(*options, "--out", tmp_path / "one")
    two = [*LAUNCH, *command(*options, "--out", tmp_path / "two")[1:]]
    done = subprocess.run(two, cwd=HERE, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # Before scales are frozen, which is a choice between levels and may fall differently.
    one, other = (read_tensors(tmp_path / name / CHECKPOINT)[0] for name in ("one", "two"))
    # The last bits in which sums over processes differ turn single roundings over; Adam makes of a gradient near
    # zero a step of the whole rate (0.002), so that scales may be some steps apart.
    for name in (name for name in one if name.startswith("model.")):
        tolerance = 1e-5 if not quantized else 0.01 if name.endswith("log2_scale") else 2e-3
        assert (one[name] - other[name]).abs().max().item() < tolerance, name
    if not quantized:  # far more than the tolerance was learned
        begun = make_model("tiny_training:plain", 4, 8, 0).state_dict()
        assert max((one[f"model.{name}"] - value).abs().max().item() for name, value in begun.items()) > 0.01
    results = [json.loads((tmp_path / name / "result.json").read_text()) for name in ("one", "two")]
    assert [result["provenance"]["processes"] for result in results] == [1, 2]
    assert abs(results[0]["history"][-1]["loss"] - results[1]["history"][-1]["loss"]) < 1e-4


def test_processes_have_one_model_with_norms(tmp_path):
    """Running statistics are those of the first, also while the others evaluate; then frozen, with a teacher."""
    options = ["--model", "tiny_training:with_norm", "--epochs", "2", "--settle", "1", "--distill", "0.5"]
    options += ["--alphabets", "1,3", "--out", tmp_path]
    done = subprocess.run(
        [*LAUNCH, *command(*options)[1:]], cwd=HERE, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    splits = tiny_training.splits()
    model = tiny_training.with_norm(4)
    load_state(model, read_state(tmp_path / "float" / WEIGHTS), "float")
    begun, ended = (json.loads((folder / "result.json").read_text()) for folder in (tmp_path / "float", tmp_path))
    assert begun["history"][-1]["held_out_accuracy"] == evaluate(model, splits.held_out)
    assert ended["test"]["agreement_percent"] == 100 and ended["test"]["integer_percent"] > 90


def test_processes_that_do_not_share_a_folder_are_refused(tmp_path):
    script = tmp_path / "agree.py"
    script.write_text(
        "from asm_hw.training.distributed import process_group\n"
        "with process_group() as group:\n"
        "    group.agree('out', 'step 3')\n"
        "    group.agree('out', f'step {group.rank}')\n"
    )
    done = subprocess.run([*LAUNCH, str(script)], env=environment(), capture_output=True, text=True)
    assert done.returncode != 0
    assert "out must be a folder that all processes share, and they found step 0, step 1" in done.stderr


def test_a_gpu_of_several_processes_is_not_numbered(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ParameterError, match=r"device must be cuda where several processes .* not 'cuda:0'"):
        process_group("cuda:0").__enter__()
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(ParameterError, match="processes on a machine must be at most its 1 GPUs, not 2 or more"):
        process_group("cuda").__enter__()

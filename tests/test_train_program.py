"""The training program: recipes, starts, results."""

from __future__ import annotations

import json
import shlex
import sys

import pytest
import tiny_training
import torch
from test_bad_input import call
from tiny_runs import TINY, Interrupted, equal, run, settings, training

from asm_hw.cli import main
from asm_hw.errors import ParameterError
from asm_hw.training.checkpoint import load_state, read_state, read_tensors
from asm_hw.training.convert import convert
from asm_hw.training.data import load_data
from asm_hw.training.evaluate import compare_with_integers
from asm_hw.training.recipes import recipe_for
from asm_hw.training.run_folder import CHECKPOINT, INTEGERS, WEIGHTS
from asm_hw.training.run_settings import TrainingSettings
from asm_hw.training.training_run import Training

pytestmark = pytest.mark.usefixtures("one_thread")


# Large images.


@pytest.mark.parametrize(
    ("model", "quantized"),
    [
        ("resnet18", False),
        ("mobilenet_v2", False),
        pytest.param("resnet18", True, marks=pytest.mark.full),
    ],
)
def test_the_imagenet_recipe_on_a_small_folder(tmp_path, model, quantized):
    """Loader, schedule, stems with strides and an interruption, on 3 steps of 8 images; then integers."""
    Image = pytest.importorskip("PIL.Image")
    for part, count in (("train", 14), ("val", 4)):
        for label, name in enumerate(["dark", "light"]):
            (tmp_path / part / name).mkdir(parents=True)
            for i in range(count):
                Image.new("RGB", (80 + i, 90), (200 * label, 30 + i, 40)).save(tmp_path / part / name / f"{i}.png")
    splits = load_data(f"folder:{tmp_path}", held_out=4, image_size=72)
    recipe = recipe_for(model, 72, quantized, epochs=1, batch=8)
    assert (recipe.distill == 0.5 if quantized else recipe.label_smoothing == 0.1) and recipe.precision == "bfloat16"
    chosen = TrainingSettings(model=model, dataset="folder", recipe=recipe, alphabets=(1, 3) if quantized else None)

    def interrupt(done, steps, loss):
        if done == 2:
            raise Interrupted

    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    Training(chosen, splits, tmp_path / "whole").run()
    with pytest.raises(Interrupted):
        Training(chosen, splits, tmp_path / "parts", save_seconds=0).run(tick=interrupt)
    assert read_tensors(tmp_path / "parts" / CHECKPOINT)[1]["step"] == 1
    resumed = Training(chosen, splits, tmp_path / "parts")
    resumed.run()
    assert equal(tmp_path / "whole", tmp_path / "parts") and resumed.step == 3
    assert resumed.history[0].held_out_accuracy is not None
    if quantized:
        assert compare_with_integers(resumed.model, convert(resumed.model), splits.test)["agreement_percent"] == 100


def test_the_rate_rises_and_falls_to_nothing(tmp_path):
    made = training(tmp_path, settings(epochs=4, recipe={"warmup": 0.25}))
    rates = []
    for step in range(4 * made.steps):
        made.step = step
        rates.append(made.learning_rate())
    top = rates.index(max(rates))
    assert made.steps == 14 and top == 14 and max(rates) == 0.1
    assert rates[: top + 1] == sorted(rates[: top + 1]) and rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[0] == pytest.approx(0.001) and rates[-1] < 0.001


def test_gradients_are_clipped_once_norms_are_frozen(tmp_path):
    chosen = settings(alphabets=(1, 3), epochs=2, recipe={"settle": 1, "learning_rate": 1e-6})
    made = training(tmp_path, chosen)
    images, labels = tiny_training.splits().train.images[:32], torch.zeros(32, dtype=torch.int64)
    norms = []
    for step in (0, made.frozen_at):
        made.step = step
        made._freeze_when_due()
        made.train_on(made.model.train(), 50 * images.float(), labels)
        grads = [p.grad for p in made.model.parameters() if p.requires_grad]
        norms.append(torch.stack([grad.float().norm() for grad in grads]).norm().item())
    assert norms[0] > 2 and norms[1] == pytest.approx(1, abs=1e-4)


# Results and starts.


def test_the_command_of_a_result_makes_it_again(capsys, tmp_path):
    first = call(capsys, "train", *TINY, "--model", "tiny_training:plain", "--epochs", "1", "--out", tmp_path / "a")
    again = call(capsys, *shlex.split(first["command"])[1:], "--out", tmp_path / "b")
    assert again["settings"] == first["settings"] and equal(tmp_path / "a", tmp_path / "b")


def test_the_result_says_what_it_was_made_from(tmp_path):
    options = ["--model", "tiny_training:with_norm", "--alphabets", "1", "--epochs", "3", "--out", tmp_path, "--json"]
    printed = json.loads(run(*options).stdout)
    assert printed == json.loads((tmp_path / "result.json").read_text())
    assert printed["settings"]["alphabets"] == [1] and printed["settings"]["recipe"]["epochs"] == 3
    assert printed["test"]["images"] == 128 and printed["test"]["integer_percent"] > 90
    assert printed["test"]["agreement_percent"] > 99 and printed["test"]["largest_logit_difference_steps"] <= 1
    words = shlex.split(printed["command"])
    again = dict(zip(words[2::2], words[3::2], strict=True))
    names = ("--model", "--alphabets", "--epochs", "--seed", "--batch")
    assert [again[name] for name in names] == ["tiny_training:with_norm", "1", "3", "0", "32"]
    assert printed["provenance"]["data"]["held_out"]["images"] == 51
    assert str(tmp_path) not in json.dumps(printed)
    assert (tmp_path / "float" / "result.json").exists()  # without one, a float training comes first
    changed = (tmp_path / WEIGHTS).stat().st_mtime_ns
    assert json.loads(run(*options).stdout) == printed
    assert (tmp_path / WEIGHTS).stat().st_mtime_ns == changed


def test_float_starts_load_from_other_programs(tmp_path):
    model = tiny_training.with_norm(4)
    state = {f"module.{name}": value for name, value in model.state_dict().items()}
    torch.save({"state_dict": state, "best": 1.0}, tmp_path / "init.th")
    loaded = read_state(tmp_path / "init.th")
    assert loaded.keys() == model.state_dict().keys()
    del loaded["1.num_batches_tracked"]  # older files lack it
    load_state(model, loaded, "init")
    with pytest.raises(ParameterError, match=r"init must fit the model: it lacks '0.weight'"):
        load_state(model, {name: value for name, value in loaded.items() if name != "0.weight"}, "init")
    with pytest.raises(ParameterError, match=r"'0.weight' must have shape \[8, 1, 3, 3\], not \[8, 1, 5, 5\]"):
        load_state(model, loaded | {"0.weight": torch.zeros(8, 1, 5, 5)}, "init")


def test_files_of_a_finished_run_are_made_again(tmp_path):
    options = ["--model", "tiny_training:plain", "--alphabets", "1", "--epochs", "2", "--out", tmp_path]
    run(*options)
    made = {name: (tmp_path / name).read_bytes() for name in (WEIGHTS, INTEGERS)}
    for name in made:
        (tmp_path / name).unlink()
    assert "nothing was trained" in " ".join(run(*options).stderr.split())
    assert made == {name: (tmp_path / name).read_bytes() for name in made}


def test_curves_for_tensorboard(monkeypatch, tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    monkeypatch.setenv("ASM_HW_MODEL", "tiny_training:plain")  # as make passes it on
    monkeypatch.setattr(
        sys, "argv", ["asm-hw", "train", *TINY, "--epochs", "3", "--out", str(tmp_path), "--tensorboard"]
    )
    with pytest.raises(SystemExit):
        main()
    read = events.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in read.Scalars("loss")] == [1, 2, 3]
    result = json.loads((tmp_path / "result.json").read_text())
    losses = [row["loss"] for row in result["history"]]
    assert [event.value for event in read.Scalars("loss")] == pytest.approx(losses)
    assert result["settings"]["model"] == "tiny_training:plain"

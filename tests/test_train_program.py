"""The training program: interruptions, several processes, results, bad input."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny_training
import torch
from asm_hw.training.checkpoint import load_state, read_state, read_tensors, write_atomic, write_tensors
from asm_hw.training.data import load_data
from asm_hw.training.distributed import Group
from asm_hw.training.models import make_model
from asm_hw.training.program import CHECKPOINT, WEIGHTS, Settings, Training
from asm_hw.training.recipes import Recipe, recipe_for
from test_bad_input import assert_refused, call, called

from asm_hw.cli import main
from asm_hw.errors import ParameterError

HERE = Path(__file__).resolve().parent
TINY = ["--dataset", "tiny_training:splits", "--batch", "32", "--threads", "1", "--save-seconds", "0"]

pytestmark = pytest.mark.usefixtures("one_thread")


def settings(model="with_norm", **changes):
    recipe = Recipe(epochs=changes.pop("epochs", 3), batch=32, **changes.pop("recipe", {}))
    return Settings(model=f"tiny_training:{model}", dataset="tiny_training:splits", recipe=recipe, **changes)


def training(folder, chosen, **options):
    folder.mkdir(exist_ok=True)
    return Training(chosen, tiny_training.splits(), folder, save_seconds=0, **options)


def equal(one, other):
    one, other = (read_tensors(folder / WEIGHTS)[0] for folder in (one, other))
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# Interruptions.


class Interrupted(Exception):
    pass


QUANTIZED = {"alphabets": (1, 3), "recipe": {"settle": 1, "distill": 0.5}}


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        ("with_norm", {}),
        ("with_dropout", {}),
        ("with_norm", QUANTIZED),
        ("plain", {"recipe": {"precision": "bfloat16"}}),
    ],
    ids=["norm", "dropout", "quantized", "bfloat16"],
)
@pytest.mark.parametrize("stops", [(1,), (14, 28), (5, 29, 30, 41)], ids=str)
def test_an_interrupted_training_ends_with_the_same_weights(tmp_path, model, changes, stops):
    """Epochs have 14 steps; the scales freeze after 28: stops fall on, before and behind such borders."""
    chosen = settings(model, **changes)
    init = tmp_path / "init.safetensors"
    if "alphabets" in changes:
        training(tmp_path / "float", settings(model, epochs=2)).run()
        init = tmp_path / "float" / WEIGHTS
    begin = {"init": init} if "alphabets" in changes else {}
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


def command(*arguments):
    return [sys.executable, "-m", "asm_hw.cli", "train", *TINY, *map(str, arguments)]


def environment(**more):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ASM_HW_")}
    return clean | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"} | more


def run(*arguments):
    done = subprocess.run(command(*arguments), cwd=HERE, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


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


# Several processes.


@pytest.mark.parametrize("quantized", [False, True], ids=["float", "quantized"])
def test_two_processes_train_like_one_with_twice_the_batch(tmp_path, quantized):
    options = ["--model", "tiny_training:plain", "--epochs", "2", "--settle", "0", "--learning-rate", "0.02"]
    if quantized:
        training(tmp_path / "float", settings("plain")).run()
        options += ["--alphabets", "1,3", "--init", tmp_path / "float"]
    run(*options, "--out", tmp_path / "one")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    two = [*launch, *command(*options, "--out", tmp_path / "two")[1:]]
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


@pytest.mark.parametrize(("arguments", "words"), [
    (["--device", "tpu"], ["device", "'tpu'"]),
    (["--device", "hpu"], ["device", "'hpu'"]),
    (["--device", "meta"], ["device", "'meta'"]),
    (["--model", "resnet9"], ["model", "'resnet9'"]),
    (["--batch", "100000"], ["batch", "100000"]),
    (["--alphabets", "1", "--init", "weights.pth"], ["init", "tensors alone"]),
])  # fmt: skip
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


# Large images.


@pytest.mark.parametrize("model", ["resnet18", "mobilenet_v2"])
def test_the_imagenet_recipe_on_a_small_folder(tmp_path, model):
    """Loader, schedule, stems with strides and an interruption, on 3 steps of 8 images."""
    Image = pytest.importorskip("PIL.Image")
    for part, count in (("train", 14), ("val", 4)):
        for label, name in enumerate(["dark", "light"]):
            (tmp_path / part / name).mkdir(parents=True)
            for i in range(count):
                Image.new("RGB", (80 + i, 90), (200 * label, 30 + i, 40)).save(tmp_path / part / name / f"{i}.png")
    splits = load_data(f"folder:{tmp_path}", held_out=4, image_size=72)
    recipe = recipe_for(model, 72, False, epochs=1, batch=8)
    assert recipe.label_smoothing == 0.1 and recipe.precision == "bfloat16"
    chosen = Settings(model=model, dataset="folder", recipe=recipe)

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
        made._step(made.model.train(), 50 * images.float(), labels)
        grads = [p.grad for p in made.model.parameters() if p.requires_grad]
        norms.append(torch.stack([grad.float().norm() for grad in grads]).norm().item())
    assert norms[0] > 2 and norms[1] == pytest.approx(1, abs=1e-4)


def test_a_run_goes_on_with_its_own_images_and_processes(tmp_path):
    """Neither is in the weights' names or shapes."""
    made = training(tmp_path, settings())
    made.save()
    other = tiny_training.splits()
    with pytest.raises(ParameterError, match=r"training_images must be '.*', with which .* was begun"):
        Training(settings(), dataclasses.replace(other, train=other.test), tmp_path)
    with pytest.raises(ParameterError, match=r"processes must be 1, with which .* was begun, not 2"):
        training(tmp_path, settings(), group=Group(0, 2))
    with pytest.raises(ParameterError, match=r"image_size must be None, with which .* was begun, not 8"):
        training(tmp_path, settings(image_size=8))


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
    assert recipe_for("resnet20", 32, True, epochs=20).settle == 6
    assert recipe_for("resnet18", 224, False).epochs == 90
    assert recipe_for("anything:else", 32, False, batch=64).batch == 64
    for wrong, sentence in [
        ({"epochs": 0}, "epochs must be an integer from 1"), ({"distill": 2.0}, "distill must be a number from 0 to 1"),
        ({"learning_rate": float("nan")}, "learning_rate must be a number above 0"),
        ({"precision": "float16"}, "precision must be one of float32, bfloat16"),
        ({"epochs": 3, "settle": 3}, "settle must be an integer from 0 to 2"),
    ]:  # fmt: skip
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
        (["--alphabets", "1,4"], ["alphabet", "4", "odd"]),
        (["--weight-bits", "99", "--alphabets", "1"], ["weight_bits", "99"]),
        (["--act-alphabets", "2", "--alphabets", "1"], ["2", "odd"]),
        (["--epochs", "0"], ["epochs", "0"]),
        (["--batch", "1000"], ["batch", "461", "1000"]),
        (["--learning-rate", "-1"], ["learning_rate", "-1"]),
        (["--seed", "-1"], ["seed", "-1"]),
        (["--threads", "0"], ["threads", "0"]),
        (["--hold-out", "512"], ["hold_out", "512"]),
        (["--init", "nowhere.safetensors"], ["init", "nowhere.safetensors"]),
        (["--out", "/proc/asm_hw"], ["out", "/proc"]),
        (["--learning-rate", "1e30", "--warmup", "0"], ["learning_rate", "finite"]),
        (["--model", "resnet8"], ["model 'resnet8'", "images [1, 8, 8]"]),
        (["--model", "tiny_training:two_logits"], ["model", "4 logits an image, not shape [2]"]),
        (["--model", "os:getcwd"], ["model 'os:getcwd'", "number of classes"]),
        (["--model", "tiny_training:with_gelu", "--alphabets", "1"], ["module '1'", "GELU"]),
    ],
    ids=lambda value: " ".join(value) if value and value[0].startswith("--") else "",
)
def test_train_refuses(capsys, tmp_path, arguments, words):
    base = ["--model", "tiny_training:with_norm", "--dataset", "tiny_training:splits", "--out", str(tmp_path / "run")]
    assert_refused(called(capsys, "train", *base, *arguments), words)
    assert not (tmp_path / "run" / WEIGHTS).exists()


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


def test_missing_data_is_one_sentence(cli, tmp_path):
    result = cli("train", "--out", tmp_path / "run", ASM_HW_DATA=str(tmp_path))
    assert_refused(result, ["ASM_HW_DATA", "cifar10"])
    assert not (tmp_path / "run").exists()

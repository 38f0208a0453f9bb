"""The training program: one run from its settings to a result, which an interruption does not change.

A run is a function of its `TrainingSettings`: data order, augmentation and dropout follow from the seed and the
number of the step, and everything else that training goes on from is in the checkpoint. So a run that
was killed and started again ends with the same weights, to the bit, on the same number of threads; on a
GPU as well (`device.repeatable`), on one of the same kind.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from asm_hw.errors import ParameterError
from asm_hw.training.data.images import Splits, mix, seeded

from .checkpoint import pack, read_tensors, unpack, write_tensors
from .device import repeatable
from .distributed import Group
from .evaluate import evaluate
from .freeze import freeze, settle
from .model_checks import check_labelled
from .optimize import loss_of, make_optimizers, rate_at
from .prepare import prepare
from .provenance import environment
from .run_folder import CHECKPOINT, WEIGHTS
from .run_settings import TrainingSettings, check_same
from .training_start import begin_model, check_batch, first_images

SETTLE_NORM = 1.0
"""The gradient's norm at most, once norms are frozen: ResNet-8 diverged without, at rates that were fine before."""

SAMPLE = 512
"""Training images on which activation scales are fitted."""


@dataclass
class Epoch:
    """What a run came to with one epoch; accuracies are shares of 1, loss is the mean over the epoch's steps.

    ``learning_rate``: of the step that follows. ``seconds``: of the training so far.
    """

    epoch: int
    loss: float
    held_out_accuracy: float | None
    learning_rate: float
    seconds: float


Report = Callable[[Epoch], None]
Tick = Callable[[int, int, float], None]
"""Called after a step with its number in the epoch, the steps of an epoch and the loss."""


class Training:
    """One run in ``folder``: build or resume, train, leave the weights in ``model.safetensors``."""

    def __init__(
        self,
        settings: TrainingSettings,
        splits: Splits,
        folder: Path,
        init: Path | None = None,
        group: Group | None = None,
        save_seconds: float = 60.0,
        device: str = "cpu",
    ) -> None:
        self.settings, self.splits, self.folder = settings, splits, folder
        self.group, self.save_seconds, self.device = group or Group(), save_seconds, device
        self.recipe = recipe = settings.recipe
        self.rows = self.group.part(recipe.batch)
        self.steps = len(splits.train) // recipe.batch
        check_batch(recipe.batch, splits)
        self.frozen_at = (recipe.epochs - recipe.settle) * self.steps
        self.history: list[Epoch] = []
        self.step, self.losses, self.seconds = 0, 0.0, 0.0
        self.threads = torch.get_num_threads()
        self.origin = {
            "training_images": splits.train.fingerprint(),
            "processes": self.group.size,
            "device": torch.device(device).type,
        }
        self.environments = [environment(device)]
        with repeatable(device):
            self._build(init)
            if (folder / CHECKPOINT).exists():
                self._resume()
        self.group.agree("out", f"step {self.step}")

    # Building.

    def _build(self, init: Path | None) -> None:
        """The model, its teacher and its optimizers as a fresh run begins with them."""
        settings = self.settings
        begun = begin_model(settings.model, self.splits, init, settings.seed)
        self.model = begun.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.teacher: nn.Module | None = None
        if settings.alphabets is not None:
            if self.recipe.distill:
                self.teacher = copy.deepcopy(self.model).eval()
            self.model = prepare(self.model, self.sample(), **settings.prepare_arguments())
        self.optimizers = make_optimizers(self.model, self.recipe)

    def sample(self) -> Tensor:
        """The first `SAMPLE` training images as the model takes them."""
        return first_images(self.splits.train, SAMPLE)[0].to(self.device)

    def _resume(self) -> None:
        tensors, saved = read_tensors(self.folder / CHECKPOINT)
        found, wanted = saved.get("settings"), self.settings.as_json() | self.origin
        check_same(found and found | {"device": "cpu"} | saved.get("origin", {}), wanted, self.folder / CHECKPOINT)
        self.step, self.losses, self.seconds = saved["step"], saved["losses"], saved["seconds"]
        self.history = [Epoch(**row) for row in saved["history"]]
        self.threads = saved["threads"]
        before = saved.get("environments", [])
        self.environments = before if before[-1:] == self.environments else before + self.environments
        if self.settings.alphabets is not None and self.step > self.frozen_at:
            freeze(self.model)
        unpack(tensors, self.model, self.optimizers, f"checkpoint {str(self.folder / CHECKPOINT)!r}")

    # Training.

    def run(self, report: Report | None = None, tick: Tick | None = None) -> nn.Module:
        """Train what is left to train; the model, in evaluation mode. Draws from the global generator of its own."""
        torch.set_num_threads(self.threads)  # the last bits of sums depend on it
        with repeatable(self.device):
            for epoch in range(self.step // self.steps, self.recipe.epochs):
                self._freeze_when_due()
                self._epoch(epoch, tick)
                if report:
                    report(self.history[-1])
            self._freeze_when_due()
            self.model.eval()
            if self.settings.alphabets is not None:
                settle(self.model)
        if self.group.first:
            write_tensors(self.folder / WEIGHTS, self.model.state_dict(), {"settings": self.settings.as_json()})
        self.group.wait()
        return self.model

    def _freeze_when_due(self) -> None:
        if self.settings.alphabets is not None and self.step == self.frozen_at:
            freeze(self.model)

    def _epoch(self, epoch: int, tick: Tick | None) -> None:
        model = self.group.wrap(self.model).train()
        first = self.step - epoch * self.steps
        order = torch.randperm(len(self.splits.train), generator=seeded(self.settings.seed, epoch))
        order = order[: self.steps * self.recipe.batch]
        augment = mix(self.settings.seed, epoch, 1)
        started = saved = time.monotonic()
        for images, labels in self.splits.train.batches(order, self.recipe.batch, augment, self.rows, first):
            check_labelled(images, labels, self.splits.classes)
            loss = self.train_on(model, images.to(self.device), labels.to(self.device))
            self.losses += loss
            if tick:
                tick(self.step - epoch * self.steps, self.steps, loss)
            now = time.monotonic()
            if now - saved >= self.save_seconds and self.step % self.steps:
                self.seconds, started = self.seconds + now - started, now
                self.save()
                saved = time.monotonic()
        self.group.share(self.model)
        accuracy = evaluate(self.model, self.splits.held_out, self.group, self.device)
        self.seconds += time.monotonic() - started
        mean = self.losses / self.steps
        self.history.append(Epoch(epoch + 1, mean, accuracy, self.learning_rate(), round(self.seconds, 1)))
        self.losses = 0.0
        self.save()

    def train_on(self, model: nn.Module, images: Tensor, labels: Tensor) -> float:
        """One step on this process's part of a batch; the mean loss of all processes."""
        rate = self.learning_rate()
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate * group["share"]
        torch.manual_seed(mix(self.settings.seed, self.step, self.group.rank, 2))  # for dropout
        with torch.autocast(torch.device(self.device).type, torch.bfloat16, self.recipe.precision == "bfloat16"):
            loss = loss_of(model(images).float(), images, labels, self.teacher, self.recipe)
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        loss.backward()
        if self.settings.alphabets is not None and self.step >= self.frozen_at:
            # Norms on running statistics no longer take up what a step does to the size of a channel.
            clip_grad_norm_([p for p in self.model.parameters() if p.grad is not None], SETTLE_NORM)
        for optimizer in self.optimizers:
            optimizer.step()
        self.step += 1
        value = self.group.total(loss.detach().double().cpu()).item() / self.group.size
        if not math.isfinite(value):
            raise ParameterError(f"learning_rate must let the loss stay finite, not {value} at step {self.step}")
        return value

    def learning_rate(self) -> float:
        """Of the next step."""
        return rate_at(self.step / (self.recipe.epochs * self.steps), self.recipe)

    def save(self) -> None:
        """Write the checkpoint; only the first process does."""
        if self.group.first:
            metadata = {
                "settings": self.settings.as_json(),
                "origin": self.origin,
                "step": self.step,
                "losses": self.losses,
                "seconds": self.seconds,
                "threads": self.threads,
                "environments": self.environments,
                "history": [asdict(row) for row in self.history],
            }
            write_tensors(self.folder / CHECKPOINT, pack(self.model, self.optimizers), metadata)

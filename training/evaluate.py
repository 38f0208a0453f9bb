"""Accuracy of a model, of a network of integers, of both beside each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from asm_hw.errors import ParameterError
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.training.data import Preprocessing, load_data
from asm_hw.training.data.images import Dataset

from .distributed import Group
from .model_checks import check_labelled

BATCH = 500
"""Images loaded at a time."""

PART_VALUES = BATCH * 3 * 32 * 32
"""Numbers of images that a model is given at a time: tensors of more large images would leave the caches."""


def in_parts(model: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """What ``model`` gives for ``images`` [n, ...], some at a time."""
    part = max(1, PART_VALUES // max(1, images[0].numel()))
    return torch.cat([model(some) for some in images.split(part)])


@torch.no_grad()
def evaluate(
    model: Callable[[Tensor], Tensor], data: Dataset, group: Group | None = None, device: str = "cpu"
) -> float | None:
    """The share of ``data`` whose largest logit is at the label, in float32; None for an empty set."""
    if not len(data):
        return None
    group = group or Group()
    if isinstance(model, nn.Module):
        model.eval()
    right = torch.zeros((), dtype=torch.int64)
    for images, labels in data.batches(torch.arange(len(data)), BATCH, part=slice(group.rank, None, group.size)):
        logits = in_parts(model, images.to(device))
        check_labelled(images, labels, logits.shape[1])
        right += (logits.argmax(1).cpu() == labels).sum()
    return group.total(right).item() / len(data)


def percent(share: float | None) -> float | None:
    """``share`` of 1 in percent, as results show it."""
    return None if share is None else round(100 * share, 4)


def integer_batches(
    network: IntegerNetwork, dataset: str, images: int | None = None, **preprocessing: Any
) -> Iterator[tuple[Tensor, Tensor]]:
    """The first ``images`` (None: all) test images of ``dataset`` as the network takes them, and labels, in batches.

    ``preprocessing``: resize, mean and std of `Preprocessing.of`.
    """
    size = network.input_shape[-1] if network.input_shape else 1
    test = load_data(dataset, image_size=size, preprocessing=Preprocessing.of(**preprocessing)).test
    for batch, labels in test.batches(torch.arange(min(images or len(test), len(test))), BATCH):
        if tuple(batch.shape[1:]) != network.input_shape:
            raise ParameterError(
                f"dataset {dataset!r} must have images of {network.input_shape}, not {tuple(batch.shape[1:])}"
            )
        yield network.quantize_input(batch), labels


def evaluate_integers(
    network: IntegerNetwork, dataset: str, images: int | None = None, **preprocessing: Any
) -> dict[str, float | int]:
    """Percent of the first ``images`` (None: all) test images of ``dataset`` that the golden model names right.

    ``preprocessing``: resize, mean and std of `Preprocessing.of`.
    """
    count = right = 0
    for x, labels in integer_batches(network, dataset, images, **preprocessing):
        outputs = network(x).flatten(1)
        check_labelled(x, labels, outputs.shape[1])
        count += len(x)
        right += int((outputs.argmax(1) == labels).sum())
    return {"images": count, "accuracy_percent": round(100 * right / count, 4)}


@torch.no_grad()
def compare_with_integers(
    model: Callable[[Tensor], Tensor],
    network: IntegerNetwork,
    data: Dataset,
    reference: Callable[[Tensor], Tensor] | None = None,
) -> dict[str, float | int | None]:
    """Percent of ``data`` that model and network name right, and on which they agree; how far logits are apart.

    ``largest_logit_difference_steps``: in units of the network's output; ``images_over_a_step``: of how many
    images a logit differs by more than one. ``reference``: the float model; `below_float` is said of it.
    """
    right: dict[str, list[Tensor]] = {}
    same, apart, over = [], 0.0, 0
    for images, labels in data.batches(torch.arange(len(data)), BATCH):
        logits = in_parts(model, images)
        check_labelled(images, labels, logits.shape[1])
        integers = network(network.quantize_input(images))
        found = {"fake_quant": logits, "integer": integers}
        if reference is not None:
            found = {"float": in_parts(reference, images), **found}
        for name, values in found.items():
            right.setdefault(name, []).append(values.argmax(1) == labels)
        same.append(logits.argmax(1) == integers.argmax(1))
        difference = (integers - logits.double() / network.output_scale).abs().amax(1)
        apart, over = max(apart, difference.max().item()), over + int((difference > 1).sum())
    named = {name: torch.cat(parts) for name, parts in right.items()}
    shares = {f"{name}_percent": percent(one.double().mean().item()) for name, one in named.items()}
    below = {} if reference is None else below_float(named["float"], named["integer"])
    shares["agreement_percent"] = percent(torch.cat(same).double().mean().item())
    return shares | below | {"largest_logit_difference_steps": round(apart, 3), "images_over_a_step": over}


def below_float(of_float: Tensor, of_integers: Tensor) -> dict[str, float | int | None]:
    """How many percent points fewer of the same images the integers name right than the float model.

    ``of_float``, ``of_integers``: whether each image [n] is named right. ``below_float_spread_points``: the standard
    error of the mean of the differences, image by image: what another draw of images would change.
    """
    difference = of_float.double() - of_integers.double()
    spread = difference.std().item() / len(difference) ** 0.5 if len(difference) > 1 else None
    return {"below_float_points": percent(difference.mean().item()), "below_float_spread_points": percent(spread)}

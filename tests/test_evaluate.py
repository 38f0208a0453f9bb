"""Accuracies and how far integers are below the float model, by plain arithmetic."""

from __future__ import annotations

import statistics

import pytest
import torch

from asm_hw.training.evaluate import PART_VALUES, below_float, in_parts


def test_images_are_compared_one_by_one():
    """Of 8 images the float model names 6 right, the integers 5: three lost, two won."""
    of_float = torch.tensor([1, 1, 1, 1, 1, 1, 0, 0]).bool()
    of_integers = torch.tensor([1, 1, 1, 0, 0, 0, 1, 1]).bool()
    found = below_float(of_float, of_integers)
    differences = [0, 0, 0, 1, 1, 1, -1, -1]
    spread = statistics.stdev(differences) / 8**0.5
    assert found == {"below_float_points": 12.5, "below_float_spread_points": pytest.approx(100 * spread, abs=1e-4)}
    same = below_float(of_float, of_float)
    assert same == {"below_float_points": 0.0, "below_float_spread_points": 0.0}
    assert below_float(of_float[:1], of_integers[:1])["below_float_spread_points"] is None


def test_large_images_are_given_to_a_model_a_few_at_a_time():
    given = []

    def model(images):
        given.append(len(images))
        return images.flatten(1).sum(1, keepdim=True)

    images = torch.arange(7.0).view(7, 1, 1, 1).expand(7, 3, 400, 400)
    assert torch.equal(in_parts(model, images), images.flatten(1).sum(1, keepdim=True))
    assert given == [3, 3, 1] and 3 * images[0].numel() <= PART_VALUES < 4 * images[0].numel()

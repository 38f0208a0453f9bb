"""Images in memory: augmentation, normalisation, parts of batches, held-out images."""

from __future__ import annotations

import pytest
import torch

from asm_hw.errors import ParameterError
from asm_hw.training.data import load_data
from asm_hw.training.data.images import ImageTensor, hold_out


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(3)
    pixels = torch.randint(0, 256, (50, 3, 6, 5), generator=generator)
    return ImageTensor(pixels.to(torch.uint8), torch.arange(50) % 7, pad=2)


def test_augmentation_moves_and_mirrors(images):
    """Each augmented image is one of the 25 moves of the original or of one of its mirror images."""
    order = torch.arange(50)
    seen = set()
    for x, labels in images.batches(order, 16, augment=1):
        for image, label in zip(x, labels.tolist(), strict=True):
            found = [
                (number, top, left, mirrored)
                for number in range(label, 50, 7)
                for top in range(5)
                for left in range(5)
                for mirrored in (0, 1)
                if torch.equal(image, moved(images, number, top, left, mirrored))
            ]
            assert len(found) == 1
            seen.add(found[0][1:])
    assert len(seen) > 25 and {mirrored for *_, mirrored in seen} == {0, 1}


def moved(images, number, top, left, mirrored):
    canvas = torch.zeros(3, 10, 9, dtype=torch.uint8)
    canvas[:, 2:8, 2:7] = images.images[number]
    cut = canvas[:, top : top + 6, left : left + 5]
    return images.normalise((cut.flip(2) if mirrored else cut)[None])[0]


def test_normalised_values_by_plain_arithmetic(images):
    x = images.normalise(images.images[:1])
    for channel, (mean, std) in enumerate(zip(images.mean, images.std, strict=True)):
        pixel = images.images[0, channel, 2, 3].item()
        assert x[0, channel, 2, 3].item() == pytest.approx((pixel / 255 - mean) / std, abs=1e-5)
    assert x.dtype == torch.float32 and x.is_contiguous(memory_format=torch.channels_last)


def test_parts_and_starts_see_what_the_whole_does(images):
    order = torch.randperm(50, generator=torch.Generator().manual_seed(0))
    assert [len(labels) for _, labels in images.batches(order, 8)] == [8] * 6 + [2]
    assert [len(labels) for _, labels in images.batches(order, 8, part=slice(4, 8))] == [4] * 6
    order = order[:48]
    whole = list(images.batches(order, 8, augment=4))
    later = list(images.batches(order, 8, augment=4, start=3))
    halves = [list(images.batches(order, 8, augment=4, part=part)) for part in (slice(0, 4), slice(4, 8))]
    for (x, y), (again, _) in zip(whole[3:], later, strict=True):
        assert torch.equal(x, again) and len(y)
    for (x, y), (a, b), (c, d) in zip(whole, *halves, strict=True):
        assert torch.equal(x, torch.cat([a, c])) and torch.equal(y, torch.cat([b, d]))
    other = list(images.batches(order, 8, augment=5))
    assert not torch.equal(whole[0][0], other[0][0])


def test_held_out_images_are_the_same_in_every_run_and_in_no_other_part(images):
    rest, held = hold_out(images, 10)
    again = hold_out(images, 10)[1]
    assert (len(rest), len(held)) == (40, 10) and again.fingerprint() == held.fingerprint() != rest.fingerprint()
    everything = {image.numpy().tobytes() for image in images.images}
    parts = [{image.numpy().tobytes() for image in part.images} for part in (rest, held)]
    assert parts[0] | parts[1] == everything and not parts[0] & parts[1]
    with pytest.raises(ParameterError, match="hold_out must be an integer from 0 to 49, not 50"):
        hold_out(images, 50)


def test_images_must_be_bytes_with_labels():
    with pytest.raises(ParameterError, match="images must be uint8"):
        ImageTensor(torch.zeros(2, 3, 4, 4), torch.zeros(2))


def test_digits_are_the_demo_s(images):
    pytest.importorskip("sklearn")
    splits = load_data("digits")
    assert (len(splits.train), len(splits.held_out), len(splits.test), splits.classes) == (1213, 134, 450, 10)
    x, _ = next(splits.test.batches(torch.arange(450), 450))
    assert x.shape == (450, 1, 8, 8) and torch.equal(x * 16, (x * 16).round()) and x.max() == 1

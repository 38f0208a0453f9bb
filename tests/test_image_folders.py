"""Images in folders of classes, and any data set of PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from asm_hw.errors import ParameterError
from asm_hw.training.data import Preprocessing, load_data
from asm_hw.training.data.folder import ClassFolders, Loaded, random_box


@pytest.fixture
def folders(tmp_path):
    """Images whose red half says the class: 24 of each of two classes to train, 6 to test."""
    Image = pytest.importorskip("PIL.Image")
    generator = torch.Generator().manual_seed(0)
    for part, count in (("train", 24), ("val", 6)):
        for label, name in enumerate(["left", "right"]):
            folder = tmp_path / part / name
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = torch.randint(0, 60, (90 + i, 100, 3), generator=generator)
                pixels[:, 50 * label : 50 * label + 50, 0] += 180
                Image.fromarray(pixels.to(torch.uint8).numpy()).save(folder / f"{i:02}.png")
    return tmp_path


def test_folder_images_are_seeded_whatever_the_workers(folders):
    splits = load_data(f"folder:{folders}", held_out=4, image_size=72)
    assert (len(splits.train), len(splits.held_out), len(splits.test), splits.classes) == (44, 4, 12, 2)
    order = torch.arange(44)
    one = list(splits.train.batches(order, 10, augment=1))
    two = list(Loaded(splits.train.items, workers=2).batches(order, 10, augment=1))
    assert all(torch.equal(a[0], b[0]) for a, b in zip(one, two, strict=True))
    later = list(splits.train.batches(order, 10, augment=1, start=2, part=slice(5, 10)))
    assert torch.equal(later[0][0], one[2][0][5:])
    assert one[0][0].shape == (10, 3, 72, 72) and not torch.equal(one[0][0][0], one[0][0][1])
    assert not torch.equal(next(splits.train.batches(order, 10, augment=2))[0], one[0][0])
    plain = next(splits.train.batches(order, 10))[0]
    assert torch.equal(plain, next(splits.train.batches(order, 10))[0]) and not torch.equal(plain, one[0][0])
    assert splits.train.fingerprint() != splits.test.fingerprint()


def test_crops_lie_inside_and_middle_is_the_middle(folders):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        boxes = torch.tensor([random_box(100, 60) for _ in range(500)])
        tall = random_box(10, 4000)
    assert boxes[:, :2].min() >= 0 and boxes[:, 2].max() <= 100 and boxes[:, 3].max() <= 60
    shares = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) / 6000
    assert 0.079 < shares.min() < 0.15 and shares.max() > 0.7
    assert tall[2] - tall[0] <= 10
    splits = load_data(f"folder:{folders}", held_out=0, image_size=64)
    image, label = ClassFolders(splits.test.items.files, splits.test.items.labels, 64).load(0, augment=False)
    red = image[0] * 0.229 + 0.485
    assert label == 0 and red[:, :28].mean() > 0.7 and red[:, 36:].mean() < 0.3


def test_sizes_and_normalization_are_those_given(tmp_path):
    """The left half of 80 x 40 pixels is black, the right one white: so is any square of its middle."""
    Image = pytest.importorskip("PIL.Image")
    whole = Image.new("RGB", (80, 40))
    whole.paste((255, 255, 255), (40, 0, 80, 40))
    path = tmp_path / "one.png"
    whole.save(path)
    given = Preprocessing.of(20, "0.5", "0.25,0.5,1")
    image, _ = ClassFolders([path], [0], 10, given).load(0, augment=False)
    assert image.shape == (3, 10, 10)
    for channel, std in enumerate((0.25, 0.5, 1.0)):
        assert torch.allclose(image[channel, :, :4], torch.tensor(-0.5 / std))
        assert torch.allclose(image[channel, :, 6:], torch.tensor(0.5 / std))
    uncut, _ = ClassFolders([path], [0], 10, Preprocessing.of(10, "0", "1")).load(0, augment=False)
    assert torch.equal(uncut[0, :, :4], torch.zeros(10, 4)) and torch.equal(uncut[0, :, 6:], torch.ones(10, 4))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"mean": "a"}, "mean must be one number or three with commas between, not 'a'"),
        ({"mean": "0.1,0.2"}, "mean must be three numbers from 0 .black. to 1, for red, green and blue, not "),
        ({"mean": "123.7,116.3,103.5"}, "mean must be three numbers from 0 .black. to 1, .* not .123.7, 116.3, 103.5."),
        ({"mean": "nan"}, "mean must be three numbers from 0"),
        ({"std": "0"}, "std must be three finite numbers above 0, for red, green and blue, not "),
        ({"resize": 0}, "resize must be an integer from 1 to 16384, not 0"),
    ],
)
def test_preprocessing_that_cannot_be(given, sentence):
    with pytest.raises(ParameterError, match=sentence):
        Preprocessing.of(**given)


def test_a_short_side_below_the_image_size_is_refused_by_its_own_name():
    assert Preprocessing.of(24).crop(24) == 1
    with pytest.raises(ParameterError, match="resize must be at least the image size, 24, not 23"):
        Preprocessing.of(23).crop(24)


def test_preprocessing_is_for_images_in_folders():
    with pytest.raises(ParameterError, match="resize, mean and std must be left to dataset 'cifar10'"):
        load_data("cifar10", preprocessing=Preprocessing.of(mean="0.5"))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_image_is_one_sentence(folders, workers):
    splits = load_data(f"folder:{folders}", held_out=0, image_size=64, workers=workers)
    broken = splits.test.items.files[1]
    broken.write_bytes(broken.read_bytes()[:60])
    with pytest.raises(
        ParameterError, match=r"^dataset must hold images that Pillow reads, and '.*01.png' is none: .*$"
    ) as raised:
        list(splits.test.batches(torch.arange(3), 3))
    assert len(str(raised.value).splitlines()) == 1


def test_folders_that_do_not_fit(folders):
    (folders / "val" / "middle").mkdir()
    with pytest.raises(ParameterError, match="same classes in train and val, not 'middle'"):
        load_data(f"folder:{folders}")
    for part in ("train", "val"):
        (folders / "empty" / part / "class").mkdir(parents=True)
    with pytest.raises(ParameterError, match="must hold class folders with images"):
        load_data(f"folder:{folders / 'empty'}")


class Foreign(torch.utils.data.Dataset):
    """A data set of someone else's that draws from the global generator."""

    def __len__(self):
        return 20

    def __getitem__(self, index):
        return torch.rand(1, 4, 4) + index, index % 3


def test_any_data_set_is_drawn_by_seed():
    data = Loaded(Foreign(), name="foreign")
    state = torch.get_rng_state()
    one, two = (list(data.batches(torch.arange(20), 8, augment=seed)) for seed in (1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    later = list(data.batches(torch.arange(20), 8, augment=1, start=1))
    assert torch.equal(one[1][0], later[0][0]) and not torch.equal(one[0][0], two[0][0])
    assert one[2][1].tolist() == [1, 2, 0, 1] and len(data.fingerprint()) == 64


def test_hidden_folders_are_no_classes(folders):
    plain = load_data(f"folder:{folders}", held_out=0, image_size=64)
    (folders / "train" / ".ipynb_checkpoints").mkdir()
    (folders / "val" / ".hidden").mkdir()
    found = load_data(f"folder:{folders}", held_out=0, image_size=64)
    assert found.classes == plain.classes and found.test.items.labels == plain.test.items.labels


@pytest.mark.parametrize("size", [0, -1, 1 << 40])
def test_image_sizes_that_cannot_be(folders, size):
    with pytest.raises(ParameterError, match="image_size must be an integer from 1 to 16384, not"):
        load_data(f"folder:{folders}", image_size=size)


def test_grey_images_of_more_than_16_bits_are_refused(tmp_path):
    """Those of 16 bits are scaled."""
    Image = pytest.importorskip("PIL.Image")
    fits, deeper = tmp_path / "fits.tif", tmp_path / "deeper.tif"
    for path, value in ((fits, 65535), (deeper, 65536)):
        Image.fromarray(np.full((8, 8), value, dtype=np.int32)).save(path)
    images = ClassFolders([fits, deeper], [0, 0], 8, Preprocessing.of(8, "0", "1"))
    assert torch.equal(images.load(0, augment=False)[0], torch.ones(3, 8, 8))
    with pytest.raises(ParameterError, match="its values go from 65536 to 65536, beyond 16 bits"):
        images.load(1, augment=False)

"""Data sets and models of the training program."""

from __future__ import annotations

import io
import shutil
import tarfile

import pytest
import torch
from torch import nn

from asm_hw.errors import ParameterError
from asm_hw.training.data import cifar10 as cifar
from asm_hw.training.data import load_data
from asm_hw.training.data.image_folder import ClassFolders, Loaded, random_box
from asm_hw.training.data.images import ImageTensor, hold_out
from asm_hw.training.models import MODELS, make_model

FLOAT_START = "resnet_cifar10/resnet20-12fca82f.th"


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(3)
    pixels = torch.randint(0, 256, (50, 3, 6, 5), generator=generator)
    return ImageTensor(pixels.to(torch.uint8), torch.arange(50) % 7, pad=2)


# Images in memory.


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


# CIFAR-10.


@pytest.fixture(scope="module")
def official(data_folder, tmp_path_factory):
    """The six files in the official layout, made from the sheets."""
    if not (data_folder / "cifar10").is_dir():
        pytest.skip("needs cifar10 in the data folder")
    folder = tmp_path_factory.mktemp("data") / "cifar10" / cifar.FOLDER
    folder.mkdir(parents=True)
    for name in cifar.MD5:
        (folder / f"{name}.bin").write_bytes(cifar._from_sheet(data_folder / "cifar10", name))
    return folder


def test_cifar10_from_sheets_and_from_the_official_files(data_folder, official, monkeypatch):
    pytest.importorskip("PIL")
    monkeypatch.setenv("ASM_HW_DATA", str(data_folder))
    train, test = cifar.load()
    assert train.images.shape == (50000, 3, 32, 32) and test.labels.bincount().tolist() == [1000] * 10
    monkeypatch.setenv("ASM_HW_DATA", str(official.parent.parent))
    again = cifar.load()
    assert torch.equal(again[0].images, train.images) and torch.equal(again[1].labels, test.labels)


def test_damaged_and_missing_files_are_named(official, tmp_path, monkeypatch):
    damaged = tmp_path / "cifar10"
    shutil.copytree(official, damaged)
    content = bytearray((damaged / "data_batch_3.bin").read_bytes())
    content[5] ^= 1
    (damaged / "data_batch_3.bin").write_bytes(content)
    monkeypatch.setenv("ASM_HW_DATA", str(tmp_path))
    with pytest.raises(ParameterError, match="data_batch_3 must be the official file with MD5 942c"):
        cifar.load()
    (damaged / "data_batch_3.bin").unlink()
    with pytest.raises(ParameterError, match="ASM_HW_DATA must hold a folder cifar10"):
        cifar.load()


def archive(path, members):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return cifar.hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def test_download_takes_the_right_archive_alone(tmp_path):
    source, target = tmp_path / "a.tar.gz", tmp_path / "cache" / cifar.FOLDER
    md5 = archive(source, {f"{cifar.FOLDER}/data_batch_1.bin": b"content"})
    with pytest.raises(ParameterError, match=f"must have MD5 {cifar.ARCHIVE_MD5}, not {md5}"):
        cifar.download(target, source.as_uri())
    assert list(target.parent.iterdir()) == []
    cifar.download(target, source.as_uri(), md5)
    assert (target / "data_batch_1.bin").read_bytes() == b"content"
    assert list(target.parent.iterdir()) == [target]
    with pytest.raises(ParameterError, match="must be in ASM_HW_DATA or be downloaded"):
        cifar.download(target, (tmp_path / "absent").as_uri())


@pytest.mark.parametrize("name", ["../outside.bin", "/tmp/outside.bin"])  # noqa: S108
def test_archives_that_lead_outside_are_refused(tmp_path, name):
    source, target = tmp_path / "a.tar.gz", tmp_path / "cache" / "below" / cifar.FOLDER
    md5 = archive(source, {name: b"content", f"{cifar.FOLDER}/x": b""})
    if name.startswith("/"):  # made relative by the filter
        cifar.download(target, source.as_uri(), md5)
    else:
        with pytest.raises(ParameterError, match="archive"):
            cifar.download(target, source.as_uri(), md5)
    assert not list(tmp_path.glob("**/outside.bin"))


# Folders.


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


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_image_is_one_sentence(folders, workers):
    splits = load_data(f"folder:{folders}", held_out=0, image_size=64, workers=workers)
    broken = splits.test.items.files[1]
    broken.write_bytes(broken.read_bytes()[:60])
    with pytest.raises(
        ParameterError, match=r"^dataset must hold images that Pillow reads, and one is not: .*$"
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


# Models.

PARAMETERS = {
    ("resnet20", 10, 32): 269_722,
    ("resnet32", 10, 32): 464_154,
    ("resnet56", 10, 32): 853_018,
    ("resnet18", 1000, 224): 11_689_512,
    ("mobilenet_v2", 1000, 224): 3_504_872,
    # MLPerf Tiny's 78,666 without running statistics and without biases before a norm.
    ("resnet8", 10, 32): 78_666 - 480 - 240,
    ("mobilenet_v1", 1000, 224): 470_072,
}


@pytest.mark.parametrize(("name", "classes", "size"), PARAMETERS)
def test_models_are_as_large_as_published(name, classes, size):
    model = make_model(name, classes, size, seed=0)
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name, classes, size]


@pytest.mark.parametrize("name", MODELS)
def test_models_give_logits_and_follow_the_seed(name):
    shape = (1, 8, 8) if name == "digits_cnn" else (3, 32, 32)
    one, again, other = (make_model(name, 10, 32, seed).eval() for seed in (1, 1, 2))
    with torch.no_grad():
        assert one(torch.rand(2, *shape)).shape == (2, 10)
    for same, seeded in ((True, again), (False, other)):
        pairs = zip(one.parameters(), seeded.parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs) == same


def test_names_of_public_weights():
    names = make_model("resnet18", 1000, 224, 0).state_dict()
    assert {"conv1.weight", "layer2.0.downsample.1.running_var", "layer4.1.bn2.bias", "fc.bias"} <= names.keys()
    names = make_model("mobilenet_v2", 1000, 224, 0).state_dict()
    assert {"features.0.0.weight", "features.1.conv.0.1.bias", "features.1.conv.1.weight", "features.2.conv.1.0.weight",
            "features.2.conv.3.running_mean", "features.18.1.weight", "classifier.1.bias"} <= names.keys()  # fmt: skip


def test_small_images_keep_their_size_in_the_stem():
    for name, size in (("resnet18", 4), ("mobilenet_v2", 4), ("mobilenet_v1", 4)):
        model = make_model(name, 10, 32, 0).eval()
        shapes = []
        last = model.layer4 if name == "resnet18" else model.features
        last.register_forward_hook(lambda module, args, out, shapes=shapes: shapes.append(out.shape[-1]))
        model(torch.rand(1, 3, 32, 32))
        assert shapes == [size]


def test_functions_that_give_no_model():
    with pytest.raises(ParameterError, match=r"model must be module:function or one of .*resnet20.*, not 'vgg'"):
        make_model("vgg", 10, 32, 0)
    with pytest.raises(ParameterError, match="must name a function"):
        make_model("torch:float32", 10, 32, 0)
    with pytest.raises(ParameterError, match=r"must give a torch.nn.Module, not int"):
        make_model("tiny_training:not_a_model", 10, 32, 0)
    assert isinstance(make_model("tiny_training:plain", 4, 8, 0), nn.Module)


@pytest.mark.full
def test_the_float_start_reaches_its_accuracy(data_folder, monkeypatch):
    """91.73 % of the test images, as its authors say: names, shortcuts, normalisation and test set agree."""
    from asm_hw.training.checkpoint import load_state, read_state
    from asm_hw.training.run_options import find_init
    from asm_hw.training.training_run import evaluate

    monkeypatch.setenv("ASM_HW_DATA", str(data_folder))
    model = make_model("resnet20", 10, 32, 0)
    load_state(model, read_state(find_init(FLOAT_START)), "init")
    model = model.to(memory_format=torch.channels_last)
    assert evaluate(model, load_data("cifar10").test) == pytest.approx(0.9173)

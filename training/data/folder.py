"""Images in folders named after their classes, as ImageNet is laid out, and any PyTorch data set."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from asm_hw.errors import ParameterError, check_range

from .images import Batch, Splits, mix, split
from .preprocessing import MAX_PIXELS, Preprocessing

PLAIN = Preprocessing()

SCALE, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)
"""Share of the area and aspect ratio of a random crop (Szegedy et al., arXiv 1409.4842)."""


@dataclass(frozen=True)
class Loaded:
    """A map-style data set of (float image [c, h, w], label) pairs behind `Dataset`, loaded by ``workers``.

    What an item draws from PyTorch's global generator is seeded by where in the training it falls, so
    that it depends neither on the workers nor on an interruption.
    """

    items: Any
    workers: int = 0
    name: str = ""

    def __len__(self) -> int:
        return len(self.items)

    def batches(
        self, order: Tensor, batch: int, augment: int | None = None, part: slice = slice(None), start: int = 0
    ) -> Iterator[Batch]:
        parts = [index[part].tolist() for index in order[start * batch :].split(batch)]
        keys = [[(i, -1 if augment is None else augment) for i in mine] for mine in parts if mine]
        loader: DataLoader = DataLoader(
            _Seeded(self.items),
            batch_sampler=keys,
            num_workers=self.workers,
            generator=torch.Generator(),
        )
        try:
            for images, labels in loader:
                yield images.contiguous(memory_format=torch.channels_last), labels
        except ParameterError as error:  # a worker's comes with its stack
            raise ParameterError(str(error).splitlines()[-1].partition("ParameterError: ")[2] or str(error)) from None

    def fingerprint(self) -> str:
        """sha256 of the names and sizes of the files of `ClassFolders`, of other sets of ``name`` and length."""
        lines = [self.name, str(len(self))]
        if isinstance(self.items, ClassFolders):
            lines = [f"{p.parent.name}/{p.name} {p.stat().st_size}" for p in self.items.files]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


class _Seeded(TorchDataset):
    """Items by (index, seed): a seed below 0 asks for no augmentation where the set can tell."""

    def __init__(self, items: Any) -> None:
        self.items = items

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, int]:
        index, seed = key
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mix(seed, index))
            if isinstance(self.items, ClassFolders):
                return self.items.load(index, augment=seed >= 0)
            image, label = self.items[index]
            return image, int(label)


@dataclass(frozen=True)
class ClassFolders:
    """Image files and their classes; `load` decodes one with Pillow."""

    files: Sequence[Path]
    labels: Sequence[int]
    size: int
    preprocessing: Preprocessing = PLAIN

    def __len__(self) -> int:
        return len(self.files)

    def load(self, index: int, augment: bool) -> tuple[Tensor, int]:
        """(float image [3, size, size], label): a random crop, perhaps mirrored, or the middle."""
        from PIL import Image

        image, size = _read(self.files[index]), self.size
        mirrored = False
        if augment:
            box = random_box(image.width, image.height)
            mirrored = bool(torch.rand(()) < 0.5)
        else:
            side = self.preprocessing.crop(size) * min(image.width, image.height)
            box = (
                (image.width - side) / 2,
                (image.height - side) / 2,
                (image.width + side) / 2,
                (image.height + side) / 2,
            )
        image = image.resize((size, size), Image.Resampling.BILINEAR, box=box)
        if mirrored:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        x = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).float() / 255
        mean, std = (torch.tensor(of).view(-1, 1, 1) for of in (self.preprocessing.mean, self.preprocessing.std))
        return (x - mean) / std, self.labels[index]


def _read(path: Path) -> Any:
    """The image in a file, as 8-bit RGB; 16-bit grey is scaled."""
    from PIL import Image

    try:
        with Image.open(path) as opened:
            if opened.mode.startswith("I"):  # which Pillow would clip
                deep = np.asarray(opened)
                if deep.min() < 0 or deep.max() >= 1 << 16:
                    raise ValueError(f"its values go from {deep.min()} to {deep.max()}, beyond 16 bits")
                grey = np.round(deep / 257).astype(np.uint8)
                return Image.fromarray(grey).convert("RGB")
            if opened.mode == "F":
                raise ValueError("its values are real numbers")
            return opened.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = str(error).splitlines()[0]
        raise ParameterError(
            f"dataset must hold images that Pillow reads, and {str(path)!r} is none: {reason}"
        ) from None


def random_box(width: int, height: int) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) of a random crop, drawn from the global generator."""
    for _ in range(10):
        area = width * height * torch.empty(()).uniform_(*SCALE).item()
        ratio = math.exp(torch.empty(()).uniform_(math.log(RATIO[0]), math.log(RATIO[1])).item())
        w, h = math.sqrt(area * ratio), math.sqrt(area / ratio)
        if w <= width and h <= height:
            left, top = torch.rand(2).mul(torch.tensor([width - w, height - h])).tolist()
            return left, top, left + w, top + h
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def image_folder(
    root: Path, held_out: int | None, size: int, workers: int, preprocessing: Preprocessing = PLAIN
) -> Splits:
    """``root/train/<class>/*`` and ``root/val/<class>/*``; classes are the folders of ``train`` in order of name."""
    try:
        import PIL  # noqa: F401
    except ImportError:
        raise ParameterError("image folders need Pillow, which is missing: install asm-hw[train]") from None
    check_range("image_size", size, 1, MAX_PIXELS)
    classes = sorted(path.name for path in _folders(root / "train"))
    train, test = (_scan(root / part, classes, size, preprocessing) for part in ("train", "val"))
    parts = (part.tolist() for part in split(len(train), held_out))
    sets = [
        replace(train, files=[train.files[i] for i in part], labels=[train.labels[i] for i in part]) for part in parts
    ]
    rest_set, held_set, test_set = (Loaded(items, workers) for items in (*sets, test))
    return Splits(rest_set, held_set, test_set, classes=len(classes), image_size=size)


def _folders(path: Path) -> list[Path]:
    if not path.is_dir():
        raise ParameterError(
            f"dataset must be a folder with train/<class>/ and val/<class>/, and {str(path)!r} is missing"
        )
    # Hidden ones are no classes, but what editors and notebooks leave.
    return [below for below in path.iterdir() if below.is_dir() and not below.name.startswith(".")]


def _suffixes() -> set[str]:
    """Of files that Pillow can read."""
    from PIL import Image

    return {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN}


def _scan(path: Path, classes: list[str], size: int, preprocessing: Preprocessing) -> ClassFolders:
    """The images below ``path``, in order of class and name."""
    strange = {below.name for below in _folders(path)} - set(classes)
    if strange:
        raise ParameterError(
            f"dataset must have the same classes in train and val, not {sorted(strange)[0]!r} in val alone"
        )
    below = [(file, i) for i, name in enumerate(classes) for file in sorted((path / name).rglob("*")) if file.is_file()]
    suffixes = _suffixes()
    files = [(file, label) for file, label in below if file.suffix.lower() in suffixes]
    if not files:
        raise ParameterError(f"dataset folder {str(path)!r} must hold class folders with images")
    left_out = sorted({file for file, _ in below} - {file for file, _ in files})
    if left_out:
        warnings.warn(
            f"files that are no images to Pillow are left out: {len(left_out)}, such as {left_out[0]}", stacklevel=2
        )
    return ClassFolders([file for file, _ in files], [label for _, label in files], size, preprocessing)

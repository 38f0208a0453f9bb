"""CIFAR-10 from whichever form is at hand, always the official bytes.

The folder ``cifar10`` of ``ASM_HW_DATA`` may hold the six files of the official binary layout, or each
as a lossless WebP sheet of 100 x 100 images with a file of labels. Elsewhere the official archive is
downloaded into the user's cache once. Each of the six files must have its official MD5 sum.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import torch

from asm_hw.cache import cache_folder
from asm_hw.errors import ParameterError

from .images import ImageTensor

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
ARCHIVE_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
FOLDER = "cifar-10-batches-bin"
MD5 = {
    "data_batch_1": "5dd7e06a14cb22eb9f671a540d1b7c25",
    "data_batch_2": "5ea93a67294ea407fff1d09f752e9692",
    "data_batch_3": "942cd6a4bcdd0dd3c604fbe906cb4421",
    "data_batch_4": "ae636b3ba5c66a11e91e8cb52e771fcb",
    "data_batch_5": "53f37980c15c3d472c316c40844f3f0d",
    "test_batch": "803d5f7f4d78ea53de84dbe85f74fb6d",
}
IMAGES, PIXELS = 10_000, 3 * 32 * 32
SHEET = 100
"""Images beside and below each other in a sheet."""


def load() -> tuple[ImageTensor, ImageTensor]:
    """(50,000 training images, 10,000 test images) [n, 3, 32, 32], in the official order."""
    folder = _folder()
    parts = [_read(folder, name) for name in MD5]
    images, labels = torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])
    train = len(images) - IMAGES
    return ImageTensor(images[:train], labels[:train]), ImageTensor(images[train:], labels[train:])


def _folder() -> Path:
    """Where the six files are; downloads them where nothing is."""
    data = os.environ.get("ASM_HW_DATA")
    if data:
        for folder in (Path(data) / "cifar10", Path(data) / "cifar10" / FOLDER, Path(data) / FOLDER):
            if all(any(_forms(folder, name)) for name in MD5):
                return folder
        raise ParameterError(
            f"ASM_HW_DATA must hold a folder cifar10 with data_batch_1 to 5 and test_batch, not {data}"
        )
    folder = cache_folder("cifar10") / FOLDER
    if not folder.is_dir():
        download(folder)
    return folder


def _forms(folder: Path, name: str) -> tuple[bool, bool]:
    """Whether ``folder`` holds the file ``name`` in the official form, and as a sheet."""
    sheet = (folder / f"{name}.webp").is_file() and (folder / f"{name}.labels").is_file()
    return (folder / f"{name}.bin").is_file(), sheet


def _read(folder: Path, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Images uint8 [10000, 3, 32, 32] and labels int64 of one file, checked."""
    official, _ = _forms(folder, name)
    content = (folder / f"{name}.bin").read_bytes() if official else _from_sheet(folder, name)
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != MD5[name]:
        raise ParameterError(f"{folder / name} must be the official file with MD5 {MD5[name]}: it is damaged")
    records = np.frombuffer(content, np.uint8).reshape(IMAGES, 1 + PIXELS)
    images = torch.from_numpy(records[:, 1:].reshape(IMAGES, 3, 32, 32).copy())
    return images, torch.from_numpy(records[:, 0].astype(np.int64))


def _from_sheet(folder: Path, name: str) -> bytes:
    """The bytes of the official file from a lossless sheet and its labels."""
    try:
        from PIL import Image
    except ImportError:
        raise ParameterError(
            "the data set cifar10 as sheets needs Pillow, which is missing: install asm-hw[train]"
        ) from None
    with Image.open(folder / f"{name}.webp") as image:
        sheet = np.asarray(image.convert("RGB"))
    labels = np.fromfile(folder / f"{name}.labels", np.uint8)
    if sheet.shape != (32 * SHEET, 32 * SHEET, 3) or labels.shape != (IMAGES,):
        raise ParameterError(f"{folder / name} must be a sheet of {SHEET} x {SHEET} images with a label each")
    planes = sheet.reshape(SHEET, 32, SHEET, 32, 3).transpose(0, 2, 4, 1, 3).reshape(IMAGES, PIXELS)
    return np.concatenate([labels[:, None], planes], axis=1).tobytes()


def download(folder: Path, url: str = URL, md5: str = ARCHIVE_MD5) -> None:
    """Fetch the official archive, check its MD5 sum and put its files at ``folder``; all or nothing."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        archive = Path(scratch) / "archive.tar.gz"
        try:
            with urllib.request.urlopen(url, timeout=60) as response, archive.open("wb") as file:  # noqa: S310
                shutil.copyfileobj(response, file)
        except (urllib.error.URLError, TimeoutError, OSError) as error:
            raise ParameterError(
                f"the data set cifar10 must be in ASM_HW_DATA or be downloaded from {url}, which failed: {error}"
            ) from None
        with archive.open("rb") as file:
            found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if found != md5:
            raise ParameterError(f"the archive from {url} must have MD5 {md5}, not {found}")
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(scratch, filter="data")  # refuses links, devices and paths that lead outside
            os.replace(Path(scratch) / FOLDER, folder)
        except (tarfile.TarError, OSError) as error:
            raise ParameterError(f"the archive from {url} must hold a folder {FOLDER}: {error}") from None

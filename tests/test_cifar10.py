"""CIFAR-10 in every form, and archives that are not what they should be."""

from __future__ import annotations

import io
import shutil
import tarfile

import pytest
import torch

from asm_hw.errors import ParameterError
from asm_hw.training.data import cifar10 as cifar


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

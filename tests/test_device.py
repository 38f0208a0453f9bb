"""What `repeatable` sets, and that PyTorch's state returns."""

from __future__ import annotations

import pytest
import torch

from asm_hw.training.device import _one_order, device_name, repeatable


def state():
    return (
        torch.get_float32_matmul_precision(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,
        torch.random.get_rng_state().tolist(),
    )


class Failed(Exception):
    pass


def test_the_state_returns_also_from_an_error():
    torch.set_float32_matmul_precision("medium")
    try:
        before = state()
        with pytest.raises(Failed), repeatable("cpu"):
            assert torch.get_float32_matmul_precision() == "highest"
            torch.rand(3)
            raise Failed
        assert state() == before
        with pytest.raises(Failed), _one_order():
            assert torch.are_deterministic_algorithms_enabled()
            assert torch.is_deterministic_algorithms_warn_only_enabled()
            raise Failed
        assert state() == before
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_computes_whole_float32(monkeypatch):
    generator = torch.Generator().manual_seed(1)
    x, weight = (torch.randn(shape, generator=generator) for shape in ((8, 64, 16, 16), (64, 64, 3, 3)))
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", True)
    with repeatable("cuda"):
        found = torch.nn.functional.conv2d(x.cuda(), weight.cuda()).cpu(), (x[0, 0].cuda() @ x[0, 1].cuda()).cpu()
    for one, other in zip(found, (torch.nn.functional.conv2d(x, weight), x[0, 0] @ x[0, 1]), strict=True):
        assert (one - other).norm() < 1e-5 * other.norm()  # TF32: 3e-4
    assert "cuda" not in device_name("cuda")


def test_a_device_is_named():
    assert device_name("cpu") == "cpu"

"""Weights from elsewhere: wrapped, with prefixes, in half precision; what is missing is named."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from asm_hw.errors import ParameterError
from asm_hw.training.checkpoint import load_state, read_state


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


def renamed(prefix):
    return {f"{prefix}{name}": value for name, value in model().state_dict().items()}


WRITTEN = {
    "plain": renamed(""),
    "compiled": renamed("_orig_mod."),
    "parallel": renamed("module."),
    "Lightning": {"state_dict": renamed("model."), "epoch": 3},
    "compiled in a trainer": {"model_state_dict": renamed("module._orig_mod."), "loss": torch.ones(1)},
    "half": {name: value.half() for name, value in renamed("").items()},
    "bfloat16": {"model": {name: value.bfloat16() for name, value in renamed("").items()}},
}


@pytest.mark.parametrize("name", WRITTEN)
def test_what_trainers_write_is_taken(name, tmp_path):
    path = tmp_path / "weights.pt"
    torch.save(WRITTEN[name], path)
    loaded = model()
    for parameter in loaded.parameters():
        nn.init.zeros_(parameter)
    load_state(loaded, read_state(path), "init")
    exact = 1e-2 if name in ("half", "bfloat16") else 0.0
    for (key, found), wanted in zip(loaded.state_dict().items(), model().state_dict().values(), strict=True):
        assert found.dtype == wanted.dtype and torch.allclose(found, wanted, atol=exact, rtol=exact), key


def test_half_precision_in_safetensors_too(tmp_path):
    save_file({name: value.half() for name, value in model().state_dict().items()}, tmp_path / "weights.safetensors")
    loaded = model()
    load_state(loaded, read_state(tmp_path / "weights.safetensors"), "init")
    assert all(parameter.dtype == torch.float32 for parameter in loaded.parameters())


def test_what_is_missing_or_too_much_is_named(tmp_path):
    state = renamed("model.")
    del state["model.3.bias"]
    torch.save(state, tmp_path / "less.pt")
    with pytest.raises(ParameterError, match=r"^init must fit the model: it lacks '3.bias'$"):
        load_state(model(), read_state(tmp_path / "less.pt"), "init")
    torch.save(renamed("") | {"ema": torch.ones(1)}, tmp_path / "more.pt")
    with pytest.raises(ParameterError, match=r"^init must fit the model: it has, unlike the model, 'ema'$"):
        load_state(model(), read_state(tmp_path / "more.pt"), "init")
    torch.save(renamed("") | {"3.bias": torch.ones(5)}, tmp_path / "shape.pt")
    with pytest.raises(ParameterError, match=r"'3.bias' must have shape \[2\], not \[5\]"):
        load_state(model(), read_state(tmp_path / "shape.pt"), "init")


def test_nothing_is_unpickled(tmp_path):
    torch.save(model(), tmp_path / "whole.pt")
    with pytest.raises(ParameterError, match="must be a file of tensors alone"):
        read_state(tmp_path / "whole.pt")


@pytest.mark.parametrize("kind", [torch.int8, torch.int32, torch.bool])
def test_integers_are_no_float_weights(kind):
    state = renamed("") | {"3.weight": torch.ones(2, 4, dtype=kind)}
    with pytest.raises(ParameterError, match=f"weights must hold floats, and '3.weight' holds {str(kind)[6:]}"):
        load_state(model(), state, "weights")

"""Records the operands of energy figures into asm_hw/ppa/activity: ``python benchmarks/record_operands.py``.

operands.json, the stream ``network``:

The third convolution of the digits demo's float network (seed 0): its inputs, 2,000 vectors of 144 terms, kept as the
500 feature maps they are cut from, and its 32 x 144 weights. Both are stored relative to their largest magnitude,
so that any encoding can be derived from the same real values.

operands_wide.json, for whole arrays with their memories: a convolution of 64 x 576 weights of a wider network that is
trained on the same digits, and 256 input vectors.
"""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path

import torch
from torch import nn

from asm_hw.training.data import digits
from asm_hw.training.digits_training import EPOCHS, train
from asm_hw.training.models import digits_cnn
from asm_hw.training.models.digits_model import conv_block

FOLDER = Path(__file__).parents[1] / "asm_hw" / "ppa" / "activity"
LAYER = 6  # the third convolution
SEED = 0


def packed(values: torch.Tensor) -> dict:
    """Integers of one byte as zlib and base64 text, with their shape."""
    data = base64.b64encode(zlib.compress(values.contiguous().numpy().tobytes(), 9)).decode()
    return {"shape": list(values.shape), "dtype": str(values.dtype).removeprefix("torch."), "zlib_base64": data}


def wide_cnn(seed: int) -> nn.Sequential:
    """A classifier of 8x8 images with a convolution from 64 to 64 channels on maps of 4x4."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        blocks = [conv_block(1, 32, stride=1), conv_block(32, 64, stride=2), conv_block(64, 64, stride=1)]
        return nn.Sequential(*(layer for block in blocks for layer in block), nn.Flatten(), nn.Linear(64 * 16, 10))


def record(name: str, model: nn.Sequential, epochs: int, images: int, stride: int, what: str) -> None:
    """Train ``model`` on the digits and write the inputs and weights of its layer `LAYER`."""
    data = digits()
    train(model, data, epochs=epochs, seed=SEED)
    with torch.no_grad():
        maps = nn.Sequential(*list(model)[:LAYER])(data.train_images[:images])
        correct = (model(data.test_images).argmax(1) == data.test_labels).double().mean().item()
    weight = model.get_parameter(f"{LAYER}.weight").detach()
    operands = {
        "source": f"{what}, {epochs} epochs, seed {SEED}: inputs of its third convolution for the first"
        f" {images} training images of scikit-learn's handwritten digits (UCI, CC BY 4.0), and its weights",
        "command": "python benchmarks/record_operands.py",
        "kernel": 3,
        "stride": stride,
        "padding": 1,
        "activations": packed((maps / maps.max() * 255).round().to(torch.uint8)),
        "weights": packed((weight / weight.abs().max() * 127).round().to(torch.int8)),
    }
    path = FOLDER / name
    path.write_text(json.dumps(operands, indent=1) + "\n", encoding="utf-8")
    share = 100 * (maps == 0).double().mean().item()
    print(f"{name}: {path.stat().st_size} bytes, {share:.1f} % zeros among activations, accuracy {100 * correct:.2f} %")


def main() -> None:
    torch.set_num_threads(1)
    record("operands.json", digits_cnn(SEED), EPOCHS, 500, 2, "asm_hw digits_cnn")
    record("operands_wide.json", wide_cnn(SEED), 20, 16, 1, "a network of 32, 64 and 64 channels")


if __name__ == "__main__":
    main()

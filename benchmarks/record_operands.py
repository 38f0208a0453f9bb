"""Records the operand stream ``network``: ``python benchmarks/record_operands.py`` writes asm_hw/ppa/operands.json.

The third convolution of the digits demo's float network (seed 0): its inputs, 2,000 vectors of 144 terms, kept as the
500 feature maps they are cut from, and its 32 x 144 weights. Both are stored relative to their largest magnitude,
so that any encoding can be derived from the same real values.
"""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path

import torch
from asm_hw.training.data import digits
from asm_hw.training.models import digits_cnn
from asm_hw.training.train import EPOCHS, train

OUTPUT = Path(__file__).parents[1] / "asm_hw" / "ppa" / "operands.json"
LAYER = 6  # the convolution from 16 to 32 channels, stride 2
IMAGES = 500
SEED = 0


def packed(values: torch.Tensor) -> dict:
    """Integers of one byte as zlib and base64 text, with their shape."""
    data = base64.b64encode(zlib.compress(values.contiguous().numpy().tobytes(), 9)).decode()
    return {"shape": list(values.shape), "dtype": str(values.dtype).removeprefix("torch."), "zlib_base64": data}


def main() -> None:
    torch.set_num_threads(1)
    data = digits()
    model = digits_cnn(SEED)
    train(model, data, epochs=EPOCHS, seed=SEED)
    with torch.no_grad():
        maps = model[:LAYER](data.train_images[:IMAGES])
    weight = model[LAYER].weight.detach()
    operands = {
        "source": f"asm_hw digits_cnn, {EPOCHS} epochs, seed {SEED}: inputs of its third convolution for the first"
        f" {IMAGES} training images of scikit-learn's handwritten digits (UCI, CC BY 4.0), and its weights",
        "command": "python benchmarks/record_operands.py",
        "kernel": 3,
        "stride": 2,
        "padding": 1,
        "activations": packed((maps / maps.max() * 255).round().to(torch.uint8)),
        "weights": packed((weight / weight.abs().max() * 127).round().to(torch.int8)),
    }
    OUTPUT.write_text(json.dumps(operands, indent=1) + "\n", encoding="utf-8")
    share = (maps == 0).double().mean().item()
    print(f"{OUTPUT.name}: {OUTPUT.stat().st_size} bytes, {100 * share:.1f} % of the activations are zero")


if __name__ == "__main__":
    main()

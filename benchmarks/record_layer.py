"""Records a fully connected layer of 64 x 64 for the energy of arrays: asm_hw/ppa/activity/layer64.json.

The second layer of a perceptron 64-64-64-10 trained on the digits: its weights, and the activations that
it takes for the first images of the test set.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from record_operands import packed
from torch import nn

from asm_hw.training.data import digits
from asm_hw.training.digits_training import EPOCHS, accuracy, train

OUTPUT = Path(__file__).parents[1] / "asm_hw" / "ppa" / "activity" / "layer64.json"
VECTORS = 320
SEED = 0


def main() -> None:
    torch.set_num_threads(1)
    data = digits()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        hidden = [layer for _ in range(2) for layer in (nn.Linear(64, 64), nn.ReLU())]
        model = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(64, 10))
    train(model, data, epochs=EPOCHS, seed=SEED)
    with torch.no_grad():
        vectors = nn.Sequential(*list(model)[:3])(data.test_images[:VECTORS])
    weight = model.get_parameter("3.weight").detach()
    right = accuracy(model, data.test_images, data.test_labels)
    layer = {
        "source": f"perceptron 64-64-64-10, {EPOCHS} epochs, seed {SEED}, {100 * right:.2f} % of the test images: "
        f"inputs of its second layer for the first {VECTORS} test images of scikit-learn's handwritten "
        "digits (UCI, CC BY 4.0), and its weights",
        "command": "python benchmarks/record_layer.py",
        "activations": packed((vectors / vectors.max() * 255).round().to(torch.uint8)),
        "weights": packed((weight / weight.abs().max() * 127).round().to(torch.int8)),
    }
    OUTPUT.write_text(json.dumps(layer, indent=1) + "\n", encoding="utf-8")
    share = (vectors == 0).double().mean().item()
    print(f"{OUTPUT.name}: {OUTPUT.stat().st_size} bytes, {100 * share:.1f} % of the activations are zero")


if __name__ == "__main__":
    main()

"""A model of your own on the levels of {1,3}: quantizers in, a few epochs, integers for the hardware out.

Needs the extra demo: pip install ".[demo]" in the checkout. Then: python examples/own_model.py
"""

import torch
import torch.nn.functional as F
from torch import nn

from asm_hw import convert, freeze, prepare, settle
from asm_hw.network.integer_layers import IntegerLayer
from asm_hw.training.data import digits


def train(model: nn.Module, epochs: int) -> None:
    """Any loop will do: a prepared model is a module like any other."""
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.002)
    for _ in range(epochs):
        for index in torch.randperm(len(data.train_images)).split(64):
            loss = F.cross_entropy(model.train()(data.train_images[index]), data.train_labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def right(logits: torch.Tensor) -> float:
    return 100 * (logits.argmax(1) == data.test_labels).double().mean().item()


torch.manual_seed(0)
torch.set_num_threads(1)
data = digits()
model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1, bias=False),
    nn.BatchNorm2d(16),
    nn.ReLU(),
    nn.Conv2d(16, 24, 3, stride=2, bias=False),
    nn.BatchNorm2d(24),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(24 * 9, 10),
)
train(model, epochs=8)
print(f"float: {right(model.eval()(data.test_images)):.1f} %")

quantized = prepare(model, data.train_images[:256], alphabets=(1, 3), weight_bits=5, act_bits=4)
train(quantized, epochs=4)
freeze(quantized)  # requantize multipliers become levels too; weights settle around them
train(quantized, epochs=2)
settle(quantized.eval())
network = convert(quantized)

logits = network(network.quantize_input(data.test_images))
same = (logits.argmax(1) == quantized(data.test_images).argmax(1)).double().mean().item()
print(f"integers: {right(logits):.1f} %, {100 * same:.1f} % the classes of the fake-quantized model")
for layer in network.layers:
    if isinstance(layer, IntegerLayer):
        weight, activation = layer.operands.weight, layer.operands.activation
        print(f"{layer.name}: weights of {weight.code_bits} bits on {len(weight.values)} levels, A={activation.bits}")

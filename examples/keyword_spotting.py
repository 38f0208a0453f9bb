"""A keyword spotter of your own, from PyTorch to Verilog that was run: docs/keyword-spotting.md walks through it.

A DS-CNN (depthwise and pointwise convolutions, as in MLPerf Tiny) learns twelve synthetic words, in float and on the
levels of {1}, becomes integers, and runs on a small engine with every stored tensor compared.
Needs the extra demo: pip install ".[demo]" in the checkout. Then: python examples/keyword_spotting.py
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asm_hw import convert, freeze, prepare, save, settle

WORDS, FRAMES, FEATURES, CHANNELS = 12, 49, 10, 64
ENGINE = "--lanes 18 --columns 4 --hold 16 --segments 8 --bank-rows 512 --weight-rows 16384 --program-rows 4096"


def block(inputs: int, outputs: int, kernel: tuple[int, int], **how: int | tuple[int, int]) -> nn.Sequential:
    """Convolution, norm, ReLU."""
    convolution = nn.Conv2d(inputs, outputs, kernel, bias=False, **how)  # type: ignore[arg-type]
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def ds_cnn() -> nn.Sequential:
    """[n, 1, 49, 10] to logits [n, 12]."""
    layers = [block(1, CHANNELS, (10, 4), stride=2, padding=(5, 1))]
    for _ in range(4):
        layers.append(block(CHANNELS, CHANNELS, (3, 3), padding=1, groups=CHANNELS))
        layers.append(block(CHANNELS, CHANNELS, (1, 1)))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, WORDS))


def spoken(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Features of ``count`` words, signed like MFCCs: a smooth pattern each word, moved in time, scaled, with noise."""
    coarse = torch.randn(WORDS, 1, 7, 4, generator=torch.Generator().manual_seed(1))
    patterns = F.interpolate(coarse, (FRAMES, FEATURES), mode="bilinear")
    labels = torch.randint(WORDS, (count,), generator=generator)
    moves = torch.randint(-6, 7, (count,), generator=generator).tolist()
    moved = [patterns[label].roll(move, 1) for label, move in zip(labels.tolist(), moves, strict=True)]
    loudness = 0.7 + 0.6 * torch.rand(count, 1, 1, 1, generator=generator)
    return loudness * torch.stack(moved) + 0.4 * torch.randn(count, 1, FRAMES, FEATURES, generator=generator), labels


def train(model: nn.Module, epochs: int, rate: float) -> None:
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=rate)
    for _ in range(epochs):
        for index in torch.randperm(len(train_x)).split(50):
            loss = F.cross_entropy(model.train()(train_x[index]), train_y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()


def right(logits: Tensor) -> str:
    return f"{100 * (logits.argmax(1) == test_y).double().mean().item():.1f} %"


def asm_hw(*arguments: object) -> None:
    """The command line, as in a shell; its exit status is not 0 where a tensor, a cycle or an access differs."""
    subprocess.run([sys.executable, "-m", "asm_hw.cli", *map(str, arguments)], check=True)


folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp())
folder.mkdir(parents=True, exist_ok=True)  # before the training: a folder that cannot be one is known at once
torch.manual_seed(0)
torch.set_num_threads(1)
generator = torch.Generator().manual_seed(0)
train_x, train_y = spoken(1000, generator)
test_x, test_y = spoken(200, generator)

model = ds_cnn()
train(model, epochs=3, rate=0.003)
print("float:", right(model(test_x)))

quantized = prepare(model, train_x[:200], alphabets=(1,), weight_bits=5, act_bits=4)  # edges: 8 bits
train(quantized, epochs=2, rate=0.001)
freeze(quantized)
train(quantized, epochs=1, rate=0.0003)
settle(quantized)
network = convert(quantized)
print("integers:", right(network(network.quantize_input(test_x))))
print(network)

save(network, folder / "keywords.safetensors")
np.save(folder / "words.npy", test_x[:20].numpy())
asm_hw("compile", folder / "keywords.safetensors", "--out", folder / "engine", *ENGINE.split())
asm_hw("run", folder / "engine", "--inputs", folder / "words.npy", "--images", 20)
print("20 words on the engine, every stored tensor as in the golden model")

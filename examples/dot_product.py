"""From numbers to Verilog and back: a dot product in the golden model and its unit as Verilog.

Needs the extra torch: pip install ".[torch]" in the checkout. Then: python examples/dot_product.py
"""

import tempfile
from pathlib import Path

import torch

from asm_hw import DotConfig, emit, golden

config = DotConfig(alphabets=(1, 3), weight_bits=5, act_bits=8, lanes=4)
wanted = [9.2, -5.0, 0.4, 14.0]
weights = [config.weight.levels.nearest(value) for value in wanted]
codes = [config.weight.encode(weight) for weight in weights]
activations = [17, 255, 3, 100]
result = golden.dot(torch.tensor([[weights]]), torch.tensor([activations]), config.accumulator.bits)

print(f"levels {weights} of {wanted}, packed codes {codes}")
print(f"golden dot product: {result.tolist()}")
with tempfile.TemporaryDirectory() as folder:
    emitted = emit(config, Path(folder))
    lines = len(emitted.verilog.read_text().splitlines())
    print(f"{emitted.verilog.name}: {lines} lines, latency {config.latency} cycles")

"""A matrix product on a near-memory array: what to stream, what must come out, and the Verilog giving just that.

Needs the extra sim: pip install ".[sim]" in the checkout. Then: python examples/near_memory_streams.py
"""

import tempfile
from pathlib import Path

import torch

from asm_hw import NearMemoryConfig, emit
from asm_hw.numbers.integers import ceil_div
from asm_hw.sim.near_player import NearPlayer
from asm_hw.units.memory_model import expected_outputs
from asm_hw.units.near_memory.near_memory_program import program

OUTPUTS, INPUTS, VECTORS = 2, 6, 3

config = NearMemoryConfig(
    alphabets=(1, 3), weight_bits=5, act_bits=8, lanes=4, columns=2, hold=4, depth=16, terms=INPUTS
)
draw = torch.Generator().manual_seed(0)
levels = torch.tensor(config.weight.levels.levels)
weights = levels[torch.randint(len(levels), (OUTPUTS, INPUTS), generator=draw)]
activations = torch.randint(256, (VECTORS, INPUTS), generator=draw)
# y = clamp((96 acc + 40 + 1024) >> 11)
channel = {"scale": config.requantize.scale.levels.nearest(96), "bias": 40, "shift": 11}

w_codes = [[config.weight.encode(w) for w in row] for row in weights.tolist()]
streams = program(config, w_codes, activations.tolist(), [config.requantize.encode(channel)] * OUTPUTS)
expected = expected_outputs(config, weights, activations, [channel] * OUTPUTS)

digits = ceil_div(config.row_bits, 4)
for address, row in enumerate(streams.rows):
    print(f"i_weight   row {address}: {row:0{digits}x}")
for block in streams.blocks:
    print(f"i_command  {block} = {config.command_word(block):#x}")
for beat in streams.x:
    print(f"i          {beat}")
print(f"golden     {expected.tolist()}, {config.cycles(streams.blocks)} cycles after the rows")

with tempfile.TemporaryDirectory() as folder:
    player = NearPlayer(emit(config, Path(folder, "rtl")), Path(folder, "build"))
    got, cycles = player.play(streams)
print(f"Verilog    {got}, {cycles} cycles, {len(streams.rows)} of them for rows")
assert got == expected.tolist()

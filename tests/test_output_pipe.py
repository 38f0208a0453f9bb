"""The output pipe of an engine against plain arithmetic: what joins, the half step, and limits near and far."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from amaranth.sim import Simulator

from asm_hw.numbers.bit_fields import join_fields
from asm_hw.units.engine.engine_config import EngineConfig
from asm_hw.units.engine.engine_records import SKIP_SHIFT_BITS
from asm_hw.units.engine.output_pipe import OutputPipe

ENGINE = EngineConfig(alphabets=(1,), lanes=18, taps=9, columns=2)


def _sum(case: dict[str, int]) -> int:
    """What is moved down, without the half step."""
    joined = case["skip"] * case["skip_scale"] << case["skip_shift"]
    return case["acc"] * case["scale"] + case["bias"] + joined


def _result(case: dict[str, int]) -> int:
    shift = case["shift"]
    half = 1 << shift - 1 if shift else 0
    return min(max(_sum(case) + half >> shift, case["low"]), case["high"])


def _cases(config: EngineConfig, count: int) -> list[dict[str, int]]:
    """Ends of all ranges, and numbers of every size; sums that the compiler would not refuse."""
    rng, requantize = random.Random(count), config.requantize
    levels = requantize.scale.levels.levels
    top, wide, most = 1 << requantize.acc_bits - 1, 1 << requantize.bias_bits - 1, 1 << requantize.out_bits

    def drawn(size: int) -> int:
        return rng.choice(
            (-size, size - 1, rng.randrange(-size, size), rng.randrange(-size, size) >> rng.randrange(20))
        )

    cases: list[dict[str, int]] = []
    while len(cases) < count:
        low = rng.choice((0, 0, 128, rng.randrange(most)))
        case = {
            "acc": drawn(top), "scale": rng.choice(levels), "bias": drawn(wide), "shift": rng.randrange(32),
            "skip": rng.randrange(1 << config.skip_bits), "skip_scale": rng.choice((0, 1, rng.choice(levels))),
            "skip_shift": rng.randrange(1 << SKIP_SHIFT_BITS),
            "low": low, "high": rng.choice((low, most - 1, rng.randrange(low, most))),
        }  # fmt: skip
        if abs(_sum(case)) < 1 << requantize.sum_bits - 1:
            cases.append(case)
    return cases


@pytest.mark.parametrize(
    "config",
    [
        ENGINE,
        replace(ENGINE, alphabets=(1, 3), act_bits=8, structure="tree", acc_bits=12),
        replace(ENGINE, acc_bits=30),
    ],
    ids=["default", "narrow", "wide"],
)
def test_output_pipes_equal_plain_arithmetic(config):
    cases = _cases(config, 600)
    near = [case for case in cases if case["low"] < _result(case) < case["high"]]
    assert len(near) > 30
    pipe, scale = OutputPipe(config), config.requantize.scale

    async def bench(context: Any) -> None:
        context.set(pipe.finish, 1)
        for case in cases:
            levels = {name: scale.encode(case[name]) for name in ("scale", "skip_scale")}
            fields = {name: case[name] for name in ("shift", "skip_shift")} | levels
            word = join_fields(
                config.records.channel, fields | {"bias": case["bias"] & (1 << len(pipe.channel.bias)) - 1}
            )
            context.set(pipe.channel, pipe.channel.shape().from_bits(word))
            for name in ("acc", "skip", "low", "high"):
                context.set(getattr(pipe, name), case[name])
            await context.tick().repeat(3)
            assert context.get(pipe.y) == _result(case), case

    simulator = Simulator(pipe)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()

"""Operand streams for energy: which real values arrive when, and what a unit and each of its baselines makes of them.

All units of one comparison see the same real activations and weights, each rounded to the nearest of
its own levels at the scale that loses least: what an encoding saves is measured on the same work.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asm_hw.errors import ParameterError, check_choice, check_range
from asm_hw.numbers.integers import ceil_div
from asm_hw.units.operands_config import AccumulatingConfig

from .level_rounding import SAMPLE, Integers, Reals, level_array, nearest_levels
from .recorded_layers import recorded_convolution

STREAMS = ("network", "half_normal", "uniform")
WEIGHTS = ("held", "streaming")
MAX_CYCLES = 100_000

Drawn = tuple[Reals, Reals]
"""The reals of a stream and the population that their scale is fitted to."""


@dataclass(frozen=True)
class StreamOptions:
    """Which operands arrive.

    Attributes
    ----------
    stream : ``network``, recorded from a trained network (operands.json names it); ``half_normal``,
        activations |N(0,1)| (N(0,1) where signed) with half of them zero, and weights N(0,1);
        ``uniform``, every code of a unit equally likely, so that weights differ in value between a
        unit and its baselines
    weights : ``held``, new ones every ``hold`` cycles; ``streaming``, new ones every cycle
    hold : cycles that weights are held, and beats that a sum takes either way
    cycles : length of the measurement
    seed : draws the values; for ``network`` where in the recording to start
    zero_activations, zero_weights : percent of the values of ``half_normal`` that are made zero
    """

    stream: str = "network"
    weights: str = "held"
    hold: int = 50
    cycles: int = 500
    seed: int = 0
    zero_activations: int = 50
    zero_weights: int = 0

    def __post_init__(self) -> None:
        check_choice("stream", self.stream, STREAMS)
        check_choice("weights", self.weights, WEIGHTS)
        check_range("cycles", self.cycles, 2, MAX_CYCLES)
        check_range("hold", self.hold, 1, MAX_CYCLES)
        check_range("seed", self.seed, 0, (1 << 32) - 1)
        for name, usual in (("zero_activations", 50), ("zero_weights", 0)):
            check_range(name, value := getattr(self, name), 0, 100)
            if value != usual and self.stream != "half_normal":
                raise ParameterError(
                    f"{name} {value} must be left out for stream {self.stream!r}, whose zeros are its own"
                )


@dataclass(frozen=True)
class Operands:
    """What a unit is given, beat by beat: values, not codes.

    Attributes
    ----------
    x : [beats, lanes], activations
    w : [beats, columns, lanes], the weights in use
    load : [beats], true where they are new
    last : [beats], true where a sum ends
    """

    x: Integers
    w: Integers
    load: NDArray[np.bool_]
    last: NDArray[np.bool_]


def operands(config: AccumulatingConfig, options: StreamOptions, beats: int) -> Operands:
    """The first ``beats`` beats of a stream, as ``config`` encodes them."""
    columns, lanes = config.array_shape
    beat = np.arange(beats)
    group = beat // options.hold if options.weights == "held" else beat
    w_levels, x_levels = (level_array(table) for table in (config.weight.table, config.activation.table))
    if options.stream == "uniform":
        # A seed each: activations do not depend on how many weights are drawn.
        x_seed, w_seed = np.random.SeedSequence(options.seed).spawn(2)
        x = np.random.default_rng(x_seed).choice(x_levels, (beats, lanes))
        w = np.random.default_rng(w_seed).choice(w_levels, (group[-1] + 1, columns, lanes))
    else:
        draw = _network if options.stream == "network" else _half_normal
        (real_x, all_x), (real_w, all_w) = draw(options, config, beat, group)
        x, w = nearest_levels(x_levels, real_x, all_x), nearest_levels(w_levels, real_w, all_w)
    # prepend: the first beat has new weights too.
    load = np.diff(group, prepend=-1) > 0
    # The last beat ends its sum in any case: every sum leaves, to be checked.
    last = (beat % options.hold == options.hold - 1) | (beat == beats - 1)
    return Operands(x, w[group], load, last)


def _half_normal(
    options: StreamOptions, config: AccumulatingConfig, beat: Integers, group: Integers
) -> tuple[Drawn, Drawn]:
    columns, lanes = config.array_shape
    # The same under every seed: seeds differ in operands, not in the scale.
    population = np.random.default_rng(0).standard_normal(SAMPLE)
    x_seed, w_seed = np.random.SeedSequence(options.seed).spawn(2)
    generator = np.random.default_rng(x_seed)
    x = generator.standard_normal((len(beat), lanes))
    x = (x if config.act_signed else np.abs(x)) * (generator.random(x.shape) < 1 - options.zero_activations / 100)
    seeds = [w_seed, *w_seed.spawn(columns - 1)]  # the first column is the same in a unit of any number of them
    w = np.stack([_weights(seed, (group[-1] + 1, lanes), options.zero_weights) for seed in seeds], axis=1)
    return (x, population if config.act_signed else np.abs(population)), (w, population)


def _weights(seed: np.random.SeedSequence, shape: tuple[int, int], zeros: int) -> Reals:
    generator = np.random.default_rng(seed)
    drawn = generator.standard_normal(shape)
    return drawn * (generator.random(shape) >= zeros / 100)


def _network(
    options: StreamOptions, config: AccumulatingConfig, beat: Integers, group: Integers
) -> tuple[Drawn, Drawn]:
    """A recorded layer as an array of this size computes it.

    Held weights (weight stationary): a block of lanes x columns weights meets one vector after the
    other. Streaming weights (output stationary): a vector passes all blocks of its terms, then the next
    vector comes. Terms and outputs that run over the end of the layer start again at its beginning.
    """
    vectors, matrix = recorded_convolution()
    outputs, terms = matrix.shape
    columns, lanes = config.array_shape
    chunks = ceil_div(terms, lanes)
    # Seed 0 starts where the recording does.
    start = np.random.default_rng(options.seed).integers(len(vectors)) if options.seed else 0
    block = np.arange(group[-1] + 1)
    # Blocks run over the terms of some outputs, then over those of the next ones.
    row = block // chunks * columns
    rows = (row[:, None] + np.arange(columns)) % outputs
    places = ((block % chunks * lanes)[:, None] + np.arange(lanes)) % terms
    vector = start + (beat if options.weights == "held" else beat // chunks)
    x = vectors[(vector % len(vectors))[:, None], places[group]]
    return (x, vectors), (matrix[rows[:, :, None], places[:, None, :]], matrix)

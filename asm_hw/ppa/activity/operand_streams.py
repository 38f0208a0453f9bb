"""Operand streams for energy: which real values arrive when, and what each contender makes of them.

Contenders of one comparison see the same real activations and weights, each rounded to the nearest of
its own levels at the scale that loses least: what an encoding saves is measured on the same work.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asm_hw.errors import ParameterError, check_choice, check_range
from asm_hw.numbers.integers import ceil_div
from asm_hw.units.mac.mac_config import MacConfig

STREAMS = ("network", "half_normal", "uniform")
WEIGHTS = ("held", "streaming")
MAX_CYCLES = 100_000
SAMPLE, SCALES = 1 << 12, 100
"""Reals on which a scale is fitted, and how many scales are tried."""

Integers = NDArray[np.int64]
Reals = NDArray[np.float64]
Drawn = tuple[Reals, Reals]
"""The reals of a stream and the population that their scale is fitted to."""


@dataclass(frozen=True)
class StreamOptions:
    """Which operands arrive.

    Attributes
    ----------
    stream : ``network``, recorded from a trained network (operands.json names it); ``half_normal``,
        activations |N(0,1)| (N(0,1) where signed) with half of them zero and weights N(0,1);
        ``uniform``, every code of the contender equally likely, so that weights differ in value
        between baselines
    weights : ``held``, new ones every ``hold`` cycles; ``streaming``, new ones every cycle
    hold : cycles that weights are held, and beats that a sum takes either way
    cycles : length of the measurement
    seed : draws the values; for ``network`` where in the recording to start
    """

    stream: str = "network"
    weights: str = "held"
    hold: int = 50
    cycles: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("stream", self.stream, STREAMS)
        check_choice("weights", self.weights, WEIGHTS)
        check_range("cycles", self.cycles, 2, MAX_CYCLES)
        check_range("hold", self.hold, 1, MAX_CYCLES)
        check_range("seed", self.seed, 0, (1 << 32) - 1)


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


def operands(config: MacConfig, options: StreamOptions, beats: int) -> Operands:
    """The first ``beats`` beats of a stream, as ``config`` encodes them."""
    lanes, columns = getattr(config, "lanes", 1), getattr(config, "columns", 1)
    beat = np.arange(beats)
    group = beat // options.hold if options.weights == "held" else beat
    w_levels, x_levels = (_levels(table) for table in (config.weight.table, config.activation.table))
    if options.stream == "uniform":
        x_seed, w_seed = np.random.SeedSequence(options.seed).spawn(2)
        x = np.random.default_rng(x_seed).choice(x_levels, (beats, lanes))
        w = np.random.default_rng(w_seed).choice(w_levels, (group[-1] + 1, columns, lanes))
    else:
        draw = _network if options.stream == "network" else _half_normal
        (real_x, all_x), (real_w, all_w) = draw(options, config, beat, group)
        x, w = nearest(x_levels, real_x, all_x), nearest(w_levels, real_w, all_w)
    load = np.diff(group, prepend=-1) > 0
    last = (beat % options.hold == options.hold - 1) | (beat == beats - 1)
    return Operands(x, w[group], load, last)


def nearest(levels: Integers, reals: Reals, population: Reals) -> Integers:
    """Each real over a common scale, rounded to the nearest level (ties to the smaller magnitude).

    The scale is the one of `SCALES`, from the largest of the ``population`` on the largest level down to a
    fifth of that, with the least mean squared error: a real quantizer fits its scale too.
    """
    sample = population.ravel()[:: max(1, population.size // SAMPLE)]
    largest = float(np.abs(population).max())
    scales = largest / float(np.abs(levels).max()) * np.linspace(0.2, 1.0, SCALES)
    errors = [np.square(levels[_index(levels, sample / scale)] * scale - sample).mean() for scale in scales]
    return levels[_index(levels, reals / scales[int(np.argmin(errors))])]


def _index(levels: Integers, values: Reals) -> Integers:
    """Where the nearest level stands in the ascending ``levels``."""
    above = np.searchsorted(levels, values).clip(1, len(levels) - 1)
    down, up = values - levels[above - 1], levels[above] - values
    smaller = np.abs(levels[above - 1]) <= np.abs(levels[above])
    return above - ((down < up) | ((down == up) & smaller))


def _levels(table: list[tuple[int, int]]) -> Integers:
    """The values of a code table, ascending."""
    return np.array(sorted({value for _, value in table}), np.int64)


def _half_normal(options: StreamOptions, config: MacConfig, beat: Integers, group: Integers) -> tuple[Drawn, Drawn]:
    lanes, columns = getattr(config, "lanes", 1), getattr(config, "columns", 1)
    population = np.random.default_rng(0).standard_normal(SAMPLE)
    x_seed, w_seed = np.random.SeedSequence(options.seed).spawn(2)
    generator = np.random.default_rng(x_seed)
    x = generator.standard_normal((len(beat), lanes))
    x = (x if config.act_signed else np.abs(x)) * (generator.random(x.shape) < 0.5)
    seeds = [w_seed, *w_seed.spawn(columns - 1)]  # the first column is the same in a unit of any number of them
    w = np.stack([np.random.default_rng(seed).standard_normal((group[-1] + 1, lanes)) for seed in seeds], axis=1)
    return (x, population if config.act_signed else np.abs(population)), (w, population)


def _network(options: StreamOptions, config: MacConfig, beat: Integers, group: Integers) -> tuple[Drawn, Drawn]:
    """A recorded layer as an array of this size computes it.

    Held weights (weight stationary): a block of lanes x columns weights meets one vector after the
    other. Streaming weights (output stationary): a vector passes all blocks of its terms, then the next
    vector comes. Terms and outputs that run over the end of the layer start again at its beginning.
    """
    vectors, matrix = recording()
    outputs, terms = matrix.shape
    lanes, columns = getattr(config, "lanes", 1), getattr(config, "columns", 1)
    chunks = ceil_div(terms, lanes)
    start = np.random.default_rng(options.seed).integers(len(vectors)) if options.seed else 0
    block = np.arange(group[-1] + 1)
    row = block // chunks * columns
    rows = (row[:, None] + np.arange(columns)) % outputs
    places = ((block % chunks * lanes)[:, None] + np.arange(lanes)) % terms
    vector = start + (beat if options.weights == "held" else beat // chunks)
    x = vectors[(vector % len(vectors))[:, None], places[group]]
    return (x, vectors), (matrix[rows[:, :, None], places[:, None, :]], matrix)


@cache
def recording(name: str = "operands.json") -> tuple[Reals, Reals]:
    """A recorded layer: activation vectors [n, terms] >= 0 and weights [outputs, terms]."""
    table = json.loads(files(__package__).joinpath(name).read_text(encoding="utf-8"))
    maps, weights = unpacked(table["activations"]), unpacked(table["weights"])
    kernel, stride, padding = table["kernel"], table["stride"], table["padding"]
    maps = np.pad(maps, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(maps, (kernel, kernel), (2, 3))[:, :, ::stride, ::stride]
    vectors = windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, weights[0].size)
    return vectors.astype(np.float64), weights.reshape(len(weights), -1).astype(np.float64)


def unpacked(entry: dict[str, Any]) -> NDArray:
    data = zlib.decompress(base64.b64decode(entry["zlib_base64"]))
    return np.frombuffer(data, entry["dtype"]).reshape(entry["shape"])


def codes(table: list[tuple[int, int]], values: Integers) -> NDArray[np.object_]:
    """The code of each value in ``table``, as Python integers of any width."""
    code_of = {value: code for code, value in table}
    return np.vectorize(code_of.__getitem__, otypes=[object])(values)


def check_unit(config: Any) -> MacConfig:
    """Return ``config`` if its unit can be measured here; raise `ParameterError` otherwise."""
    if not isinstance(config, MacConfig) or config.unit not in ("mac", "dot"):
        raise ParameterError(f"unit must be mac or dot for this measurement of energy, not {config.unit!r}")
    return config

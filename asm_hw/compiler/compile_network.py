"""Integer networks to programs: lowered, tiled, placed, encoded, and scheduled by the exact cycle model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from asm_hw.errors import ParameterError
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.integer_node import INPUT
from asm_hw.numbers.integers import ceil_div, integer_range, signed_bits
from asm_hw.units.engine.engine_config import EngineConfig
from asm_hw.units.engine.engine_records import PROGRAM_BITS
from asm_hw.units.engine.engine_schedule import Timeline

from .engine_program import EngineProgram, ProgramLayer
from .layer_records import Placed, Record, channel_records, check_sums, layer_record, tile_record
from .placement import needed_pace, place
from .products import Product, as_map, fuse, join_moves, products_of
from .tensor_layout import TensorLayout
from .tiling import Tiler, Tiling, needed_passes, row_words


def compile_network(network: IntegerNetwork, config: EngineConfig, sha256: str = "") -> EngineProgram:
    """The program of ``network`` for the engine ``config``.

    Raises `ParameterError` that names the layer where it does not fit.
    """
    products, holds = products_of(network)
    output = holds[network.layers[-1].name]
    products = join_moves(products, {output})
    products = fuse(products, config.act_bits, network.formats)
    products, layouts = _layouts(network, config, products)
    for product in products:
        check_sums(config, product, layouts[product.source])
    bases = place(config, products, layouts, {output})
    tensors = {name: Placed(layouts[name], base) for name, base in bases.items()}
    build = _Build(config, tensors)
    for index, product in enumerate(products):
        build.add(product, final=index == len(products) - 1, completes=_completes(products, index))
    build.check_memories()
    return EngineProgram(config, tuple(build.layers), build.program, build.weights, tensors, output, sha256)


def _completes(products: Sequence[Product], index: int) -> bool:
    """Whether no later product goes on with the same tensor."""
    return all(later.target != products[index].target for later in products[index + 1 :])


def _layouts(
    network: IntegerNetwork, config: EngineConfig, products: Sequence[Product]
) -> tuple[list[Product], dict[str, TensorLayout]]:
    """The layout of every tensor; products whose results are wider than an output are bounded by what they can be."""
    shape, stored = as_map(network.input_shape), network.formats[INPUT]
    if stored.levels is not None:
        raise ParameterError("input must be plain integers on an engine, not levels of an alphabet set")
    digits = ceil_div(stored.bits, config.act_bits)
    packed = digits == 2 and shape[0] <= config.group // 2 and all(product.skip != INPUT for product in products)
    words = 1 if packed else ceil_div(shape[0], config.group)
    layouts = {INPUT: TensorLayout(config, shape, stored, words, packed)}
    bounded = []
    for product in products:
        channels = product.weight.shape[0]
        fmt = network.formats.get(product.target)
        assert fmt is not None
        if fmt.bits > config.requantize.out_bits:
            product, fmt = _bounded(config, product, layouts[product.source])
        words = needed_passes(config, channels) * config.beat_words
        layout = TensorLayout(config, (channels, *product.out_size), fmt, words)
        layouts.setdefault(product.target, layout)
        if product.also:
            copy = TensorLayout(config, layout.shape, network.formats[product.also.target], words)
            layouts[product.also.target] = copy
        if product.skip and layouts[product.skip].planes > config.planes:
            raise ParameterError(
                f"layer {product.name!r} must join a tensor of at most {config.skip_bits} bits, not {layouts[product.skip].bits}"
            )
        if product.largest and (layouts[product.source].planes > 1 or layouts[product.source].packed):
            raise ParameterError(
                f"layer {product.name!r} must take the largest of numbers of at most act_bits {config.act_bits}, not"
                f" {layouts[product.source].bits} bits: act_bits 8 would do"
            )
        bounded.append(product)
    return bounded, layouts


def _bounded(config: EngineConfig, product: Product, source: TensorLayout) -> tuple[Product, ActivationFormat]:
    """A product whose result is its sum and a bias, stored in the bits that these can need."""
    channels, rows = product.channels, product.weight.flatten(1)
    low, high = source.format.range
    positive, negative = rows.clamp(min=0).sum(1), rows.clamp(max=0).sum(1)
    if product.skip or (channels.scale != 1).any() or channels.shift.any():
        raise ParameterError(f"layer {product.name!r} must give at most {config.requantize.out_bits} bits on this engine")
    least = int((positive * low + negative * high + channels.bias).min())
    most = int((positive * high + negative * low + channels.bias).max())
    bits = signed_bits(least, most)
    if bits > config.requantize.out_bits:
        raise ParameterError(f"acc_bits must be at least {bits} for layer {product.name!r}, not {config.acc_bits}")
    return replace(product, limits=integer_range(bits, True)), ActivationFormat(bits, True)


class _Build:
    """Collects rows of memories and layers, and follows the time."""

    def __init__(self, config: EngineConfig, tensors: Mapping[str, Placed]):
        self.config, self.tensors = config, tensors
        self.program: list[int] = []
        self.weights: list[int] = []
        self.layers: list[ProgramLayer] = []
        self._timeline = Timeline(config)

    def add(self, product: Product, final: bool, completes: bool) -> None:
        """The rows of one product."""
        config, records = self.config, self.config.records
        source = self.tensors[product.source]
        tiling = Tiler(config, product, source.layout).tiling()
        places = {name: placed.layout for name, placed in self.tensors.items()}
        pace = needed_pace(config, product, places, {name: placed.base for name, placed in self.tensors.items()})
        layer = layer_record(config, product, tiling, self.tensors, pace, final)
        own = [tile for tiles in tiling.passes for tile in tiles] if not tiling.shared else tiling.passes[0]
        tiles = [tile_record(tile, source, product.largest) for tile in own]
        self._append(records.layer, layer, records.layer_rows)
        for tile in tiles:
            self._append(records.tile, tile, records.tile_rows)
        self._add_weights(product, tiling)
        masked = [{f.name: tile[f.name] & (1 << f.width) - 1 for f in records.tile} for tile in tiles]
        predicted = self._timeline.layer(_Filled(layer), masked)
        steps = predicted.steps * config.lanes * config.columns
        complete = product.targets if completes else ()
        self.layers.append(ProgramLayer(product.name, complete, product.macs, steps, predicted))

    def _append(self, fields, record: Record, rows: int) -> None:
        word = self.config.records.encode(fields, record)
        self.program += [word >> i * PROGRAM_BITS & (1 << PROGRAM_BITS) - 1 for i in range(rows)]

    def _add_weights(self, product: Product, tiling: Tiling) -> None:
        """For each pass its first tile, the parameters of its columns, its other tiles."""
        config = self.config
        words = [config.records.encode(config.records.channel, c) for c in channel_records(config, product, self.tensors)]
        for number, tiles in enumerate(tiling.passes):
            own = words[number * config.columns : (number + 1) * config.columns]
            own += [0] * (config.columns - len(own))
            self.weights += row_words(config, tiles[0]) + config.parameter_words(own)
            for tile in tiles[1:]:
                self.weights += row_words(config, tile)

    def check_memories(self) -> None:
        """Raise `ParameterError` unless all rows fit."""
        for name, rows in (("program_rows", [0, *self.program]), ("weight_rows", self.weights)):
            if len(rows) > getattr(self.config, name):
                raise ParameterError(f"{name} must be at least {len(rows)} for this network, not {getattr(self.config, name)}")


class _Filled(dict):
    """A record whose fields are 0 where they are left out."""

    def __missing__(self, key: str) -> int:
        return 0


"""Integer networks to programs: lowered, tiled, placed, encoded, and scheduled by the exact cycle model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from asm_hw.errors import ParameterError
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.integer_node import INPUT
from asm_hw.numbers.integers import ceil_div, integer_range, signed_bits
from asm_hw.units.engine.engine_config import EngineConfig
from asm_hw.units.engine.engine_records import COUNT, SKIP_BITS

from .engine_program import EngineProgram
from .folding import InputWindows, estimated_cycles, fold_sum, input_windows, over_windows
from .layer_records import check_sums, pixels_of
from .lowering import as_map, products_of
from .move_products import with_swaps
from .products import Product, fuse, join_moves
from .program_builder import ProgramBuilder
from .result_tables import check_tables, distinct, look_up_at_once
from .tensor_layout import Placed, TensorLayout
from .tensor_placement import place
from .tiling import needed_passes
from .wide_maxima import without_wide_maxima

MAX_SIDE = (1 << COUNT) - 1
"""Most rows or columns of a tensor."""


def compile_network(network: IntegerNetwork, config: EngineConfig, sha256: str = "") -> EngineProgram:
    """The program of ``network`` for the engine ``config``.

    Raises `ParameterError` that names the layer where it does not fit.
    """
    if config.weight.arithmetic == "bare":
        raise ParameterError("arithmetic must be asm or exact where a program runs: a bare weight is never 0")
    counted = {layer.name for layer in network.products}
    network = with_swaps(without_wide_maxima(network, config.act_bits))
    products, output = lowered(network, config.act_bits)
    products = [one if one.name in counted else replace(one, macs=0) for one in products]
    compiling = _Compiling(network, config, products, output, sha256)
    windows = input_windows(products, as_map(network.input_shape))
    if windows and compiling.folds(windows):
        with suppress(ParameterError):  # windows overlap: they may need room that the input as it is does not
            return compiling.program(windows)
    return compiling.program(None)


def lowered(network: IntegerNetwork, act_bits: int) -> tuple[list[Product], str]:
    """The products of ``network`` on engines of so many ``act_bits``, and the tensor that is its result."""
    products, holds = products_of(network)
    output = holds[network.layers[-1].name]
    if output == INPUT:
        raise ParameterError(f"layer {network.layers[-1].name!r} must compute something, not give the input as it is")
    products = look_up_at_once(join_moves(products, {output}), {output}, network.formats)
    return fuse(products, act_bits, network.formats), output


@dataclass(frozen=True)
class _Compiling:
    """What is compiled for which engine; ``output``: the tensor that is the result."""

    network: IntegerNetwork
    config: EngineConfig
    products: list[Product]
    output: str
    sha256: str

    def _input(self, windows: InputWindows | None) -> tuple[list[Product], TensorLayout]:
        """The products, and how the input lies, as ``windows`` or as it is."""
        network, joins = self.network, any(product.skip == INPUT for product in self.products)
        if windows is None:
            return self.products, _input_layout(network, self.config, as_map(network.input_shape), joins)
        products = [over_windows(product) if product.source == INPUT else product for product in self.products]
        return products, _input_layout(network, self.config, windows.written_shape, joins)

    def folds(self, windows: InputWindows) -> bool:
        """Whether the first layer takes fewer cycles over ``windows``."""
        cycles = []
        for way in (windows, None):
            products, layout = self._input(way)
            reader = next(product for product in products if product.source == INPUT)
            cycles.append(estimated_cycles(self.config, reader, layout))
        return cycles[0] < cycles[1]

    def program(self, windows: InputWindows | None) -> EngineProgram:
        """The program with the input as ``windows`` or as it is."""
        config = self.config
        check_tables(config, self.products)
        products, source = self._input(windows)
        products, layouts = _layouts(self.network, config, products, source)
        for product in products:
            check_sums(config, product, layouts[product.source])
        bases = place(config, products, layouts, {self.output})
        tensors = {name: Placed(layouts[name], base) for name, base in bases.items()}
        build = ProgramBuilder(config, tensors, distinct(product.look_up for product in products))
        for index, product in enumerate(products):
            build.add(product, final=index == len(products) - 1, completes=_completes(products, index))
        layers = build.scheduled()
        return EngineProgram(
            config,
            layers,
            build.program,
            build.weights,
            tensors,
            self.output,
            self.sha256,
            windows=windows,
            tables=[entry for entries in build.tables for entry in entries],
        )


def _completes(products: Sequence[Product], index: int) -> bool:
    """Whether no later product goes on with the same tensor."""
    return all(later.target != products[index].target for later in products[index + 1 :])


def _layouts(
    network: IntegerNetwork, config: EngineConfig, products: Sequence[Product], source: TensorLayout
) -> tuple[list[Product], dict[str, TensorLayout]]:
    """The layout of every tensor; products whose results are wider than an output are bounded by what they can be."""
    layouts = {INPUT: source}
    bounded = []
    for product in products:
        stored = network.formats[product.target]
        if stored.bits > config.requantize.out_bits:
            product, stored = _bounded(config, product, layouts[product.source])
        shape = (product.weight.shape[0], *product.out_size)
        words = needed_passes(config, shape[0]) * config.beat_words
        layouts.setdefault(product.target, TensorLayout(config, shape, stored, words))
        if product.also:
            layouts[product.also.target] = TensorLayout(config, shape, network.formats[product.also.target], words)
        _check_sources(config, product, layouts)
        _check_encoding(config, product, network.formats)
        bounded.append(fold_sum(config, product, layouts[product.source]))
    for name, layout in layouts.items():
        if max(layout.shape[1:]) > MAX_SIDE:
            raise ParameterError(
                f"tensor {name!r} must have at most {MAX_SIDE} rows and columns on an engine, not {layout.shape[1:]}"
            )
    return bounded, layouts


def _input_layout(
    network: IntegerNetwork, config: EngineConfig, shape: tuple[int, int, int], joins: bool
) -> TensorLayout:
    """How the input lies in ``shape``; ``joins``: it is one that joins sums."""
    stored = network.formats[INPUT]
    if joins:  # the words that the columns of a whole pass read
        return TensorLayout(config, shape, stored, needed_passes(config, shape[0]) * config.beat_words)
    packed = ceil_div(stored.bits, config.act_bits) == 2 and shape[0] <= config.group // 2
    return TensorLayout(config, shape, stored, 1 if packed else ceil_div(shape[0], config.group), packed)


def _check_sources(config: EngineConfig, product: Product, layouts: Mapping[str, TensorLayout]) -> None:
    """Raise `ParameterError` unless a product can take its sources in as many digits as they have."""
    source = layouts[product.source]
    if product.skip and layouts[product.skip].planes > config.planes:
        raise ParameterError(
            f"layer {product.name!r} must join a tensor of at most {config.skip_bits} bits, not"
            f" {layouts[product.skip].bits}"
        )
    if product.largest and (source.planes > 1 or source.packed):
        raise ParameterError(
            f"layer {product.name!r} must take the largest of numbers of at most act_bits {config.act_bits}, not"
            f" {source.bits} bits, signed and padded: act_bits 8 would do"
        )


def _check_encoding(config: EngineConfig, product: Product, formats: Mapping[str, ActivationFormat]) -> None:
    """Raise `ParameterError` unless the engine encodes what a product stores."""
    for name in product.encoded:
        stored = formats[name]
        if stored.alphabets != config.act_alphabets:
            raise ParameterError(
                f"act_alphabets must be {stored.alphabets} for layer {product.name!r}, whose outputs are encoded on"
                f" them, not {config.act_alphabets or 'none'}"
            )
        if stored.bits > SKIP_BITS:
            raise ParameterError(
                f"layer {product.name!r} must be encoded in at most {SKIP_BITS} bits on an engine, not {stored.bits}"
            )


def _bounded(config: EngineConfig, product: Product, source: TensorLayout) -> tuple[Product, ActivationFormat]:
    """A product whose result is its sum and a bias, stored in the bits that these can need."""
    channels, out_bits = product.channels, config.requantize.out_bits
    if product.skip or (channels.scale != 1).any() or channels.shift.any():
        raise ParameterError(f"layer {product.name!r} must give at most {out_bits} bits on this engine")
    rows = product.weight.flatten(1) * pixels_of(product, source)
    low, high = source.format.range
    positive, negative = rows.clamp(min=0).sum(1), rows.clamp(max=0).sum(1)
    least = int((positive * low + negative * high + channels.bias).min())
    most = int((positive * high + negative * low + channels.bias).max())
    floor, ceiling = product.limits
    bits = signed_bits(min(max(least, floor), ceiling), min(max(most, floor), ceiling))
    if bits > out_bits:
        raise ParameterError(f"acc_bits must be at least {bits} for layer {product.name!r}, not {config.acc_bits}")
    stored = integer_range(bits, signed=True)
    limits = max(floor, stored[0]), min(ceiling, stored[1])
    return replace(product, limits=limits), ActivationFormat(bits, True)

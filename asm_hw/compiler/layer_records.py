"""Placed products as records: the fields of layers, tiles and channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from asm_hw.errors import ParameterError
from asm_hw.numbers.integers import ceil_div, integer_range, signed_bits
from asm_hw.units.engine.engine_config import EngineConfig
from asm_hw.units.engine.engine_records import SKIP_SHIFT_BITS

from .products import Also, Channels, Product
from .tensor_layout import TensorLayout
from .tiling import Tile, Tiling

Record = dict[str, int]


@dataclass(frozen=True)
class Placed:
    """A tensor's layout and where it begins."""

    layout: TensorLayout
    base: int


@dataclass(frozen=True)
class Blocks:
    """Pixels of a layer in blocks of ``height`` by ``width``; the last ones may be smaller."""

    rows: int
    columns: int
    height: int
    width: int

    @classmethod
    def of(cls, size: tuple[int, int], hold: int, whole: bool) -> Blocks:
        """Blocks of at most ``hold`` pixels, or one of all: rows as a whole where they fit."""
        rows, columns = size
        if whole:
            return cls(rows, columns, rows, columns)
        if columns <= hold:
            count = ceil_div(rows, hold // columns)
            return cls(rows, columns, ceil_div(rows, count), columns)
        width = ceil_div(columns, ceil_div(columns, hold - hold % 2))
        return cls(rows, columns, 1, width + width % 2)

    @property
    def fields(self) -> Record:
        down, right = ceil_div(self.rows, self.height), ceil_div(self.columns, self.width)
        return {
            "blocks_y": down, "blocks_x": right, "block_h": self.height, "block_w": self.width,
            "last_h": self.rows - (down - 1) * self.height, "last_w": self.columns - (right - 1) * self.width,
        }  # fmt: skip


def layer_record(
    config: EngineConfig, product: Product, tiling: Tiling, tensors: Mapping[str, Placed], pace: int, final: bool
) -> Record:
    """The record of a layer."""
    source, target = tensors[product.source], tensors[product.target]
    size = source.layout.shape[1:] if product.reduce else product.out_size
    blocks = Blocks.of(size, config.hold, whole=product.reduce or len(tiling.passes[0]) == 1)
    stride_y, stride_x = product.stride
    layout, offset = source.layout, target.layout.offset
    moves = not product.reduce
    return blocks.fields | {
        "final": int(final), "tiles": len(tiling.passes[0]), "passes": len(tiling.passes),
        "own_tiles": int(not tiling.shared), "pace": pace, "window": int(tiling.window),
        "reduce": int(product.reduce), "largest": int(product.largest), "skip": int(product.skip is not None),
        "height": layout.shape[1], "width": layout.shape[2],
        "stride_y": stride_y, "stride_x": stride_x, "stride_m3": stride_y % 3,
        "row": layout.row, "row_step": stride_y * layout.row, "col": layout.col,
        "step_half": (stride_x >> 1) * layout.col, "jump_half": (stride_x - 1 >> 1) * layout.col,
        "block_y": blocks.height * stride_y, "block_x": blocks.width * stride_x,
        "block_row": blocks.height * stride_y * layout.row, "block_col": blocks.width * stride_x // 2 * layout.col,
        "block_m3": blocks.height * stride_y % 3,
        "out_height_m3": blocks.height % 3 * moves, "out_height_m2": blocks.height % 2 * moves,
        "phases": target.layout.phases, "low": product.limits[0] + offset, "high": product.limits[1] + offset,
        **_place(config, "out", target, blocks, moves),
        **(_place(config, "skip", tensors[product.skip], blocks, moves) if product.skip else {}),
        **(_copy(config, product.also, target.layout, tensors, blocks) if product.also else {}),
    }  # fmt: skip


def _copy(config: EngineConfig, also: Also, source: TensorLayout, tensors: Mapping[str, Placed], blocks: Blocks) -> Record:
    """The fields of a narrowed copy."""
    target = tensors[also.target]
    offset = target.layout.offset
    half = 1 << also.shift - 1 if also.shift else 0
    return _place(config, "also", target, blocks, True) | {
        "also": 1, "also_add": half - source.offset + (offset << also.shift), "also_shift": also.shift,
        "also_low": also.limits[0] + offset, "also_high": also.limits[1] + offset,
    }  # fmt: skip


def _place(config: EngineConfig, name: str, tensor: Placed, blocks: Blocks, moves: bool) -> Record:
    layout = tensor.layout
    fields = {
        "base": tensor.base, "m3": 0, "m2": 0, "rest": 0, "row": layout.row, "col": layout.col,
        # Of two planes at once the second lies so far behind the first; one alone goes half as far twice.
        "plane": layout.plane_words // (3 if config.planes > 1 else 6), "pair": int(layout.planes > 1 and config.planes > 1),
        "block_row": blocks.height * layout.row * moves, "block_col": blocks.width // 2 * layout.col * moves,
    }  # fmt: skip
    return {f"{name}_{field}": value for field, value in fields.items()}


def tile_record(tile: Tile, source: Placed, largest: bool) -> Record:
    """The record of a tile."""
    layout = source.layout
    address = source.base + tile.dy * layout.row + (tile.dx >> 1) * layout.col + tile.group // 3
    return {
        "dy": tile.dy, "dx": tile.dx, "address": address, "m3": (tile.dy + tile.group) % 3, "m2": tile.group % 2,
        "mask": tile.mask, "shift": tile.shift, "pad": 0 if largest else layout.pad(tile.group),
    }  # fmt: skip


def channel_records(config: EngineConfig, product: Product, tensors: Mapping[str, Placed]) -> list[Record]:
    """The record of every output channel: multipliers as codes, and a bias that undoes the offsets of stored values."""
    channels, source, target = product.channels, tensors[product.source].layout, tensors[product.target].layout
    pixels = source.shape[1] * source.shape[2] if product.reduce and not product.largest else 1
    weights = product.weight.flatten(1)
    total = weights.sum(1) * pixels if not product.largest else (weights != 0).any(1).to(torch.int64)
    bias = channels.bias - source.offset * total * channels.scale + (target.offset << channels.shift)
    records = []
    most = sum_range(product, source)
    joined_most = (1 << tensors[product.skip].layout.bits) - 1 if product.skip else 0
    for index, value in enumerate(bias.tolist()):
        bound = max(-most[0], most[1]) * abs(int(channels.scale[index])) + (1 << int(channels.shift[index]) >> 1)
        record = {"scale": _code(config, product, int(channels.scale[index])), "shift": int(channels.shift[index])}
        if product.skip is not None:
            record, joined = record | _joining(config, product, channels, index), _joined(channels, index)
            value -= tensors[product.skip].layout.offset * joined
            bound += joined_most * abs(joined)
        if bound + abs(value) >= 1 << config.requantize.sum_bits - 1:
            raise ParameterError(
                f"layer {product.name!r} must requantize within {config.requantize.sum_bits} bits on an engine of acc_bits"
                f" {config.acc_bits}, not {bound + abs(value)}"
            )
        records.append(record | {"bias": _bias(config, product, value)})
    return records


def _joined(channels: Channels, index: int) -> int:
    assert channels.skip_scale is not None and channels.skip_shift is not None
    return int(channels.skip_scale[index]) << int(channels.skip_shift[index])


def _joining(config: EngineConfig, product: Product, channels: Channels, index: int) -> Record:
    assert channels.skip_scale is not None and channels.skip_shift is not None
    scale, shift = int(channels.skip_scale[index]), int(channels.skip_shift[index])
    most = (1 << SKIP_SHIFT_BITS) - 1
    # A longer shift may be part of the multiplier, where that is a level too.
    moved = range(max(0, shift - most), shift + 1)
    part = next((part for part in moved if scale << part in config.requantize.scale.levels), None) if scale else shift
    if part is None:
        raise ParameterError(
            f"layer {product.name!r} must join by a multiplier and a shift of at most {most} on an engine, not by"
            f" {scale} << {shift}"
        )
    return {"skip_scale": _code(config, product, scale << part if scale else 0), "skip_shift": shift - part}


def _code(config: EngineConfig, product: Product, level: int) -> int:
    scale = config.requantize.scale
    if level not in scale.levels:
        raise ParameterError(
            f"layer {product.name!r} must have multipliers on the engine's alphabets {{{scale.alphabets}}}, not {level}"
        )
    return scale.encode(level)


def _bias(config: EngineConfig, product: Product, value: int) -> int:
    low, high = integer_range(config.requantize.bias_bits, signed=True)
    if not low <= value <= high:
        raise ParameterError(
            f"layer {product.name!r} must have biases of {config.requantize.bias_bits} bits on an engine of acc_bits"
            f" {config.acc_bits}, not {value}"
        )
    return value


def sum_range(product: Product, source: TensorLayout) -> tuple[int, int]:
    """The least and the largest sum of stored values."""
    high = (1 << source.bits) - 1
    if product.largest:
        return 0, high
    pixels = source.shape[1] * source.shape[2] if product.reduce else 1
    rows = product.weight.flatten(1)
    most, least = rows.clamp(min=0).sum(1).max(), rows.clamp(max=0).sum(1).min()
    return int(least) * high * pixels, int(most) * high * pixels


def check_sums(config: EngineConfig, product: Product, source: TensorLayout) -> None:
    """Raise `ParameterError` unless every sum of stored values fits the accumulators."""
    needed = signed_bits(*sum_range(product, source))
    if needed > config.accumulator.bits:
        raise ParameterError(f"acc_bits must be at least {needed} for layer {product.name!r}, not {config.acc_bits}")

"""The ports of every bitline unit."""

from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from asm_hw.gateware.shapes import struct_of

from .bitline_config import BitlineConfig


def stream_ports(config: BitlineConfig) -> dict:
    """Micro-operations and rows in, words out, and the counters, if there are any."""
    counts = data.StructLayout(dict.fromkeys(config.counted, config.counter_bits))
    return {
        "i_op": In(stream.Signature(struct_of(config.op_fields))),
        "i_row": In(stream.Signature(data.ArrayLayout(config.columns_per_word, config.words))),
        "o_words": Out(stream.Signature(data.ArrayLayout(config.out_bits, config.words))),
    } | ({"counts": Out(counts)} if config.counter_bits else {})


def cells_signature(config: BitlineConfig) -> wiring.Signature:
    """What a core asks of the cells.

    Members
    -------
    open_a, open_b : Out(1), which of the addressed rows open
    bl, blb : In(``config.cols``), the sensed lines
    write : Out(``config.words``), which words of the addressed row are written on this edge
    data : Out(``config.cols``)
    """
    return wiring.Signature(
        {
            "open_a": Out(1),
            "open_b": Out(1),
            "write": Out(config.words),
            "data": Out(config.cols),
            "bl": In(config.cols),
            "blb": In(config.cols),
        }
    )


def core_ports(config: BitlineConfig) -> dict:
    """The streams, without the addresses of micro-operations, and the cells."""
    ports = {"i_op": In(stream.Signature(struct_of(config.core_fields))), "cells": Out(cells_signature(config))}
    return stream_ports(config) | ports

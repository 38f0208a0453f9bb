"""The ports of every bitline unit."""

from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from ...config import BitlineConfig
from ..shapes import layout


def streams(config: BitlineConfig) -> dict:
    """Micro-operations and rows in, words out."""
    return {
        "i_op": In(stream.Signature(layout(config.op_fields))),
        "i_row": In(stream.Signature(data.ArrayLayout(config.columns_a_word, config.words))),
        "o_words": Out(stream.Signature(data.ArrayLayout(config.out_bits, config.words))),
    }

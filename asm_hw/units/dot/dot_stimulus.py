"""The netlist test bench of unit ``dot``."""

from __future__ import annotations

from dataclasses import dataclass

from asm_hw.bench.netlist_operands import TEXT_BITS, Operand, Picker
from asm_hw.bench.netlist_text import NetlistBench, Ports, indexed, payload_memories

from .dot_config import DotConfig

MIN_SUMS, MAX_SUMS = 8, 64

STREAMS_BODY = """\
    i__valid = 0; i_weight__valid = 0; o__ready = 0; i__payload = 0; i_weight__payload = 0; rst = 1;
    settle; edge_of_clock;
    rst = 0;
    beat = 0; load = 0; idle = 0;
    for (i = 0; checks < {sums} && idle < 1000; i = i + 1) begin
      // What is offered stays until it is taken; each stream pauses at a pace of its own.
      if (!i__valid && beat < {beats} && i % 7 != 3) begin i__payload = beats[beat]; i__valid = 1; end
      if (!i_weight__valid && load < {weights} && i % 5 != 1) begin
        i_weight__payload = weights[load]; i_weight__valid = 1;
      end
      o__ready = i % 3 != 2;
      settle;
      idle = idle + 1;
      if (o__ready && o__valid === 1) begin
        if (o__payload !== sums[checks]) fail(checks);
        checks = checks + 1; idle = 0;
      end
      taken = {{i__valid && i__ready === 1, i_weight__valid && i_weight__ready === 1}};
      edge_of_clock;
      if (taken[1]) begin beat = beat + 1; i__valid = 0; end
      if (taken[0]) begin load = load + 1; i_weight__valid = 0; end
    end
    if (checks < {sums}) begin $display("no sum for 1000 cycles"); failures = failures + 1; end
"""
"""Two input streams and one output stream, of ``beats``, ``weights`` and ``sums``."""
STREAMS_VARIABLES = ["integer beat, load, idle;", "reg [1:0] taken;"]


def dot_bench(config: DotConfig, ports: Ports) -> NetlistBench:
    """The three streams, each pausing at a pace of its own."""
    streams = dot_streams(config)
    rows = [
        (
            "beats",
            "i__payload",
            [indexed(x, "x") | {"release": release, "last": last} for x, release, last in streams.beats],
        ),
        (
            "weights",
            "i_weight__payload",
            [
                {f"[{c}][{lane}]": code for c, column in enumerate(row) for lane, code in enumerate(column)}
                for row in streams.weights
            ],
        ),
        ("sums", "o__payload", [indexed(row) for row in streams.sums]),
    ]
    body = STREAMS_BODY.format(**{name: len(words) for name, _, words in rows})
    return NetlistBench(payload_memories(ports, rows), body, STREAMS_VARIABLES)


@dataclass(frozen=True)
class DotStreams:
    """The three streams of a ``dot`` unit.

    Attributes
    ----------
    beats : (x codes by lane, release, last)
    weights : w codes [column][lane]; each serves until a beat releases it
    sums : by column, one entry a beat with ``last``
    """

    beats: list[tuple[list[int], int, int]]
    weights: list[list[list[int]]]
    sums: list[list[int]]


def dot_streams(config: DotConfig) -> DotStreams:
    """Sums of one to four beats; the first ones hold every lane at a corner, the others are random."""
    picker, streams = Picker(config.weight, config.activation), DotStreams([], [], [])
    # Of a beat, its weights and its sum: they limit how many sums the text of the bench has.
    bits = (
        config.columns * config.weight.code_bits + config.activation.code_bits
    ) * config.lanes + config.columns * config.accumulator.bits
    corners = picker.corners()
    # The extreme products first: a wide unit has fewer sums than there are corners.
    corners = [corners[0], corners[-1], *corners[1:-1]]
    held: list[list[Operand]] = []
    for index in range(max(MIN_SUMS, min(MAX_SUMS, TEXT_BITS // bits))):
        corner = corners[index] if index < len(corners) else None
        sums, beats = [0] * config.columns, 4 if corner else 1 + index % 4
        for beat in range(beats):
            if not held:
                held = [
                    [corner[0] if corner else picker.weight() for _ in range(config.lanes)]
                    for _ in range(config.columns)
                ]
                streams.weights.append([[code for code, _ in column] for column in held])
            x = [corner[1] if corner else picker.activation() for _ in range(config.lanes)]
            products = [sum(w * v for (_, w), (_, v) in zip(column, x, strict=True)) for column in held]
            sums = [config.accumulator.fit(old + new) for old, new in zip(sums, products, strict=True)]
            last = beat == beats - 1
            # The last beat of a corner gives its weights up, so that the next sum begins with weights of its own.
            release = picker.below(2) == 1 or (last and index < len(corners))
            streams.beats.append(([code for code, _ in x], int(release), int(last)))
            held = [] if release else held
        streams.sums.append(sums)
    return streams

"""The netlist test bench of unit ``near_memory``."""

from __future__ import annotations

from asm_hw.bench.netlist_operands import TEXT_BITS, Picker
from asm_hw.bench.netlist_text import NetlistBench, Ports, indexed, payload_memories
from asm_hw.units.memory_stimulus import random_product, round_count

from .near_memory_config import NearMemoryConfig
from .near_memory_program import Program, program

BODY = """\
    i__valid = 0; i_weight__valid = 0; i_command__valid = 0; o__ready = 0; rst = 1;
    i__payload = 0; i_weight__payload = 0; i_command__payload = 0;
    settle; edge_of_clock;
    rst = 0;
    beat = 0; row = 0; command = 0; idle = 0; round = 1;
    for (i = 0; checks < {rounds} * {outputs} && idle < 1000; i = i + 1) begin
      // What is offered stays until it is taken; each stream pauses at a pace of its own. Rows come first,
      // those of a round when all outputs of the round before are there.
      if (checks == round * {outputs}) round = round + 1;
      if (!i_weight__valid && row < round * {rows}) begin i_weight__payload = rows[row]; i_weight__valid = 1; end
      if (!i_command__valid && row == round * {rows} && command < round * {commands} && i % 5 != 1) begin
        i_command__payload = commands[command]; i_command__valid = 1;
      end
      if (!i__valid && beat < round * {beats} && i % 7 != 3) begin i__payload = beats[beat]; i__valid = 1; end
      o__ready = i % 3 != 2;
      settle;
      idle = idle + 1;
      if (o__ready && o__valid === 1) begin
        if (o__payload !== outputs[checks]) fail(checks);
        checks = checks + 1; idle = 0;
      end
      taken = {{i_weight__valid && i_weight__ready === 1, i_command__valid && i_command__ready === 1,
               i__valid && i__ready === 1}};
      edge_of_clock;
      if (taken[2]) begin row = row + 1; i_weight__valid = 0; idle = 0; end
      if (taken[1]) begin command = command + 1; i_command__valid = 0; end
      if (taken[0]) begin beat = beat + 1; i__valid = 0; end
    end
    if (checks < {rounds} * {outputs}) begin $display("no output for 1000 cycles"); failures = failures + 1; end
"""


def near_memory_bench(config: NearMemoryConfig, ports: Ports) -> NetlistBench:
    """The four streams of a few products, each pausing at a pace of its own."""
    rounds = near_memory_rounds(config)
    rows = [
        (
            "rows",
            "i_weight__payload",
            [{"row": i, "data": word} for made, _ in rounds for i, word in enumerate(made.rows)],
        ),
        (
            "commands",
            "i_command__payload",
            [config.command_parts(block) for made, _ in rounds for block in made.blocks],
        ),
        ("beats", "i__payload", [indexed(beat) for made, _ in rounds for beat in made.x]),
        ("outputs", "o__payload", [indexed(beat) for _, outputs in rounds for beat in outputs]),
    ]
    # All rounds have one shape: the bench counts in rounds.
    counts = {name: len(words) // len(rounds) for name, _, words in rows}
    body = BODY.format(rounds=len(rounds), **counts)
    variables = ["integer round, beat, row, command, idle;", "reg [2:0] taken;"]
    return NetlistBench(payload_memories(ports, rows), body, variables)


def near_memory_rounds(config: NearMemoryConfig) -> list[tuple[Program, list[list[int]]]]:
    """Products of several tiles and blocks where they fit memory and text, each with its outputs by beat."""
    columns, lanes, count = config.columns, config.lanes, config.beat_columns
    shapes = ((o * columns, i * lanes) for o, i in ((2, 2), (1, 2)))
    outputs, inputs = next((shape for shape in shapes if config.rows(*shape) <= config.depth), (columns, lanes))
    vector = outputs // columns * inputs * config.activation.code_bits + outputs * config.out_bits
    # One vector more than ``hold`` makes two blocks, where the text of the bench has room for it.
    vectors = min(config.hold + 1, max(2, TEXT_BITS // vector // 4))
    picker, rounds = Picker(config.weight, config.activation), []
    for _ in range(round_count(config.rows(outputs, inputs) * config.row_bits + vectors * vector)):
        w, x, channels, expected = random_product(picker, config, outputs, inputs, vectors)
        beats = [
            row[first : first + count]
            for tile in range(0, outputs, columns)
            for row in expected
            for first in range(tile, tile + columns, count)
        ]
        rounds.append((program(config, w, x, channels), beats))
    return rounds

"""The netlist test bench of the von Neumann machines: words written, jobs run, outputs read, round after round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asm_hw.bench.netlist_text import NetlistBench, Ports, widths_of, word_memories

from .word_program import WordProgram

BODY = """\
    i_memory__valid = 0; i_command__valid = 0; o__ready = 0; i_memory__payload = 0; i_command__payload = 0; rst = 1;
    settle; edge_of_clock;
    rst = 0;
    access = 0; command = 0; idle = 0; round = 1;
    for (i = 0; checks < {rounds} * {outputs} && idle < {patience}; i = i + 1) begin
      // What is offered stays until it is taken. In each round words are written, jobs run, outputs are read.
      if (checks == round * {outputs}) round = round + 1;
      if (!i_memory__valid && access < round * {accesses} && i % 7 != 3
          && (access < (round - 1) * {accesses} + {writes} || command == round * {commands})) begin
        i_memory__payload = accesses[access]; i_memory__valid = 1;
      end
      if (!i_command__valid && access == (round - 1) * {accesses} + {writes} && command < round * {commands}
          && i % 5 != 1) begin
        i_command__payload = commands[command]; i_command__valid = 1;
      end
      o__ready = i % 3 != 2;
      settle;
      idle = idle + 1;
      if (o__ready && o__valid === 1) begin
        if (o__payload !== outputs[checks]) fail(checks);
        checks = checks + 1; idle = 0;
      end
      taken = {{i_memory__valid && i_memory__ready === 1, i_command__valid && i_command__ready === 1}};
      edge_of_clock;
      if (taken[1]) begin access = access + 1; i_memory__valid = 0; idle = 0; end
      if (taken[0]) begin command = command + 1; i_command__valid = 0; idle = 0; end
    end
    if (checks < {rounds} * {outputs}) begin $display("no output for {patience} cycles"); failures = failures + 1; end
"""


def von_neumann_bench(config: Any, ports: Ports, rounds: Sequence[tuple[WordProgram, list[int]]]) -> NetlistBench:
    """The three streams of ``rounds``: programs, all of one shape, with the words that each gives."""
    accesses = []
    for made, _ in rounds:
        accesses += [config.access_word(1, address, word) for address, word in enumerate(made.words, made.start)]
        accesses += [config.access_word(0, address) for address in made.results]
    rows = [
        ("accesses", "i_memory__payload", accesses),
        ("commands", "i_command__payload", [config.command_word(job) for made, _ in rounds for job in made.jobs]),
        ("outputs", "o__payload", [word for _, outputs in rounds for word in outputs]),
    ]
    # All rounds have one shape: the bench counts in rounds.
    counts = {name: len(words) // len(rounds) for name, _, words in rows} | {"writes": len(rounds[0][0].words)}
    patience = 10000 + 10 * counts["writes"]  # a job reads each word a few times
    body = BODY.format(rounds=len(rounds), patience=patience, **counts)
    variables = ["integer round, access, command, idle;", "reg [1:0] taken;"]
    return NetlistBench(word_memories(widths_of(ports), rows), body, variables)

"""Mutations of the engine's sequencer, addressing, window, columns and output pipe: each must be caught."""

from __future__ import annotations

from dataclasses import replace

import pytest
from mutated_package import Mutation, mutated

from asm_hw.units.engine.engine_config import EngineConfig

ENGINE = EngineConfig(
    alphabets=(1,), lanes=9, taps=9, columns=2, hold=8, segments=2, bank_rows=8, weight_rows=64, program_rows=64
)
TABLED = replace(ENGINE, tables=2, program_rows=128)
WIDE = replace(ENGINE, lanes=18, columns=4)
STAGED = replace(ENGINE, stages=2, accumulators="memory", structure="tree")
BANKED, UNIT = "units/engine/banked_memory.py", "units/engine/engine_unit.py"
COLUMN, FRONT = "units/engine/engine_column.py", "units/engine/engine_front.py"
GUARD, ISSUER = "units/engine/program_guard.py", "units/engine/engine_issuer.py"
LOOPS, PIPE = "units/engine/engine_loops.py", "units/engine/output_pipe.py"
REGISTERS = "units/engine/window_registers.py"
OUTPUT_WALK, WALK = "units/engine/output_walk.py", "units/engine/window_walk.py"
TABLE = "units/engine/result_table.py"
SUM, RING = "gateware/staged_sum.py", "units/engine/weight_stream.py"

MUTATIONS = {
    # Window.
    "column of the window lost": (REGISTERS, "taps[0].eq(taps[1])", "taps[0].eq(taps[2])"),
    "no padding on the left": (REGISTERS, "Mux(self.window.left_pad, pad, taps[2])", "taps[2]"),
    "no padding": (REGISTERS, "Mux(window.padded[i], pad, self.words[i])", "self.words[i]"),
    "padding of one half": (REGISTERS, "high.replicate(config.group - lower)", "low.replicate(config.group - lower)"),
    # Addressing.
    "third row is the second": (WALK, "row + (layer.row << 1)", "row + layer.row"),
    "columns of a pair in one place": (WALK, "further = Mux(at[0], layer.col, 0) if j else 0", "further = 0"),
    "rows of banks mixed up": (BANKED, "sides[SIDES * ((row - k) % ROWS) + side]", "sides[SIDES * ((row + k) % ROWS) + side]"),
    "planes that a tensor lacks are read": (BANKED, "word &= numbers.enable[slot].replicate(len(word))", "pass"),
    "outputs of the next row in the same bank": (OUTPUT_WALK, "m3.eq(add_mod3(m3, 1))", "m3.eq(m3)"),
    "outputs of odd columns in one place": (OUTPUT_WALK, 'Mux(right, of("col"), 0)', 'of("col")'),
    # Columns.
    "digits moved too little": (COLUMN, "self.shift << 2", "self.shift << 1"),
    "sums never cleared": (COLUMN, "Mux(self.clear, 0, self._entry(m, total))", "self._entry(m, total)"),
    "weights swapped too late": (UNIT, "control.swap.eq(steps[SWAP_STAGE].swap)", "control.swap.eq(gather.swap_parameters)"),
    "stage of the sum a cycle late": (SUM, "with m.If(enable[stage]):", "with m.If(enable[-1]):"),
    # Output pipe.
    "no half step": (PIPE, "(floor + kept[0])[:bits]", "floor"),
    "lower limit ignored": (PIPE, "Mux(total[-1], self.low, limit)", "Mux(total[-1], 0, limit)"),
    "what joins is not shifted": (PIPE, "(joined << up)", "joined"),
    # Sequencer.
    "layers overlap": (ISSUER, "starts & self.drains", "0"),
    "parameters read again in each block": (LOOPS, "Mux(first_tile & ~fresh, self._config.records.parameter_rows, 0)", "0"),
    "block's bank not followed": (LOOPS, "m.d.sync += m3.eq(add_mod3(m3, layer.block_m3))", "pass"),
    "sums are joined before they are written": (ISSUER, "(joins & self.writing)", "0"),
    "the host's words are those of outputs": (UNIT, "activations.host.eq(idle)", "activations.host.eq(0)"),
    "a tile ends a row early": (FRONT, "last.eq(reads & (count == rows - 2))", "last.eq(reads & (count == rows - 3))"),
    "a step ends after one cycle": (ISSUER, "Mux(self.job.last, self.layer.pace, 1)", "1"),
    # Guard.
    "programs of other engines run": (GUARD, "header.engine != engine_number(self._config)", "0"),
    "changed programs run": (GUARD, "header.checksum != checksum", "0"),
    "rows that come with the start run": (GUARD, "rows | (~checked", "(~checked"),
    "rows that an error left stay": (UNIT, "~(weights & guard.streams) | guard.drops", "~(weights & guard.streams)"),
    "no limit": (GUARD, "cycles[LIMIT_CYCLES.bit_length() - 1 :] > limit", "0"),
    # Weights that stream.
    "weights are read before they are there": (FRONT, "begun | self.there", "begun | ~begun"),
    "the rows of the tile before count": (RING, "~(short | self.changes)", "~short"),
    "rows are taken while others are read": (UNIT, "ring.opens & ~front.weight_read", "ring.opens"),
    "streams are not checked": (GUARD, "self.ends & streams & (stream.checksum != checksum)", "0"),
    "another run does not empty the ring": (RING, "left.eq(self.rows), written.eq(0)]", "left.eq(self.rows)]"),
    # Tables.
    "results pass tables by": (TABLE, "Mux(self.look_up, entries.row, passed)", "passed"),
    "all results are looked up": (TABLE, "Mux(self.look_up, entries.row, passed)", "entries.row"),
    "one table for all layers": (TABLE, "Cat(self.y[:ENTRY_BITS], self.table)", "self.y[:ENTRY_BITS]"),
    "other rows become entries": (UNIT, 'payload.target == TARGETS.index("tables")', "1"),
}  # fmt: skip
CONFIGS = {
    "stage of the sum a cycle late": STAGED,
    # A last tile must take longer than the next layer's first one to be loaded.
    "layers overlap": replace(ENGINE, hold=16),
    **dict.fromkeys(("padding of one half", "no padding on the left", "a tile ends a row early"), WIDE),
    **dict.fromkeys(("results pass tables by", "all results are looked up", "one table for all layers"), TABLED),
    "other rows become entries": TABLED,
}
"""Where `ENGINE` does not show it."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if i % 3 == 0 else pytest.mark.full) for i, name in enumerate(MUTATIONS)]
)
def test_the_checks_catch(name, tmp_path):
    config = CONFIGS.get(name, ENGINE)
    mutation = Mutation(*MUTATIONS[name], config=config)
    result = mutated(mutation, tmp_path, "from asm_hw.sim import amaranth_simulation as s\ns.run(config)")
    assert result.returncode == 1
    assert "\nAssertionError" in result.stderr, result.stderr[-3000:]

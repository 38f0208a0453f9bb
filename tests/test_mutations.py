"""A bench that cannot fail is no bench: each mutation of the gateware must be caught.

Only the gateware is mutated; the benches and the golden model that judge it are the real ones. Amaranth's
simulator runs all mutations, Verilator the emitted Verilog of some (`make test-full`: of all).
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from mutated_package import Mutation, mutated

from asm_hw.sim.runner import run_folder
from asm_hw.units.bitline.bitline_config import BitlineConfig
from asm_hw.units.dot.dot_config import DotConfig
from asm_hw.units.mac.mac_config import MacConfig
from asm_hw.units.multiplier.multiplier_config import MultiplierConfig
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig
from asm_hw.units.vn_array.vn_array_config import VnArrayConfig
from asm_hw.units.vn_scalar.vn_scalar_config import VnScalarConfig

ADDERS = "gateware/adders.py"
BANK = "gateware/alphabet_bank.py"
ASM_LANES = "gateware/asm_lanes.py"
BASELINE_LANES = "gateware/baseline_lanes.py"
HEAP = "gateware/compressor_heap.py"
DATAPATH = "gateware/datapath.py"
DECODERS = "gateware/decoders.py"
SHAPES = "gateware/shapes.py"
LANES = "gateware/lanes.py"
MULTIPLEXERS = "gateware/multiplexers.py"
REQUANTIZE = "gateware/requantize_stage.py"
BITLINE_CELLS = "units/bitline/bitline_cells.py"
BITLINE_CONTROLLER = "units/bitline/bitline_controller.py"
BITLINE_CORE = "units/bitline/bitline_core.py"
BITLINE_PERIPHERY = "units/bitline/bitline_periphery.py"
SERIAL_CORE = "units/bitline/serial_core.py"
DOT = "units/dot/dot_unit.py"
BUS_LOADER = "units/near_memory/bus_loader.py"
NEAR_ARRAY = "units/near_memory/near_array.py"
NEAR_COLUMN = "units/near_memory/near_column.py"
NEAR_CONTROL = "units/near_memory/near_control.py"
NEAR_LOADER = "units/near_memory/near_loader.py"
NEAR_MEMORY_UNIT = "units/near_memory/near_memory_unit.py"
VN_ARRAY_UNIT = "units/vn_array/vn_array_unit.py"
VN_BEATS = "units/vn_array/vn_beats.py"
VN_WRITER = "units/vn_array/vn_writer.py"
VN_FETCHER = "units/vn_scalar/vn_fetcher.py"
VN_RESULTS = "units/vn_scalar/vn_results.py"
VN_SCALAR_UNIT = "units/vn_scalar/vn_scalar_unit.py"
WORD_BUFFER = "units/vn_scalar/word_buffer.py"
VN_HOST = "units/von_neumann/vn_host.py"
SMALL_NEAR = NearMemoryConfig(alphabets=(1,), lanes=2, columns=2, hold=2, depth=48, act_bits=4)
SMALL_VN = VnScalarConfig(alphabets=(1,), act_bits=4, bus_bits=16, depth=64, out_bits=4)
SMALL_VN_ARRAY = VnArrayConfig(alphabets=(1,), act_bits=4, lanes=2, columns=2, hold=2, depth=128, bus_bits=16)
WIDE_VN_ARRAY = replace(SMALL_VN_ARRAY, lanes=6, bus_bits=8, depth=256)
SMALL_DOT = DotConfig(lanes=4, act_bits=4)
STAGED = DotConfig(lanes=2, act_bits=4, stages=1)
PAIRS = DotConfig(arithmetic="exact", lanes=2, act_bits=4, weight_form="pairs")
DIGITS = DotConfig(arithmetic="exact", lanes=1, weight_form="u2_3", act_bits=4)
SMALL_ARRAY = BitlineConfig(alphabets=(1,), act_bits=4, rows=8, cols=12, acc_bits=14)
WIDE_GAPS = BitlineConfig(alphabets=(1,), weight_bits=10, act_bits=4, rows=8, cols=8, acc_bits=18)
SMALL_SERIAL = BitlineConfig(arithmetic="exact", weight_bits=3, act_bits=3, acc_bits=7, rows=32, cols=6)
CASES = "for index, value in enumerate(digit.values):\n                    with m.Default() if value == digit.values[-1] else m.Case(index):\n                        m.d.comb += "
RESERVED_IS_ZERO = CASES.replace("enumerate(digit.values)", "reversed(list(enumerate(digit.values)))").replace(
    "value == digit.values[-1]", "not value"
)

MUTATIONS = {
    # Lanes.
    "shift off by one": Mutation(ASM_LANES, 'gated << self.weight[f"shift{i}"]', 'gated << (self.weight[f"shift{i}"] + 1)', MacConfig(weight_form="binary")),
    "sign dropped": Mutation(LANES, "row.eq(wide ^ negative.replicate(len(row)))", "row.eq(wide)"),
    "carry of the negation dropped, so that -0 gives -1": Mutation(ASM_LANES, "        m.d.comb += self.negative0.eq(self.weight.sign)", "        m.d.comb += self.negative0.eq(self.weight.sign & ~self.weight.zero0)"),
    "zero flag ignored": Mutation(ASM_LANES, 'Mux(self.weight[f"zero{i}"], 0, selected)', "selected", MacConfig(weight_form="binary")),
    "zero flag honoured only without a shift": Mutation(ASM_LANES, 'Mux(self.weight[f"zero{i}"], 0, selected)', 'Mux(self.weight[f"zero{i}"] & ~self.weight[f"shift{i}"].any(), 0, selected)', MacConfig(weight_code="fields")),
    "alphabets swapped": Mutation(ASM_LANES, 'self.x[f"x{a}"] for a in digit.multiples', 'self.x[f"x{a}"] for a in digit.multiples[::-1]'),
    "digit misplaced": Mutation(ASM_LANES, "shapes, [digit.position for digit in digits])", "shapes, [digit.position // 2 for digit in digits])", MultiplierConfig(weight_bits=8)),
    "one-bit digit dropped": Mutation(ASM_LANES, "if digit.shift_bits else gated", "if digit.shift_bits else 0", MultiplierConfig(weight_bits=6)),
    "one-hot select off by one": Mutation(LANES, "extended(value << i, shape)", "extended(value << max(i - 1, 0), shape)", MacConfig(alphabets=(1,))),
    "one-hot select without sign extension": Mutation(LANES, "value[-1].replicate(shape.width)", "Const(0, shape.width)", MacConfig(alphabets=(1,), act_signed=True)),
    "one-hot shift of one operand only": Mutation(ASM_LANES, 'self._shift("weight", i, self.product.weight.levels) + self._shift("x", j, activation)', 'self._shift("weight", i, self.product.weight.levels)', MultiplierConfig(alphabets=(1,), act_alphabets=(1,), act_bits=4)),
    "row of both lanes' bits without their sum": Mutation(BASELINE_LANES, 'for name in ("a", "b", "sum")', 'for name in ("a", "b")', PAIRS),
    "pairs add one activation twice": Mutation(DATAPATH, "total.eq(a + b)", "total.eq(a + a)", PAIRS),
    "bits of both weights given to the second, too": Mutation(DECODERS, "self.hot.b.eq(self.second & ~self.first)", "self.hot.b.eq(self.second)", PAIRS),
    "sum of two activations one bit short": Mutation(SHAPES, "width + (multiple - 1).bit_length()", "width", PAIRS),
    "digit of one multiple less": Mutation(BASELINE_LANES, "for multiple in digit.multiples:", "for multiple in digit.multiples[:2]:", DIGITS),
    "even multiple not shifted": Mutation(BASELINE_LANES, "self.x).shift_left(shift)", "self.x).shift_left(0)", DIGITS),
    "top digit of an AND row added": Mutation(BASELINE_LANES, 'int(digit.sign == "minus")', "0", DotConfig(arithmetic="exact", weight_form="u2_1", weight_bits=3, lanes=1)),
    "digits by their names' order": Mutation(DECODERS, "with m.Case(value % (1 << self._weight.bits))", "with m.Case(-value % (1 << self._weight.bits))", DIGITS),
    "sum of the lanes added a cycle early": Mutation(DOT, "return taken & moves, last", "return take, last", STAGED),
    "sum of the lanes lost while one waits": Mutation(DOT, "with m.If(moves):\n            m.d.sync += taken.eq(take)", "m.d.sync += taken.eq(take)", STAGED),
    "end of a sum forgotten": Mutation(DOT, "m.d.sync += last.eq(self.i.payload.last)", "m.d.sync += last.eq(0)", STAGED),
    "row of the sign bit added": Mutation(BASELINE_LANES, "~product if i == top else product", "product", MacConfig(arithmetic="exact")),
    "Booth row in a wrong place": Mutation(BASELINE_LANES, "shapes, [digit.position for digit in digits], range", "shapes, [digit.position // 2 for digit in digits], range", MacConfig(arithmetic="exact", weight_form="booth")),
    "shifted weight in a wrong place": Mutation(BASELINE_LANES, "places = [digit.position for digit in digits]", "places = [0 for digit in digits]", MultiplierConfig(arithmetic="exact", act_alphabets=(1,))),
    "sign of the shifting activation lost": Mutation(BASELINE_LANES, "self.x.sign if signed_x else Const(0, 1)", "Const(0, 1)", MacConfig(arithmetic="exact", act_alphabets=(1,), act_signed=True)),
    # Decoders and bank.
    "zero digit decoded with a value": Mutation(DATAPATH, 'Mux(fields[f"zero{i}"], 0, one)', "one", MacConfig(alphabets=(1,))),
    "decoder reads a digit wrongly": Mutation(DECODERS, CASES + "self._digit", CASES.replace("Case(index)", "Case(index ^ (index == 2))") + "self._digit"),
    "reserved code read as zero": Mutation(DECODERS, CASES + "self._digit", RESERVED_IS_ZERO + "self._digit", MacConfig(alphabets=(1,))),
    "reserved activation code read as zero": Mutation(DECODERS, CASES + "part", RESERVED_IS_ZERO + "part", MacConfig(act_alphabets=(1,), act_bits=4)),
    "Booth digit wrong": Mutation(DECODERS, "Mux(high, ~(low | middle), low & middle)", "Mux(high, ~(low | middle), low | middle)", MacConfig(arithmetic="exact", weight_form="booth")),
    "Booth digit 0 negative": Mutation(DECODERS, "high & ~(low & middle)", "high & ~low", MacConfig(arithmetic="exact", weight_form="booth")),
    "bank adds instead of subtracting": Mutation(BANK, "left - right if step.subtract", "left + right if step.subtract", MultiplierConfig(alphabets=(1,7,), weight_bits=5)),
    "activation sign lost": Mutation(DATAPATH, "code.as_signed() if product.activation.signed", "code.as_unsigned() if product.activation.signed", MacConfig(act_signed=True, arithmetic="exact", structure="plain")),
    # Heap.
    "full adder's carry wrong": Mutation(HEAP, "(self.a & self.b) | (half & self.c)", "(self.a & self.b) | self.c", SMALL_DOT),
    "full adder's sum wrong": Mutation(HEAP, "self.s.eq(half ^ self.c)", "self.s.eq(half | self.c)", SMALL_DOT),
    "half adder's carry wrong": Mutation(HEAP, "self.co.eq(self.a & self.b)]", "self.co.eq(self.a | self.b)]", SMALL_DOT),
    "constant dropped": Mutation(HEAP, "self._constant += value", "self._constant += 0", MacConfig(arithmetic="exact")),
    "carry of the constant lost": Mutation(HEAP, "carry.eq(reduce(or_, others))", "carry.eq(0)", SMALL_DOT),
    "ones at the top of the constant lost": Mutation(HEAP, "row += [extension] * (column >= top) + [Const(0, 1)] * 2", "row += [Const(0, 1)] * 2", MacConfig(structure="carry_save")),
    "negative bits not inverted": Mutation(HEAP, "values[len(values) - 1] = ~bit if negative else bit", "values[len(values) - 1] = bit", SMALL_DOT),
    "sign count wrong": Mutation(HEAP, "total.eq(left + right)", "total.eq(left)", SMALL_DOT),
    "weight of the sign count wrong": Mutation(LANES, "return (1 << self.position) - extension", "return -extension", SMALL_DOT),
    # Accumulators.
    "accumulator one bit short": Mutation(ADDERS, "acc.eq(total)", "acc.eq(total[:-1].as_signed())"),
    "clear ignored": Mutation(ADDERS, "m.d.comb += kept.eq(Mux(clear, 0, acc))", "m.d.comb += kept.eq(acc)"),
    "carries not cleared": Mutation(ADDERS, "kept.eq(Mux(clear, 0, row))", 'kept.eq(Mux(clear, 0, row) if "sum" in row.name else row)', MacConfig(structure="carry_save")),
    "enable ignored": Mutation(ADDERS, "with m.If(enable):\n        m.d.sync += acc.eq(total)", "with m.If(1):\n        m.d.sync += acc.eq(total)"),
    "saturation one too high": Mutation(ADDERS, "Mux(total > most, most, total)", "Mux(total > most + 1, most, total)", MacConfig(acc_bits=12, overflow="saturate", act_signed=True)),
    "heap too narrow to saturate": Mutation(ADDERS, "return max(accumulator.bits, signed_bits(low + least, high + most))", "return accumulator.bits + 1", DotConfig(lanes=8, act_bits=4, acc_bits=6, overflow="saturate")),
    "a lane left out": Mutation(ADDERS, "rows = [row for lane in lanes for row in lane.rows]", "rows = [row for lane in lanes[1:] for row in lane.rows]", DotConfig(lanes=2, act_bits=4, structure="tree")),
    # Streams.
    "weights reloaded while they are held": Mutation(DOT, "self._weight_stage(m, take & self.i.payload.release)", "self._weight_stage(m, take)", SMALL_DOT),
    "weights never released": Mutation(DOT, "self._weight_stage(m, take & self.i.payload.release)", "self._weight_stage(m, take & 0)", SMALL_DOT),
    "unregistered weights taken early": Mutation(DOT, "self._weight_stage(m, take & self.i.payload.release)", "self._weight_stage(m, take)", DotConfig(lanes=2, act_bits=4, weight_registers=False)),
    "held weights forgotten": Mutation(DOT, "held.eq(self.i_weight.valid | ~self.i_weight.ready)", "held.eq(self.i_weight.valid)", SMALL_DOT),
    "last ignored": Mutation(DOT, "m.d.sync += first.eq(last)", "m.d.sync += first.eq(0)", SMALL_DOT),
    "back-pressure ignored": Mutation(DOT, "self.i.ready.eq(held & moves)", "self.i.ready.eq(held)", SMALL_DOT),
    "a sum retracted while it is stalled": Mutation(DOT, "self.o.valid & ~self.o.ready))", "0))", SMALL_DOT),
    "a sum offered twice": Mutation(DOT, "self.o.valid & ~self.o.ready))", "self.o.valid))", SMALL_DOT),
    "valid waits for ready": Mutation(
        DOT,
        ("        first = Signal(init=1)", "moves.eq(~self.o.valid | self.o.ready)", "self.o.valid.eq(Mux(add, last, self.o.valid & ~self.o.ready))"),
        ("        waiting = Signal()\n        m.d.comb += self.o.valid.eq(waiting & self.o.ready)\n        first = Signal(init=1)", "moves.eq(~waiting | self.o.ready)", "waiting.eq(Mux(add, last, waiting & ~self.o.ready))"),
        SMALL_DOT,
    ),
    "beats taken without weights": Mutation(DOT, "self.i.ready.eq(held & ", "self.i.ready.eq(", SMALL_DOT),
    "columns take the same weights": Mutation(DOT, "self.i_weight.payload[index]", "self.i_weight.payload[0]", DotConfig(lanes=2, act_bits=4, columns=2)),
    # Near-memory array.
    "weights swapped while they are in use": Mutation(NEAR_CONTROL, "self.swap.eq(loader.full & (~held | done))", "self.swap.eq(loader.full)", SMALL_NEAR),
    "weights taken before the last row is there": Mutation(NEAR_LOADER, "self.full.eq(~self.weights)", "self.full.eq(1)", SMALL_NEAR),
    "parameters read as weights": Mutation(NEAR_LOADER, "address.eq(address + config.parameter_rows * config.row_words)", "address.eq(address)", SMALL_NEAR),
    "parameters loaded while an output waits": Mutation(NEAR_LOADER, 'm.State("DRAIN"), m.If(self.drained)', 'm.State("DRAIN"), m.If(1)', SMALL_NEAR),
    "outputs before their parameters": Mutation(NEAR_CONTROL, "(loader.ready & free)", "free", SMALL_NEAR),
    "sum lost while an output waits": Mutation(NEAR_CONTROL, "(loader.ready & free)", "loader.ready", SMALL_NEAR),
    "sum read before it is written": Mutation(NEAR_CONTROL, "held & written & ", "held & ", SMALL_NEAR),
    "accumulator not cleared": Mutation(NEAR_COLUMN, "kept.eq(Mux(self.clear, 0, select_counted(file, self.entry)))", "kept.eq(select_counted(file, self.entry))", SMALL_NEAR),
    "accumulators exchanged": Mutation(MULTIPLEXERS, "Mux(index[0], select_counted(values[1::2], index[1:]), select_counted(values[::2], index[1:]))", "Mux(index[0], select_counted(values[::2], index[1:]), select_counted(values[1::2], index[1:]))", replace(SMALL_NEAR, hold=3)),
    "branch opened for its first column alone": Mutation(NEAR_ARRAY, "control.load[index : index + BRANCH].any()", "control.load[index]", SMALL_NEAR),
    "row lost while the lanes read": Mutation(NEAR_MEMORY_UNIT, "self.i_weight.ready.eq(~array.read)", "self.i_weight.ready.eq(1)", SMALL_NEAR),
    "half a step for every shift": Mutation(REQUANTIZE, "(Const(1, 1) << self.channel.shift)[1:]", "(Const(1, 1) << self.channel.shift)", SMALL_NEAR),
    "clamped one too low": Mutation(REQUANTIZE, "Mux(shifted > high, high, shifted)", "Mux(shifted > high, high - 1, shifted)", SMALL_NEAR),
    # Scalar von Neumann machine.
    "activations not read again": Mutation(VN_FETCHER, "outputs.eq(outputs - 1), activation.eq(start)", "outputs.eq(outputs - 1)", SMALL_VN),
    "weights and activations counted alike": Mutation(VN_FETCHER, "_less(activations_left, config.activations_per_word)", "_less(activations_left, config.weights_per_word)", VnScalarConfig(alphabets=(1,), depth=64)),
    "parameters read over those in use": Mutation(VN_RESULTS, "self.room.eq(~taken | leave)", "self.room.eq(1)", replace(SMALL_VN, bus_bits=32)),
    "output before its parameters": Mutation(VN_RESULTS, "leave.eq(due & there)", "leave.eq(due)", SMALL_VN),
    "old outputs left in a word": Mutation(VN_RESULTS, "m.d.sync += output.eq(0)", "m.d.sync += output.eq(output)", SMALL_VN),
    "last word of outputs not written": Mutation(VN_RESULTS, "(place == len(places) - 1) | (left == 1)", "(place == len(places) - 1)", SMALL_VN),
    "operands read without room": Mutation(WORD_BUFFER, "self.room.eq((owed != 2) | done)", "self.room.eq(1)", SMALL_VN),
    "room a cycle late": Mutation(WORD_BUFFER, "self.room.eq((owed != 2) | done)", "self.room.eq(owed != 2)", replace(SMALL_VN, bus_bits=8, depth=96)),
    "padding taken for operands": Mutation(WORD_BUFFER, "((place == self._count - 1) | self.last)", "(place == self._count - 1)", SMALL_VN),
    "read in the cycle of a write": Mutation(VN_SCALAR_UNIT, "fetcher.port.eq(~results.write)", "fetcher.port.eq(1)", SMALL_VN),
    "memory open during a job": Mutation(VN_HOST, "unit.i_memory.ready.eq(~busy & free)", "unit.i_memory.ready.eq(free)", SMALL_VN),
    "word replaced while it waits": Mutation(VN_HOST, "unit.i_memory.ready.eq(~busy & free)", "unit.i_memory.ready.eq(~busy)", SMALL_VN),
    "command with an access": Mutation(VN_HOST, "unit.i_command.ready.eq(unit.i_memory.ready & ~unit.i_memory.valid)", "unit.i_command.ready.eq(unit.i_memory.ready)", SMALL_VN),
    # Von Neumann array.
    "row counted while it waits": Mutation(BUS_LOADER, "self.weights.eq(loader.weights & moved)", "self.weights.eq(loader.weights)", WIDE_VN_ARRAY),
    "loader does not wait for its row": Mutation(BUS_LOADER, "moves.eq(~loader.read | self.grant)", "moves.eq(1)", WIDE_VN_ARRAY),
    "beats before the next tile": Mutation(BUS_LOADER, "loader.command.ready | (loader.full & ~self.take)", "~loader.read", SMALL_VN_ARRAY),
    "words of a row in one place": Mutation(VN_BEATS, "arrives.eq(self.ask & (self.part == index))", "arrives.eq(self.ask & (self.part == 0))", WIDE_VN_ARRAY),
    "beat read before the outputs": Mutation(VN_BEATS, "self.ready & ~(tiles == 1)", "self.ready", SMALL_VN_ARRAY),
    "next tile at the first one's activations": Mutation(VN_BEATS, "tile.eq(following_tile), at.eq(following_tile)", "at.eq(tile)", SMALL_VN_ARRAY),
    "vectors without their stride": Mutation(VN_BEATS, "at.eq(at + stride), vector", "at.eq(at + 1), vector", SMALL_VN_ARRAY),
    "outputs without their stride": Mutation(VN_WRITER, "at.eq(at + stride)", "at.eq(at + 1)", SMALL_VN_ARRAY),
    "words of outputs in one place": Mutation(VN_WRITER, "self.address.eq(at + place)", "self.address.eq(at + self.part)", replace(SMALL_VN_ARRAY, outputs=1)),
    "block ends before its outputs": Mutation(VN_WRITER, "self.busy.eq(vectors != 0)", "self.busy.eq((vectors != 0) & ~(vectors == 1))", SMALL_VN_ARRAY),
    "beat read under a write": Mutation(VN_ARRAY_UNIT, "beats.port.eq(array.settled & ~writer.write)", "beats.port.eq(array.settled)", SMALL_VN_ARRAY),
    # Bitline arrays.
    "complements joined by OR": Mutation(BITLINE_CELLS, "complements[0] & complements[1]", "complements[0] | complements[1]", SMALL_ARRAY),
    "carries of two rows lost": Mutation(BITLINE_PERIPHERY, "half + (carries << 1)", "half", SMALL_ARRAY),
    "difference not complemented": Mutation(BITLINE_PERIPHERY, "^ self.subtract.replicate(width))", ")", SMALL_ARRAY),
    "sign of a word lost": Mutation(BITLINE_PERIPHERY, "signed(bits) if config.act_signed else bits", "bits", BitlineConfig(alphabets=(1,), act_bits=4, act_signed=True, rows=8, cols=8, acc_bits=14)),
    "accumulator stored before the addition": Mutation(BITLINE_PERIPHERY, '"result": total[', '"result": accumulator[', SMALL_ARRAY),
    "shift of the weight ignored": Mutation(BITLINE_PERIPHERY, "place = self.shift + (", "place = (", BitlineConfig(alphabets=(1,), act_bits=4, act_alphabets=(1,), rows=8, cols=12)),
    "wide gap moved too little": Mutation(BITLINE_CONTROLLER, "self.move.eq(Mux(waits, MOVE, gap))", "self.move.eq(Mux(waits, MOVE - 1, gap))", WIDE_GAPS),
    "wide gap never closed": Mutation(BITLINE_CONTROLLER, "level.eq(Mux(waits, level - MOVE, self.shift))", "level.eq(Mux(waits, level, self.shift))", WIDE_GAPS),
    "stored sum goes on": Mutation(BITLINE_CONTROLLER, "fresh.eq(~waits & self.end.any())", "fresh.eq(~waits & self.end[0])", SMALL_ARRAY),
    "sum retracted while it is stalled": Mutation(BITLINE_CONTROLLER, "leaving & ~self.o_ready))", "0))", SMALL_ARRAY),
    "row read over a sum": Mutation(BITLINE_CONTROLLER, "Mux(reads, ~leaving & self.o_ready,", "Mux(reads, self.o_ready,", SMALL_ARRAY),
    "row written before it is offered": Mutation(BITLINE_CONTROLLER, "free & (~takes | self.row_valid)", "free", SMALL_ARRAY),
    "subtractions counted as additions": Mutation(BITLINE_CONTROLLER, "opened & ~moves & ~self.sign", "opened & ~moves", SMALL_ARRAY),
    "mask ignored in a word of rows": Mutation(BITLINE_CORE, "array.write.eq(mask & ", "array.write.eq((mask | 1) & ", SMALL_ARRAY),
    "mask ignored in sums": Mutation(BITLINE_CORE, "controller.accumulate & mask[index]", "controller.accumulate", SMALL_ARRAY),
    "serial carry outside the tag": Mutation(SERIAL_CORE, "carry.eq((both | (half & kept)) & taken)", "carry.eq(both | (half & kept))", SMALL_SERIAL),
    "serial carry never started": Mutation(SERIAL_CORE, "Mux(op.start, op.carry.replicate(config.cols), carry)", "carry", SMALL_SERIAL),
}  # fmt: skip


@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS)
def test_the_benches_catch(mutation, tmp_path):
    result = mutated(mutation, tmp_path, "from asm_hw.sim import amaranth_simulation as s\ns.run(config)")
    assert result.returncode == 1
    assert "\nAssertionError: " in result.stderr, result.stderr[-3000:]


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=[] if index % 9 == 0 else pytest.mark.full) for index, name in enumerate(MUTATIONS)
])  # fmt: skip
def test_the_benches_catch_in_verilator(name, tmp_path):
    program = "from asm_hw import emit\nprint(emit(config, Path('out')).folder)"
    emitted = mutated(MUTATIONS[name], tmp_path, program)
    assert emitted.returncode == 0, emitted.stderr[-3000:]
    verdict = run_folder(tmp_path / emitted.stdout.strip(), "verilator", tmp_path / "build")
    assert verdict.tests == verdict.checks, verdict.log.read_text()[-3000:]
    assert verdict.failed > 0

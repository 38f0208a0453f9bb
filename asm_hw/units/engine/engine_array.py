"""The columns of an engine: decoders of their weights, their parameters, and what follows their sums."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from asm_hw.gateware.adders import ADDER_PARTS
from asm_hw.gateware.datapath import BRANCH, DATAPATH_PARTS, Datapath
from asm_hw.gateware.multiplexers import choose
from asm_hw.gateware.shapes import struct_of
from asm_hw.numbers.integers import ceil_div

from .engine_column import EngineColumn
from .engine_config import BANKS, SIDES, EngineConfig
from .engine_layouts import control_layout, result_layout
from .engine_records import ENTRY_BITS, SKIP_BITS
from .level_rounder import LevelRounder
from .output_pipe import OutputPipe
from .result_table import ResultTable

_GATHER = ("entry", "clear", "shift")


def _entry_ports(config: EngineConfig) -> dict:
    """How an entry of the tables is written."""
    return {"table_write": In(1), "table_address": In(config.entry_address_bits), "table_data": In(ENTRY_BITS)}


class EngineArray(wiring.Component):
    """Steps go through its stages: `SWAP_STAGE` weights change, one later lanes add, in ``finish_stage`` sums end.

    Members
    -------
    load, parameters : In, what ``row`` holds, as `Front` says
    row : In(``row_bits``), a row of weight memory
    x : In(array[lanes] of ``act_bits``), the window of the step in stage `SWAP_STAGE` + 1
    control : In(`control_layout`), of the steps in their stages
    result : In(`result_layout`), what becomes of the layer's sums
    skip_words : In(array[6] of words), what joins the sums that end in stage ``finish_stage``, in that stage
    table_write, table_address, table_data : In, an entry of the tables, of engines that have any (`ResultTable`)
    data, also_data : Out(array[6] of words), by slot: the outputs of the last stage, and their narrowed copy
    """

    signal_parts = {
        r"load|parameters|control|result": "control",
        r"row|branch_\d+\w*": "weight_registers",
        r"x|skip_words|joined_\d+|data|also_data": "activations",
        r"table_\w+": "control",
        r"raised_\d+|narrowed_\d+|narrow_\w+": "requantize",
        r"channel_\w+|next_\w+": "requantize",
        **DATAPATH_PARTS,
        **ADDER_PARTS,
    }

    def __init__(self, config: EngineConfig):
        self._config = config
        words = data.ArrayLayout(config.word_bits, BANKS)
        super().__init__(
            {
                "load": In(config.columns),
                "parameters": In(config.records.parameter_rows),
                "row": In(config.row_bits),
                "x": In(data.ArrayLayout(config.act_bits, config.lanes)),
                "control": In(control_layout(config)),
                "result": In(result_layout(config)),
                "skip_words": In(words),
                **(_entry_ports(config) if config.tables else {}),
                "data": Out(words),
                "also_data": Out(words),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, datapath = self._config, Datapath(self._config.product, self._config.adders)
        bits = config.weight.code_bits
        codes = [self.row[i * bits : (i + 1) * bits] for i in range(config.lanes)]
        weights = [datapath.add_weight(m, f"weight_{i}", code) for i, code in enumerate(codes)]
        shared = datapath.add_activations(m, self.x)
        control, gather = self.control, self.control.gather
        results = []
        for index in range(config.columns):
            if index % BRANCH == 0:
                here = self.load[index : index + BRANCH].any()
                branch = datapath.add_branch(m, f"branch_{index}", weights, here)
            m.submodules[f"column_{index}"] = column = EngineColumn(config, datapath, shared)
            m.d.comb += [
                column.load.eq(self.load[index]), column.weights.eq(branch), column.swap.eq(control.swap),
                column.add.eq(control.add), column.gather.eq(gather.add), column.finish.eq(gather.finish),
                column.largest.eq(self.result.largest),
                *(getattr(column, name).eq(gather[name]) for name in _GATHER),
                *(column.x[lane].eq(x) for lane, x in enumerate(shared)),
            ]  # fmt: skip
            results.append(self._output(m, index, column.acc))
        self._digits(m, results)
        self._narrow(m, results)
        return m

    def _output(self, m: Module, index: int, acc) -> Value:
        """Parameters of a column and its output pipe."""
        config = self._config
        layout, gather = struct_of(config.records.channel), self.control.gather
        following = Signal(layout, name=f"next_{index}", reset_less=True)
        channel = Signal(layout, name=f"channel_{index}", reset_less=True)
        for row, low, high, place in self._parts_of(index):
            with m.If(self.parameters[row]):
                m.d.sync += following.as_value()[low:high].eq(self.row[place : place + high - low])
        with m.If(gather.swap_parameters):
            m.d.sync += channel.eq(following)
        joined = Signal(config.skip_bits, name=f"joined_{index}", reset_less=True)
        with m.If(gather.finish):
            m.d.sync += joined.eq(self._joined(index) & gather.joins.replicate(config.skip_bits))
        m.submodules[f"output_{index}"] = pipe = OutputPipe(config)
        m.d.comb += [
            pipe.acc.eq(acc), pipe.skip.eq(joined), pipe.channel.eq(channel),
            pipe.finish.eq(self.control.finish),
            pipe.low.eq(self.result.low), pipe.high.eq(self.result.high),
        ]  # fmt: skip
        y = self._looked_up(m, index, pipe.y) if config.tables else pipe.y
        if config.act_alphabets is None:
            return y
        result = self.result
        stored = self._round(m, f"level_{index}", y[:SKIP_BITS], result.encode, result.offset)
        return Cat(stored, y[SKIP_BITS:])

    def _looked_up(self, m: Module, index: int, y: Value) -> Value:
        """A result, or where the layer asks for it the entry of a table."""
        m.submodules[f"table_{index}"] = table = ResultTable(self._config)
        m.d.comb += [
            table.y.eq(y), table.look_up.eq(self.result.look_up),
            table.write.eq(self.table_write), table.address.eq(self.table_address), table.data.eq(self.table_data),
        ]  # fmt: skip
        if self._config.records.table_bits:
            m.d.comb += table.table.eq(self.result.table)
        return table.result

    def _round(self, m: Module, name: str, value: Value, encode: Value, offset: Value) -> Value:
        """A stored value on levels, where the layer asks for them."""
        m.submodules[name] = rounder = LevelRounder(self._config.encoded(len(value)))
        m.d.comb += [rounder.y.eq(value), rounder.encode.eq(encode), rounder.offset.eq(offset)]
        return rounder.level

    def _parts_of(self, index: int) -> list[tuple[int, int, int, int]]:
        """(row, low, high, place): bits low to high of the column's parameters begin at ``place`` of a row."""
        config, bits = self._config, self._config.records.channel_bits
        if config.records.channels_per_row:
            row, place = divmod(index, config.records.channels_per_row)
            return [(row, 0, bits, place * bits)]
        first, size = index * config.records.rows_per_channel, config.row_bits
        return [(first + i, low, min(bits, low + size), 0) for i, low in enumerate(range(0, bits, size))]

    def _joined(self, index: int) -> Value:
        """The stored value that joins the column: its digit of each plane."""
        config = self._config
        word, channel = divmod(index, config.group)
        low, high = channel * config.act_bits, (channel + 1) * config.act_bits
        return Cat(self.skip_words[SIDES * word + plane][low:high] for plane in range(config.planes))

    def _digits(self, m: Module, results: list[Value]) -> None:
        """The digits of the results in their words, two planes a phase."""
        config, phase = self._config, self.control.phase
        size = config.act_bits
        count = ceil_div(len(results[0]), size)
        whole = [Cat(result, Const(0, count * size - len(result))) for result in results]
        digits = [result[i * size : (i + 1) * size] for result in whole for i in range(count)]
        for word in range(config.beat_words):
            for plane in range(config.planes):
                of_phase = [
                    Cat(
                        digits[index * count + digit] for index in range(word * config.group, (word + 1) * config.group)
                    )
                    for digit in range(plane, count, config.planes)
                ]
                m.d.comb += self.data[SIDES * word + plane].eq(choose(of_phase, phase))

    def _narrow(self, m: Module, results: list[Value]) -> None:
        """Each result once more, moved down and clamped to one digit."""
        config, result_of = self._config, self.result
        down, low, high = result_of.also_shift, result_of.also_low_raised, result_of.also_high_raised
        narrowed = []
        for index, result in enumerate(results):
            total = Signal(signed(SKIP_BITS + 2), name=f"raised_{index}")
            value = result[:SKIP_BITS] & self.control.also.replicate(SKIP_BITS)
            m.d.comb += total.eq(value + result_of.also_add.as_signed())
            clamped = Signal(config.act_bits, name=f"narrowed_{index}")
            above = Mux(total < high, total >> down, result_of.also_high)
            m.d.comb += clamped.eq(Mux(total < low, result_of.also_low, above))
            if config.act_alphabets is None:
                narrowed.append(clamped)
            else:
                narrowed.append(self._round(m, f"copy_{index}", clamped, result_of.also_encode, result_of.also_offset))
        for word in range(config.beat_words):
            m.d.comb += self.also_data[SIDES * word].eq(Cat(narrowed[word * config.group : (word + 1) * config.group]))

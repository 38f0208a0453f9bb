"""The front of the engine: records, weights and parameters, one tile ahead of the lanes."""

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from asm_hw.gateware.shapes import struct_of
from asm_hw.numbers.integers import ceil_log2

from .engine_config import EngineConfig
from .engine_layouts import job_layout
from .engine_loops import Loops
from .engine_records import PROGRAM_BITS


class Front(wiring.Component):
    """Loads what the next tile needs while the lanes work on the one before.

    A tile's rows are read one a cycle, behind the first tile of a pass those of its parameters. A tile may be taken
    one cycle before its last row is read: stages lie between a take and the first use (`engine_schedule.py`).

    Members
    -------
    start : In(1)
    take : In(1), the issuer takes the tile on this edge; only while ``full``
    swapped : In(1), the parameters that were loaded last are in use after this edge
    there : In(1), the rows of the tile are in the weight memory
    program_read, program_address, program_row : the program memory
    weight_read, weight_address : the weight memory
    load : Out(``columns``), columns whose next weights the row that was read holds
    parameters : Out(``records.parameter_rows``), the same for rows of parameters
    full : Out(1), a tile may be taken
    waits : Out(1), for its rows
    row, first_row, brings, changes : Out, as `WeightStream` takes them
    job, layer : Out, what it is
    ended : Out(1), no tile follows
    """

    signal_parts = {r".*": "control"}

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "start": In(1),
                "take": In(1),
                "swapped": In(1),
                "there": In(1),
                "program_read": Out(1),
                "program_address": Out(ceil_log2(config.program_rows)),
                "program_row": In(PROGRAM_BITS),
                "weight_read": Out(1),
                "weight_address": Out(ceil_log2(config.weight_rows)),
                "load": Out(config.columns),
                "parameters": Out(config.records.parameter_rows),
                "full": Out(1),
                "waits": Out(1),
                "row": Out(ceil_log2(config.weight_rows) + 1),
                "first_row": Out(ceil_log2(config.weight_rows) + 1),
                "brings": Out(1),
                "changes": Out(1),
                "job": Out(job_layout(config)),
                "layer": Out(struct_of(config.records.layer)),
                "ended": Out(1, init=1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.loops = loops = Loops(config)
        taken, pending = Signal(), Signal()  # the tile was taken; parameters wait for their first use
        count = Signal(range(max(config.columns, config.records.parameter_rows, config.records.layer_rows) + 1))
        arrived = self._records(m, loops, count)
        m.d.comb += [
            self.job.eq(loops.job), self.layer.eq(loops.layer),
            self.program_address.eq(loops.record), self.weight_address.eq(loops.row),
            loops.read_record.eq(self.program_read), loops.read_row.eq(self.weight_read),
            self.row.eq(loops.row), self.first_row.eq(loops.first_row), self.changes.eq(loops.leave | loops.opens),
            self.brings.eq(loops.wants_parameters),
        ]  # fmt: skip
        m.d.sync += [self.load.eq(0), self.parameters.eq(0)]
        with m.If(self.take):
            m.d.sync += taken.eq(1)
        with m.If(self.swapped):
            m.d.sync += pending.eq(0)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += loops.start.eq(1)
                with m.If(self.start):
                    m.d.sync += [pending.eq(0), self.ended.eq(0)]
                    m.next = "LAYER"
            with m.State("LAYER"):
                self._read_layer(m, count)
            with m.State("BEGIN"):
                m.d.comb += loops.opens.eq(1)
                m.next = "WEIGHTS"
            with m.State("WEIGHTS"):
                self._read_weights(m, loops, count, arrived & ~taken, taken)
            with m.State("PARAMETERS"), m.If(~pending):
                self._read_parameters(m, loops, count, arrived & ~taken, taken, pending)
            with m.State("WAIT"):
                m.d.comb += self.full.eq(arrived & ~taken)
                self._leave(m, loops, taken)
        return m

    def _records(self, m: Module, loops: Loops, count: Signal) -> Value:
        """Registers of a layer's and a tile's record; whether the tile's has arrived."""
        records = self._config.records
        arrived, layer, tile = Signal(), Signal(records.layer_rows), Signal(records.tile_rows)
        words = []
        for name, arriving in (("layer", layer), ("tile", tile)):
            rows = [Signal(PROGRAM_BITS, name=f"{name}_{i}", reset_less=True) for i in range(len(arriving))]
            for i, row in enumerate(rows):
                with m.If(arriving[i]):
                    m.d.sync += row.eq(self.program_row)
            words.append(Cat(rows))
        m.d.comb += [loops.layer.as_value().eq(words[0]), loops.tile.as_value().eq(words[1])]
        # A row arrives in the cycle after it was asked for.
        m.d.sync += [layer.eq((self.program_read & loops.in_layer) << count[: ceil_log2(len(layer) + 1)])]
        m.d.sync += [tile.eq((self.program_read & ~loops.in_layer) << count[: ceil_log2(len(tile) + 1)])]
        with m.If(tile[-1]):
            m.d.sync += arrived.eq(1)
        with m.If(loops.leave):
            m.d.sync += arrived.eq(0)
        return arrived

    def _read_layer(self, m: Module, count: Signal) -> None:
        last = self._config.records.layer_rows
        m.d.comb += self.program_read.eq(count != last)
        m.d.sync += count.eq(count + 1)
        with m.If(count == last):
            m.d.sync += count.eq(0)
            m.next = "BEGIN"

    def _read_weights(self, m: Module, loops: Loops, count: Signal, free: Value, taken: Signal) -> None:
        """A row a column, and the tile's record beside the first of them."""
        begun = Signal()  # the tile's first row was read
        reads = begun | self.there
        last, nearly = self._ends(m, "row", count, self._config.columns, reads)
        m.d.comb += [
            self.weight_read.eq(reads),
            self.waits.eq(~reads),
            self.program_read.eq(reads & Cat(count == i for i in range(self._config.records.tile_rows)).any()),
            self.full.eq(free & ~loops.wants_parameters & nearly),
        ]
        m.d.sync += [self.load.eq(reads << count), count.eq(count + reads), begun.eq(reads)]
        with m.If(last):
            m.d.sync += [count.eq(0), begun.eq(0)]
            with m.If(loops.wants_parameters):
                m.next = "PARAMETERS"
            with m.Else():
                m.next = "WAIT"
                self._leave(m, loops, taken)

    @staticmethod
    def _ends(m: Module, name: str, count: Signal, rows: int, reads: Value) -> tuple[Value, Value]:
        """Whether this cycle reads the last of ``rows``, and whether at most one is left after it.

        Rows but the first follow one another: registers say so that are set with the rows before.
        """
        if rows == 1:
            return reads, reads
        last, nearly = Signal(name=f"last_{name}"), Signal(name=f"nearly_{name}")
        m.d.sync += last.eq(reads & (count == rows - 2))
        if rows == 2:
            return last, reads
        m.d.sync += nearly.eq(reads & ((count == rows - 3) | (count == rows - 2)))
        return last, nearly

    def _read_parameters(
        self, m: Module, loops: Loops, count: Signal, free: Value, taken: Signal, pending: Signal
    ) -> None:
        last, nearly = self._ends(m, "parameter", count, self._config.records.parameter_rows, Const(1))
        m.d.comb += [self.weight_read.eq(1), self.full.eq(free & nearly)]
        m.d.sync += [self.parameters.eq(1 << count), count.eq(count + 1)]
        with m.If(last):
            m.d.sync += [count.eq(0), pending.eq(1)]
            m.next = "WAIT"
            self._leave(m, loops, taken)

    def _leave(self, m: Module, loops: Loops, taken: Signal) -> None:
        """To what follows, once the tile was taken."""
        with m.If(taken):
            m.d.comb += loops.leave.eq(1)
            m.d.sync += taken.eq(0)
            m.next = "WEIGHTS"
            with m.If(loops.ends_layer):
                m.next = "LAYER"
                with m.If(loops.layer.final):
                    m.d.sync += self.ended.eq(1)
                    m.next = "IDLE"

"""Unit ``dot``: ``columns`` dot products of ``lanes`` terms a beat, with held or streaming weights."""

from collections.abc import Iterator

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from asm_hw.gateware.adders import ADDER_PARTS, add_accumulator
from asm_hw.gateware.datapath import DATAPATH_PARTS, Datapath
from asm_hw.gateware.lanes import Lane
from asm_hw.gateware.shapes import weight_shape
from asm_hw.gateware.staged_sum import add_in_stages

from .dot_config import DotConfig


class Column(wiring.Component):
    """One dot product: weight registers, lanes, adders and the accumulator.

    Members
    -------
    load : In(1), decode ``codes`` into the weight registers on this edge
    codes : In(array[lanes] of ``config.weight.code_bits``)
    x : In(array of ``shared``, what `Datapath.add_activations` gives)
    take : In(1), register the sum of the lanes on this edge; ignored without ``config.stages``
    add : In(1), accumulate that sum on this edge, or the products of the held weights themselves
    clear : In(1), start a new sum; ignored without ``add``
    acc : Out(signed(``config.acc_bits``))
    """

    signal_parts = {
        r"rst|load|take|add|clear": "control",
        r"codes": "weight_registers",
        r"kept|products": "accumulator",
        **DATAPATH_PARTS,
        **ADDER_PARTS,
    }

    def __init__(self, config: DotConfig, datapath: Datapath, shared: list):
        self._config = config
        self._datapath = datapath
        super().__init__(
            {
                "load": In(1),
                "codes": In(data.ArrayLayout(config.weight.code_bits, config.lanes)),
                "x": In(data.ArrayLayout(shared[0].shape(), len(shared))),
                "take": In(1),
                "add": In(1),
                "clear": In(1),
                "acc": Out(signed(config.accumulator.bits)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        lanes = self._datapath.add_lanes(m, self._weights(m), self.x)
        products: list[Lane] | Value = lanes
        if self._config.stages:
            products = add_in_stages(m, self._config.adders, lanes, self.take)
        m.d.comb += self.acc.eq(
            add_accumulator(m, self._config.accumulator, self._config.adders, products, self.add, self.clear)
        )
        return m

    def _weights(self, m: Module) -> Iterator:
        for lane in range(self._config.lanes):
            weight = self._datapath.add_weight(m, f"weight_{lane}", self.codes[lane])
            yield self._hold(m, f"weight_{lane}", weight) if self._config.weight_registers else weight

    def _hold(self, m: Module, name: str, decoded):
        # No reset: `Dot` adds nothing before it has seen weights being loaded.
        held = Signal(weight_shape(self._config.weight), name=name, reset_less=True)
        with m.If(self.load):
            m.d.sync += held.eq(decoded)
        return held


class Dot(wiring.Component):
    """Sums ``value(weight[column][lane]) * value(x[lane])`` over lanes and over beats.

    Weights are held in place: a beat of ``i_weight`` is decoded into the weight registers, and beats
    of ``i`` use it until one with ``release`` set, after which (on the same edge) the next takes its
    place. So weights stay for any number of beats, or stream along with ``release`` always set, in
    any mixture, and the two streams cannot fall out of step. A beat with ``last`` ends the sum: it
    leaves on ``o``, and the next beat starts a new one.

    One beat a cycle; a sum leaves ``config.latency`` cycles after its last beat was taken. ``x`` is not registered:
    it must be stable before the edge that takes it. ``i.ready`` depends combinationally on
    ``o.ready``, ``i_weight.ready`` on both other streams. Weight codes are decoded before the weight
    registers: once per load, not once per use. A configuration without ``weight_registers`` uses the
    offered beat of ``i_weight`` in place, and takes it when it is released.

    Members
    -------
    i : In(stream of x[lanes] (``config.activation.code_bits`` each), release (1), last (1))
    i_weight : In(stream of weight codes, array[columns][lanes] of ``config.weight.code_bits``)
    o : Out(stream of sums, array[columns] of signed(``config.acc_bits``))
    """

    signal_parts = {
        r"rst|(i|o|i_weight)__(valid|ready)|held|load|take|taken|add|first|last|clear": "control",
        r"i_weight__payload|codes": "weight_registers",
        r"i__payload": "activations",
        **DATAPATH_PARTS,
        **ADDER_PARTS,
    }

    def __init__(self, config: DotConfig):
        self._config = config
        x = data.ArrayLayout(config.activation.code_bits, config.lanes)
        weights = data.ArrayLayout(data.ArrayLayout(config.weight.code_bits, config.lanes), config.columns)
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout({"x": x, "release": 1, "last": 1}))),
                "i_weight": In(stream.Signature(weights)),
                "o": Out(stream.Signature(data.ArrayLayout(signed(config.accumulator.bits), config.columns))),
            }
        )

    def _weight_stage(self, m: Module, released: Value) -> Value:
        """Whether there are weights to use; the weight stream moves on when they are ``released``."""
        if not self._config.weight_registers:
            # A beat that is offered stays until it is taken: so the stream itself holds the weights.
            m.d.comb += self.i_weight.ready.eq(released)
            return self.i_weight.valid
        held = Signal()
        m.d.comb += self.i_weight.ready.eq(~held | released)
        # Not ready means that weights are held and not released: then they stay.
        m.d.sync += held.eq(self.i_weight.valid | ~self.i_weight.ready)
        return held

    def _sum_stage(self, m: Module, take: Value, moves: Value) -> tuple[Value, Value]:
        """Whether the accumulators take a sum of the lanes, and whether a sum of beats ends with it."""
        if not self._config.stages:
            return take, self.i.payload.last
        taken, last = Signal(), Signal()
        with m.If(moves):
            m.d.sync += taken.eq(take)
        with m.If(take):
            m.d.sync += last.eq(self.i.payload.last)
        return taken & moves, last

    def elaborate(self, platform):
        m = Module()
        first = Signal(init=1)  # the next beat starts a sum
        take = Signal()  # a beat is taken
        load = Signal()  # the weight registers take one
        held = self._weight_stage(m, take & self.i.payload.release)
        # The accumulators are the output registers: while a sum waits in them, nothing moves.
        moves = Signal()
        m.d.comb += [
            moves.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(held & moves),
            take.eq(self.i.valid & self.i.ready),
            load.eq(self.i_weight.valid & self.i_weight.ready),
        ]
        add, last = self._sum_stage(m, take, moves)
        # A beat is added only where no sum waits or the one that waits leaves on this edge: none is lost.
        m.d.sync += self.o.valid.eq(Mux(add, last, self.o.valid & ~self.o.ready))
        with m.If(add):
            m.d.sync += first.eq(last)

        datapath, payload = Datapath(self._config.product, self._config.adders), self.i.payload
        shared = datapath.add_activations(m, payload.x)
        for index in range(self._config.columns):
            m.submodules[f"column_{index}"] = column = Column(self._config, datapath, shared)
            m.d.comb += [
                column.load.eq(load),
                column.codes.eq(self.i_weight.payload[index]),
                column.take.eq(take),
                column.add.eq(add),
                column.clear.eq(first),
                self.o.payload[index].eq(column.acc),
            ]
            m.d.comb += [column.x[lane].eq(x_lane) for lane, x_lane in enumerate(shared)]
        return m

"""Unit ``dot``: ``columns`` dot products of ``lanes`` terms a beat, with held or streaming weights."""

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from asm_hw.gateware.adders import ADDER_PARTS, add_accumulator
from asm_hw.gateware.datapath import DATAPATH_PARTS, Datapath
from asm_hw.gateware.shapes import weight_shape

from .dot_config import DotConfig


class Column(wiring.Component):
    """One dot product: weight registers, lanes, adders and the accumulator.

    Members
    -------
    load : In(1), decode ``codes`` into the weight registers on this edge
    codes : In(array[lanes] of ``config.weight.code_bits``)
    x : In(array[lanes] of what `Datapath.add_activation` gives), shared by the columns
    add : In(1), accumulate the products of the held weights on this edge
    clear : In(1), start a new sum; ignored without ``add``
    acc : Out(signed(``config.acc_bits``))
    """

    signal_parts = {
        r"rst|load|add|clear": "control",
        r"codes": "weight_registers",
        r"kept": "accumulator",
        **DATAPATH_PARTS,
        **ADDER_PARTS,
    }

    def __init__(self, config: DotConfig, datapath: Datapath, x_shape):
        self._config = config
        self._datapath = datapath
        super().__init__(
            {
                "load": In(1),
                "codes": In(data.ArrayLayout(config.weight.code_bits, config.lanes)),
                "x": In(data.ArrayLayout(x_shape, config.lanes)),
                "add": In(1),
                "clear": In(1),
                "acc": Out(signed(config.accumulator.bits)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        lanes = []
        for lane in range(self._config.lanes):
            weight = self._datapath.add_weight(m, f"weight_{lane}", self.codes[lane])
            if self._config.weight_registers:
                weight = self._hold(m, f"weight_{lane}", weight)
            lanes.append(self._datapath.add_lane(m, f"lane_{lane}", weight, self.x[lane]))
        m.d.comb += self.acc.eq(
            add_accumulator(m, self._config.accumulator, self._config.adders, lanes, self.add, self.clear)
        )
        return m

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

    One beat a cycle; a sum leaves in the cycle after its last beat was taken. ``x`` is not registered:
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
        r"rst|(i|o|i_weight)__(valid|ready)|held|load|add|first|clear": "control",
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

    def elaborate(self, platform):
        m = Module()
        first = Signal(init=1)  # the next beat starts a sum
        add = Signal()  # the accumulators take a beat
        load = Signal()  # the weight registers take one
        held = self._weight_stage(m, add & self.i.payload.release)
        m.d.comb += [
            # The accumulators are the output registers: while a sum waits in them, no beat is added.
            self.i.ready.eq(held & (~self.o.valid | self.o.ready)),
            add.eq(self.i.valid & self.i.ready),
            load.eq(self.i_weight.valid & self.i_weight.ready),
        ]
        # A beat is added only where no sum waits or the one that waits leaves on this edge: none is lost.
        m.d.sync += self.o.valid.eq(Mux(add, self.i.payload.last, self.o.valid & ~self.o.ready))
        with m.If(add):
            m.d.sync += first.eq(self.i.payload.last)

        datapath, payload = Datapath(self._config.product, self._config.adders), self.i.payload
        shared = [datapath.add_activation(m, f"x_{lane}", payload.x[lane]) for lane in range(self._config.lanes)]
        for index in range(self._config.columns):
            m.submodules[f"column_{index}"] = column = Column(self._config, datapath, shared[0].shape())
            m.d.comb += [
                column.load.eq(load),
                column.codes.eq(self.i_weight.payload[index]),
                column.add.eq(add),
                column.clear.eq(first),
                self.o.payload[index].eq(column.acc),
            ]
            m.d.comb += [column.x[lane].eq(x_lane) for lane, x_lane in enumerate(shared)]
        return m

"""Unit ``dot``: ``columns`` dot products of ``lanes`` terms a beat, with held or streaming weights."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import DotConfig
from .accumulate import add_overflow, add_tree
from .datapath import Datapath


class Column(wiring.Component):
    """One dot product: weight registers, lanes, an adder tree and the accumulator.

    Members
    -------
    load : In(1), decode ``codes`` into the weight registers on this edge
    codes : In(array[lanes] of ``config.w_bits``)
    x : In(array[lanes] of what `Datapath.add_activation` gives), shared by the columns
    add : In(1), accumulate the products of the held weights on this edge
    clear : In(1), start a new sum; ignored without ``add``
    acc : Out(signed(``config.acc_bits``))
    """

    def __init__(self, config: DotConfig, datapath: Datapath, x_shape):
        self._config = config
        self._datapath = datapath
        super().__init__(
            {
                "load": In(1),
                "codes": In(data.ArrayLayout(config.w_bits, config.lanes)),
                "x": In(data.ArrayLayout(x_shape, config.lanes)),
                "add": In(1),
                "clear": In(1),
                "acc": Out(signed(config.acc_width)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        addends, carries = [], []
        for lane in range(self._config.lanes):
            weight = Signal(self._datapath.weight_shape, name=f"weight_{lane}")
            decoded = self._datapath.add_weight(m, f"weight_{lane}", self.codes[lane])
            with m.If(self.load):
                m.d.sync += weight.eq(decoded)
            product = self._datapath.add_lane(m, f"lane_{lane}", weight, self.x[lane])
            addends.append(product.addend)
            carries.append(product.carry)
        total = Mux(self.clear, 0, self.acc) + (add_tree(addends) + add_tree(carries))
        following = add_overflow(m, self._config, "following", total)
        with m.If(self.add):
            m.d.sync += self.acc.eq(following)
        return m


class Dot(wiring.Component):
    """Sums ``value(weight[column][lane]) * value(x[lane])`` over lanes and over beats.

    A beat of ``i`` with ``load`` set also takes the next beat of ``i_weight``; without it the weights
    of the beat before are used again. So weights stream along (``load`` always set) or are held in
    place (``load`` set once), in any mixture, and the two streams cannot fall out of step. A beat
    with ``last`` ends the sum: it leaves on ``o``, and the next beat starts a new one.

    One beat a cycle; a sum leaves two cycles after its last beat was taken. ``ready`` of the inputs
    depends combinationally on ``o.ready`` and on the other input's ``valid``. Until the first
    ``load`` after reset the held weights are code 0 of the decoded form. Weight codes are decoded
    before the weight registers: once per load, not once per use.

    Members
    -------
    i : In(stream of x[lanes] (``config.x_bits`` each), load (1), last (1))
    i_weight : In(stream of weight codes, array[columns][lanes] of ``config.w_bits``)
    o : Out(stream of sums, array[columns] of signed(``config.acc_bits``))
    """

    def __init__(self, config: DotConfig):
        self._config = config
        x = data.ArrayLayout(config.x_bits, config.lanes)
        weights = data.ArrayLayout(data.ArrayLayout(config.w_bits, config.lanes), config.columns)
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout({"x": x, "load": 1, "last": 1}))),
                "i_weight": In(stream.Signature(weights)),
                "o": Out(stream.Signature(data.ArrayLayout(signed(config.acc_width), config.columns))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        x = Signal(self.i.payload.x.shape())  # the beat in stage 1
        valid = Signal()
        last = Signal()
        first = Signal(init=1)
        accept = Signal()  # stage 1 takes a beat
        load = Signal()  # ... and new weights with it
        add = Signal()  # stage 2, the accumulators, takes the beat of stage 1

        m.d.comb += [
            add.eq(valid & (~self.o.valid | self.o.ready)),
            load.eq(self.i.valid & self.i.payload.load),
            self.i.ready.eq((~valid | add) & (~self.i.payload.load | self.i_weight.valid)),
            self.i_weight.ready.eq((~valid | add) & load),
            accept.eq(self.i.valid & self.i.ready),
        ]
        m.d.sync += [
            valid.eq(accept | (valid & ~add)),
            self.o.valid.eq(Mux(add, last, self.o.valid & ~self.o.ready)),
        ]
        with m.If(accept):
            m.d.sync += [last.eq(self.i.payload.last), x.eq(self.i.payload.x)]
        with m.If(add):
            m.d.sync += first.eq(last)

        datapath = Datapath(self._config)
        shared = [datapath.add_activation(m, f"x_{lane}", x[lane]) for lane in range(self._config.lanes)]
        for index in range(self._config.columns):
            m.submodules[f"column_{index}"] = column = Column(self._config, datapath, shared[0].shape())
            m.d.comb += [
                column.load.eq(accept & load),
                column.codes.eq(self.i_weight.payload[index]),
                column.add.eq(add),
                column.clear.eq(first),
                self.o.payload[index].eq(column.acc),
            ]
            m.d.comb += [column.x[lane].eq(x_lane) for lane, x_lane in enumerate(shared)]
        return m

"""Unit ``dot``: ``columns`` dot products of ``lanes`` terms a beat, with held or streaming weights."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import DotConfig
from .accumulate import add_overflow, add_tree
from .datapath import Datapath


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
        valid, last, first = Signal(), Signal(), Signal(init=1)
        x = Signal(self.i.payload.x.shape())
        add = Signal()  # stage 2 takes the beat of stage 1
        accept = Signal()  # stage 1 takes a beat
        load = Signal()

        m.d.comb += [
            add.eq(valid & (~self.o.valid | self.o.ready)),
            load.eq(self.i.valid & self.i.payload.load),
            self.i.ready.eq((~valid | add) & (~self.i.payload.load | self.i_weight.valid)),
            self.i_weight.ready.eq((~valid | add) & load),
            accept.eq(self.i.valid & self.i.ready),
        ]
        with m.If(add):
            m.d.sync += [valid.eq(0), first.eq(last)]
        with m.If(accept):
            m.d.sync += [valid.eq(1), last.eq(self.i.payload.last), x.eq(self.i.payload.x)]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(add):
            m.d.sync += self.o.valid.eq(last)

        datapath = Datapath(self._config)
        shared = [datapath.add_activation(m, f"x_{lane}", x[lane]) for lane in range(self._config.lanes)]
        for column in range(self._config.columns):
            total = self._add_column(m, datapath, column, shared, accept & load)
            acc = self.o.payload[column]
            start = Mux(first, 0, acc)
            following = add_overflow(m, self._config, f"following_{column}", start + total)
            with m.If(add):
                m.d.sync += acc.eq(following)
        return m

    def _add_column(self, m: Module, datapath: Datapath, column: int, shared: list, load):
        """The sum of one column's products: weight registers, lanes and an adder tree."""
        addends, carries = [], []
        for lane, x in enumerate(shared):
            name = f"{column}_{lane}"
            weight = Signal(datapath.weight_shape, name=f"weight_{name}")
            with m.If(load):
                m.d.sync += weight.eq(datapath.add_weight(m, f"weight_{name}", self.i_weight.payload[column][lane]))
            product = datapath.add_lane(m, f"lane_{name}", weight, x)
            addends.append(product.addend)
            carries.append(product.carry)
        return add_tree(addends) + add_tree(carries)

"""The outputs of the von Neumann array: where the words of their beats go."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from .vn_array_config import VnArrayConfig


class Writer(wiring.Component):
    """Writes the outputs of a block as they come, a word a cycle.

    Members
    -------
    start : In(1), take ``job`` on this edge; only while not ``busy``
    job : In(struct of vectors, results, result_stride)
    valid, ready : In(1), Out(1), a beat is offered, and taken on this edge
    write : Out(1), write word ``part`` of it to ``address`` on this edge, whatever else wants the port
    part : Out(bits_for(``config.output_words`` - 1))
    address : Out(``config.row_address_bits``)
    busy : Out(1), outputs of the block are still to come
    """

    def __init__(self, config: VnArrayConfig):
        self._config = config
        names = ("vectors", "results", "result_stride")
        super().__init__(
            {
                "start": In(1),
                "job": In(data.StructLayout({name: config.job_fields[name] for name in names})),
                "valid": In(1),
                "ready": Out(1),
                "write": Out(1),
                "address": Out(config.row_address_bits),
                "part": Out(bits_for(config.output_words - 1)),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, job = self._config, self.job
        vectors, at, stride = Signal.like(job.vectors), Signal.like(job.results), Signal.like(job.results)
        # The word of a vector's outputs, through all its beats; ``part`` counts within a beat.
        place = Signal(bits_for(config.vector_words - 1))
        m.d.comb += [
            self.busy.eq(vectors != 0),
            self.write.eq(self.valid),
            # The array holds a beat until its last word is written.
            self.ready.eq(self.part == config.output_words - 1),
            self.address.eq(at + place),
        ]
        with m.If(self.write):
            m.d.sync += [self.part.eq(Mux(self.ready, 0, self.part + 1)), place.eq(place + 1)]
            with m.If(place == config.vector_words - 1):
                m.d.sync += [place.eq(0), at.eq(at + stride), vectors.eq(vectors - 1)]
        with m.If(self.start):
            m.d.sync += [vectors.eq(job.vectors), at.eq(job.results), stride.eq(job.result_stride)]
        return m

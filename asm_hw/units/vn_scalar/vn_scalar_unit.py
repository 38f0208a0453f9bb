"""Unit ``vn_scalar``: one MAC before one memory of weights, activations, parameters and outputs."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring

from asm_hw.gateware.unit_memory import Memory
from asm_hw.units.mac.mac_unit import Mac
from asm_hw.units.von_neumann.vn_host import add_host, host_streams

from .vn_fetcher import Fetcher
from .vn_results import Results
from .vn_scalar_config import VnScalarConfig
from .word_buffer import WordBuffer


class VnScalar(wiring.Component):
    """Matrix times vector, one product a cycle at best: every operand is fetched, every output written back.

    The host writes operands and reads outputs through ``i_memory`` and ``o`` between jobs. A command names a
    job (`Job`); while it runs the memory is its own. Two words of weights and two of
    activations are buffered, so that the next ones are read behind the MACs of those in use.

    ``config.cycles`` says how long jobs take: the unit never waits for its streams in one. An access goes
    before a command that is offered with it; neither is taken while a word on ``o`` waits. The ready of both
    depends combinationally on ``o.ready``, that of ``i_command`` on ``i_memory.valid`` too. Reset ends a
    job in the middle; the memory keeps its words.

    Members
    -------
    i_memory : In(stream of write, address, data (``config.bus_bits``)): write a word, or read it to ``o``
    i_command : In(stream of weights, activations, results (addresses), inputs, outputs, both 1 at least)
    o : Out(stream of ``config.bus_bits``), words that were read, in the cycle after
    """

    def __init__(self, config: VnScalarConfig):
        self._config = config
        super().__init__(host_streams(config, config.command_fields))

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(self._config.memory_shape, macro=self._config.memory == "macro")
        m.submodules.fetcher = fetcher = Fetcher(self._config)
        m.submodules.results = results = Results(self._config)
        job = self.i_command.payload
        access, start = add_host(m, self, memory, results.busy)
        m.d.comb += [
            fetcher.start.eq(start),
            fetcher.port.eq(~results.write),
            *(fetcher.job[name].eq(job[name]) for name in fetcher.job.shape().members),
            results.start.eq(start),
            results.results.eq(job.results),
            results.outputs.eq(job.outputs),
            results.parameters.eq(fetcher.parameters),
            fetcher.parameter_room.eq(results.room),
            results.word.eq(memory.row),
        ]
        self._access(m, memory, fetcher, results, access)
        self._multiply(m, memory, fetcher, results, start)
        return m

    def _access(self, m: Module, memory: Memory, fetcher: Fetcher, results: Results, access: Signal) -> None:
        """Who has the memory's port: the results, else the fetcher, or between jobs the host."""
        host = self.i_memory.payload
        fetch = fetcher.weights | fetcher.activations | fetcher.parameters.any()
        m.d.comb += [
            memory.read.eq(fetch | (access & ~host.write)),
            memory.write.eq(results.write | (access & host.write)),
            memory.address.eq(Mux(results.write, results.address, Mux(results.busy, fetcher.address, host.address))),
            memory.data.eq(Mux(results.write, results.data, host.data)),
        ]

    def _multiply(self, m: Module, memory: Memory, fetcher: Fetcher, results: Results, start: Signal) -> None:
        """The MAC between the buffers of its operands and the results."""
        config, job = self._config, self.i_command.payload
        m.submodules.weights = weights = WordBuffer(config.weight.code_bits, config.weights_per_word)
        m.submodules.activations = activations = WordBuffer(config.activation.code_bits, config.activations_per_word)
        m.submodules.mac = mac = Mac(config)
        inputs, index = Signal.like(job.inputs), Signal.like(job.inputs)  # of the job; taken of this output
        step, last = Signal(), Signal()
        m.d.comb += [
            # Results never hold the MAC up: see `Results._wait`.
            step.eq(weights.valid & activations.valid),
            last.eq(index == (inputs - 1)[: len(index)]),
            mac.en.eq(step), mac.clear.eq(index == 0), mac.w.eq(weights.operand), mac.x.eq(activations.operand),
            results.acc.eq(mac.acc), results.last.eq(step & last),
            weights.ask.eq(fetcher.weights), fetcher.weight_room.eq(weights.room),
            activations.ask.eq(fetcher.activations), fetcher.activation_room.eq(activations.room),
        ]  # fmt: skip
        # At the end of an output both drop the rest of a word: the next row begins with a new one, as does the vector.
        for buffer in (weights, activations):
            m.d.comb += [buffer.word.eq(memory.row), buffer.take.eq(step), buffer.last.eq(last)]
        with m.If(step):
            m.d.sync += index.eq(Mux(last, 0, index + 1))
        with m.If(start):
            m.d.sync += inputs.eq(job.inputs)

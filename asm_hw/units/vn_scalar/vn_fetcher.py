"""The fetcher of the scalar von Neumann machine: which word of a job is read next."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from .vn_scalar_config import VnScalarConfig


class Fetcher(wiring.Component):
    """Reads the words of a job in the order in which the MAC needs them, as soon as there is room.

    For each output: words of weights and of activations, the one whose first operand comes first, weights
    before activations where they begin together; then the requantize parameters. Never out of order.

    Members
    -------
    start : In(1), take ``job`` on this edge; only when the last one has ended
    job : In(struct ``config.command_fields`` but for the results)
    port : In(1), the memory's port is free in this cycle
    weight_room, activation_room, parameter_room : In(1), a word has a place
    weights, activations : Out(1), a word of them is read on this edge
    parameters : Out(``config.rows_per_channel``), a word of them is, one bit for each
    address : Out(``config.row_address_bits``)
    """

    def __init__(self, config: VnScalarConfig):
        self._config = config
        parts = {name: width for name, width in config.command_fields.items() if name != "results"}
        super().__init__(
            {
                "start": In(1),
                "job": In(data.StructLayout(parts)),
                "port": In(1),
                "weight_room": In(1),
                "activation_room": In(1),
                "parameter_room": In(1),
                "weights": Out(1),
                "activations": Out(1),
                "parameters": Out(config.rows_per_channel),
                "address": Out(config.row_address_bits),
            }
        )

    def elaborate(self, platform):
        m = Module()
        config, job = self._config, self.job
        inputs, start = Signal.like(job.inputs), Signal.like(job.activations)
        # Where the next words are, and how many inputs of this output begin with them.
        weight, activation = Signal.like(job.weights), Signal.like(job.activations)
        weights_left, activations_left = Signal.like(job.inputs), Signal.like(job.inputs)
        outputs, part = Signal.like(job.outputs), Signal(bits_for(config.rows_per_channel - 1))
        go, row_read, ends = Signal(), Signal(), Signal()
        m.d.comb += [
            go.eq(self.port & (outputs != 0)),
            row_read.eq((weights_left == 0) & (activations_left == 0)),
            # The word with more inputs left begins with the earlier one; where none is left, parameters are due.
            self.weights.eq(go & ~row_read & (weights_left >= activations_left) & self.weight_room),
            self.activations.eq(go & (weights_left < activations_left) & self.activation_room),
            self.address.eq(Mux(self.activations, activation, weight)),  # parameters lie behind their weights
            ends.eq(self.parameters[-1]),
        ]
        # Room is asked for once: the first part takes the place of all.
        with m.If(go & row_read & (self.parameter_room | (part != 0))):
            m.d.comb += self.parameters.eq(1 << part)
            m.d.sync += part.eq(Mux(ends, 0, part + 1))
        with m.If(self.weights):
            m.d.sync += weights_left.eq(_less(weights_left, config.weights_per_word))
        with m.If(self.activations):
            m.d.sync += [
                activation.eq(activation + 1),
                activations_left.eq(_less(activations_left, config.activations_per_word)),
            ]
        with m.If(self.weights | self.parameters.any()):
            m.d.sync += weight.eq(weight + 1)
        with m.If(ends):  # the next output meets the same vector; its weights lie behind these parameters
            m.d.sync += [
                outputs.eq(outputs - 1), activation.eq(start),
                weights_left.eq(inputs), activations_left.eq(inputs),
            ]  # fmt: skip
        with m.If(self.start):
            m.d.sync += [
                inputs.eq(job.inputs), outputs.eq(job.outputs), start.eq(job.activations),
                weight.eq(job.weights), activation.eq(job.activations),
                weights_left.eq(job.inputs), activations_left.eq(job.inputs),
            ]  # fmt: skip
        return m


def _less(left: Value, count: int) -> Value:
    """``left - count``, 0 at least."""
    # One bit longer than its operands, with the sign on top.
    difference = left - count
    return Mux(difference[-1], 0, difference[: len(left)])

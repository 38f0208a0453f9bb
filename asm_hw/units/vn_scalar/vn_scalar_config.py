"""Parameters of unit ``vn_scalar``: one MAC before one memory, and how many cycles and accesses a job takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from asm_hw.errors import ParameterError
from asm_hw.numbers.bit_fields import join_fields, place_fields
from asm_hw.numbers.integers import ceil_div
from asm_hw.units.memory_config import (
    MemoryConfig,
    bus_bits_field,
    depth_field,
    memory_field,
    out_bits_field,
    out_signed_field,
)


@dataclass(frozen=True)
class Job:
    """Work of one command: ``outputs`` rows of ``inputs`` weights times one vector of activations.

    ``weights``, ``activations`` and ``results`` are the addresses of their first words.
    """

    weights: int
    activations: int
    results: int
    inputs: int
    outputs: int


@dataclass(frozen=True, kw_only=True)
class VnScalarConfig(MemoryConfig):
    """Unit ``vn_scalar``: one MAC whose operands come from one memory that holds everything.

    The memory has ``depth`` words of ``bus_bits`` and one port. A word holds as many weight codes, activation
    codes or outputs as fit; rows of weights and vectors begin with a word of their own, and the requantize
    parameters of an output follow its weights.
    """

    unit: ClassVar[str] = "vn_scalar"
    memory_map: ClassVar[str] = (
        "for each output its weights, then its requantize word (rows words, lowest part first); a vector of"
        " activations; outputs; of codes as many to a word as fit, the first lowest; each from a word of its own"
    )
    port_meanings: ClassVar[Mapping[str, str]] = {
        "i_memory__payload": "an access to the memory: write data to address, or (write 0) offer its word on o",
        "i_memory__valid": "an access is offered",
        "i_memory__ready": "the access is done on this edge if valid; never while a job runs",
        "i_command__payload": "a job: outputs rows of inputs weights from address weights times the vector at address"
        " activations, packed to address results",
        "i_command__valid": "a command is offered",
        "i_command__ready": "the command is taken on this edge if valid; never while a job runs",
        "o__payload": "a word of the memory that was asked for",
        "o__valid": "a word is offered",
        "o__ready": "the word is taken on this edge if valid",
    }

    bus_bits: int = bus_bits_field()
    depth: int = depth_field(1024)
    memory: str = memory_field()
    out_bits: int = out_bits_field()
    out_signed: bool = out_signed_field()

    def __post_init__(self) -> None:
        super().__post_init__()
        widest = max(self.weight.code_bits, self.activation.code_bits, self.out_bits)
        if self.bus_bits < widest:
            raise ParameterError(f"bus_bits must be at least {widest}, an operand or an output, not {self.bus_bits}")
        if self.depth < self.min_depth:
            raise ParameterError(
                f"depth must be at least {self.min_depth}, an output and its operands, not {self.depth}"
            )

    @property
    def row_bits(self) -> int:
        return self.bus_bits

    @property
    def weights_per_word(self) -> int:
        """Weight codes in a word."""
        return self.bus_bits // self.weight.code_bits

    @property
    def activations_per_word(self) -> int:
        """Activation codes in a word."""
        return self.bus_bits // self.activation.code_bits

    @property
    def outputs_per_word(self) -> int:
        """Outputs in a word."""
        return self.bus_bits // self.out_bits

    @property
    def min_depth(self) -> int:
        # Beside the parameters a word of weights, one of activations and one of outputs.
        return self.rows_per_channel + 3

    @property
    def max_inputs(self) -> int:
        room, x, w = self.depth - self.rows_per_channel - 1, self.activations_per_word, self.weights_per_word
        # So many if no word were padded; from there down the first that fits.
        most = room * x * w // (x + w)
        return next(inputs for inputs in range(most, 0, -1) if self.words(1, inputs, 1) <= self.depth)

    def accesses(self, outputs: int, inputs: int) -> dict[str, int]:
        """Words that one vector's job reads and, of outputs, writes."""
        return {
            "weights": outputs * ceil_div(inputs, self.weights_per_word),
            "activations": outputs * ceil_div(inputs, self.activations_per_word),
            "parameters": outputs * self.rows_per_channel,
            "outputs": ceil_div(outputs, self.outputs_per_word),
        }

    def words(self, outputs: int, inputs: int, vectors: int) -> int:
        """Words that operands, parameters and outputs of so many vectors take."""
        each = self.accesses(outputs, inputs)
        vector = each["activations"] // outputs + each["outputs"]
        return each["weights"] + each["parameters"] + vectors * vector

    def cycles(self, jobs: Iterable[Job]) -> int:
        """Clock cycles from the first command's offer until the memory may be accessed, where no command is late."""
        return sum(self._job_cycles(job) for job in jobs)

    def _job_cycles(self, job: Job) -> int:
        """Cycles from one command to the next.

        Words are read in the order in which they are needed, one a cycle, each into a place that its operand
        has free: two words, of which the one in use makes room with its last MAC. A word serves from the second
        cycle after its read. An output is requantized in the cycle after its last MAC, or once its parameters
        are there, and its word is written in the cycle after that, before any read.
        """
        counts = {"weights": self.weights_per_word, "activations": self.activations_per_word}
        room = {name: [0, 0] for name in counts}  # last MACs of the last two words
        there = dict.fromkeys(counts, 0)  # the word in use may serve
        writes: set[int] = set()
        read = mac = done = 0  # times of the last read, MAC and requantization

        def next_read(earliest: int) -> int:
            time = max(read + 1, earliest)
            while time in writes:
                time += 1
            return time

        for output in range(job.outputs):
            for index in range(job.inputs):
                for name, count in counts.items():
                    if index % count == 0:
                        # A place is free on the edge of the last MAC of the word that had it.
                        read = next_read(room[name].pop(0))
                        there[name] = read + 2
                mac = max(mac + 1, *there.values())
                for name, count in counts.items():
                    if index % count == count - 1 or index == job.inputs - 1:
                        room[name].append(mac)
            # The first part waits for the output before it to leave, the others for the port alone.
            read = next_read(done)
            for _ in range(self.rows_per_channel - 1):
                read = next_read(0)
            done = max(mac + 1, read + 2)
            if (output + 1) % self.outputs_per_word == 0 or output == job.outputs - 1:
                writes.add(done + 1)
        # The last word is written in the cycle between.
        return done + 2

    def _slug_words(self) -> list[str]:
        words = [*super()._slug_words(), f"b{self.bus_bits}", f"d{self.depth}"]
        return [*words, self._output_word(), *self._memory_words()]

    def _baseline_words(self) -> dict[str, Any]:
        """The bus is wider if the codes need that."""
        return {"bus_bits": max(self.bus_bits, self.weight_bits, self.act_bits)}

    @property
    def command_fields(self) -> dict[str, int]:
        """Widths of the parts of a command."""
        address = self.row_address_bits
        counts = self.weights_per_word, self.activations_per_word
        most = max(self.depth * min(counts), *counts)
        # Each output has a word of weights at least, so that there are fewer of them than words.
        inputs, outputs = most.bit_length(), self.depth.bit_length()
        return {"weights": address, "activations": address, "results": address, "inputs": inputs, "outputs": outputs}

    def command_word(self, job: Job) -> int:
        """A job's command as the payload of its stream."""
        return join_fields(place_fields(self.command_fields.items()), vars(job))

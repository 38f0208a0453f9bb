"""Parameters of unit ``vn_scalar``: one MAC before one memory, and how many cycles and accesses a job takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from ..encoding import join_fields, place_fields
from ..errors import ParameterError, check_range
from .multiplier import LIMITS
from .stored import StoredConfig


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
class VnScalarConfig(StoredConfig):
    """Unit ``vn_scalar``: one MAC whose operands come from one memory that holds everything.

    The memory has ``depth`` words of ``bus_bits`` and one port. A word holds as many weight codes, activation
    codes or outputs as fit; rows of weights and vectors begin with a word of their own, and the requantize
    parameters of an output follow its weights.
    """

    unit: ClassVar[str] = "vn_scalar"
    latency: ClassVar[int] = 1
    layout: ClassVar[str] = (
        "for each output its weights, then its requantize word (rows words, lowest part first); a vector of"
        " activations; outputs; of codes as many to a word as fit, the first lowest; each from a word of its own"
    )
    meanings: ClassVar[Mapping[str, str]] = {
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

    bus_bits: int = 32
    depth: int = 1024
    memory: str = "inferred"
    out_bits: int = 8
    out_signed: bool = False

    def __post_init__(self) -> None:
        for name in ("bus_bits", "depth"):
            check_range(name, getattr(self, name), *LIMITS[name])
        super().__post_init__()
        widest = max(self.w_bits, self.x_bits, self.out_bits)
        if self.bus_bits < widest:
            raise ParameterError(f"bus_bits must be at least {widest}, an operand or an output, not {self.bus_bits}")
        if self.depth < self.least_depth:
            raise ParameterError(
                f"depth must be at least {self.least_depth}, an output and its operands, not {self.depth}"
            )

    @property
    def row_bits(self) -> int:
        return self.bus_bits

    @property
    def weights_a_word(self) -> int:
        """Weight codes in a word."""
        return self.bus_bits // self.w_bits

    @property
    def activations_a_word(self) -> int:
        """Activation codes in a word."""
        return self.bus_bits // self.x_bits

    @property
    def outputs_a_word(self) -> int:
        """Outputs in a word."""
        return self.bus_bits // self.out_bits

    @property
    def least_depth(self) -> int:
        return self.rows_a_channel + 3

    @property
    def most_inputs(self) -> int:
        room, x, w = self.depth - self.rows_a_channel - 1, self.activations_a_word, self.weights_a_word
        most = room * x * w // (x + w)
        return next(inputs for inputs in range(most, 0, -1) if self.words(1, inputs, 1) <= self.depth)

    def accesses(self, outputs: int, inputs: int) -> dict[str, int]:
        """Words that one vector's job reads and, of outputs, writes."""
        return {
            "weights": outputs * -(-inputs // self.weights_a_word),
            "activations": outputs * -(-inputs // self.activations_a_word),
            "parameters": outputs * self.rows_a_channel,
            "outputs": -(-outputs // self.outputs_a_word),
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
        counts = {"weights": self.weights_a_word, "activations": self.activations_a_word}
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
                        read = next_read(room[name].pop(0))
                        there[name] = read + 2
                mac = max(mac + 1, *there.values())
                for name, count in counts.items():
                    if index % count == count - 1 or index == job.inputs - 1:
                        room[name].append(mac)
            read = next_read(done)
            for _ in range(self.rows_a_channel - 1):
                read = next_read(0)
            done = max(mac + 1, read + 2)
            if (output + 1) % self.outputs_a_word == 0 or output == job.outputs - 1:
                writes.add(done + 1)
        return done + 2

    def _slug_words(self) -> list[str]:
        words = [*super()._slug_words(), f"b{self.bus_bits}", f"d{self.depth}"]
        words += [f"o{'s' * self.out_signed}{self.out_bits}"]
        words += ["m" + "_".join(map(str, self.alphabets))] * (self.arithmetic != "asm")
        return words + [self.memory] * (self.memory != "inferred")

    @property
    def command_fields(self) -> dict[str, int]:
        """Widths of the parts of a command."""
        address = self.row_address_bits
        counts = self.weights_a_word, self.activations_a_word
        most = max(self.depth * min(counts), *counts)
        inputs, outputs = most.bit_length(), self.depth.bit_length()
        return {"weights": address, "activations": address, "results": address, "inputs": inputs, "outputs": outputs}

    def command_word(self, job: Job) -> int:
        """A job's command as the payload of its stream."""
        return join_fields(place_fields(self.command_fields.items()), vars(job))

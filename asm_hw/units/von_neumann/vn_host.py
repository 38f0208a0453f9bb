"""What the von Neumann machines show of themselves: their memory between jobs, and jobs."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from asm_hw.gateware.unit_memory import Memory
from asm_hw.units.memory_config import MemoryConfig


def host_streams(config: MemoryConfig, command: dict[str, int]) -> dict:
    """Accesses, commands with the parts of ``command``, and words that were read, as members of a signature."""
    return {
        "i_memory": In(stream.Signature(data.StructLayout(config.access_fields))),
        "i_command": In(stream.Signature(data.StructLayout(command))),
        "o": Out(stream.Signature(config.memory_bits)),
    }


def add_host(m: Module, unit: wiring.Component, memory: Memory, busy: Value) -> tuple[Signal, Signal]:
    """The handshakes of `host_streams`; whether an access and whether a job begins on this edge.

    Neither is taken while a job runs or a word waits, and an access goes before a command. The word on ``o``
    is the memory's own output: nothing reads before it is taken.
    """
    access, start = Signal(name="access"), Signal(name="start")
    free = ~unit.o.valid | unit.o.ready
    m.d.comb += [
        unit.i_memory.ready.eq(~busy & free),
        unit.i_command.ready.eq(unit.i_memory.ready & ~unit.i_memory.valid),
        access.eq(unit.i_memory.valid & unit.i_memory.ready),
        start.eq(unit.i_command.valid & unit.i_command.ready),
        unit.o.payload.eq(memory.row),
    ]
    # Where ``o`` is not free no access is taken, and the word that waits stays.
    m.d.sync += unit.o.valid.eq(Mux(free, access & ~unit.i_memory.payload.write, unit.o.valid))
    return access, start

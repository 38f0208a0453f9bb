"""A register file behind AXI4-Lite, made of a table of registers."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .axi_lite_port import AxiLitePort, axi_lite_members, join_axi_lite
from .register_map import WORD_BITS, WORD_BYTES, Access, Register, RegisterField, map_address_bits


def field_port(register: Register, field: RegisterField) -> str:
    """What the hardware calls a field."""
    return f"{register.name}_{field.name}".lower()


def _field_members(name: str, field: RegisterField) -> dict[str, wiring.Member]:
    width = field.width
    return {
        Access.READ: {name: In(width)},
        Access.WRITE: {name: Out(width)},
        Access.SET: {name: Out(width), f"{name}_clear": In(width)},
        Access.CLEAR_ON_READ: {f"{name}_set": In(width)},
        Access.TOGGLE: {name: Out(width), f"{name}_set": In(width)},
    }[field.access]


class RegisterFile(wiring.Component):
    """The fields of ``registers``, each as its `Access` says; of bus and hardware in one cycle, who sets a bit wins.

    Words without a register read 0 and take nothing; both answer SLVERR. Writes to fields that only the hardware
    drives are ignored.

    Members
    -------
    awaddr, ... : AXI4-Lite (`axi_lite_members`)
    <register>_<field> : In(width) of `Access.READ`, Out(width) of all others that the hardware sees
    <register>_<field>_set, _clear : In(width), the bits that the hardware sets or clears on this edge
    """

    signal_parts = {r".*": "control"}

    def __init__(self, registers: Sequence[Register]):
        self._registers = tuple(registers)
        members = axi_lite_members(map_address_bits(registers))
        for register in registers:
            for field in register.fields:
                members |= _field_members(field_port(register, field), field)
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        address_bits = map_address_bits(self._registers)
        m.submodules.port = port = AxiLitePort(address_bits)
        join_axi_lite(m, self, port, address_bits)
        words = {register.offset // WORD_BYTES: self._word(m, register, port) for register in self._registers}
        m.d.comb += [port.read_error.eq(1), port.write_error.eq(1)]
        with m.Switch(port.read_place[2:]):
            for index, word in words.items():
                with m.Case(index):
                    m.d.comb += [port.read_data.eq(word), port.read_error.eq(0)]
        with m.Switch(port.write_place[2:]), m.Case(*words):
            m.d.comb += port.write_error.eq(0)
        return m

    def _word(self, m: Module, register: Register, port: AxiLitePort) -> Value:
        """What a register reads, and how bus and hardware change it."""
        name, index = register.name.lower(), register.offset // WORD_BYTES
        word, read, written = Signal(WORD_BITS, name=name), Signal(name=f"{name}_read"), Signal(name=f"{name}_written")
        m.d.comb += [
            read.eq(port.read & (port.read_place[2:] == index)),
            written.eq(port.write & (port.write_place[2:] == index)),
        ]
        strobes = Mux(written, port.write_strobes, 0)
        mask = Cat(strobes[i].replicate(8) for i in range(WORD_BYTES))
        for field in register.fields:
            at = slice(field.lsb, field.lsb + field.width)
            value = self._field(m, field_port(register, field), field, read, mask[at], (port.write_data & mask)[at])
            m.d.comb += word[at].eq(value)
        return word

    def _field(self, m: Module, name: str, field: RegisterField, read: Value, mask: Value, data: Value) -> Value:
        """What a field holds. ``mask``: bits that are written on this edge; ``data``: those of them that are 1."""
        if field.access is Access.READ:
            return getattr(self, name)
        value = Signal(field.width, name=f"{name}_bits", init=field.reset or 0)
        if field.access is Access.WRITE:
            m.d.sync += value.eq((value & ~mask) | data)
        elif field.access is Access.SET:
            m.d.sync += value.eq((value & ~getattr(self, f"{name}_clear")) | data)
        elif field.access is Access.CLEAR_ON_READ:
            m.d.sync += value.eq(Mux(read, 0, value) | getattr(self, f"{name}_set"))
        else:
            m.d.sync += value.eq((value ^ data) | getattr(self, f"{name}_set"))
        if field.access is not Access.CLEAR_ON_READ:
            m.d.comb += getattr(self, name).eq(value)
        return value

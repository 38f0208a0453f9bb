"""The handshakes of AXI4-Lite: each transaction becomes one cycle in which a register file is read or written."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .register_map import WORD_BITS, WORD_BYTES

OKAY, SLVERR = 0, 2
"""Responses (AMBA AXI and ACE, IHI 0022): done; refused by what was reached."""


def axi_lite_members(address_bits: int) -> dict[str, wiring.Member]:
    """The signals of a subordinate with 32 bits of data, by their names in AMBA; no AxPROT, as in Vitis HLS."""
    write = {"awaddr": In(address_bits), "awvalid": In(1), "awready": Out(1)}
    write |= {"wdata": In(WORD_BITS), "wstrb": In(WORD_BYTES), "wvalid": In(1), "wready": Out(1)}
    write |= {"bresp": Out(2), "bvalid": Out(1), "bready": In(1)}
    read = {"araddr": In(address_bits), "arvalid": In(1), "arready": Out(1)}
    return write | read | {"rdata": Out(WORD_BITS), "rresp": Out(2), "rvalid": Out(1), "rready": In(1)}


def join_axi_lite(m: Module, outer, inner, address_bits: int, prefix: str = "") -> None:
    """Join the bus of a component, whose signals begin with ``prefix``, to that of a part of it."""
    for name, member in axi_lite_members(address_bits).items():
        outside, inside = getattr(outer, prefix + name), getattr(inner, name)
        m.d.comb += inside.eq(outside) if member.flow == In else outside.eq(inside)


class AxiLitePort(wiring.Component):
    """Holds what each channel brings until it can be used, and responses until they are taken.

    Address and data of a write may come in either order. Valid and ready of all channels come from registers alone:
    none waits for another. A response is valid two cycles after the last of what it answers was taken.

    Members
    -------
    awaddr, ... : AXI4-Lite (`axi_lite_members`); the lowest bits of an address, within a word, are ignored
    write : Out(1), the word at ``write_place`` is written on this edge: the bytes of ``write_data`` whose strobe is 1
    write_place : Out(``address_bits``), in bytes
    write_data, write_strobes : Out(32), Out(4)
    write_error : In(1), there is no such word
    read : Out(1), the word at ``read_place`` is read on this edge
    read_place : Out(``address_bits``), in bytes
    read_data : In(32), of the same cycle
    read_error : In(1), there is no such word
    """

    signal_parts = {r".*": "control"}

    def __init__(self, address_bits: int):
        write = {"write": Out(1), "write_place": Out(address_bits), "write_error": In(1)}
        write |= {"write_data": Out(WORD_BITS), "write_strobes": Out(WORD_BYTES)}
        read = {"read": Out(1), "read_place": Out(address_bits), "read_data": In(WORD_BITS), "read_error": In(1)}
        super().__init__(axi_lite_members(address_bits) | write | read)

    def elaborate(self, platform):
        m = Module()
        self._write(m)
        self._read(m)
        return m

    def _write(self, m: Module) -> None:
        addressed, filled = Signal(), Signal()
        m.d.comb += [
            self.awready.eq(~addressed),
            self.wready.eq(~filled),
            self.write.eq(addressed & filled & ~self.bvalid),
        ]
        with m.If(self.awvalid & self.awready):
            m.d.sync += [addressed.eq(1), self.write_place.eq(self.awaddr)]
        with m.If(self.wvalid & self.wready):
            m.d.sync += [filled.eq(1), self.write_data.eq(self.wdata), self.write_strobes.eq(self.wstrb)]
        with m.If(self.write):
            m.d.sync += [addressed.eq(0), filled.eq(0), self.bvalid.eq(1), self.bresp.eq(self.write_error * SLVERR)]
        with m.Elif(self.bready):
            m.d.sync += self.bvalid.eq(0)

    def _read(self, m: Module) -> None:
        addressed = Signal(name="read_addressed")
        m.d.comb += [self.arready.eq(~addressed), self.read.eq(addressed & ~self.rvalid)]
        with m.If(self.arvalid & self.arready):
            m.d.sync += [addressed.eq(1), self.read_place.eq(self.araddr)]
        with m.If(self.read):
            m.d.sync += [addressed.eq(0), self.rvalid.eq(1), self.rresp.eq(self.read_error * SLVERR)]
            m.d.sync += self.rdata.eq(self.read_data)
        with m.Elif(self.rready):
            m.d.sync += self.rvalid.eq(0)

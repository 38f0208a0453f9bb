"""The module behind a memory's macro boundary: a behavioural model, and wrappers around macros with names.

All have the ports of `asm_hw.gateware.unit_memory.Memory`: one access a cycle, a read gives its row
after the edge and keeps it until the next read. The model stands in the unit's own file unless
``ASM_HW_SRAM_MACRO`` is defined; a wrapper then takes its place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from asm_hw.formats.sram_macro import sram_module
from asm_hw.numbers.integers import ceil_div, ceil_log2
from asm_hw.ppa.technology.sram_model import macros

GUARD = "ASM_HW_SRAM_MACRO"


@dataclass(frozen=True)
class Macro:
    """A macro: name, shape, connections (text of ports for bits of a slice, select of a bank) and area."""

    name: str
    words: int
    bits: int
    ports: Callable[[Macro, str, str], list[str]]
    area_um2: float

    @property
    def address_bits(self) -> int:
        """Bits of an address."""
        return ceil_log2(self.words)


def _ihp_ports(macro: Macro, data: str, select: str) -> list[str]:
    ports = [
        "A_CLK(clk)", f"A_MEN({select})", f"A_WEN(write & {select})", f"A_REN(read & {select})",
        f"A_ADDR(place[{macro.address_bits - 1}:0])", f"A_DIN({data})", "A_DLY(1'b1)",
    ]  # fmt: skip
    if not macro.name.endswith("_bm_bist"):
        return ports
    # All bits are written; the built-in self test is off.
    zeros = {"BIST_CLK": 1, "BIST_EN": 1, "BIST_MEN": 1, "BIST_WEN": 1, "BIST_REN": 1, "BIST_ADDR": macro.address_bits}
    zeros |= {"BIST_DIN": macro.bits, "BIST_BM": macro.bits}
    return [*ports, f"A_BM({{{macro.bits}{{1'b1}}}})", *(f"A_{port}({width}'b0)" for port, width in zeros.items())]


def _openram_ports(macro: Macro, data: str, select: str) -> list[str]:
    # csb and web are active low, a bit of the mask is for 8 bits of data; the second port, which only reads, is off.
    high = macro.address_bits - 1
    return [
        "clk0(clk)", f"csb0(~((read | write) & {select}))", "web0(~write)", f"wmask0({macro.bits // 8}'hf)",
        f"addr0(place[{high}:0])", f"din0({data})",
        "clk1(clk)", "csb1(1'b1)", f"addr1({high + 1}'b0)", "dout1()",
    ]  # fmt: skip


def _ihp(words: int, bits: int, mux: int) -> Macro:
    # ``mux`` is the logarithm of the columns that share an amplifier, as the names have it.
    return Macro(f"RM_IHPSG13_1P_{words}x{bits}_c{mux}_bm_bist", words, bits, _ihp_ports, _ihp_area(words, bits))


def _ihp_area(words: int, bits: int) -> float:
    """The area that the library states."""
    return next(m["area_um2"] for m in macros() if (m["words"], m["bits"], m["ports"]) == (words, bits, 1))


_IHP = (
    *(_ihp(64, 64, 2), _ihp(256, 8, 3), _ihp(256, 16, 2), _ihp(256, 32, 2), _ihp(256, 64, 2), _ihp(512, 8, 3)),
    *(_ihp(512, 16, 2), _ihp(512, 64, 2), _ihp(1024, 8, 2), _ihp(1024, 16, 2), _ihp(1024, 32, 2), _ihp(1024, 64, 2)),
    *(_ihp(4096, 8, 3), Macro("RM_IHPSG13_1P_8192x32_c4", 8192, 32, _ihp_ports, _ihp_area(8192, 32))),
)
_SKY130 = (  # areas: sizes of the LEF files
    Macro("sky130_sram_1kbyte_1rw1r_32x256_8", 256, 32, _openram_ports, 479.78 * 397.5),
    Macro("sky130_sram_2kbyte_1rw1r_32x512_8", 512, 32, _openram_ports, 683.1 * 416.54),
)


@dataclass(frozen=True)
class Family:
    """Macros of one process with a read-write port: the name of their output port, and whether it keeps its row
    until the next read."""

    macros: tuple[Macro, ...]
    output: str
    keeps_row: bool


FAMILIES = {
    "ihp_sg13g2": Family(_IHP, "A_DOUT", keeps_row=True),
    "sky130": Family(_SKY130, "dout0", keeps_row=False),  # OpenRAM's models: unknown from the next edge on
}
"""What wrappers are made of, by process."""


def behavioural(words: int, bits: int) -> str:
    """The model, inside its guard, and one against a second unit with the same memory."""
    once = sram_module(words, bits).upper()
    return f"""`ifndef {GUARD}
`ifndef {once}
`define {once}
// Behavioural model of the memory; with {GUARD} defined a wrapper of a macro takes its place.
{_head(words, bits)}  reg [{bits - 1}:0] rows [0:{words - 1}];
  reg [{bits - 1}:0] taken;
  assign row = taken;
  always @(posedge clk) begin
    if (write) rows[address] <= data;
    if (read) taken <= rows[address];
  end
endmodule
`endif
`endif
"""


def wrapper(words: int, bits: int, family: str) -> str:
    """The same module made of the macro of ``family`` (`FAMILIES`) that holds it in the least area."""
    made_of = FAMILIES[family]

    def area(macro: Macro) -> float:
        return ceil_div(words, macro.words) * ceil_div(bits, macro.bits) * macro.area_um2

    macro = min(made_of.macros, key=area)
    banks, slices, address = ceil_div(words, macro.words), ceil_div(bits, macro.bits), max(1, ceil_log2(words))
    width, inside = slices * macro.bits, max(address, macro.address_bits)
    # Units with memories of one shape may stand in one design, each with its wrapper.
    once = f"{sram_module(words, bits).upper()}_WRAPPER"
    lines = [
        f"`ifndef {once}",
        f"`define {once}",
        f"// {banks} x {slices} {macro.name}",
        _head(words, bits).rstrip(),
        f"  wire [{inside - 1}:0] place = {_extended('address', address, inside)};",
        f"  wire [{width - 1}:0] padded = {_extended('data', bits, width)};",
    ]
    for bank in range(banks):
        chosen = "1'b1" if banks == 1 else f"(place >> {macro.address_bits}) == {bank}"
        lines += [f"  wire [{width - 1}:0] bank_{bank};", f"  wire select_{bank} = {chosen};"]
        for i in range(slices):
            span = f"[{(i + 1) * macro.bits - 1}:{i * macro.bits}]"
            ports = [*macro.ports(macro, f"padded{span}", f"select_{bank}"), f"{made_of.output}(bank_{bank}{span})"]
            lines.append(f"  {macro.name} macro_{bank}_{i} ({', '.join('.' + port for port in ports)});")
    lines += _bank_read_last(banks, width, inside - macro.address_bits, inside)
    lines += _row(bits, made_of.keeps_row)
    return "\n".join([*lines, "endmodule", "`endif", ""])


def _row(bits: int, keeps_row: bool) -> list[str]:
    """The row that was read last, kept in a register where macros do not keep it."""
    if keeps_row:
        return [f"  assign row = chosen[{bits - 1}:0];"]
    return [
        "  reg fresh;",
        f"  reg [{bits - 1}:0] kept;",
        "  always @(posedge clk) begin",
        "    fresh <= read;",
        f"    if (fresh) kept <= chosen[{bits - 1}:0];",
        "  end",
        f"  assign row = fresh ? chosen[{bits - 1}:0] : kept;",
    ]


def _bank_read_last(banks: int, width: int, bank_bits: int, address_bits: int) -> list[str]:
    """What the bank gives that was read last."""
    if banks == 1:
        return [f"  wire [{width - 1}:0] chosen = bank_0;"]
    chosen = "bank_0"
    for bank in range(1, banks):
        chosen = f"read_bank == {bank_bits}'d{bank} ? bank_{bank} : {chosen}"
    # In a register: the address may change before the row is used.
    high = f"[{address_bits - 1}:{address_bits - bank_bits}]"
    return [
        f"  reg [{bank_bits - 1}:0] read_bank;",
        f"  always @(posedge clk) if (read) read_bank <= place{high};",
        f"  wire [{width - 1}:0] chosen = {chosen};",
    ]


def _extended(name: str, bits: int, width: int) -> str:
    return name if width == bits else f"{{{width - bits}'b0, {name}}}"


def _head(words: int, bits: int) -> str:
    ports = f"input clk, input read, input write, input [{max(1, ceil_log2(words)) - 1}:0] address"
    return f"module {sram_module(words, bits)}({ports}, input [{bits - 1}:0] data, output [{bits - 1}:0] row);\n"

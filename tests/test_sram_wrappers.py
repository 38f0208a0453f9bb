"""Modules behind the macro boundary: wrappers of named macros against the behavioural model and the library."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess

import pytest

from asm_hw.emission.emit_folder import render
from asm_hw.handoff.sram_wrappers import FAMILIES, behavioural, wrapper
from asm_hw.numbers.integers import ceil_div, ceil_log2
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("words", "bits"), [(40, 25), (700, 130), (64, 64)])
def test_wrappers_behave_as_the_model(family, words, bits, tmp_path):
    """Both modules on the same random accesses; the macros are models with the ports of the real ones.

    The wrapper is there twice, as of two units with equal memories.
    """
    if not shutil.which("iverilog"):
        pytest.skip("needs Icarus Verilog")
    config = NearMemoryConfig(alphabets=(1,), lanes=4, columns=2, hold=4, depth=words, memory="macro")
    model = render(config, "unit")["unit.v"].partition("`ifndef")[2]
    renamed = behavioural(words, bits).replace(f"asm_hw_sram_{words}x{bits}", "reference")
    assert "module asm_hw_sram_" in model
    (tmp_path / "bench.v").write_text(
        renamed + 2 * wrapper(words, bits, family) + _macro_models(family) + _memory_bench(words, bits)
    )
    program_file = tmp_path / "bench.vvp"
    subprocess.run(["iverilog", "-g2005", "-s", "bench", "-o", program_file, tmp_path / "bench.v"], check=True)
    assert subprocess.run(["vvp", "-N", program_file], capture_output=True, text=True).stdout == "same 2000\n"


def _macro_models(family):
    macros = FAMILIES[family].macros
    if family == "sky130":
        return "".join(
            f"""module {macro.name}(input clk0, csb0, web0, input [3:0] wmask0, input [{macro.address_bits - 1}:0] addr0,
  input [31:0] din0, output reg [31:0] dout0, input clk1, csb1, input [{macro.address_bits - 1}:0] addr1, output [31:0] dout1);
  reg [31:0] mem [0:{macro.words - 1}];
  reg chosen, reads; reg [{macro.address_bits - 1}:0] at;
  always @(posedge clk0) begin
    chosen = !csb0; reads = web0; at = addr0;
    if (chosen && !reads && &wmask0) mem[at] <= din0;
    dout0 <= #0.1 32'bx;  // as OpenRAM's models: what was read is there for one cycle
  end
  always @(negedge clk0) if (chosen && reads) dout0 <= mem[at];
endmodule
"""
            for macro in macros
        )
    text = ""
    for macro in macros:
        high, bits = macro.address_bits - 1, macro.bits
        bist = (
            ""
            if not macro.name.endswith("bist")
            else (
                f", input [{bits - 1}:0] A_BM, input A_BIST_CLK, A_BIST_EN, A_BIST_MEN, A_BIST_WEN, A_BIST_REN,"
                f" input [{high}:0] A_BIST_ADDR, input [{bits - 1}:0] A_BIST_DIN, A_BIST_BM"
            )
        )
        ok = "&A_BM && !A_BIST_EN && A_DLY" if bist else "A_DLY"
        text += f"""module {macro.name}(input A_CLK, A_MEN, A_WEN, A_REN, input [{high}:0] A_ADDR, input [{bits - 1}:0] A_DIN,
  input A_DLY, output reg [{bits - 1}:0] A_DOUT{bist});
  reg [{bits - 1}:0] mem [0:{macro.words - 1}];
  always @(posedge A_CLK) if (A_MEN && {ok}) begin if (A_WEN) mem[A_ADDR] <= A_DIN; if (A_REN) A_DOUT <= mem[A_ADDR]; end
endmodule
"""
    return text


def _memory_bench(words, bits):
    address = ceil_log2(words)
    return f"""module bench;
  reg clk = 0, read = 0, write = 0; reg [{address - 1}:0] address = 0; reg [{bits - 1}:0] data = 0;
  wire [{bits - 1}:0] one, two; integer i, same = 0, reads = 0;
  reference a(clk, read, write, address, data, one);
  asm_hw_sram_{words}x{bits} b(.clk(clk), .read(read), .write(write), .address(address), .data(data), .row(two));
  initial begin
    for (i = 0; i < {words} + 2000; i = i + 1) begin
      write = i < {words} || $random & 1; read = i >= {words} && !write && $random & 1;
      address = i < {words} ? i : $unsigned($random) % {words}; data = {{{ceil_div(bits, 32)}{{$random}}}};
      #1 clk = 1; #1 clk = 0; #1;
      reads = reads + read;
      if (reads) same = same + (one === two && ^one !== 1'bx);
      else same = same + (i >= {words});
    end
    $display("same %0d", same);
    if (reads < 300) $display("only %0d reads", reads);
  end
endmodule
"""


def test_macro_ports_are_those_of_the_library(data_folder):
    """Every port that a wrapper connects, and no other input, is in the foundry's liberty file."""
    macros, output = FAMILIES["ihp_sg13g2"].macros, FAMILIES["ihp_sg13g2"].output
    for macro in macros:
        path = data_folder / "sram_lib" / "ihp_sg13g2_sram" / f"{macro.name}_typ_1p20V_25C.lib.gz"
        text = gzip.decompress(path.read_bytes()).decode()
        names = {re.sub(r"\[.*", "", name) for name in re.findall(r"^\s*(?:pin|bus)\s*\((\S+?)\)", text, re.MULTILINE)}
        connected = {port.partition("(")[0] for port in macro.ports(macro, "d", "s")} | {output}
        assert connected == names

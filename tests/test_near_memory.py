"""The near-memory array: parameters, golden model, cycles, requantize units, memories, layers of networks."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from dataclasses import replace

import pytest
import torch
from amaranth.hdl import Module
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_network import operands_of, tiny, vectors_of

from asm_hw import golden
from asm_hw.emission.emit_folder import emit, render
from asm_hw.errors import ParameterError
from asm_hw.formats.requantize_format import RequantizeFormat
from asm_hw.gateware.requantize_stage import Requantize
from asm_hw.handoff.sram_wrappers import FAMILIES, wrapper
from asm_hw.network.rtl_layers import near_program, products_of
from asm_hw.ppa.energy import memory_system as system
from asm_hw.sim.near_player import NearPlayer
from asm_hw.units.near_memory.near_memory_config import Block, NearMemoryConfig
from asm_hw.units.near_memory.near_memory_program import program
from asm_hw.units.vn_array.vn_array_config import VnArrayConfig
from asm_hw.units.vn_scalar.vn_scalar_config import VnScalarConfig
from asm_hw.units.von_neumann.word_program import array_program, word_program

SMALL = NearMemoryConfig(alphabets=(1,), lanes=4, columns=2, hold=4, depth=64)


@pytest.mark.parametrize(("parameters", "words"), [
    ({"hold": 0}, ["hold", "1 to 1024", "0"]),
    ({"lanes": 257}, ["lanes", "257"]),
    ({"depth": 10, "lanes": 64, "columns": 8}, ["depth", "16", "10"]),
    ({"depth": 1 << 17}, ["depth", "131072"]),
    ({"outputs": 3, "columns": 8}, ["outputs", "divide", "8", "3"]),
    ({"outputs": 9, "columns": 8}, ["outputs", "1 to 8", "9"]),
    ({"memory": "dram"}, ["memory", "inferred, macro", "dram"]),
    ({"weight_code": "fields"}, ["weight_code", "fields", "packed"]),
    ({"structure": "carry_save"}, ["structure", "carry_save"]),
    ({"out_bits": 33}, ["out_bits", "33"]),
    ({"out_bits": 1, "out_signed": True}, ["out_bits", "2 to 32", "1"]),
])  # fmt: skip
def test_impossible_parameters_are_one_sentence(parameters, words):
    with pytest.raises(ParameterError) as error:
        NearMemoryConfig(**parameters)
    for word in words:
        assert word in str(error.value)


def test_the_command_line_refuses_and_notes(cli):
    refused = cli("rtl", "--unit", "near_memory", "--hold", "0")
    assert refused.returncode == 2
    assert "hold" in refused.stderr
    assert cli("rtl", "--unit", "mac", "--depth", "0").returncode == 2
    noted = cli("rtl", "--unit", "mac", "--depth", "64")
    assert noted.returncode == 0
    assert "depth" in noted.stderr
    roomy = cli("rtl", "--unit", "near_memory", "--lanes", "2", "--columns", "1", "--hold", "2")
    assert "room for sums of" in roomy.stderr


@settings(deadline=None)
@given(vectors=st.integers(1, 500), hold=st.integers(1, 64))
def test_blocks_are_few_and_even(vectors, hold):
    lengths = replace(SMALL, hold=hold).block_lengths(vectors)
    assert sum(lengths) == vectors
    assert len(lengths) == -(-vectors // hold)
    assert max(lengths) <= hold
    assert max(lengths) - min(lengths) <= 1


@settings(deadline=None, max_examples=300)
@given(
    lanes=st.integers(8, 64), columns=st.integers(1, 32), extra=st.integers(3, 40),
    scale=st.tuples(*[st.floats(4.0, 9.0)] * 3),
)  # fmt: skip
def test_a_matrix_product_of_four_times_the_array_computes_in_95_percent_of_its_cycles(lanes, columns, extra, scale):
    """Where hold is a quarter longer than loads take, of weights and of parameters; blocks are at least 0.8 hold."""
    config = NearMemoryConfig(alphabets=(1,), lanes=lanes, columns=columns, hold=1, depth=1 << 16)
    config = replace(config, hold=(columns * config.rows_per_channel + extra) * 5 // 4 + 1)
    assert computing(config, *(int(k * n) for k, n in zip(scale, (columns, lanes, config.hold), strict=True))) >= 0.95


@pytest.mark.parametrize("more", [0, 1])
def test_the_default_array_computes_in_95_percent_of_its_cycles(more):
    config = NearMemoryConfig(alphabets=(1,))
    assert computing(config, *(4 * size + more for size in (config.columns, config.lanes, config.hold))) >= 0.95


def computing(config, outputs, inputs, vectors):
    """The part of the cycles in which the lanes compute."""
    tiles, passes = -(-inputs // config.lanes), -(-outputs // config.columns)
    blocks = [
        Block(0, tiles, length, first == 0)
        for _ in range(passes)
        for first, length in enumerate(config.block_lengths(vectors))
    ]
    return passes * tiles * vectors / config.cycles(blocks)


def test_the_product_is_golden_arithmetic():
    rng = random.Random(0)
    config = replace(SMALL, acc_bits=12, overflow="saturate", out_bits=8, out_signed=True)
    w = [[rng.choice(config.weight.levels.levels) for _ in range(10)] for _ in range(3)]
    x = [[rng.randrange(256) for _ in range(10)] for _ in range(5)]
    channels = {"scale": [1, 3 * 64, -64], "bias": [5, -1000, 0], "shift": [4, 9, 6]}
    channels["scale"] = [config.requantize.scale.nearest(value) for value in channels["scale"]]
    got = golden.near_memory(
        config, torch.tensor(w), torch.tensor(x), {name: torch.tensor(v) for name, v in channels.items()}
    )
    for v, vector in enumerate(x):
        for o, row in enumerate(w):
            acc = 0
            for tile in range(0, 10, config.lanes):
                products = zip(row[tile : tile + config.lanes], vector[tile : tile + config.lanes], strict=True)
                acc = max(-2048, min(acc + sum(a * b for a, b in products), 2047))
            scale, bias, shift = (channels[name][o] for name in ("scale", "bias", "shift"))
            y = (acc * scale + bias + (1 << shift - 1)) >> shift
            assert got[v, o] == max(-128, min(y, 127))


@pytest.mark.parametrize("config", [
    RequantizeFormat(alphabets=(1,), act_bits=20),
    RequantizeFormat(alphabets=(1, 3), act_bits=22, out_bits=8, out_signed=True),
    RequantizeFormat(alphabets=(1, 3, 5, 7), act_bits=12, out_bits=32, out_signed=True),
], ids=["1", "1,3", "1,3,5,7"])  # fmt: skip
def test_requantize_units_equal_golden(config):
    rng = random.Random(config.act_bits)
    top, wide = 1 << config.act_bits - 1, 1 << config.bias_bits - 1
    ends = [(acc, scale, bias, shift)
            for acc in (-top, top - 1) for scale in (config.scale.min, config.scale.max)
            for bias in (-wide, wide - 1) for shift in (0, 1, 31)]  # fmt: skip
    drawn = [
        (rng.randrange(-top, top) >> rng.randrange(12), rng.choice(config.scale.levels),
         rng.randrange(-wide, wide) >> rng.randrange(20), rng.randrange(32))
        for _ in range(300)
    ]  # fmt: skip
    cases = ends + drawn
    columns = [torch.tensor(column) for column in zip(*cases, strict=True)]
    expected = golden.requantize(*columns, *config.out_range).tolist()
    top_module = Module()
    top_module.submodules.unit = unit = Requantize(config)

    async def bench(context):
        for (acc, scale, bias, shift), y in zip(cases, expected, strict=True):
            context.set(unit.acc, acc)
            word = config.encode({"scale": scale, "bias": bias, "shift": shift})
            context.set(unit.channel, unit.channel.shape().from_bits(word))
            assert context.get(unit.y) == y, (acc, scale, bias, shift)

    simulator = Simulator(top_module)
    simulator.add_testbench(bench)
    simulator.run()


def test_weights_that_do_not_fit_are_refused():
    with pytest.raises(ParameterError, match=r"depth must be at least \d+ for 2 x 200 weights, not 64"):
        program(SMALL, [[0] * 200] * 2, [[0] * 200], [0, 0])


WORD = SMALL.requantize.encode({"scale": 1, "bias": 0, "shift": 0})


@pytest.mark.parametrize(("w", "x", "channels", "words"), [
    ([[99] * 6] * 2, [[1] * 6], [WORD] * 2, r"w must hold codes from 0 to 15, not 99"),
    ([[0] * 6] * 2, [[300] * 6], [WORD] * 2, r"x must hold codes from 0 to 255, not 300"),
    ([[0] * 6] * 2, [[1, -1, 1, 1, 1, 1]], [WORD] * 2, r"x must hold codes from 0 to 255, not -1"),
    ([[0] * 6] * 2, [[1] * 5], [WORD] * 2, r"x must have 6 codes a row, as the first of w, not 5"),
    ([[0] * 6, [0] * 5], [[1] * 6], [WORD] * 2, r"w must have 6 codes a row, as the first of w, not 5"),
    ([[0] * 6] * 2, [[1] * 6], [WORD], r"channels must be 2, one an output, not 1"),
    ([[0] * 6] * 2, [], [WORD] * 2, r"w and x must not be empty, not 2 x 6 weights and 0 vectors"),
])  # fmt: skip
def test_what_no_memory_holds_is_refused(w, x, channels, words):
    assert SMALL.weight.code_bits == 4
    near, scalar = replace(SMALL, act_bits=8, depth=64), VnScalarConfig(alphabets=SMALL.alphabets, depth=64)
    shared = VnArrayConfig(**near.parameters | {"depth": 256})
    for build, config in ((program, near), (word_program, scalar), (array_program, shared)):
        with pytest.raises(ParameterError, match=words):
            build(config, w, x, channels)


@pytest.mark.parametrize(("channel", "words"), [
    ({"scale": 1, "bias": 0, "shift": 32}, "shift must be from 0 to 31, not 32"),
    ({"scale": 1, "bias": 0, "shift": -1}, "shift must be from 0 to 31, not -1"),
    ({"scale": 1, "bias": 1 << 60, "shift": 0}, f"bias must be from .*, not {1 << 60}"),
])  # fmt: skip
def test_parameters_that_a_channel_cannot_hold_are_refused(channel, words):
    with pytest.raises(ParameterError, match=words):
        SMALL.requantize.encode(channel)


@pytest.mark.parametrize(("block", "words"), [
    (Block(0, 0, 1, True), "tiles of a block must be an integer from 1 to"),
    (Block(0, 1, SMALL.hold + 1, True), f"vectors of a block must be an integer from 1 to {SMALL.hold}, not"),
    (Block(SMALL.depth, 1, 1, True), f"row must be from 0 to .*, not {SMALL.depth}"),
    (Block(-1, 1, 1, True), "row must be from 0 to .*, not -1"),
])  # fmt: skip
def test_commands_without_a_meaning_are_refused(block, words):
    with pytest.raises(ParameterError, match=words):
        SMALL.command_word(block)


def test_twins_have_the_same_ports():
    ports = [[p["name"] for p in _manifest(SMALL.baseline(kind))["ports"]] for kind in ("asm", "exact", "bare")]
    assert ports[0] == ports[1] == ports[2]


def _manifest(config):
    import json

    return json.loads(render(config, "unit")["manifest.json"])


def test_one_decoder_a_lane_whatever_the_columns():
    text = render(replace(SMALL, columns=4, depth=64), "unit")["unit.v"]
    top = text[text.index("module unit_array(") :]
    top = top[: top.index("endmodule")]
    assert len(re.findall(r"^  unit_\w*decoder\w* ", top, re.MULTILINE)) == SMALL.lanes
    assert len(re.findall(r"^module unit_\w*decoder\w*\(", text, re.MULTILINE)) == 2  # weights, scales


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("words", "bits"), [(40, 25), (700, 130), (64, 64)])
def test_wrappers_behave_as_the_model(family, words, bits, tmp_path):
    """Both modules on the same random accesses; the macros are models with the ports of the real ones.

    The wrapper is there twice, as of two units with equal memories.
    """
    if not shutil.which("iverilog"):
        pytest.skip("needs Icarus Verilog")
    model = render(replace(SMALL, memory="macro", depth=words), "unit")["unit.v"].partition("`ifndef")[2]
    from asm_hw.handoff.sram_wrappers import behavioural

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
        bist = "" if not macro.name.endswith("bist") else (
            f", input [{bits - 1}:0] A_BM, input A_BIST_CLK, A_BIST_EN, A_BIST_MEN, A_BIST_WEN, A_BIST_REN,"
            f" input [{high}:0] A_BIST_ADDR, input [{bits - 1}:0] A_BIST_DIN, A_BIST_BM"
        )  # fmt: skip
        ok = "&A_BM && !A_BIST_EN && A_DLY" if bist else "A_DLY"
        text += f"""module {macro.name}(input A_CLK, A_MEN, A_WEN, A_REN, input [{high}:0] A_ADDR, input [{bits - 1}:0] A_DIN,
  input A_DLY, output reg [{bits - 1}:0] A_DOUT{bist});
  reg [{bits - 1}:0] mem [0:{macro.words - 1}];
  always @(posedge A_CLK) if (A_MEN && {ok}) begin if (A_WEN) mem[A_ADDR] <= A_DIN; if (A_REN) A_DOUT <= mem[A_ADDR]; end
endmodule
"""
    return text


def _memory_bench(words, bits):
    address = (words - 1).bit_length()
    return f"""module bench;
  reg clk = 0, read = 0, write = 0; reg [{address - 1}:0] address = 0; reg [{bits - 1}:0] data = 0;
  wire [{bits - 1}:0] one, two; integer i, same = 0, reads = 0;
  reference a(clk, read, write, address, data, one);
  asm_hw_sram_{words}x{bits} b(.clk(clk), .read(read), .write(write), .address(address), .data(data), .row(two));
  initial begin
    for (i = 0; i < {words} + 2000; i = i + 1) begin
      write = i < {words} || $random & 1; read = i >= {words} && !write && $random & 1;
      address = i < {words} ? i : $unsigned($random) % {words}; data = {{{-(-bits // 32)}{{$random}}}};
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
    import gzip

    macros, output = FAMILIES["ihp_sg13g2"].macros, FAMILIES["ihp_sg13g2"].output
    for macro in macros:
        path = data_folder / "sram_lib" / "ihp_sg13g2_sram" / f"{macro.name}_typ_1p20V_25C.lib.gz"
        text = gzip.decompress(path.read_bytes()).decode()
        names = {re.sub(r"\[.*", "", name) for name in re.findall(r"^\s*(?:pin|bus)\s*\((\S+?)\)", text, re.MULTILINE)}
        connected = {port.partition("(")[0] for port in macro.ports(macro, "d", "s")} | {output}
        assert connected == names


def test_memory_accesses_and_energies_by_hand():
    config = NearMemoryConfig(alphabets=(1,), lanes=64, columns=32, hold=64)
    work = system.Work(outputs=64, inputs=576, vectors=256, resident=64, stored=64)
    # Two groups of outputs; each reads its parameters once and nine tiles of 32 rows for each of four blocks.
    assert system.row_accesses(config, work) == {
        "weights": 2 * (32 + 4 * 9 * 32), "activations": 2 * 9 * 256, "outputs": 2 * 256
    }  # fmt: skip
    nothing = {"column_fj": {"heap": 64.0}, "shared_fj": {"heap": 0.0}}
    row = system.near_memory(config, nothing, work, sized=False, clock_mhz=100.0)
    reads = 4608 * 8 * 49.634  # eight macros of 256 x 64 side by side, pJ
    assert row["memory_parts_fj"]["activations"] == pytest.approx(1000 * reads / (64 * 576 * 256), rel=1e-4)
    assert row["compute_fj"] == 1.0


LAYERS = NearMemoryConfig(alphabets=(1, 3), lanes=8, columns=2, hold=16, depth=4096)


def play_network(network, x, folder, arithmetic="asm"):
    """Every layer through the emitted Verilog, on the golden model's inputs; its outputs, requantized by the unit."""
    players = {}
    for layer in network.layers:
        if getattr(layer, "groups", 1) != 1:  # runs as a matrix product for each group, which nobody cuts yet
            x = layer.forward(x)
            continue
        config = replace(
            LAYERS, arithmetic=arithmetic, weight_form=None, **operands_of(layer),
            out_bits=layer.requantize.bits, out_signed=layer.requantize.signed, acc_bits=None,
            terms=max(16, layer.terms),
        )  # fmt: skip
        if config not in players:
            players[config] = NearPlayer(emit(config, folder / "rtl"), folder / f"player_{len(players)}")
        expected = layer.forward(x)
        made = near_program(config, layer, x)
        got, cycles = players[config].play(made)
        assert got == vectors_of(expected), layer.name
        assert cycles == len(made.rows) + config.cycles(made.blocks), layer.name
        assert players[config].play(made, pace=40)[0] == got, layer.name
        assert len(products_of(layer, x)[0][1]) == made.vectors
        x = expected


def test_layers_of_a_network_run_to_the_bit(tmp_path):
    network = tiny()
    low, high = network.layers[0].config.activation.range
    generator = torch.Generator().manual_seed(0)
    play_network(network, torch.randint(low, high + 1, (3, *network.input_shape), generator=generator), tmp_path)


def demo_network(images):
    """The demo network on {1}, trained a little, and quantized test images."""
    from asm_hw.training.convert import convert
    from asm_hw.training.data import digits
    from asm_hw.training.digits_training import train, train_asm
    from asm_hw.training.models import digits_cnn

    data, model = digits(), digits_cnn(0)
    train(model, data, epochs=4, seed=0)
    asm = train_asm(model, data, epochs=2, seed=0, alphabets=(1,), weight_bits=5, act_bits=8)
    network = convert(asm, tuple(data.test_images.shape[1:]))
    return network, network.quantize_input(data.test_images[:images])


@pytest.mark.full
@pytest.mark.parametrize(("arithmetic", "images"), [("asm", 8), ("exact", 2)])
def test_every_layer_of_the_demo_network_runs_to_the_bit(arithmetic, images, tmp_path):
    """Trained weights and real activations."""
    play_network(*demo_network(images), tmp_path, arithmetic)


@pytest.mark.full
def test_verilog_grows_with_the_cells():
    """Bytes a lane and column are the same from 4 x 4 to 32 x 32, within the fixed part."""
    sizes = {}
    for side in (4, 8, 16, 32):
        config = NearMemoryConfig(alphabets=(1,), lanes=side, columns=side, hold=side, depth=1024)
        sizes[side] = len(render(config, "unit")["unit.v"])
    assert sizes[32] / sizes[16] < 4.4
    assert sizes[16] / sizes[8] < 4.4

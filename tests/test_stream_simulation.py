"""The test bench that plays long streams: what it calls a fault, on a unit made for it."""

from __future__ import annotations

import pytest

from asm_hw.sim.stream_simulation import StreamSimulation, hex_lines

COUNTER = """
module counter(
  input clk, input rst,
  input [15:0] i__payload, input i__valid, output i__ready,
  input i_weight__payload, input i_weight__valid, output i_weight__ready,
  output [15:0] o__payload, output o__valid, input o__ready
);
  // Takes as many beats as the first one says, then offers how many it has taken.
  reg [15:0] wanted = 0, taken = 0;
  reg done = 0;
  wire full = taken != 0 && taken == wanted;
  assign i__ready = !full;
  assign i_weight__ready = 0;
  assign o__payload = taken;
  assign o__valid = full && !done;
  always @(posedge clk) begin
    if (!rst && i__valid && i__ready) begin
      if (taken == 0) wanted <= i__payload;
      taken <= taken + 1;
    end
    if (o__valid && o__ready) done <= 1;
  end
endmodule
"""


@pytest.fixture(scope="module")
def simulation(tmp_path_factory):
    folder = tmp_path_factory.mktemp("counter")
    (folder / "counter.v").write_text(COUNTER)
    return StreamSimulation(folder / "build", "counter", {"I": 16, "W": 1, "O": 16}, folder / "counter.v")


def play(simulation, wanted, given, pace=100):
    return simulation.play({"i": hex_lines([wanted] * given), "i_weight": ""}, 1, pace)


def test_a_sum_of_many_beats_is_no_stall(simulation):
    words, cycles = play(simulation, 12_000, 12_000)
    assert words == [12_000]
    assert cycles > 12_000


@pytest.mark.parametrize(
    ("wanted", "given", "pace", "fault"),
    [(10, 5, 100, "stalled"), (3, 5, 100, "unread"), (3, 500, 1, "unread"), (3, 4, 1, "unread")],
)
def test_faults_have_names(simulation, wanted, given, pace, fault):
    with pytest.raises(RuntimeError, match=fault):
        play(simulation, wanted, given, pace)

"""The Verilog of the netlist test benches: the frame, and what is done with the stimulus of each unit."""

MULTIPLIER = """\
    for (i = 0; i < {count}; i = i + 1) begin
      {{w, x, expected}} = vectors[i];
      settle;
      checks = checks + 1;
      if (p !== expected) fail(i);
      edge_of_clock;
    end
"""

MAC = """\
    en = 0; clear = 0; w = 0; x = 0; rst = 1;
    settle; edge_of_clock;
    rst = 0; expected = 0;
    for (i = 0; i <= {count}; i = i + 1) begin
      if (i < {count}) {{en, clear, w, x, following}} = vectors[i];
      settle;
      checks = checks + 1;
      if (acc !== expected) fail(i);
      expected = following;
      edge_of_clock;
    end
"""

DOT = """\
    i__valid = 0; i_weight__valid = 0; o__ready = 0; i__payload = 0; i_weight__payload = 0; rst = 1;
    settle; edge_of_clock;
    rst = 0;
    beat = 0; load = 0; idle = 0;
    for (i = 0; checks < {sums} && idle < 1000; i = i + 1) begin
      // What is offered stays until it is taken; each stream pauses at a pace of its own.
      if (!i__valid && beat < {beats} && i % 7 != 3) begin i__payload = beats[beat]; i__valid = 1; end
      if (!i_weight__valid && load < {weights} && i % 5 != 1) begin
        i_weight__payload = weights[load]; i_weight__valid = 1;
      end
      o__ready = i % 3 != 2;
      settle;
      idle = idle + 1;
      if (o__ready && o__valid === 1) begin
        if (o__payload !== sums[checks]) fail(checks);
        checks = checks + 1; idle = 0;
      end
      taken = {{i__valid && i__ready === 1, i_weight__valid && i_weight__ready === 1}};
      edge_of_clock;
      if (taken[1]) begin beat = beat + 1; i__valid = 0; end
      if (taken[0]) begin load = load + 1; i_weight__valid = 0; end
    end
    if (checks < {sums}) begin $display("no sum for 1000 cycles"); failures = failures + 1; end
"""

NEAR_MEMORY = """\
    i__valid = 0; i_weight__valid = 0; i_command__valid = 0; o__ready = 0; rst = 1;
    i__payload = 0; i_weight__payload = 0; i_command__payload = 0;
    settle; edge_of_clock;
    rst = 0;
    beat = 0; row = 0; command = 0; idle = 0; round = 1;
    for (i = 0; checks < {rounds} * {outputs} && idle < 1000; i = i + 1) begin
      // What is offered stays until it is taken; each stream pauses at a pace of its own. Rows come first,
      // those of a round when all outputs of the round before are there.
      if (checks == round * {outputs}) round = round + 1;
      if (!i_weight__valid && row < round * {rows}) begin i_weight__payload = rows[row]; i_weight__valid = 1; end
      if (!i_command__valid && row == round * {rows} && command < round * {commands} && i % 5 != 1) begin
        i_command__payload = commands[command]; i_command__valid = 1;
      end
      if (!i__valid && beat < round * {beats} && i % 7 != 3) begin i__payload = beats[beat]; i__valid = 1; end
      o__ready = i % 3 != 2;
      settle;
      idle = idle + 1;
      if (o__ready && o__valid === 1) begin
        if (o__payload !== outputs[checks]) fail(checks);
        checks = checks + 1; idle = 0;
      end
      taken = {{i_weight__valid && i_weight__ready === 1, i_command__valid && i_command__ready === 1,
               i__valid && i__ready === 1}};
      edge_of_clock;
      if (taken[2]) begin row = row + 1; i_weight__valid = 0; idle = 0; end
      if (taken[1]) begin command = command + 1; i_command__valid = 0; end
      if (taken[0]) begin beat = beat + 1; i__valid = 0; end
    end
    if (checks < {rounds} * {outputs}) begin $display("no output for 1000 cycles"); failures = failures + 1; end
"""

VON_NEUMANN = """\
    i_memory__valid = 0; i_command__valid = 0; o__ready = 0; i_memory__payload = 0; i_command__payload = 0; rst = 1;
    settle; edge_of_clock;
    rst = 0;
    access = 0; command = 0; idle = 0; round = 1;
    for (i = 0; checks < {rounds} * {outputs} && idle < {patience}; i = i + 1) begin
      // What is offered stays until it is taken. In each round words are written, jobs run, outputs are read.
      if (checks == round * {outputs}) round = round + 1;
      if (!i_memory__valid && access < round * {accesses} && i % 7 != 3
          && (access < (round - 1) * {accesses} + {writes} || command == round * {commands})) begin
        i_memory__payload = accesses[access]; i_memory__valid = 1;
      end
      if (!i_command__valid && access == (round - 1) * {accesses} + {writes} && command < round * {commands}
          && i % 5 != 1) begin
        i_command__payload = commands[command]; i_command__valid = 1;
      end
      o__ready = i % 3 != 2;
      settle;
      idle = idle + 1;
      if (o__ready && o__valid === 1) begin
        if (o__payload !== outputs[checks]) fail(checks);
        checks = checks + 1; idle = 0;
      end
      taken = {{i_memory__valid && i_memory__ready === 1, i_command__valid && i_command__ready === 1}};
      edge_of_clock;
      if (taken[1]) begin access = access + 1; i_memory__valid = 0; idle = 0; end
      if (taken[0]) begin command = command + 1; i_command__valid = 0; idle = 0; end
    end
    if (checks < {rounds} * {outputs}) begin $display("no output for {patience} cycles"); failures = failures + 1; end
"""

TEMPLATE = """\
// Checks {name}, as RTL or as a netlist of it, against responses computed in integers.
// Compile with {name}.v, or with a netlist and the Verilog models of its cells. Ends with PASS, or with
// FAIL and $stop (vvp -N then exits with status 1).
`timescale 1ns / 1ps

module {name}_tb;
{declarations}
  integer i, checks, failures;

  {name} dut ({connections});

  task settle;  // from just after an edge to just before the next
    begin #{half} clk = 0; #{half}; end
  endtask

  task edge_of_clock;
    begin #{skew} clk = 1; #{skew}; end
  endtask

  task fail(input integer index);
    begin
      if (failures < 10) $display("response %0d is wrong", index);
      failures = failures + 1;
    end
  endtask

  initial begin
    checks = 0; failures = 0; clk = 0;
{memories}{body}    if (failures == 0) $display("PASS: %0d responses", checks);
    else begin
      $display("FAIL: %0d of %0d responses", failures, checks);
      $stop;
    end
    $finish;
  end
endmodule
"""

// Plays recorded beats into a unit with streams i, i_weight and o, and records what leaves it.
//
// Compile with +define+DUT=<top> +define+I_BITS=.. +define+W_BITS=.. +define+O_BITS=.. (Verilator,
// Icarus). Run with +i=FILE +i_weight=FILE +o=FILE (one hexadecimal payload a line), +outputs=N and
// optionally +pace=1..100: the percentage of cycles in which each stream is willing to move.
// The weight file starts again at its end; with +define+C_BITS=.. and +i_command=FILE the unit has a stream of
// commands too, which starts when all weights are in. Prints "cycles <n>"; a stalled unit ends with "stalled".
`timescale 1ns / 1ps

module stream_tb;
  reg clk = 0;
  reg rst = 1;
  reg [`I_BITS-1:0] i_payload;
  reg i_valid = 0;
  wire i_ready;
  reg [`W_BITS-1:0] w_payload;
  reg w_valid = 0;
  wire w_ready;
  wire [`O_BITS-1:0] o_payload;
  wire o_valid;
  reg o_ready = 0;
  reg w_end = 0;
`ifdef C_BITS
  reg [`C_BITS-1:0] c_payload;
  reg c_valid = 0;
  wire c_ready;
  integer c_file;
`endif

  reg [8*1024-1:0] path;
  integer i_file, w_file, o_file, outputs, pace, got, cycles, idle, done;

  `DUT dut (
    .clk(clk), .rst(rst),
`ifdef C_BITS
    .i_command__payload(c_payload), .i_command__valid(c_valid), .i_command__ready(c_ready),
`endif
    .i__payload(i_payload), .i__valid(i_valid), .i__ready(i_ready),
    .i_weight__payload(w_payload), .i_weight__valid(w_valid), .i_weight__ready(w_ready),
    .o__payload(o_payload), .o__valid(o_valid), .o__ready(o_ready)
  );

  function willing(input integer percent);
    willing = percent >= 100 || $unsigned($random) % 100 < percent;
  endfunction

  initial begin
    if (!$value$plusargs("i=%s", path)) $finish;
    i_file = $fopen(path, "r");
    if (!$value$plusargs("i_weight=%s", path)) $finish;
    w_file = $fopen(path, "r");
    if (!$value$plusargs("o=%s", path)) $finish;
    o_file = $fopen(path, "w");
`ifdef C_BITS
    if (!$value$plusargs("i_command=%s", path)) $finish;
    c_file = $fopen(path, "r");
`endif
    if (!$value$plusargs("outputs=%d", outputs)) $finish;
    if (!$value$plusargs("pace=%d", pace)) pace = 100;
    got = 0;
    cycles = 0;
    idle = 0;
    #5 clk = 1; #5 clk = 0;
    rst = 0;
    while (got < outputs && idle < 10000) begin
      // Between the edges: offer what is due, let it settle, note what the next edge will move.
      if (!i_valid && willing(pace)) begin
        done = $fscanf(i_file, "%h\n", i_payload);
        i_valid = done == 1;
      end
      if (!w_valid && willing(pace)) begin
        done = $fscanf(w_file, "%h\n", w_payload);
`ifdef C_BITS
        w_end = done != 1;
`else
        if (done != 1) begin
          done = $rewind(w_file);
          done = $fscanf(w_file, "%h\n", w_payload);
        end
`endif
        w_valid = done == 1;
      end
`ifdef C_BITS
      if (!c_valid && w_end && willing(pace)) begin
        done = $fscanf(c_file, "%h\n", c_payload);
        c_valid = done == 1;
      end
`endif
      o_ready = willing(pace);
      #4;
      idle = idle + 1;
      if (o_valid && o_ready) begin
        $fdisplay(o_file, "%h", o_payload);
        got = got + 1;
        idle = 0;
      end
      done = {30'b0, w_valid && w_ready, i_valid && i_ready};
`ifdef C_BITS
      done[2] = c_valid && c_ready;
`endif
      #1 clk = 1;
      #1;
      if (done[0]) i_valid = 0;
      if (done[1]) w_valid = 0;
      if (done[1]) idle = 0;
`ifdef C_BITS
      if (done[2]) c_valid = 0;
`endif
      #4 clk = 0;
      cycles = cycles + 1;
    end
    $fclose(o_file);
    if (got < outputs) $display("stalled");
    $display("cycles %0d", cycles);
    $finish;
  end
endmodule

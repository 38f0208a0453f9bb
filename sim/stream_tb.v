// Plays recorded beats into a unit with streams i, i_weight and o, and records what leaves it.
//
// Compile with +define+DUT=<top> +define+I_BITS=.. +define+W_BITS=.. +define+O_BITS=.. (Verilator,
// Icarus). Run with +i=FILE +i_weight=FILE +o=FILE (one hexadecimal payload a line), +outputs=N and
// optionally +pace=1..100: the percentage of cycles in which each stream is willing to move.
// The weight file starts again at its end; with +define+C_BITS=.. and +i_command=FILE the unit has a stream of
// commands too, which starts when all weights are in. Prints "cycles <n>" until the last output left; "stalled" if
// none moved for long, "surplus" if more follow, "unread" if a beat of i is left.
//
// All inputs change with the unit's registers, at the rising edge, so a simulator evaluates the unit once a cycle.
`timescale 1ns / 1ps

module stream_tb;
  reg clk = 0;
  reg rst = 1;
  reg [`I_BITS-1:0] i_payload, i_next;
  reg i_valid = 0;
  wire i_ready;
  reg [`W_BITS-1:0] w_payload, w_next;
  reg w_valid = 0;
  wire w_ready;
  wire [`O_BITS-1:0] o_payload;
  wire o_valid;
  reg o_ready = 0;
`ifdef C_BITS
  reg [`C_BITS-1:0] c_payload, c_next;
  reg c_valid = 0;
  wire c_ready;
  reg w_end = 0;
  integer c_file;
`endif

  // up to 1024 characters of a file's name
  reg [8*1024-1:0] path;
  integer i_file, w_file, o_file, outputs, pace, status;
  integer got = 0, cycles = 0, idle = 0, after = 0;

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
    forever #5 clk = !clk;
  end

  // The first edge resets the unit and offers the first beats.
  always @(posedge clk) begin
    rst <= 0;
    if (!rst) begin
      cycles = cycles + 1;
      idle = idle + 1;
      // As long as anything moves the unit works: sums of many beats take their time.
      if (i_valid && i_ready || w_valid && w_ready) idle = 0;
`ifdef C_BITS
      if (c_valid && c_ready) idle = 0;
`endif
      if (o_valid && o_ready) begin
        $fdisplay(o_file, "%h", o_payload);
        got = got + 1;
        idle = 0;
      end
      if (got >= outputs) after = after + 1;
      if (after == 1) $display("cycles %0d", cycles);
      // 15 cycles after that of the last output, for beats that should not follow.
      if (after == 16 || idle == 10000) begin
        $fclose(o_file);
        if (got < outputs) $display("stalled");
        if (got > outputs) $display("surplus");
        // Offered and not taken, or, at a low pace, not offered yet.
        if (i_valid || $fscanf(i_file, "%h\n", i_next) == 1) $display("unread");
        $finish;
      end
    end
  end

  always @(posedge clk) begin
    o_ready <= willing(pace);
    if (!i_valid || i_ready) begin
      i_valid <= 0;
      if (willing(pace)) begin
        status = $fscanf(i_file, "%h\n", i_next);
        i_payload <= i_next;
        i_valid <= status == 1;
      end
    end
    if (!w_valid || w_ready) begin
      w_valid <= 0;
      if (willing(pace)) begin
        status = $fscanf(w_file, "%h\n", w_next);
`ifdef C_BITS
        w_end = status != 1;
`else
        if (status != 1) begin
          status = $rewind(w_file);
          status = $fscanf(w_file, "%h\n", w_next);
        end
`endif
        w_payload <= w_next;
        w_valid <= status == 1;
      end
    end
`ifdef C_BITS
    if (!c_valid || c_ready) begin
      c_valid <= 0;
      if (w_end && willing(pace)) begin
        status = $fscanf(c_file, "%h\n", c_next);
        c_payload <= c_next;
        c_valid <= status == 1;
      end
    end
`endif
  end
endmodule

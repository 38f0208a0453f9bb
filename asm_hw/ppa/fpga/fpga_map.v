// Arithmetic onto carry chains, applied before Yosys' own flow for an FPGA family.

// An addition keeps its own carry chain: left alone, sums of several values become carry-save rows of LUTs.
(* techmap_celltype = "$add $sub" *)
module chain (A, B, Y);
parameter _TECHMAP_CELLTYPE_ = "";
parameter A_SIGNED = 0;
parameter B_SIGNED = 0;
parameter A_WIDTH = 1;
parameter B_WIDTH = 1;
parameter Y_WIDTH = 1;
input [A_WIDTH-1:0] A;
input [B_WIDTH-1:0] B;
output [Y_WIDTH-1:0] Y;
wire subtract = _TECHMAP_CELLTYPE_ == "$sub";
wire [Y_WIDTH-1:0] X, CO;
\$alu #(
  .A_SIGNED(A_SIGNED), .B_SIGNED(B_SIGNED), .A_WIDTH(A_WIDTH), .B_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH)
) _TECHMAP_REPLACE_ (.A(A), .B(B), .CI(subtract), .BI(subtract), .X(X), .CO(CO), .Y(Y));
endmodule

// A multiplication as one addition for each bit of the narrower operand; its sign bit subtracts.
(* techmap_celltype = "$mul" *)
module rows (A, B, Y);
parameter A_SIGNED = 0;
parameter B_SIGNED = 0;
parameter A_WIDTH = 1;
parameter B_WIDTH = 1;
parameter Y_WIDTH = 1;
input [A_WIDTH-1:0] A;
input [B_WIDTH-1:0] B;
output [Y_WIDTH-1:0] Y;
localparam SWAP = A_WIDTH > B_WIDTH;
localparam N = SWAP ? B_WIDTH : A_WIDTH;
localparam W = SWAP ? A_WIDTH : B_WIDTH;
// One signed and one unsigned operand: left as it is.
wire _TECHMAP_FAIL_ = A_SIGNED != B_SIGNED;
wire [N-1:0] narrow = SWAP ? B : A;
wire [W-1:0] wide = SWAP ? A : B;
wire signed [W:0] extended = {A_SIGNED && wide[W-1], wide};
genvar i;
generate
  for (i = 0; i < N; i = i + 1) begin : row
    wire signed [W:0] partial = narrow[i] ? extended : {(W+1){1'b0}};
    wire signed [W+1+i:0] sum;
    if (i == 0)
      assign sum = partial;
    else begin
      // Later rows do not reach the bits below i: they stay, and only what is above them is added to.
      wire signed [W+1:0] high = row[i-1].sum >>> i;
      wire signed [W+1:0] next;
      if (A_SIGNED && i == N-1)
        assign next = high - partial;
      else
        assign next = high + partial;
      assign sum = {next, row[i-1].sum[i-1:0]};
    end
  end
endgenerate
assign Y = row[N-1].sum;
endmodule

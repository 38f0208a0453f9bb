"""What the ports of an engine mean, for its manifest."""

PORT_MEANINGS = {
    "i__payload": "a row for a memory: target (0 program, 1 weights, 2 activations), address, data",
    "i__valid": "a row is offered",
    "i__ready": "the row is written on this edge if valid",
    "start": "run the program, if idle",
    "busy": "a program runs",
    "done": "the last program has ended, or could not begin",
    "error": "why the last program ended early: 0 it did not, 1 it is of another engine, 2 its rows, those that stream"
    " too, do not have the checksum of its header, 3 it ran longer than that allows, 4 its stream of weights stood"
    " still",
    "layer": "layers that have ended since the start",
    "layer_done": "a layer has ended: the cycle in which its last output is in the memory",
    "counts": "since the start: cycles in which lanes add, without a tile in work, waiting for streamed weights;"
    " rows of weights read, streamed; words of activation memory read for windows, read to join sums, written",
    "read_address": "an activation word to read while no program runs: bank (3 bits), row and segment above",
    "read_enable": "read it on this edge",
    "read_data": "the word that was read last",
    "interrupt": "a program has ended, while the registers enable it; high until the host clears IP_ISR",
    "s_axi_control_awaddr": "AXI4-Lite: byte address of a register to write (engine_registers.rdl)",
    "s_axi_control_awvalid": "the address is offered",
    "s_axi_control_awready": "it is taken on this edge if valid",
    "s_axi_control_wdata": "what is written",
    "s_axi_control_wstrb": "which of its bytes are",
    "s_axi_control_wvalid": "data to write are offered",
    "s_axi_control_wready": "they are taken on this edge if valid",
    "s_axi_control_bresp": "0 written, 2 (SLVERR) there is no such register",
    "s_axi_control_bvalid": "the write has an answer",
    "s_axi_control_bready": "it is taken on this edge if valid",
    "s_axi_control_araddr": "byte address of a register to read",
    "s_axi_control_arvalid": "the address is offered",
    "s_axi_control_arready": "it is taken on this edge if valid",
    "s_axi_control_rdata": "what the register holds",
    "s_axi_control_rresp": "0 read, 2 (SLVERR) there is no such register",
    "s_axi_control_rvalid": "the read has an answer",
    "s_axi_control_rready": "it is taken on this edge if valid",
}
"""By Verilog name; the last ones with control axi_lite alone."""

INTERRUPT_WAIVER = """
// Tools that package blocks know the port of an interrupt by this name.
lint_off -rule SYMRSVDWORD -file "*" -match "Symbol matches C++ common word: 'interrupt'"
"""
"""Of Verilator, for an engine that has the port."""

TABLE_PORTS = {
    "i__payload": "a row for a memory: target (0 program, 1 weights, 2 activations, 3 tables), address, data"
}
"""Where an engine with tables differs."""

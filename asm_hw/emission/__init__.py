"""From a configuration to a folder: Verilog text, names, manifest."""

"""Integer networks and multipliers as files of other tools: ONNX, tables of products."""

"""Models in ONNX files, read as PyTorch modules. Needs the extra ``onnx``; `onnx_import.from_onnx` is the entrance."""

"""Constants of a file that follow from sizes of tensors."""

from __future__ import annotations

import onnx
import torch

from asm_hw.training.onnx_in.onnx_import import from_onnx

TEXT = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[2, 3, 4, 4] x) => (float[2, 48] y)
<int64 one = {1}, int64 five = {5}, int64 two = {2}, int64[1] zero = {0}, int64[1] flat = {-1}, int64[1] of_one = {1}>
{
  r = Relu(x)
  sizes = Shape(r)
  index = Mod(five, two)
  end = Reshape(index, of_one)
  first = Slice(sizes, zero, end)
  shape = Concat<axis = 0>(first, flat)
  y = Reshape(r, shape)
}
"""


def test_a_shape_of_unknown_length_becomes_constant(tmp_path):
    """Exporters write flatten so: how long the slice of the shape is follows only once its end is computed."""
    onnx.save(onnx.parser.parse_model(TEXT), tmp_path / "net.onnx")
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(from_onnx(tmp_path / "net.onnx")(x), x.relu().flatten(1))

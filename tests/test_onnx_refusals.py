"""Wrong and unsupported ONNX files: one sentence each, soon, and no traceback."""

from __future__ import annotations

import pytest
import wrong_onnx_nodes
import wrong_onnx_sizes
import wrong_onnx_tensors
from wrong_onnx import WRONG, small, write

from asm_hw.errors import ParameterError
from asm_hw.training.onnx_in.onnx_import import from_onnx

pytestmark = pytest.mark.usefixtures("one_thread")
assert len(WRONG) >= 60 and wrong_onnx_nodes and wrong_onnx_sizes and wrong_onnx_tensors


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_refused(name, tmp_path):
    path = write(name, tmp_path)
    with pytest.raises(ParameterError) as refused:
        from_onnx(path)
    for word in [path.name, *WRONG[name][1]]:
        assert word in str(refused.value), refused.value


def test_the_file_that_wrong_ones_begin_with_is_right(tmp_path):
    (tmp_path / "right.onnx").write_bytes(small().SerializeToString())
    assert [node.op for node in from_onnx(tmp_path / "right.onnx").graph.nodes] == [
        "placeholder",
        "call_module",
        "output",
    ]

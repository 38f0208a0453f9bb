"""More of `wrong_onnx`: small files that would become large, and what lies in functions."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper
from wrong_onnx import array, info, model, wrong

OPSETS = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
SIDE = numpy_helper.from_array(np.array([4096, 4096]), "s")
ONES = helper.make_node("ConstantOfShape", ["s"], ["c0"], value=array("", 1, value=1))


def calling(*bodies: list) -> ModelProto:
    """A model that calls f0 of functions f0, f1, ... which have ``bodies``, from ``a`` to ``b``."""
    made = model([helper.make_node("f0", ["x"], ["y"], name="call", domain="own")], more=["own"])
    for place, body in enumerate(bodies):
        made.functions.append(helper.make_function("own", f"f{place}", ["a"], ["b"], body, OPSETS))
    return made


def twice(kind: str, domain: str = "own"):
    return [helper.make_node(kind, ["a"], ["t"], domain=domain), helper.make_node(kind, ["t"], ["b"], domain=domain)]


@wrong("function 'f16' must have at most 16384 nodes, not 32768")
def functions_that_double():
    return calling(*(twice(f"f{place + 1}") for place in range(30)), twice("Relu", ""))


@wrong("functions must not call themselves")
def functions_in_a_circle():
    return calling(twice("f1"), twice("f0"))


@wrong("initializer 'w' must have its data in the folder of the model, not in '../secret'")
def external_in_a_function():
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    weight.external_data.add(key="location", value="../secret")
    inner = helper.make_graph([helper.make_node("Identity", ["w"], ["z"])], "s", [], [info("z", None)], [weight])
    node = helper.make_node("If", ["c"], ["q"], then_branch=inner, else_branch=inner)
    always = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.array(True), "v"))
    return calling([always, node, helper.make_node("Mul", ["a", "q"], ["b"])])


@wrong("must have at most 1073741824 bytes in all, not 1610612736")
def external_of_gigabytes():
    made = model([helper.make_node("Relu", ["x"], ["y"])])
    for name in "abc":
        made.graph.initializer.add(
            name=name, data_type=TensorProto.FLOAT, dims=[1 << 27], data_location=TensorProto.EXTERNAL
        )
        made.graph.initializer[-1].external_data.add(key="location", value="external_of_gigabytes.onnx")
    return made


@wrong("(Sqrt, opset 18)")
def constants_one_after_another():
    """Each of 64 MiB, and none of them too large by itself."""
    nodes = [helper.make_node("Sqrt", [f"c{i}"], [f"c{i + 1}"], name="many") for i in range(60)]
    last = helper.make_node("ReduceMax", ["c60"], ["m"], keepdims=0)
    return model([ONES, *nodes, last, helper.make_node("Add", ["x", "m"], ["y"])], [SIDE])


@wrong("'work' (MatMul, opset 18)")
def a_product_of_constants_that_takes_minutes():
    nodes = [helper.make_node("MatMul", ["c0", "c0"], ["p"], name="work"), helper.make_node("ReduceMax", ["p"], ["m"])]
    return model([ONES, *nodes, helper.make_node("Add", ["x", "m"], ["y"])], [SIDE])

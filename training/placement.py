"""Which tensors of a model the hardware stores as integers, and who reads them.

Everything between two stored tensors is one step of the hardware: a matrix product, a mean or a sum,
then scale, bias, clamp and shift. A residual is added to the accumulators of the convolution that it
joins, before they are rounded, so that no tensor is stored between the two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from torch.fx import GraphModule, Node

from .shape_operations import Op
from .tensor_shapes import Seen
from .traced_operations import classify

MAX_TERMS = 2
"""Operands of one sum: accumulators and a residual."""


IDLE = "asm_idle"
"""In the ``meta`` of a ReLU of what is stored and never below 0."""


@dataclass(frozen=True)
class Read:
    """``user`` takes a stored tensor by way of ``edge``.

    ``layer``: the path of a convolution or Linear, else None; ``table``: it looks its integers up.
    """

    user: Node
    edge: Node
    layer: str | None
    table: bool = False

    @property
    def narrows(self) -> bool:
        """Whether it takes the top bits of what is stored, if they are enough."""
        return self.table or self.layer is not None


@dataclass
class Placement:
    """Stored tensors by the node that computes them, with their readers; ``unsigned`` ones are never below 0."""

    reads: dict[Node, list[Read]] = field(default_factory=dict)
    unsigned: set[Node] = field(default_factory=set)
    logits: str | None = None
    """The path of the layer whose accumulators are the output, if any."""
    tied: dict[Node, Node] = field(default_factory=dict)
    """By stored tensor, an earlier one whose scale and format it has."""

    def tie(self, roots: Iterable[Node]) -> Node:
        """Give stored tensors one scale and format: those of the first of them, which is returned."""
        order = list(self.reads)
        first, *others = sorted({self.first(root) for root in roots}, key=order.index)
        self.tied |= dict.fromkeys(others, first)
        return first

    def first(self, root: Node) -> Node:
        """The stored tensor whose scale and format ``root`` has."""
        while root in self.tied:
            root = self.tied[root]
        return root

    def groups(self) -> list[list[Node]]:
        """The stored tensors, those of one scale and format together; each group is unsigned as a whole, or not."""
        groups: dict[Node, list[Node]] = {}
        for root in self.reads:
            groups.setdefault(self.first(root), []).append(root)
        for roots in groups.values():
            if not self.unsigned.issuperset(roots):
                self.unsigned.difference_update(roots)
        return list(groups.values())


@dataclass(frozen=True)
class _Value:
    """A tensor: stored under ``root``, or still wide (terms of a sum), or ``real`` where floats remain."""

    root: Node | None = None
    products: int = 0
    terms: int = 0
    clamped: bool = False
    unsigned: bool = False
    real: bool = False
    layer: str | None = None


def place_quantizers(
    model: GraphModule, seen: Seen, quantized: Callable[[str], bool], unsigned_input: bool
) -> Placement:
    """Where to put quantizers; ``quantized`` tells by path which convolutions and Linear become integer."""
    return _Placer(model, seen, quantized, unsigned_input).run()


class _Placer:
    def __init__(self, model: GraphModule, seen: Seen, quantized: Callable[[str], bool], unsigned_input: bool) -> None:
        self.model, self.seen, self.quantized, self.unsigned_input = model, seen, quantized, unsigned_input
        self.values: dict[Node, _Value] = {}
        self.placement = Placement()

    def run(self) -> Placement:
        for node in self.model.graph.nodes:
            op = classify(node, self.model, self.seen)
            if op.kind == "value":
                continue
            self.values[node] = value = getattr(self, f"_{op.kind}")(node, op)
            wide = value.root is None and not value.real and op.kind not in ("input", "output")
            if wide and len(node.users) > 1:  # computed once, so kept
                self._store(node)
        return self.placement

    def _store(self, node: Node) -> _Value:
        """The value of ``node``, stored from now on."""
        value = self.values[node]
        if value.root is None:
            value = self.values[node] = _Value(root=node, unsigned=value.unsigned)
            self.placement.reads[node] = []
            if value.unsigned:
                self.placement.unsigned.add(node)
        return value

    def _read(self, user: Node, edge: Node, layer: str | None = None, table: bool = False) -> _Value:
        """``edge`` stored, with ``user`` as a reader."""
        value = self._store(edge)
        assert value.root is not None
        self.placement.reads[value.root].append(Read(user, edge, layer, table))
        return value

    def _input(self, node: Node, op: Op) -> _Value:
        return _Value(products=1, terms=1, unsigned=self.unsigned_input)

    def _layer(self, node: Node, op: Op) -> _Value:
        path = str(node.target)
        if not self.quantized(path):
            return _Value(real=True)
        self._read(node, op.inputs[0], path)
        return _Value(products=1, terms=1, layer=path)

    def _other(self, node: Node, op: Op) -> _Value:
        return _Value(real=True)

    def _norm(self, node: Node, op: Op) -> _Value:
        value = self.values[op.inputs[0]]
        if value.real:
            return value
        if value.root is not None or value.clamped or op.inputs[0].op == "placeholder":
            self._read(node, op.inputs[0])
            return _Value(terms=1)
        return replace(value, unsigned=False, layer=None)

    def _affine(self, node: Node, op: Op) -> _Value:
        unsigned = self.values[op.inputs[0]].unsigned and op.detail.unsigned
        return replace(self._norm(node, op), unsigned=unsigned)

    def _clamp(self, node: Node, op: Op) -> _Value:
        value, unsigned = self.values[op.inputs[0]], op.detail[0] >= 0
        if value.real:
            return replace(value, unsigned=unsigned)
        if value.root is not None and value.unsigned and op.detail == (0.0, math.inf):
            node.meta[IDLE] = True
            return value
        if value.root is not None or op.inputs[0].op == "placeholder":
            self._read(node, op.inputs[0])
            value = _Value(terms=1, unsigned=value.unsigned)
        return replace(value, clamped=True, unsigned=unsigned or value.unsigned, layer=None)

    def _table(self, node: Node, op: Op) -> _Value:
        """A function of what is stored; its result is stored in turn."""
        value = self.values[op.inputs[0]]
        unsigned = op.detail.unsigned(value.unsigned)
        if value.real:
            return _Value(real=True, unsigned=unsigned)
        self._read(node, op.inputs[0], table=True)
        self.values[node] = _Value(unsigned=unsigned)
        return self._store(node)

    def _add(self, node: Node, op: Op) -> _Value:
        values = [self.values[source] for source in op.inputs]
        unsigned = all(value.unsigned for value in values) and min(op.detail) >= 0
        if any(value.real for value in values):
            return _Value(real=True, unsigned=unsigned)
        keep = next((s for s, v in zip(op.inputs, values, strict=True) if self._joins(v)), None)
        for source in op.inputs:
            if source is not keep or op.inputs[0] is op.inputs[1]:
                self._read(node, source)
        products = self.values[keep].products if keep is not None else 0
        return _Value(terms=MAX_TERMS, products=products, unsigned=unsigned)

    def _joins(self, value: _Value) -> bool:
        """Whether a wide value leaves room for a residual."""
        return value.root is None and not value.clamped and value.terms < MAX_TERMS

    def _mean(self, node: Node, op: Op) -> _Value:
        value = self.values[op.inputs[0]]
        if value.real:
            return value
        unsigned = self._read(node, op.inputs[0]).unsigned
        return _Value(products=1, terms=1, unsigned=unsigned)

    def _max(self, node: Node, op: Op) -> _Value:
        value = self.values[op.inputs[0]]
        return value if value.real else self._store(op.inputs[0])

    _move = _max

    def _same(self, node: Node, op: Op) -> _Value:
        source = op.inputs[0]
        return self._store(source) if source.op == "placeholder" else self.values[source]

    def _gain(self, node: Node, op: Op) -> _Value:
        return replace(self.values[op.inputs[0]], layer=None)

    def _concat(self, node: Node, op: Op) -> _Value:
        values = [self.values[source] for source in op.inputs]
        unsigned = all(value.unsigned for value in values)
        if any(value.real for value in values):
            return _Value(real=True, unsigned=unsigned)
        for source in op.inputs:
            self._read(node, source)
        return _Value(products=1, terms=1, unsigned=unsigned)

    def _append(self, node: Node, op: Op) -> _Value:
        """One tensor out of several, which have one scale; the input's is not theirs to choose."""
        values = [self.values[source] for source in op.inputs]
        unsigned = all(value.unsigned for value in values)
        if any(value.real for value in values):
            return _Value(real=True, unsigned=unsigned)
        roots = {root for source in op.inputs if (root := self._store(source).root) is not None}
        if len(roots) > 1 and any(root.op == "placeholder" for root in roots):
            return _Value(real=True, unsigned=unsigned)
        return _Value(root=self.placement.tie(roots), unsigned=unsigned)

    def _output(self, node: Node, op: Op) -> _Value:
        value = self.values[op.inputs[0]]
        if value.layer is not None:
            self.placement.logits = value.layer
        elif not value.real:
            self._read(node, op.inputs[0])
        return value

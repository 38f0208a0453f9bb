"""The nodes of an integer network that is being built: names, and those without weights or multipliers.

A tensor [n, channels, length] of a model is a map of one row among the integers, the network's input and output aside.
"""

from __future__ import annotations

from torch import nn
from torch.fx import GraphModule, Node

from asm_hw.network.integer_moves import IntegerConcat, IntegerMove
from asm_hw.network.integer_node import INPUT, IntegerNode
from asm_hw.network.integer_pools import IntegerMaxPool

from .folded_steps import AppendStep, MaxStep, MoveStep, Operand, Stored
from .shape_operations import map_shape
from .tensor_shapes import Seen
from .traced_operations import classify


class BuiltNodes:
    """Nodes in order; what is read keeps the name that it was stored under."""

    def __init__(self, model: GraphModule, seen: Seen) -> None:
        self.model, self.seen = model, seen
        self.nodes: list[IntegerNode] = []
        self.inputs: list[Stored] = []
        self.names: dict[Node, str] = {}
        """The node of the network that holds each stored tensor, by its node in the model."""

    def keep(self, target: Stored, node: IntegerNode) -> None:
        """Add the node that stores ``target``."""
        self.nodes.append(node)
        self.names[target.node] = node.name

    def new_name(self, name: str) -> str:
        """``name``, numbered where a layer is called again, or is called as the network's input is."""
        used = {INPUT, *(node.name for node in self.nodes)}
        choices = (name if i == 1 else f"{name}#{i}" for i in range(1, len(used) + 2))
        return next(choice for choice in choices if choice not in used)

    def name_of(self, stored: Operand) -> str:
        """The node that holds a stored tensor."""
        assert isinstance(stored, Stored)
        if stored.node not in self.names and stored.node.all_input_nodes[0].op == "placeholder":
            self.inputs.append(stored)
            shape = tuple(self.seen[stored.node][1:])
            self.names[stored.node] = INPUT if shape == map_shape(shape) else self.reshaped(INPUT, map_shape(shape))
        return self.names[stored.node]

    def reshaped(self, source: str, shape: tuple[int, ...], name: str | None = None) -> str:
        """The name of a new node that has ``source`` in another shape."""
        node = IntegerMove(
            name=self.new_name(name or f"{source}.map"), sources=(source,), action="reshape", arguments=shape
        )
        self.nodes.append(node)
        return node.name

    def only_linear(self, node: Node) -> bool:
        """Whether nothing but linear layers, which flatten by themselves, reads ``node``."""
        ops = {user: classify(user, self.model, self.seen) for user in node.users}
        return all(
            isinstance(op.detail, nn.Linear) or (op.kind == "same" and self.only_linear(user))
            for user, op in ops.items()
        )

    def move(self, step: MoveStep) -> None:
        """Add the node of a move, unless what reads it does that by itself."""
        source = self.name_of(step.source)
        if step.action == "reshape" and self.only_linear(step.target.node):
            self.names[step.target.node] = source
            return
        name = self.new_name(step.target.name)
        self.keep(step.target, IntegerMove(name=name, sources=(source,), action=step.action, arguments=step.arguments))

    def append(self, step: AppendStep) -> None:
        """Add the node of tensors one behind another."""
        sources = tuple(map(self.name_of, step.sources))
        name = self.new_name(step.target.name)
        self.keep(step.target, IntegerConcat(name=name, sources=sources, count=len(sources), dim=step.dim))

    def max(self, step: MaxStep) -> None:
        """Add the node of a max pool."""
        sources = (self.name_of(step.source),)
        pool = IntegerMaxPool(name=self.new_name(step.target.name), sources=sources, **step.window._asdict())
        self.keep(step.target, pool)

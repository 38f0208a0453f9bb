"""The float model inside a prepared one, and both run node by node on the same inputs."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Interpreter, Node

from .quantizer import ActivationQuantizer, Gain, Narrowing, WeightQuantizer


class _Wide(nn.Module):
    """What narrows a stored tensor, without effect."""

    def forward(self, values: Tensor, log2_scale: Tensor) -> Tensor:
        return values


def float_twin(prepared: GraphModule) -> GraphModule:
    """A copy of ``prepared``, not yet frozen, with the same nodes that computes in float as the given model did."""
    twin = copy.deepcopy(prepared).eval()
    for path, module in list(twin.named_modules(remove_duplicate=False)):
        if isinstance(module, WeightQuantizer):
            _replace(twin, path, nn.Identity())
        elif isinstance(module, ActivationQuantizer):
            # An unsigned quantizer may have taken the place of a ReLU.
            _replace(twin, path, nn.Identity() if module.format.signed else nn.ReLU())
            twin.get_submodule(path).log2_scale = module.log2_scale  # narrowings read it
        elif isinstance(module, Narrowing):
            _replace(twin, path, _Wide())
        elif isinstance(module, Gain):
            _replace(twin, path, nn.Identity())
    return twin


def _replace(model: GraphModule, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(model.get_submodule(parent), name, module)


class Lockstep:
    """Runs two models of the same nodes on the same inputs; values live as long as a later node reads them."""

    def __init__(self, *models: GraphModule) -> None:
        self.sides = [Interpreter(model) for model in models]

    @torch.no_grad()
    def run(self, images: Tensor) -> Iterator[tuple[Node, list[Tensor]]]:
        """Each module call before it is made, with what the first input of it is in each model.

        What a caller changes in the module takes effect in the call.
        """
        for side in self.sides:
            side.env, side.args_iter = {}, iter([images])
        for nodes in zip(*[side.graph.nodes for side in self.sides], strict=True):
            if nodes[0].op == "call_module":
                yield nodes[0], [side.env[node.args[0]] for side, node in zip(self.sides, nodes, strict=True)]
            for side, node in zip(self.sides, nodes, strict=True):
                side.env[node] = side.run_node(node)
                for dead in side.user_to_last_uses.get(node, []):
                    del side.env[dead]

"""Quantizers, narrowings and gains put where a placement wants them."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from asm_hw.errors import ParameterError
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.network.integer_table import TABLE_BITS

from .layer_formats import OUTPUT_BITS, LayerFormats
from .placement import Placement, Read
from .quantizer import ActivationQuantizer, Gain, Narrowing
from .scale_fitting import fit_narrow, widest_format
from .scale_starts import known_scale, reaching_scale, start_scale
from .tensor_shapes import Seen
from .traced_operations import classify, path_of

GAINED = ("add", "affine", "clamp", "norm")
"""Operations that read a stored tensor by a multiplier, with no weights to move to one of its levels."""


class QuantizerInsertion:
    """Puts the modules of a placement into a traced model."""

    def __init__(
        self, model: GraphModule, seen: Seen, formats: LayerFormats, placement: Placement, input_scale: float | None
    ) -> None:
        self.model, self.graph, self.seen = model, model.graph, seen
        self.formats, self.placement, self.input_scale = formats, placement, input_scale

    def run(self, samples: dict[Node, Tensor]) -> None:
        """Insert everything; ``samples``: values of each stored tensor, on which its scale is fitted."""
        for roots in self.placement.groups():
            self._store(roots, _joined([samples[root] for root in roots]))

    def _store(self, roots: list[Node], sample: Tensor) -> None:
        """Quantize ``roots`` by one quantizer, fitted to ``sample``."""
        signed = roots[0] not in self.placement.unsigned
        taken = {read: self._format(read, signed) for root in roots for read in self.placement.reads[root]}
        stored, narrow = widest_format(list(taken.values()) or [ActivationFormat(self.formats.residual_bits, signed)])
        quantizer = self._quantizer(roots[0], sample, stored)
        quantizer.shared = len(roots) > 1
        if not narrow and roots[0].op != "placeholder" and not quantizer.shared:
            start_scale(quantizer, roots[0])  # others keep the scale that their shifts belong to
        shifts = fit_narrow(quantizer, sample, [f for f in narrow if any(taken[r] == f and r.narrows for r in taken)])
        for root in roots:
            own = {read: taken[read] for read in self.placement.reads[root]}
            self._quantize(root, f"asm.values.{roots[0].name.removeprefix('asm_gains_')}", quantizer, own, shifts)

    def _quantize(
        self,
        root: Node,
        name: str,
        quantizer: ActivationQuantizer,
        taken: dict[Read, ActivationFormat],
        shifts: dict[ActivationFormat, int],
    ) -> None:
        """Quantize ``root``, narrow it for each layer that takes fewer bits, give each sum its factor."""
        stored = quantizer.format
        quantized = self._insert(name, quantizer, root)
        root.replace_all_uses_with(quantized, delete_user_cb=lambda user: user is not quantized)
        self._absorb_relu(root, quantized)
        self._compute_in_double(root)
        made: dict[tuple[Node, ActivationFormat], Node] = {}
        for read, wanted in taken.items():
            edge = quantized if read.edge is root else read.edge
            if not read.narrows:  # reads what is stored
                if classify(read.user, self.model, self.seen).kind in GAINED:
                    gain = f"asm.gains.{read.user.name}.in{read.user.all_input_nodes.index(edge)}"
                    read.user.replace_input_with(edge, self._insert(gain, Gain(self.seen[edge][1]), edge))
            elif wanted != stored:
                if (edge, wanted) not in made:
                    made[edge, wanted] = self._narrowing(edge, name, wanted, shifts[wanted])
                read.user.replace_input_with(edge, made[edge, wanted])

    def _compute_in_double(self, root: Node) -> None:
        """A function that a table takes over is computed as for the table."""
        op = classify(root, self.model, self.seen)
        if op.kind != "table" or not op.detail.in_double:
            return
        with self.graph.inserting_before(root):
            wide = self.graph.call_method("double", op.inputs)
        root.replace_input_with(op.inputs[0], wide)
        with self.graph.inserting_after(root):
            back = self.graph.call_method("float", (root,))
        root.replace_all_uses_with(back, delete_user_cb=lambda user: user is not back)
        self.seen[wide] = self.seen[back] = self.seen[root]

    def _insert(self, path: str, module: nn.Module, source: Node, *more: Node) -> Node:
        """A call of ``module`` on ``source``, right after it."""
        return _insert(self.model, self.seen, path, module, source, *more)

    def _format(self, read: Read, signed: bool) -> ActivationFormat:
        """The format that a reader takes."""
        if read.layer is not None:
            return replace(self.formats.of(read.layer).activation, signed=signed)
        if read.table:
            return ActivationFormat(min(TABLE_BITS, self.formats.residual_bits), signed)
        return ActivationFormat(OUTPUT_BITS if read.user.op == "output" else self.formats.residual_bits, signed)

    def _quantizer(self, root: Node, sample: Tensor, stored: ActivationFormat) -> ActivationQuantizer:
        if stored.range[1] == 0:
            raise ParameterError(
                f"act_bits must be at least 2 where values may be negative, as at module {path_of(root)!r}, "
                f"not {stored.bits}"
            )
        multipliers = self.formats.default.weight.alphabets
        if root.op != "placeholder":
            values = math.prod(self.seen[root][1:])
            return ActivationQuantizer(sample, stored, multipliers=multipliers, values=values)
        largest = reaching_scale(float(sample.min()), float(sample.max()), stored)
        scale = self.input_scale or known_scale(root, stored) or largest or 1.0
        return ActivationQuantizer(sample, stored, scale, multipliers)

    def _narrowing(self, edge: Node, name: str, stored: ActivationFormat, shift: int) -> Node:
        kind = "level" if stored.alphabets else "bits"
        path = f"asm.narrow.{edge.name.removeprefix('asm_values_')}.{kind}{stored.bits}"
        with self.graph.inserting_after(edge):
            scale = self.graph.get_attr(f"{name}.log2_scale")
        return self._insert(path, Narrowing(stored, shift), edge, scale)

    def _absorb_relu(self, root: Node, quantized: Node) -> None:
        """An unsigned quantizer clips at 0 by itself."""
        read = any(read.user is root for reads in self.placement.reads.values() for read in reads)
        if (
            root in self.placement.unsigned
            and classify(root, self.model, self.seen).detail == (0.0, math.inf)
            and not read
            and len(root.users) == 1
        ):
            quantized.args = (root.args[0],)
            self.graph.erase_node(root)


def _joined(samples: list[Tensor]) -> Tensor:
    """What one scale is fitted to: the values of several tensors, or of one as it is."""
    if len(samples) == 1:
        return samples[0]
    inputs = min(map(len, samples))
    return torch.cat([sample[:inputs].flatten(1) for sample in samples], 1)


def _insert(model: GraphModule, seen: Seen, path: str, module: nn.Module, source: Node, *more: Node) -> Node:
    """A call of ``module``, new at ``path``, on ``source`` and ``more``, right after the last of them."""
    model.add_submodule(path, module.to(next(model.parameters()).device).train(model.training))
    with model.graph.inserting_after(more[-1] if more else source):
        node = model.graph.call_module(path, (source, *more))
    seen[node] = seen[source]
    return node


def insert_gains(model: GraphModule, seen: Seen) -> None:
    """A `Gain` after each mean and concat, and after each further call of a layer: their weights cannot move for it."""
    called: set[str] = set()
    for node in list(model.graph.nodes):
        kind = classify(node, model, seen).kind
        if kind in ("mean", "concat") or (kind == "layer" and str(node.target) in called):
            gained = _insert(model, seen, f"asm.gains.{node.name}", Gain(seen[node][1]), node)
            node.replace_all_uses_with(gained, delete_user_cb=lambda user, g=gained: user is not g)
        called.add(str(node.target))

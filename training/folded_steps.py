"""What a prepared model folds into: stored tensors, sums of operands, and the steps between them. See `fold`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.fx import Node

from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.numbers.alphabets import AlphabetSet

from .prepared_layers import Layer, float_weight, weight_quantizer
from .quantizer import ActivationQuantizer, Gain, WeightQuantizer
from .shape_operations import Window
from .traced_functions import Function


@dataclass(frozen=True, eq=False)
class Stored:
    """A tensor of integers in ``format``; a step is worth ``scale``, float64 [1].

    ``multipliers``: the alphabets of requantize multipliers into it, where no layer's weights say them.
    """

    name: str
    scale: Tensor
    format: ActivationFormat
    node: Node
    multipliers: AlphabetSet


@dataclass(frozen=True, eq=False)
class Product:
    """Accumulators of a layer: its levels times a stored tensor."""

    path: str
    layer: Layer
    source: Stored

    @property
    def weights(self) -> WeightQuantizer:
        """The quantizer of the layer's weight."""
        return weight_quantizer(self.layer)

    @property
    def levels(self) -> Tensor:
        """The levels of the layer's weight, int64, on the CPU."""
        return self.weights.integers(float_weight(self.layer)).cpu()


@dataclass(frozen=True, eq=False)
class WindowSum:
    """Sums of a stored tensor over windows."""

    source: Stored
    window: Window


@dataclass(frozen=True, eq=False)
class Joined:
    """Stored tensors side by side in the channels, each with its own scale."""

    sources: tuple[Stored, ...]


Operand = Stored | Product | WindowSum | Joined


@dataclass(frozen=True, eq=False)
class Term:
    """An operand of a sum; one of its units is worth ``unit``, float64 [channels] or [1].

    ``gain``: the factor on its way that `freeze` may set.
    """

    operand: Operand
    unit: Tensor
    gain: Gain | None = None

    @property
    def movable(self) -> bool:
        """Whether weight scales can take up what rounding its multiplier changes."""
        return isinstance(self.operand, Product) and self.gain is None


@dataclass(frozen=True, eq=False)
class Wide:
    """A sum before it is rounded: terms, an offset [channels] or [1], and where it is clipped.

    ``anchor``: a parameter or buffer [channels] in the offset, and the factor that it enters with.
    """

    terms: tuple[Term, ...]
    offset: Tensor
    anchor: tuple[Tensor, Tensor] | None = None
    low: float = -math.inf
    high: float = math.inf


@dataclass(frozen=True, eq=False)
class Applied:
    """A function of a stored tensor before it is rounded, which ``node`` computes."""

    source: Stored
    function: Function
    node: Node


@dataclass(frozen=True, eq=False)
class SumStep:
    """Stores ``target``: the sum ``source``, rounded by ``quantizer``."""

    target: Stored
    source: Wide
    quantizer: ActivationQuantizer

    @property
    def ratios(self) -> list[Tensor]:
        """Units of the target per unit of each term, float64 [channels]."""
        parts = torch.broadcast_tensors(*[term.unit for term in self.source.terms], self.source.offset)
        return [part / self.target.scale for part in parts[:-1]]


@dataclass(frozen=True, eq=False)
class NarrowStep:
    """Stores ``target``: the top bits of a stored tensor, ``shift`` bits lower."""

    target: Stored
    source: Stored
    shift: int


@dataclass(frozen=True, eq=False)
class TableStep:
    """Stores ``target``: a function of a stored tensor, rounded by ``quantizer``."""

    target: Stored
    source: Applied
    quantizer: ActivationQuantizer

    @property
    def real(self) -> Tensor:
        """The function of each integer of the source, from the smallest on, float32, by the model's own operations."""
        stored = self.source.source
        low, high = stored.format.binary_range
        integers = torch.arange(low, high + 1, dtype=torch.float32, device=self.quantizer.log2_scale.device)
        with torch.no_grad():
            return self.source.function(integers * stored.scale.to(integers))

    @property
    def values(self) -> Tensor:
        """What is stored for each integer of the source, int64, on the CPU."""
        return self.quantizer.integers(self.real).cpu()


@dataclass(frozen=True, eq=False)
class MaxStep:
    """Stores ``target``: the largest integer of each window of a stored tensor."""

    target: Stored
    source: Stored
    window: Window


@dataclass(frozen=True, eq=False)
class MoveStep:
    """Stores ``target``: the integers of a stored tensor in another place, as `IntegerMove` has it."""

    target: Stored
    source: Stored
    action: str
    arguments: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class AppendStep:
    """Stores ``target``: stored tensors of one scale one behind another in dimension ``dim``, 2 or 3."""

    target: Stored
    sources: tuple[Stored, ...]
    dim: int


Step = SumStep | TableStep | NarrowStep | MaxStep | MoveStep | AppendStep


@dataclass(frozen=True, eq=False)
class Output:
    """What the model returns: a stored tensor, or the accumulators of a last layer with its offset; by ``node``."""

    source: Wide | Stored
    node: Node

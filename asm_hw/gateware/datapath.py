"""How weights and activations reach the lanes, in each arithmetic.

All units with lanes are written once over this; what differs between ASM, its exact baseline and the bare accumulator
is here.
"""

from collections.abc import Callable
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, Value
from amaranth.lib import data

from asm_hw.formats.accumulator_format import AdderStyle
from asm_hw.formats.product_format import ProductFormat
from asm_hw.numbers.alphabets import AlphabetSet
from asm_hw.numbers.decoded_weights import one_hot_fields
from asm_hw.numbers.level_code import LevelCode

from .alphabet_bank import Bank
from .asm_lanes import AlphabetLane, PowerOfTwoLane
from .baseline_lanes import ArrayLane, BareLane, BoothLane, ExactLane, ShiftLane
from .decoders import ActivationDecoder, Decoder, Recoder
from .lanes import Lane
from .part_names import SignalParts
from .shapes import activation_shape, struct_of, weight_shape

BRANCH = 8
"""Registers that share a gated copy of what one of them takes."""

DATAPATH_PARTS: SignalParts = {
    r"weight(_\d+)?(_decoder\..*)?|fields\w*": "weight_registers",
    r"x(_\d+)?_decoder\..*": "activations",
    r"x_?\d+(_\d+)?": "bank",  # the multiples, where they arrive
}
"""What `Datapath` adds to a component, for its ``signal_parts``; lanes and banks name their own."""


class Datapath:
    """Adds decoders, banks and lanes to a module and returns what they drive."""

    def __init__(self, product: ProductFormat, adders: AdderStyle):
        self.product, self.adders = product, adders

    def add_weight(self, m: Module, name: str, code: Value):
        """The decoded weight (`weight_shape`) of a code word ``weight.code_bits`` wide."""
        weight, shape = self.product.weight, weight_shape(self.product.weight)
        # Decoded beforehand: the port's bits are the fields already.
        if weight.code == "decoded" and not isinstance(shape, Shape):
            return shape(code)
        if weight.form == "booth":
            m.submodules[f"{name}_recoder"] = recoder = Recoder(weight.bits, shape)
            m.d.comb += recoder.code.eq(code)
            return recoder.digits
        if weight.arithmetic != "asm":
            return code.as_signed() if weight.arithmetic == "exact" else code.as_unsigned()
        if weight.code == "packed":
            fields = self._add_decoder(m, f"{name}_decoder", Decoder(weight.levels), code).fields
        else:
            fields = struct_of(weight.levels.fields)(code)
        return fields if weight.form == "binary" else self._one_hot(m, name, weight.levels, fields)

    def _one_hot(self, m: Module, name: str, levels: LevelCode, fields):
        """Shift fields as one bit each, none where the digit is zero."""
        hot = Signal(struct_of(one_hot_fields(levels)), name=f"{name}_one_hot")
        if levels.signed:
            m.d.comb += hot.sign.eq(fields.sign)
        for i, digit in enumerate(levels.digits):
            # One bit for each shift replaces the decoder inside every shifter behind it.
            one = 1 << fields[f"shift{i}"] if digit.shift_bits else 1
            m.d.comb += hot[f"hot{i}"].eq(Mux(fields[f"zero{i}"], 0, one))
            if digit.alphabet_bits:
                m.d.comb += hot[f"alphabet{i}"].eq(fields[f"alphabet{i}"])
        return hot

    def add_activation(self, m: Module, name: str, code: Value):
        """What the lanes take of an activation code word ``activation.code_bits`` wide."""
        product, levels = self.product, self.product.activation.levels
        if levels is not None and (product.is_power_of_two or product.shifts_weight):
            fields = self._add_decoder(m, f"{name}_decoder", Decoder(levels), code).fields
            return fields if product.is_power_of_two else self._one_hot(m, name, levels, fields)
        if levels is None:
            x = code.as_signed() if product.activation.signed else code.as_unsigned()
        else:
            x = self._add_decoder(m, f"{name}_decoder", ActivationDecoder(levels), code).x
        if product.weight.arithmetic != "asm":
            return x  # baselines multiply the activation itself
        m.submodules[f"{name}_bank"] = bank = Bank(self._alphabets, activation_shape(product.activation))
        multiples = Signal(bank.layout, name=f"{name}_multiples")
        m.d.comb += bank.x.eq(x)
        m.d.comb += [multiples[member].eq(getattr(bank, member)) for member in bank.layout.members]
        return multiples

    def add_lane(self, m: Module, name: str, weight, x) -> Lane:
        """A lane that multiplies a decoded weight by what `add_activation` returned."""
        # Lanes are modules of their own: equal ones become one module of Verilog, and parts can be told in netlists.
        lane = self._lane(self.product, weight_shape(self.product.weight), x.shape())
        m.submodules[name] = lane
        m.d.comb += [lane.weight.eq(weight), lane.x.eq(x)]
        return lane

    def add_held_lanes(self, m: Module, load: Value, swap: Value, weights, x) -> list[Lane]:
        """A lane for each of ``x`` on weight registers of its own, and a second set of these that loads meanwhile.

        With ``load`` the second set takes decoded ``weights``, with ``swap`` the first takes the second. No reset:
        the control knows when they count.
        """
        shape, lanes = weight_shape(self.product.weight), []
        for i in range(len(x)):
            following = Signal(shape, name=f"weight_next_{i}", reset_less=True)
            weight = Signal(shape, name=f"weight_{i}", reset_less=True)
            with m.If(load):
                m.d.sync += following.eq(weights[i])
            with m.If(swap):
                m.d.sync += weight.eq(following)
            lanes.append(self.add_lane(m, f"lane_{i}", weight, x[i]))
        return lanes

    def add_branch(self, m: Module, name: str, weights: list, here: Value):
        """The decoded row ``weights``, 0 unless it is ``here``: registers of others need not follow it."""
        branch = Signal(data.ArrayLayout(weight_shape(self.product.weight), len(weights)), name=name)
        bits = Cat(Value.cast(weight) for weight in weights)
        m.d.comb += branch.as_value().eq(bits & here.replicate(len(bits)))
        return branch

    def add_multiplier(self, m: Module, w: Value, x: Value) -> Lane:
        """Decoder, bank and a lane of one weight code and one activation code."""
        return self.add_lane(m, "lane", self.add_weight(m, "weight", w), self.add_activation(m, "x", x))

    @property
    def _lane(self) -> Callable[[ProductFormat, Any, Any], Lane]:
        product = self.product
        if product.weight.arithmetic == "asm":
            return PowerOfTwoLane if product.is_power_of_two else AlphabetLane
        if product.weight.arithmetic == "bare":
            return BareLane
        if product.shifts_weight:
            return ShiftLane
        if product.weight.form == "booth":
            return BoothLane
        return ArrayLane if self.adders.has_heap else ExactLane

    @property
    def _alphabets(self) -> AlphabetSet:
        """The alphabets that at least one digit of the weight can use."""
        return AlphabetSet(max((digit.multiples for digit in self.product.weight.levels.digits), key=len))

    @staticmethod
    def _add_decoder(m: Module, name: str, decoder, code: Value):
        m.submodules[name] = decoder
        m.d.comb += Value.cast(decoder.code).eq(code)
        return decoder

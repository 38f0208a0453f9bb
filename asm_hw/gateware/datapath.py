"""How weights and activations reach the lanes, in each arithmetic.

All units with lanes are written once over this; what differs between ASM, its exact baseline and the bare accumulator
is here.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value
from amaranth.lib import data

from asm_hw.formats.accumulator_format import AdderStyle
from asm_hw.formats.product_format import ProductFormat
from asm_hw.numbers.decoded_weights import one_hot_fields
from asm_hw.numbers.level_code import LevelCode

from .alphabet_bank import Bank
from .asm_lanes import AlphabetLane, PowerOfTwoLane
from .baseline_lanes import ArrayLane, BareLane, DigitLane, ExactLane, PairLane, ShiftLane
from .decoders import ActivationDecoder, BoothRecoder, Decoder, FewestDigitsRecoder, PairDecoder
from .lanes import Lane
from .part_names import SignalParts
from .shapes import activation_shape, multiple_shape, struct_of, weight_shape

BRANCH = 8
"""Registers that share a gated copy of what one of them takes."""

DATAPATH_PARTS: SignalParts = {
    r"weight(_\d+)?((_decoder|_recoder)\..*)?|pair_\d+_decoder\..*|fields\w*": "weight_registers",
    r"x(_\d+)?_decoder\..*": "activations",
    r"x_?\d+(_\d+)?|x_(sum|pair)_\d+": "bank",  # the multiples, where they arrive
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
        if weight.digits:
            recoder = BoothRecoder(weight) if weight.form == "booth" else FewestDigitsRecoder(weight)
            m.submodules[f"{name}_recoder"] = recoder
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
        if product.weight.arithmetic != "asm" and not product.has_bank:
            return x  # baselines multiply the activation itself
        m.submodules[f"{name}_bank"] = bank = Bank(product.multiples, activation_shape(product.activation))
        multiples = Signal(bank.layout, name=f"{name}_multiples")
        m.d.comb += bank.x.eq(x)
        m.d.comb += [multiples[member].eq(getattr(bank, member)) for member in bank.layout.members]
        return multiples

    def add_activations(self, m: Module, codes: Sequence[Value]) -> list:
        """What the lanes of a column take of the activations of all of them: one each, or one for two (`pairs`)."""
        single = [self.add_activation(m, f"x_{lane}", code) for lane, code in enumerate(codes)]
        if not self.pairs:
            return single
        shape = activation_shape(self.product.activation)
        layout = data.StructLayout({"a": shape, "b": shape, "sum": multiple_shape(shape, 2)})
        pairs = []
        for index, (a, b) in enumerate(zip_longest(single[::2], single[1::2], fillvalue=Const(0, shape))):
            pair = Signal(layout, name=f"x_pair_{index}")
            total = Signal(multiple_shape(shape, 2), name=f"x_sum_{index}")
            m.d.comb += [total.eq(a + b), pair.a.eq(a), pair.b.eq(b), pair.sum.eq(total)]
            pairs.append(pair)
        return pairs

    def add_lanes(self, m: Module, weights: Iterable, xs: Sequence) -> list[Lane]:
        """The lanes of a column, of its decoded weights and of what `add_activations` returned."""
        if self.pairs:
            single = list(weights)
            pairs = zip_longest(single[::2], single[1::2], fillvalue=Const(0))
            weights = [self._add_pair(m, f"pair_{index}", *pair) for index, pair in enumerate(pairs)]
        return [self.add_lane(m, f"lane_{i}", weight, x) for i, (weight, x) in enumerate(zip(weights, xs, strict=True))]

    def _add_pair(self, m: Module, name: str, first: Value, second: Value):
        m.submodules[f"{name}_decoder"] = decoder = PairDecoder(self.product.weight.bits)
        m.d.comb += [decoder.first.eq(first), decoder.second.eq(second)]
        return decoder.hot

    @property
    def pairs(self) -> bool:
        """Whether two lanes share their rows."""
        return self.product.weight.form == "pairs"

    def add_lane(self, m: Module, name: str, weight, x) -> Lane:
        """A lane that multiplies a decoded weight by what `add_activation` returned."""
        # Lanes are modules of their own: equal ones become one module of Verilog, and parts can be told in netlists.
        lane = self._lane(self.product, weight.shape(), x.shape())
        m.submodules[name] = lane
        m.d.comb += [lane.weight.eq(weight), lane.x.eq(x)]
        return lane

    def add_held_lanes(self, m: Module, load: Value, swap: Value, weights, x) -> list[Lane]:
        """Lanes (`add_lanes`) on weight registers of their own, and a second set of these that loads meanwhile.

        With ``load`` the second set takes decoded ``weights``, with ``swap`` the first takes the second. No reset:
        the control knows when they count.
        """
        shape = weight_shape(self.product.weight)

        def held() -> Iterator:
            for i in range(len(weights)):
                following = Signal(shape, name=f"weight_next_{i}", reset_less=True)
                weight = Signal(shape, name=f"weight_{i}", reset_less=True)
                with m.If(load):
                    m.d.sync += following.eq(weights[i])
                with m.If(swap):
                    m.d.sync += weight.eq(following)
                yield weight

        return self.add_lanes(m, held(), x)

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
        if product.weight.digits:
            return DigitLane
        if self.pairs:
            return PairLane
        return ArrayLane if self.adders.has_heap else ExactLane

    @staticmethod
    def _add_decoder(m: Module, name: str, decoder, code: Value):
        m.submodules[name] = decoder
        m.d.comb += Value.cast(decoder.code).eq(code)
        return decoder

"""How weights and activations reach the lanes, in each arithmetic.

The multiplier, the mac and the dot unit are written once over this; what differs between ASM, its
exact twin and the bare accumulator is here.
"""

from collections.abc import Callable
from typing import Any

from amaranth.hdl import Module, Mux, Shape, Signal, Value

from ..alphabet import AlphabetSet
from ..config import MultiplierConfig
from ..encoding import LevelCode
from ..forms import one_hot_fields
from .bank import Bank
from .decoder import ActivationDecoder, Decoder, Recoder
from .lane import AlphabetLane, ArrayLane, BareLane, BoothLane, ExactLane, Lane, OneHotLane, ShiftLane
from .shapes import layout, weight_shape, x_shape


class Datapath:
    """Adds decoders, banks and lanes to a module and returns what they drive."""

    def __init__(self, config: MultiplierConfig):
        self.config = config

    def add_weight(self, m: Module, name: str, code: Value):
        """The decoded weight (`weight_shape`) of a code word ``config.w_bits`` wide."""
        config, shape = self.config, weight_shape(self.config)
        if config.weight_code == "decoded" and not isinstance(shape, Shape):
            return shape(code)
        if config.weight_form == "booth":
            m.submodules[f"{name}_recoder"] = recoder = Recoder(config.weight_bits, shape)
            m.d.comb += recoder.code.eq(code)
            return recoder.digits
        if config.arithmetic != "asm":
            return code.as_signed() if config.arithmetic == "exact" else code.as_unsigned()
        if config.weight_code == "packed":
            fields = self._add_decoder(m, f"{name}_decoder", Decoder(config.weight), code).fields
        else:
            fields = layout(config.weight.fields)(code)
        return fields if config.weight_form == "binary" else self._one_hot(m, name, config.weight, fields)

    def _one_hot(self, m: Module, name: str, levels: LevelCode, fields):
        """Shift fields as one bit each, none where the digit is zero."""
        hot = Signal(layout(one_hot_fields(levels)), name=f"{name}_one_hot")
        if levels.signed:
            m.d.comb += hot.sign.eq(fields.sign)
        for i, digit in enumerate(levels.digits):
            one = 1 << fields[f"shift{i}"] if digit.shift_bits else 1
            m.d.comb += hot[f"hot{i}"].eq(Mux(fields[f"zero{i}"], 0, one))
            if digit.alphabet_bits:
                m.d.comb += hot[f"alphabet{i}"].eq(fields[f"alphabet{i}"])
        return hot

    def add_activation(self, m: Module, name: str, code: Value):
        """What the lanes take of an activation code word ``config.x_bits`` wide."""
        config = self.config
        if config.activation is not None and (config.one_hot or config.shifts_weight):
            fields = self._add_decoder(m, f"{name}_decoder", Decoder(config.activation), code).fields
            return fields if config.one_hot else self._one_hot(m, name, config.activation, fields)
        if config.activation is None:
            x = code.as_signed() if config.act_signed else code.as_unsigned()
        else:
            x = self._add_decoder(m, f"{name}_decoder", ActivationDecoder(config.activation), code).x
        if config.arithmetic != "asm":
            return x
        m.submodules[f"{name}_bank"] = bank = Bank(self._alphabets, x_shape(config))
        multiples = Signal(bank.layout, name=f"{name}_multiples")
        m.d.comb += bank.x.eq(x)
        m.d.comb += [multiples[member].eq(getattr(bank, member)) for member in bank.layout.members]
        return multiples

    def add_lane(self, m: Module, name: str, weight, x) -> Lane:
        """A lane that multiplies a decoded weight by what `add_activation` returned."""
        lane = self._lane(self.config, weight_shape(self.config), x.shape())
        m.submodules[name] = lane
        m.d.comb += [lane.weight.eq(weight), lane.x.eq(x)]
        return lane

    @property
    def _lane(self) -> Callable[[MultiplierConfig, Any, Any], Lane]:
        config = self.config
        if config.arithmetic == "asm":
            return OneHotLane if config.one_hot else AlphabetLane
        if config.arithmetic == "bare":
            return BareLane
        if config.shifts_weight:
            return ShiftLane
        if config.weight_form == "booth":
            return BoothLane
        return ArrayLane if config.has_heap else ExactLane

    @property
    def _alphabets(self) -> AlphabetSet:
        """The alphabets that at least one digit of the weight can use."""
        return AlphabetSet(max((digit.multiples for digit in self.config.weight.digits), key=len))

    @staticmethod
    def _add_decoder(m: Module, name: str, decoder, code: Value):
        m.submodules[name] = decoder
        m.d.comb += Value.cast(decoder.code).eq(code)
        return decoder

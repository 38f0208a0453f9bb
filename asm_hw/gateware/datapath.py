"""How weights and activations reach the lanes, in each arithmetic.

The multiplier, the mac and the dot unit are written once over this; what differs between ASM, its
exact twin and the bare accumulator is here.
"""

from amaranth.hdl import Module, Shape, Signal, Value, signed, unsigned

from ..alphabet import AlphabetSet
from ..config import MultiplierConfig
from .bank import Bank
from .decoder import ActivationDecoder, Decoder, layout
from .lane import AlphabetLane, BareLane, ExactLane, Lane, OneHotLane


class Datapath:
    """Adds decoders, banks and lanes to a module and returns what they drive.

    Attributes
    ----------
    weight_shape : shape of a decoded weight, as a weight register holds it
    """

    def __init__(self, config: MultiplierConfig):
        self.config = config
        if config.arithmetic == "asm":
            self.weight_shape = layout(config.weight.fields)
        else:
            self.weight_shape = signed(config.w_bits) if config.arithmetic == "exact" else unsigned(1)
        self._x_shape = Shape(config.act_bits, config.act_signed)

    def add_weight(self, m: Module, name: str, code: Value):
        """The decoded weight of a code word ``config.w_bits`` wide."""
        if self.config.arithmetic == "asm" and self.config.weight_code == "packed":
            return self._add_decoder(m, f"{name}_decoder", Decoder(self.config.weight), code).fields
        return self.weight_shape(code) if self.config.arithmetic == "asm" else self._cast(code, self.weight_shape)

    def add_activation(self, m: Module, name: str, code: Value):
        """What the lanes take of an activation code word ``config.x_bits`` wide."""
        config = self.config
        if config.one_hot and config.activation is not None:
            return self._add_decoder(m, f"{name}_decoder", Decoder(config.activation), code).fields
        if config.activation is None:
            x = self._cast(code, self._x_shape)
        else:
            x = self._add_decoder(m, f"{name}_decoder", ActivationDecoder(config.activation), code).x
        if config.arithmetic != "asm":
            return x
        m.submodules[f"{name}_bank"] = bank = Bank(self._alphabets, self._x_shape)
        multiples = Signal(bank.layout, name=f"{name}_multiples")
        m.d.comb += bank.x.eq(x)
        m.d.comb += [multiples[member].eq(getattr(bank, member)) for member in bank.layout.members]
        return multiples

    def add_lane(self, m: Module, name: str, weight, x) -> Lane:
        """A lane that multiplies a decoded weight by what `add_activation` returned."""
        arithmetic = {"asm": AlphabetLane, "exact": ExactLane, "bare": BareLane}[self.config.arithmetic]
        lane = (OneHotLane if self.config.one_hot else arithmetic)(self.config, weight.shape(), x.shape())
        m.submodules[name] = lane
        m.d.comb += [lane.weight.eq(weight), lane.x.eq(x)]
        return lane

    @property
    def _alphabets(self) -> AlphabetSet:
        """The alphabets that at least one digit of the weight can use."""
        return AlphabetSet(max((digit.multiples for digit in self.config.weight.digits), key=len))

    @staticmethod
    def _add_decoder(m: Module, name: str, decoder, code: Value):
        m.submodules[name] = decoder
        m.d.comb += Value.cast(decoder.code).eq(code)
        return decoder

    @staticmethod
    def _cast(code: Value, shape: Shape) -> Value:
        return code.as_signed() if shape.signed else code.as_unsigned()

"""Equal submodules: one module of Verilog, converted once."""

from __future__ import annotations

from amaranth.hdl import ClockSignal, Instance, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import In


class Emission:
    """The platform that an emission elaborates for: of components that repeat it converts the first alone.

    Amaranth elaborates and converts each of a thousand equal modules again. A component of which many are
    equal, but for what they are connected to, returns `instance` from its ``elaborate`` where that is not None.
    Simulators have no platform and see every component itself.

    Attributes
    ----------
    kinds : the component that stands for its kind, by module name (``top.kind``); to be converted behind the top
    """

    def __init__(self, top: str):
        self._top = top
        self.kinds: dict[str, wiring.Component] = {}

    def instance(self, kind: str, component: wiring.Component, clocked: bool) -> Instance | None:
        """An instance of the module of a kind, with the ports of ``component``; None where this is that module."""
        module = f"{self._top}.{kind}"
        if self.kinds.get(module) is component:  # the second time that it is asked
            return None
        self.kinds.setdefault(module, component)
        ports = {
            f"{'i' if member.flow == In else 'o'}_{'__'.join(map(str, path))}": value
            for path, member, value in component.signature.flatten(component)
        }
        clock = {"i_clk": ClockSignal(), "i_rst": ResetSignal()} if clocked else {}
        return Instance(module, **clock, **ports)

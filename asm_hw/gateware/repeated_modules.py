"""Equal submodules: one module of Verilog, converted once."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import ClockSignal, Instance, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import In


class Emission:
    """The platform that the top of an emission elaborates for: of components that repeat it takes the first alone.

    Amaranth elaborates and converts each of a thousand equal modules again. A component of which many are equal,
    but for what they are connected to, returns `instance` from its ``elaborate`` where the platform is one of
    these. Simulators have no platform, and see every component itself; so have the components in ``kinds`` when
    they are converted behind the top.

    Attributes
    ----------
    kinds : the component that stands for its kind, by module name (``top.kind``)
    """

    def __init__(self, top: str):
        self._top = top
        self._configs: dict[str, Any] = {}
        self.kinds: dict[str, wiring.Component] = {}

    def instance(self, kind: str, component: wiring.Component, config: Any, clocked: bool) -> Instance:
        """An instance of the module of a kind, with the ports of ``component``.

        ``config``: all that the module depends on, the same for all of a kind.
        """
        module = f"{self._top}.{kind}"
        self.kinds.setdefault(module, component)
        if self._configs.setdefault(module, config) != config:
            raise ValueError(f"components of kind {kind!r} must have one configuration, not {config!r} too")
        ports = {
            f"{'i' if member.flow == In else 'o'}_{'__'.join(map(str, path))}": value
            for path, member, value in component.signature.flatten(component)
        }
        clock = {"i_clk": ClockSignal(), "i_rst": ResetSignal()} if clocked else {}
        return Instance(module, **clock, **ports)

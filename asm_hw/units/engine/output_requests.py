"""What an engine writes and joins, in the stage of its memory access: the words of a pixel, spread over their slots."""

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .engine_config import SIDES, EngineConfig
from .engine_layouts import PLACES, planes_layout, request_layout, spot_layout
from .engine_loops import carries


def access_stages(config: EngineConfig) -> dict[str, int]:
    """The stage in which the words of each of `PLACES` meet the memory."""
    return {"out": config.last_stage, "skip": config.skip_stage, "also": config.last_stage}


class OutputRequests(wiring.Component):
    """Where a pixel lies follows its step through the stages; only there is it made a request, word by word.

    Members
    -------
    out_spot, skip_spot, also_spot : In(`spot_layout`), of the step in stage 0
    out_asked, skip_asked, also_asked : In(stage + 1), by stage (`access_stages`): the step there asks for the access
    planes : In(`planes_layout`), where the planes of the layer's tensors lie
    out, skip, also : Out(`request_layout`), slot 2 * k + p for word k of plane p
    """

    signal_parts = {r".*": "control"}

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {f"{name}_spot": In(spot_layout(config)) for name in PLACES}
            | {f"{name}_asked": In(stage + 1) for name, stage in access_stages(config).items()}
            | {"planes": In(planes_layout(config))}
            | {name: Out(request_layout(config)) for name in PLACES}
        )

    def elaborate(self, platform):
        m = Module()
        for name in PLACES:
            spot, asked = getattr(self, f"{name}_spot"), getattr(self, f"{name}_asked")
            for stage in range(len(asked) - 1):
                later = Signal.like(spot, name=f"{name}_{stage + 1}", reset_less=True)
                with m.If(asked[stage]):  # registers of a step without the access are not clocked
                    m.d.sync += later.eq(spot)
                spot = later
            self._spread(m, name, spot, asked[-1])
        return m

    def _spread(self, m: Module, name: str, spot, asked: Value) -> None:
        request, planes = getattr(self, name), self.planes
        m.d.comb += [request.m3.eq(spot.m3), request.m2.eq(spot.m2)]
        for k in range(self._config.beat_words):
            for p in range(self._config.planes):
                slot = SIDES * k + p
                carry, plane = carries(spot.rest, k) if k else Const(0, 1), planes[f"{name}_plane"] if p else Const(0)
                m.d.comb += [
                    request.enable[slot].eq(asked & (planes[f"{name}_pair"] if p else 1)),
                    request.address[slot].eq((Cat(Const(1), spot.address) + Cat(carry, plane))[1:]),  # one adder
                ]

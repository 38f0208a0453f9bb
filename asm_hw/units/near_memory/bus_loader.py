"""The loader of an array whose rows come over a bus."""

from amaranth.hdl import EnableInserter, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .near_loader import Loader
from .near_memory_config import NearMemoryConfig


def bus_members(config: NearMemoryConfig) -> dict:
    """What the bus and the loader tell each other, where there is one."""
    return {"grant": In(1), "settled": Out(1)} if config.waits else {}


class BusLoader(wiring.Component):
    """`Loader`, which stands still while the row that it reads is not there.

    Members: those of `Loader`, and

    Members
    -------
    grant : In(1), the row that is read arrives in the next cycle; else ``read`` stays up
    settled : Out(1), no row is wanted before a tile is taken or a command comes
    """

    def __init__(self, config: NearMemoryConfig):
        self._loader = Loader(config)
        super().__init__(dict(self._loader.signature.members) | bus_members(config))

    def elaborate(self, platform):
        m = Module()
        loader, moves, moved = self._loader, Signal(), Signal()
        m.submodules.loader = EnableInserter(moves)(loader)
        wiring.connect(m, loader.command, wiring.flipped(self.command))
        m.d.comb += [
            # Only a read can be refused: in every other state the loader moves on.
            moves.eq(~loader.read | self.grant),
            loader.take.eq(self.take),
            loader.drained.eq(self.drained),
            *(
                getattr(self, name).eq(getattr(loader, name))
                for name in ("full", "tile", "read", "address", "column", "part", "ready")
            ),
            # What says that a row has arrived stands still too: it counts once.
            self.weights.eq(loader.weights & moved),
            self.parameters.eq(loader.parameters & moved),
            self.settled.eq(loader.command.ready | (loader.full & ~self.take)),
        ]
        m.d.sync += moved.eq(moves)
        return m

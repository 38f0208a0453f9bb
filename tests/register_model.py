"""A block of Vitis HLS in plain Python, cycle by cycle, and an engine that only counts: what registers must show.

From UG1399, S_AXILITE Control Register Map: COH clear on handshake, COR clear on read, TOW toggle on write.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from asm_hw.bench.axi_lite_bench import AxiLiteBench
from asm_hw.bench.driver import reset
from asm_hw.sim.amaranth_simulation import play_component
from asm_hw.units.engine.axi_lite_engine import EngineControl

CTRL, GIE, IER, ISR, ERROR, LAYER, COUNTERS = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x18
COUNTER_COUNT = 8
OKAY, SLVERR = 0, 2


@dataclass
class BlockModel:
    """State after each clock edge; ``running``: from the start to the end, that cycle included."""

    start: int = 0
    done: int = 0
    ready: int = 0
    gie: int = 0
    ier: int = 0
    isr: int = 0
    interrupt: int = 0
    running: int = 0
    status: dict[int, int] = field(default_factory=dict)
    """Words that the engine drives, by address."""

    @property
    def starts(self) -> int:
        return int(self.start and not self.running)

    def read(self, address: int) -> tuple[int, int]:
        """(data, response)."""
        idle = int(not self.running and not self.start)
        words = {
            CTRL: self.start | self.done << 1 | idle << 2 | self.ready << 3 | self.interrupt << 9,
            GIE: self.gie, IER: self.ier, ISR: self.isr, **self.status,
        }  # fmt: skip
        word = address & ~3
        return (words[word], OKAY) if word in words else (0, SLVERR)

    def edge(self, busy: int, write: tuple[int, int, int] | None, read: int | None) -> None:
        """A clock edge on which a word is written or read, or neither."""
        ends = int(self.running and not busy)
        interrupt = int(self.gie and self.isr != 0)
        starts, enabled = self.starts, self.ier
        if ends:
            self.start = 0
        if read is not None and read & ~3 == CTRL:
            self.done = self.ready = 0
        if write is not None and write[2] & 1:
            word, data = write[0] & ~3, write[1]
            if word == CTRL and data & 1:
                self.start = 1
            elif word == GIE:
                self.gie = data & 1
            elif word == IER:
                self.ier = data & 3
            elif word == ISR:
                self.isr ^= data & 3
        if ends:
            self.done = self.ready = 1
            self.isr |= enabled
        self.running = int(starts or (self.running and not ends))
        self.interrupt = interrupt


class CountingEngine:
    """A driver of `EngineControl` that plays the engine, and holds every cycle to a `BlockModel`.

    What a transaction does is done on the edge before its answer is valid.
    """

    def __init__(self, inner, rng: random.Random):
        self._inner, self._rng = inner, rng
        self.model, self.left, self.started, self.ended = BlockModel(), 0, 0, 0
        self.set, self.get, self.settle = inner.set, inner.get, inner.settle
        self.transaction: tuple[tuple[int, int, int] | None, int | None] = (None, None)
        self.longest = 40

    def drive(self, status: dict[int, int]) -> None:
        """What the engine says of itself, by address."""
        self.model.status = status
        self.set("error", status[ERROR])
        self.set("layer", status[LAYER])
        self.set("counts", sum(status[COUNTERS + 4 * i] << 32 * i for i in range(COUNTER_COUNT)))

    def random_status(self) -> dict[int, int]:
        counters = {COUNTERS + 4 * i: self._rng.getrandbits(32) for i in range(COUNTER_COUNT)}
        return {ERROR: self._rng.randrange(5), LAYER: self._rng.getrandbits(16), **counters}

    async def edge(self) -> None:
        get, model = self.get, self.model
        assert (get("start"), get("interrupt")) == (model.starts, model.interrupt), model
        before, starts, busy = (get("bvalid"), get("rvalid")), get("start"), int(self.left > 0)
        await self._inner.edge()
        write, read = self.transaction
        wrote, was_read = (get(name) and not old for name, old in zip(("bvalid", "rvalid"), before, strict=True))
        if was_read:
            assert (get("rdata"), get("rresp")) == model.read(read), (hex(read), model)
        if wrote:
            assert get("bresp") == model.read(write[0])[1]
        self.ended += bool(model.running and not busy)
        model.edge(busy, write if wrote else None, read if was_read else None)
        if starts:
            assert not self.left, "started while it runs"
            self.started, self.left = self.started + 1, self._rng.randint(0, self.longest)
        elif self.left:
            self.left -= 1
        self.set("busy", int(self.left > 0))

    async def exchange(self, bus: AxiLiteBench, write=None, read=None):
        """A transaction of the bus, known to the model."""
        self.transaction = (write, read)
        return await bus.exchange(write, read)


def play(bench, seed=0, pace=1.0):
    """Run ``bench(engine, bus)`` on the registers, under the model."""

    async def whole(driver):
        rng = random.Random(seed)
        engine = CountingEngine(driver, rng)
        bus = AxiLiteBench(engine, rng, pace=pace)
        bus.idle()
        engine.drive(engine.random_status())
        await reset(driver)
        await bench(engine, bus)

    play_component(EngineControl(), whole)


def check_traffic(operations, pace, seed):
    """Each operation a write (address, data, strobes) or None, the address of a read or None, and cycles of rest."""

    async def bench(engine, bus):
        for write, read, wait in operations:
            answers = await engine.exchange(bus, write, read)
            assert answers.keys() == {"b" if write else None, "r" if read is not None else None} - {None}
            for _ in range(wait):
                await engine.edge()
            if not wait:
                engine.drive(engine.random_status())

    play(bench, seed, pace)


def check_outstanding():
    """A second request may come before the first answer is taken; answers keep their order."""

    async def bench(driver):
        for name in ("awvalid", "wvalid", "arvalid", "bready", "rready", "busy"):
            driver.set(name, 0)
        await reset(driver)
        driver.set("bready", 1)
        words = {GIE: 1, IER: 2}
        for address, word in words.items():
            for name, value in {"awaddr": address, "wdata": word, "wstrb": 15, "awvalid": 1, "wvalid": 1}.items():
                driver.set(name, value)
            await driver.edge()
            driver.set("awvalid", 0)
            driver.set("wvalid", 0)
            for _ in range(4):
                await driver.edge()
        for address in words:
            driver.set("araddr", address)
            driver.set("arvalid", 1)
            assert driver.get("arready")
            await driver.edge()
            driver.set("arvalid", 0)
            for _ in range(4):
                await driver.edge()
        assert not driver.get("arready"), "a third address is taken"
        driver.set("rready", 1)
        found = []
        for _ in range(6):
            if driver.get("rvalid"):
                found.append(driver.get("rdata"))
            await driver.edge()
        assert found == list(words.values())

    play_component(EngineControl(), bench)


def drawn_traffic(seed):
    """Operations, pace and seed for `check_traffic`: much of it at CTRL, while programs run and end."""
    rng = random.Random(seed)
    operations = []
    for _ in range(200):
        address = rng.choice([CTRL, CTRL, GIE, IER, ISR, ISR, rng.randrange(0x40)])
        write = (address, rng.choice([0, 1, 1, 3, rng.getrandbits(32)]), rng.choice([15, 15, 1, 14]))
        read = rng.choice([CTRL, CTRL, ISR, rng.randrange(0x40)])
        operations.append((*rng.choice([(write, None), (None, read), (write, read)]), rng.choice([0, 0, 1, 2, 5, 15])))
    return operations, rng.choice([1.0, 0.5]), seed

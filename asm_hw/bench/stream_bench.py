"""Drives valid/ready streams under random pauses and holds the unit to their rules: the one loop of all benches.

The rules: a valid once raised stays up, with its payload, until it is taken (inputs keep it, outputs are held to it);
what is offered does not depend on the ready of the same stream; something always moves on.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .driver import Driver, reset

TRAILING_CYCLES = 5
LOOK_TWICE = 0.25
"""Share of the cycles in which the output is looked at under both values of its ready."""

Pace = tuple[float, ...]
"""How often each input, in order, and last the output is willing to move: 1.0 never pauses."""


def paces(inputs: int) -> tuple[Pace, ...]:
    """None pauses, all do, and each stream, the output last, is slower than the others."""
    streams = inputs + 1
    slow = (tuple(0.3 if i == slowest else 0.9 for i in range(streams)) for slowest in range(streams))
    return ((1.0,) * streams, (0.7,) * streams, *slow)


@dataclass
class StreamBench:
    """The input streams ``inputs`` and the output stream ``output`` of a unit.

    Attributes
    ----------
    cycles : clock edges of the last `run`
    taken : words of each input that the last `run` has seen taken
    first_taken : the cycle, from 0, in which the first of them was; None before
    patience : cycles without any move after which the unit counts as stuck
    """

    driver: Driver
    rng: random.Random
    inputs: tuple[str, ...]
    output: str = "o"
    patience: int = 1_000
    cycles: int = 0
    taken: dict[str, int] = field(default_factory=dict)
    first_taken: int | None = None
    _stalled: int | None = None  # what was offered and not taken in the last cycle

    async def idle(self) -> None:
        """Nothing offered, nothing taken, and a reset."""
        self.withdraw()
        self.driver.set(f"{self.output}__ready", 0)
        await reset(self.driver)
        self._stalled = None

    async def interrupt(self, ready: bool, offers: Mapping[str, int] | None = None) -> None:
        """A reset under what the last `run` offered, and ``offers`` by input; the output must then offer nothing."""
        for name, word in (offers or {}).items():
            self.offer(name, word)
        self.driver.set(f"{self.output}__ready", int(ready))
        await reset(self.driver)
        await self.driver.settle()
        assert not self.driver.get(f"{self.output}__valid"), (
            f"{self.output} offers after a reset at cycle {self.cycles}"
        )
        self.withdraw()
        self._stalled = None

    def withdraw(self) -> None:
        """Offer nothing."""
        for name in self.inputs:
            self.offer(name, None)

    def offer(self, name: str, word: int | None) -> None:
        """Drive an input; None is no offer."""
        self.driver.set(f"{name}__valid", int(word is not None))
        if word is not None:
            self.driver.set(f"{name}__payload", word)

    async def run(
        self,
        words: Mapping[str, Sequence[int]],
        outputs: int,
        pace: Pace,
        limit: int | None = None,
        due: Callable[[str], bool] = lambda name: True,
    ) -> list[int]:
        """Offer ``words`` by input until all are taken and ``outputs`` beats have left, or for ``limit`` cycles.

        ``due``: whether the next word of an input may be offered yet; once it may, it must stay so. Returns the beats
        that left, raw. Raises AssertionError where the unit breaks a rule.
        """
        self.taken, self.cycles, self.first_taken = dict.fromkeys(self.inputs, 0), 0, None
        offered, got, idle = dict.fromkeys(self.inputs, False), list[int](), 0
        while self.cycles != limit and (len(got) < outputs or self._left(words)):
            # The pace of the output comes last and has no input.
            for name, willing in zip(self.inputs, pace, strict=False):
                open_ = self.taken[name] < len(words.get(name, ())) and due(name)
                # Once offered it stays so until it is taken.
                offered[name] = open_ and (offered[name] or self.rng.random() < willing)
                self.offer(name, words[name][self.taken[name]] if offered[name] else None)
            beat = await self._take(self.rng.random() < pace[-1])
            moved = [name for name in self.inputs if offered[name] and self.driver.get(f"{name}__ready")]
            for name in moved:
                self.taken[name], offered[name] = self.taken[name] + 1, False
            if moved and self.first_taken is None:
                self.first_taken = self.cycles
            if beat is not None:
                got.append(beat)
                assert len(got) <= outputs, f"beat {len(got)} leaves {self.output}, of {outputs}"
            idle = 0 if moved or beat is not None else idle + 1
            assert idle < self.patience, f"no progress for {idle} cycles: {self.taken} taken, {len(got)} beats out"
            await self.driver.edge()
            self.cycles += 1
        return got

    def _left(self, words: Mapping[str, Sequence[int]]) -> bool:
        """Whether words are still to be taken."""
        return any(self.taken[name] < len(given) for name, given in words.items())

    async def trail(self) -> None:
        """Nothing follows the last beat."""
        self.withdraw()
        for _ in range(TRAILING_CYCLES):
            assert await self._take(True) is None, f"a beat follows the last one of {self.output}"
            await self.driver.edge()

    async def _take(self, ready: bool) -> int | None:
        """The raw beat that leaves on the next edge."""
        # The other value first: the cycle must end under the one that counts.
        other = [await self.offered(not ready)] if self.rng.random() < LOOK_TWICE else []
        beat = await self.offered(ready)
        assert other in ([], [beat]), f"{self.output} goes from {other[0]} to {beat} as its ready becomes {ready}"
        assert self._stalled in (None, beat), f"{self.output} goes from {self._stalled} to {beat} while it is stalled"
        self._stalled = None if ready else beat
        return beat if ready else None

    async def offered(self, ready: bool) -> int | None:
        """What the output offers under this ready, raw; None for nothing."""
        self.driver.set(f"{self.output}__ready", int(ready))
        await self.driver.settle()
        return self.driver.get(f"{self.output}__payload") if self.driver.get(f"{self.output}__valid") else None

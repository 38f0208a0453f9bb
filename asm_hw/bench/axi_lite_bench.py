"""Drives AXI4-Lite under random pauses and holds the unit to its rules."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from .driver import Driver
from .stream_bench import LOOK_TWICE

PATIENCE = 1_000
"""Cycles after which a transaction counts as stuck."""
_ANSWERS = {"b": ("bresp",), "r": ("rdata", "rresp")}
"""Channels of answers, and what they bring."""
ALL_BYTES = 0xF


@dataclass
class AxiLiteBench:
    """The manager of a bus whose signals begin with ``prefix``.

    The rules: an answer comes after all that it answers was taken; once valid it stays so, unchanged, until it is
    taken; it does not depend on its ready.

    Attributes
    ----------
    pace : how often each channel is willing to move in a cycle; 1.0 never pauses
    """

    driver: Driver
    rng: random.Random
    prefix: str = ""
    pace: float = 1.0
    _stalled: dict[str, tuple[int, ...] | None] = field(default_factory=dict)

    def idle(self) -> None:
        """Offer nothing, take nothing."""
        for channel in ("aw", "w", "ar"):
            self._set(f"{channel}valid", 0)
        for channel in _ANSWERS:
            self._set(f"{channel}ready", 0)
        self._stalled = dict.fromkeys(_ANSWERS)

    async def write(self, address: int, data: int, strobes: int = ALL_BYTES) -> int:
        """Write a word; the response."""
        return (await self.exchange(write=(address, data, strobes)))["b"][0]

    async def read(self, address: int) -> tuple[int, int]:
        """Read a word; data and response."""
        data, response = (await self.exchange(read=address))["r"]
        return data, response

    async def exchange(
        self, write: tuple[int, int, int] | None = None, read: int | None = None
    ) -> dict[str, tuple[int, ...]]:
        """A write of (address, data, strobes) and a read at once; what each answer, ``b`` and ``r``, brings.

        Address and data of the write come in either order. Raises AssertionError where the unit breaks a rule.
        """
        left: dict[str, dict[str, int]] = {}
        if write is not None:
            left |= {"aw": {"awaddr": write[0]}, "w": {"wdata": write[1], "wstrb": write[2]}}
        if read is not None:
            left["ar"] = {"araddr": read}
        wanted = {"b" if channel == "w" else "r" for channel in left if channel != "aw"}
        answers: dict[str, tuple[int, ...]] = {}
        offered: set[str] = set()
        for _ in range(PATIENCE):
            for channel, payload in left.items():
                if channel not in offered and self.rng.random() < self.pace:
                    offered.add(channel)
                    for name, value in (payload | {f"{channel}valid": 1}).items():
                        self._set(name, value)
            found = {channel: await self._take(channel, answers, left) for channel in _ANSWERS}
            moved = {channel for channel in offered & left.keys() if self._get(f"{channel}ready")}
            await self.driver.edge()
            for channel in moved:
                del left[channel]
                self._set(f"{channel}valid", 0)
            answers |= {channel: answer for channel, answer in found.items() if answer is not None}
            if answers.keys() == wanted:
                for channel in _ANSWERS:
                    self._set(f"{channel}ready", 0)
                return answers
        raise AssertionError(f"no answer to {write or read} after {PATIENCE} cycles: {sorted(left)} not taken")

    async def _take(self, channel: str, answers: dict[str, tuple[int, ...]], left: dict) -> tuple[int, ...] | None:
        """The answer of a channel that is taken on the next edge."""
        ready = self.rng.random() < self.pace
        other = [await self._answer(channel, not ready)] if self.rng.random() < LOOK_TWICE else []
        answer = await self._answer(channel, ready)
        assert other in ([], [answer]), f"{channel} goes from {other[0]} to {answer} as its ready becomes {ready}"
        before = self._stalled[channel]
        assert before in (None, answer), f"{channel} goes from {before} to {answer} while it is stalled"
        early = left.keys() & ({"aw", "w"} if channel == "b" else {"ar"})
        assert answer is None or not early, f"{channel} answers before {sorted(early)} is taken"
        assert answer is None or channel not in answers, f"{channel} answers twice"
        self._stalled[channel] = None if ready else answer
        return answer if ready else None

    async def _answer(self, channel: str, ready: bool) -> tuple[int, ...] | None:
        """What a channel offers under this ready; None for nothing."""
        self._set(f"{channel}ready", int(ready))
        await self.driver.settle()
        return tuple(self._get(name) for name in _ANSWERS[channel]) if self._get(f"{channel}valid") else None

    def _set(self, name: str, value: int) -> None:
        self.driver.set(self.prefix + name, value)

    def _get(self, name: str) -> int:
        return self.driver.get(self.prefix + name)

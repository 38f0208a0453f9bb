"""When the rows of a streamed program arrive, from a host that offers one in every cycle."""

from __future__ import annotations


class Arrivals:
    """The ring of `WeightStream` in time: a row arrives in each cycle in which the front reads none and there is room.

    ``rows``: how many the program streams, 0 where all were written before. ``capacity``: rows of the memory. A cycle
    is that of `Timeline`; a row that arrives in it can be read in the next one.
    """

    def __init__(self, rows: int, capacity: int):
        self.rows, self._capacity = rows, capacity
        self._arrived = self._first = 0
        self._cycle = 1  # all that arrives before it has been counted

    def frees(self, cycle: int, first: int) -> None:
        """Rows below number ``first`` may be overwritten from ``cycle`` on."""
        self._until(cycle)
        self._first = first

    def reading(self, cycle: int, end: int) -> int:
        """The cycle in which the front, which wants all rows below number ``end`` at ``cycle``, begins to read."""
        if not self.rows:
            return cycle
        self._until(cycle)
        return cycle + max(0, end - self._arrived) + 1

    def reads(self, cycle: int, rows: int) -> None:
        """The front reads so many rows, one a cycle."""
        self._until(cycle)
        self._cycle = cycle + rows

    def _until(self, cycle: int) -> None:
        free = max(0, cycle - self._cycle)
        self._arrived += min(free, self.rows - self._arrived, self._first + self._capacity - self._arrived)
        self._cycle = max(self._cycle, cycle)

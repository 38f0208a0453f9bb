"""Work spread over the cores that this process may use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import cache
from multiprocessing import get_context, parent_process
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")


def usable_cores() -> int:
    """How many cores this process may use: where the system tells, those that it is bound to."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def in_threads(function: Callable[[S], T], items: Iterable[S]) -> list[T]:
    """``function`` of each item, in order, in a thread for each core: for work that waits for other programs."""
    with ThreadPoolExecutor(usable_cores()) as pool:
        return list(pool.map(function, items))


def in_processes(function: Callable[[S], T], items: Iterable[S], together: int = 1) -> Iterator[T]:
    """``function`` of each item, in order, by a process for each core; within one of them, by itself.

    A process takes ``together`` items at a time. A script that measures needs an ``if __name__ == "__main__"``: the
    processes import it.
    """
    return map(function, items) if parent_process() else _processes().map(function, items, chunksize=together)


@cache
def _processes() -> ProcessPoolExecutor:
    """Started once, since each loads PyTorch; not by fork, which threads do not survive."""
    return ProcessPoolExecutor(usable_cores(), get_context("spawn"))

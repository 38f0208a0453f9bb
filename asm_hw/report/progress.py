"""What long commands show while they work."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


@contextmanager
def counting(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """The share of ``total`` that is done, on stderr where that is a terminal; tell it how many more are."""
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as shown:
        task = shown.add_task(what, total=total)
        yield lambda count: shown.advance(task, count)


@contextmanager
def working(what: str) -> Iterator[Callable[[str], None]]:
    """``what`` and the time since it began, on stderr where that is a terminal; tell it what it is at."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as shown:
        task = shown.add_task(what, total=None)
        yield lambda at: shown.update(task, description=f"{what}: {at}")

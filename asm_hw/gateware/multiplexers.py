"""One of several values, by multiplexers that every tool reads alike."""

from amaranth.hdl import Mux, Value


def choose(values: list[Value], index: Value) -> Value:
    """``values[index]``, the last one for what is beyond; the one value where there is no choice."""
    chosen = values[-1]
    for i, value in reversed(list(enumerate(values[:-1]))):
        chosen = Mux(index == i, value, chosen)
    return chosen


def select_counted(values: list[Value], index: Value) -> Value:
    """``values[index]`` by a tree of multiplexers with the lowest bit of ``index`` at its root.

    Where ``index`` counts up, bit b changes every 2**b cycles and there are 2**b multiplexers under it:
    one of them a level switches in a cycle, and not half the tree.
    """
    if len(values) == 1:
        return values[0]
    return Mux(index[0], select_counted(values[1::2], index[1:]), select_counted(values[::2], index[1:]))

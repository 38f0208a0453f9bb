"""One of several values, by multiplexers that every tool reads alike."""

from amaranth.hdl import Mux, Value


def choose(values: list[Value], index: Value) -> Value:
    """``values[index]``, the last one for what is beyond; the one value where there is no choice."""
    chosen = values[-1]
    for i, value in reversed(list(enumerate(values[:-1]))):
        chosen = Mux(index == i, value, chosen)
    return chosen

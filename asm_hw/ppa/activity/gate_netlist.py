"""Verilog of a mapped netlist for simulation: cell models with delays, the netlist, a bench that plays a stream.

Times are in ps. Each cell model drives its outputs through a specify path from every input, with the
delay of a rising and of a falling output; cells alike in kind and delays share a module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from asm_hw.errors import ParameterError
from asm_hw.ppa.netlist.mapped_netlist import Instance, Netlist
from asm_hw.ppa.netlist.static_timing import EDGES
from asm_hw.ppa.technology.cell_functions import Expression
from asm_hw.ppa.technology.cell_types import Cell, ClockGate, FlipFlop, Pin

INPUT_DELAY_PS = 1
"""Inputs change this long after the edge, so that flip-flops on it still take the old ones."""

TIMESCALE = "`timescale 1ps/1fs\n"
SHORTEST_PS = 0.001
"""The precision of `TIMESCALE`: the least that a delay is written as."""

Delays = Mapping[tuple[str, str, str, str], float]
"""(instance, input pin, output pin, edge of the output) to ns, as static timing gives it."""


@dataclass(frozen=True)
class Wiring:
    """Nets of a netlist with one for each unconnected output added: those toggle too.

    ``pins``: net of every pin by instance and pin; ``added``: how many outputs were unconnected.
    """

    pins: dict[str, dict[str, int]]
    added: int


def wire_up(netlist: Netlist, cells: Mapping[str, Cell]) -> Wiring:
    """Every pin of every instance with its net. Raises `ParameterError` where an input has none."""
    # Above all nets of the netlist; 0 and 1 are the constants.
    fresh = first = max(netlist.nets, default=1) + 1
    wired: dict[str, dict[str, int]] = {}
    for instance in netlist.instances.values():
        wired[instance.name] = pins = dict(instance.pins)
        cell = cells[instance.cell]
        for pin in cell.inputs:
            if pin.name not in pins:
                raise ParameterError(f"netlist must connect pin {pin.name} of {instance.name} ({cell.name})")
        for pin in cell.outputs:
            if pin.name not in pins:
                pins[pin.name], fresh = fresh, fresh + 1
    return Wiring(wired, fresh - first)


def to_verilog(netlist: Netlist, cells: Mapping[str, Cell], wiring: Wiring, delays: Delays | None) -> str:
    """Module ``dut`` with a port ``n<net>`` for each bit of the netlist's ports, and the cells it uses."""
    modules: dict[str, str] = {}
    lines = []
    for index, instance in enumerate(netlist.instances.values()):
        body = _model(cells[instance.cell], _paths(instance, cells[instance.cell], delays))
        module = modules.setdefault(body, f"cell_{len(modules)}")
        # Pins are escaped, up to the blank: a library may call one by a word of Verilog.
        pins = ", ".join(f".\\{pin} ({_net(net)})" for pin, net in wiring.pins[instance.name].items())
        lines.append(f"  {module} i{index} ({pins});")
    ports = port_nets(netlist)
    nets = sorted({net for pins in wiring.pins.values() for net in pins.values()} - ports.keys() - {0, 1})
    wires = "".join(f"  wire {_net(net)};\n" for net in nets)
    head = ", ".join(f"{direction} {_net(net)}" for net, direction in ports.items())
    text = "".join(f"module {name}{body}\n" for body, name in modules.items())
    return f"{TIMESCALE}{text}module dut({head});\n{wires}" + "\n".join(lines) + "\nendmodule\n"


def port_nets(netlist: Netlist) -> dict[int, str]:
    """Direction of each net at a port; a net that an input drives counts as input alone."""
    found: dict[int, str] = {}
    # "input" sorts before "output", and `setdefault` keeps it.
    for direction, bits in sorted(netlist.ports.values()):
        for net in bits:
            if net > 1:
                found.setdefault(net, direction)
    return found


def bench(inputs: Sequence[str], clock: str, period_ps: float, cycles: int, depth: int = 1) -> str:
    """A module ``tb`` that plays ``stimulus.hex`` into ``dut`` and writes ``activity.vcd``.

    ``inputs`` are scalar ports, the first takes bit 0 of a line of the stimulus. Cycle k begins with a
    rising edge at (k + 1) periods; its inputs follow `INPUT_DELAY_PS` later.
    """
    width = max(len(inputs), 1)
    ports = ", ".join([f".{clock}(clk)", *(f".{name}(now[{bit}])" for bit, name in enumerate(inputs))])
    low = period_ps / 2
    return f"""module tb;
  reg clk = 0;
  reg [{width - 1}:0] stimulus [0:{cycles - 1}];
  reg [{width - 1}:0] now;
  integer cycle;
  dut dut({ports});
  initial begin
    $readmemh("stimulus.hex", stimulus);
    now = stimulus[0];
    $dumpfile("activity.vcd");
    $dumpvars({depth}, tb.dut);
    #{period_ps:.3f};
    for (cycle = 0; cycle < {cycles}; cycle = cycle + 1) begin
      clk = 1;
      #{INPUT_DELAY_PS} now = stimulus[cycle];
      #{low - INPUT_DELAY_PS:.3f} clk = 0;
      #{period_ps - low:.3f};
    end
    $finish;
  end
endmodule
"""


def _net(net: int) -> str:
    return f"1'b{net}" if net < 2 else f"n{net}"


def _paths(instance: Instance, cell: Cell, delays: Delays | None) -> list[str]:
    if delays is None or cell.clock_gate:  # the clock is ideal: a gated edge is as early as the others
        return []
    return [
        f"    (\\{source.name} => \\{output.name} ) = ({_ps(rise)}, {_ps(fall)});\n"
        for output in cell.outputs
        for source in cell.inputs
        for rise, fall in [[delays.get((instance.name, source.name, output.name, edge)) for edge in EDGES]]
        if rise or fall
    ]


def _ps(delay_ns: float | None) -> str:
    return f"{max(1000 * (delay_ns or 0.0), SHORTEST_PS):.3f}"


def _model(cell: Cell, paths: list[str]) -> str:
    """The body of a module that behaves as ``cell``."""
    ports = [f"{pin.direction} \\{pin.name} " for pin in (*cell.inputs, *cell.outputs)]
    state, states = _state(cell)
    drives = "".join(f"  assign \\{pin.name} = {_function(cell, pin, states)};\n" for pin in cell.outputs)
    specify = f"  specify\n{''.join(paths)}  endspecify\n" if paths else ""
    return f"({', '.join(ports)});\n{state}{drives}{specify}endmodule\n"


def _function(cell: Cell, pin: Pin, states: tuple[str, ...]) -> str:
    if not pin.function:
        raise ParameterError(f"liberty cell {cell.name} must have a function at pin {pin.name}")
    return _verilog(pin.function, states)


def _verilog(expression: str, states: tuple[str, ...] = ()) -> str:
    """A Liberty expression over escaped pin names and over ``states``."""
    parsed = Expression(expression)
    return parsed.verilog({name: name if name in states else f"\\{name} " for name in parsed.names})


def _state(cell: Cell) -> tuple[str, tuple[str, ...]]:
    """What a cell remembers: Verilog that drives its states, and their names."""
    if cell.clock_gate:
        return _gate_state(cell, cell.clock_gate), (cell.clock_gate.state,)
    if cell.latch:
        raise ParameterError(f"liberty cell {cell.name} must be a gate, a flip-flop or a clock gate, not a latch")
    return (_flip_flop_state(cell.ff), cell.ff.states) if cell.ff else ("", ())


def _gate_state(cell: Cell, gate: ClockGate) -> str:
    if not gate.kind.startswith("latch_posedge") or not gate.state:
        raise ParameterError(f"liberty cell {cell.name} must be a clock gate of kind latch_posedge, not {gate.kind}")
    # The latch is open while the clock is low, so an enable that moves under a high clock makes no pulse.
    open_ = f"\\{gate.enable} " + (f"| \\{gate.test} " if gate.test else "")
    return f"  reg {gate.state};\n  always @* if (!\\{gate.clock} ) {gate.state} = {open_};\n"


def _flip_flop_state(ff: FlipFlop) -> str:
    state, inverse = ff.states
    levels = [
        (name, _verilog(text), value) for name, text, value in (("clr", ff.clear, 0), ("pre", ff.preset, 1)) if text
    ]
    wires = f"  wire ff_clk = {_verilog(ff.clocked_on)};\n" + "".join(f"  wire ff_{n} = {t};\n" for n, t, _ in levels)
    edges = " or ".join(["posedge ff_clk", *(f"posedge ff_{name}" for name, _, _ in levels)])
    first = "".join(f"if (ff_{name}) {state} <= {value}; else " for name, _, value in levels)
    # Some value, as in silicon: from x a mapped netlist may never leave, since a & x | a & ~x is x and not a.
    return (
        f"  reg {state} = $random;\n  wire {inverse} = ~{state};\n{wires}"
        f"  always @({edges}) {first}{state} <= {_verilog(ff.next_state, ff.states)};\n"
    )

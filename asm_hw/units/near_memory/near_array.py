"""The near-memory array without its memory: rows in, products, outputs."""

from amaranth.hdl import Module, Shape, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from asm_hw.gateware.adders import ADDER_PARTS
from asm_hw.gateware.datapath import BRANCH, DATAPATH_PARTS, Datapath
from asm_hw.gateware.multiplexers import choose
from asm_hw.gateware.requantize_stage import RequantizeStage
from asm_hw.gateware.shapes import struct_of

from .bus_loader import bus_members
from .near_column import NearColumn
from .near_control import Control
from .near_memory_config import NearMemoryConfig

_SHARED = ("swap", "entry", "clear", "add", "write", "open", "finish")
"""What the control tells all columns alike."""


def near_streams(config: NearMemoryConfig) -> dict:
    """The streams of commands, activations and outputs, as members of a signature."""
    out = data.ArrayLayout(Shape(config.out_bits, config.out_signed), config.beat_columns)
    return {
        "i_command": In(stream.Signature(data.StructLayout(config.command_fields))),
        "i": In(stream.Signature(data.ArrayLayout(config.activation.code_bits, config.lanes))),
        "o": Out(stream.Signature(out)),
    }


class NearArray(wiring.Component):
    """Decoders, columns of lanes, requantize units and their control; see `NearMemory` for the streams.

    Members
    -------
    i_command, i, o : streams
    read : Out(1), read ``address`` on this edge
    address : Out(``config.row_address_bits``)
    row : In(``config.row_bits``), what was read last
    grant, settled : as `BusLoader`, where ``config.waits``
    """

    signal_parts = {
        r"read|address|i_command__\w*|(i|o)__(valid|ready)|[xo]_(valid|ready)": "control",
        r"rst|load|swap|entry|clear|add|write|open|finish": "control",
        r"row|branch_\d+\w*": "weight_registers",
        r"i__payload": "activations",
        r"channel_\d+\w*": "requantize",
        **DATAPATH_PARTS,
        **ADDER_PARTS,
    }

    def __init__(self, config: NearMemoryConfig):
        self._config = config
        memory = {"read": Out(1), "address": Out(config.row_address_bits), "row": In(config.row_bits)}
        super().__init__(near_streams(config) | memory | bus_members(config))

    def elaborate(self, platform):
        m = Module()
        config, datapath = self._config, Datapath(self._config.product, self._config.adders)
        m.submodules.control = control = Control(config)
        row = self.row
        codes = [row[i * config.weight.code_bits : (i + 1) * config.weight.code_bits] for i in range(config.lanes)]
        weights = [datapath.add_weight(m, f"weight_{i}", code) for i, code in enumerate(codes)]
        shared = datapath.add_activations(m, self.i.payload)
        self._streams(m, control)
        sums, channels = [], []
        for index in range(config.columns):
            # Columns side by side share the branch that was made for the first of them.
            if index % BRANCH == 0:
                here = control.load[index : index + BRANCH].any()
                branch = datapath.add_branch(m, f"branch_{index}", weights, here)
            m.submodules[f"column_{index}"] = column = NearColumn(config, datapath, shared)
            m.d.comb += [
                *(getattr(column, name).eq(getattr(control, name)) for name in _SHARED),
                column.load.eq(control.load[index]),
                column.weights.eq(branch),
                *(column.x[lane].eq(x) for lane, x in enumerate(shared)),
            ]
            sums.append(column.acc)
            channels.append(self._channel(m, index, row, control.parameters[index]))
        self._requantize(m, sums, channels, control.group)
        return m

    def _streams(self, m: Module, control: Control) -> None:
        m.d.comb += [
            self.read.eq(control.read),
            self.address.eq(control.address),
            control.command.payload.eq(self.i_command.payload),
            control.command.valid.eq(self.i_command.valid),
            self.i_command.ready.eq(control.command.ready),
            control.x_valid.eq(self.i.valid),
            self.i.ready.eq(control.x_ready),
            self.o.valid.eq(control.o_valid),
            control.o_ready.eq(self.o.ready),
        ]
        if self._config.waits:
            m.d.comb += [control.grant.eq(self.grant), self.settled.eq(control.settled)]

    def _channel(self, m: Module, index: int, row, parts):
        """The registers of a column's requantize parameters."""
        shape = struct_of(self._config.requantize.fields)
        # No reset: no sum is finished before all parts have arrived (``ready`` of the loader).
        channel = Signal(shape, name=f"channel_{index}", reset_less=True)
        bits, width = channel.as_value(), self._config.row_bits
        for part in range(self._config.rows_per_channel):
            piece = bits[part * width : (part + 1) * width]
            with m.If(parts[part]):
                # The last part may fill the low bits of its row alone.
                m.d.sync += piece.eq(row[: len(piece)])
        return channel

    def _requantize(self, m: Module, sums: list, channels: list, group) -> None:
        """``outputs`` requantize units; each serves the columns of its place in every group."""
        count = self._config.beat_columns
        for index in range(count):
            m.submodules[f"requantize_{index}"] = unit = RequantizeStage(self._config.requantize)
            m.d.comb += [
                # Groups are columns side by side: place ``index`` of the next group is ``count`` columns on.
                unit.acc.eq(choose(sums[index::count], group)),
                unit.channel.eq(choose(channels[index::count], group)),
                self.o.payload[index].eq(unit.y),
            ]

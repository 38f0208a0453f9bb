"""An engine whose control is a register file behind AXI4-Lite; data pass as they do without it."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from asm_hw.gateware.axi_lite_port import axi_lite_members, join_axi_lite
from asm_hw.gateware.register_file import RegisterFile
from asm_hw.gateware.register_map import map_address_bits

from .engine_config import EngineConfig
from .engine_counters import COUNTED, COUNTS
from .engine_registers import BUS, REGISTERS
from .engine_unit import Engine
from .program_header import ERRORS

ADDRESS_BITS = map_address_bits(REGISTERS)
BUS_MEMBERS = axi_lite_members(ADDRESS_BITS)


class EngineControl(wiring.Component):
    """The registers, and the handshake of a Vitis HLS block (``ap_ctrl_hs``) with an engine.

    A written ap_start starts the engine and stays until the program has ended; written again meanwhile it changes
    nothing. The end sets ap_done and ap_ready, for an engine takes no input before, and what IP_IER enables in IP_ISR.

    Members
    -------
    awaddr, ... : AXI4-Lite
    interrupt : Out(1), high while IP_ISR is not 0 and GIE is set; one cycle after them
    start : Out(1), one cycle
    busy, error, layer, counts : In, those of `Engine`
    """

    signal_parts = {r".*": "control"}

    def __init__(self):
        engine = {"start": Out(1), "busy": In(1), "error": In(range(len(ERRORS))), "layer": In(16)}
        super().__init__(BUS_MEMBERS | {"interrupt": Out(1)} | engine | {"counts": In(COUNTS)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.registers = file = RegisterFile(REGISTERS)
        join_axi_lite(m, self, file, ADDRESS_BITS)
        running, ends = Signal(), Signal()
        with m.If(self.start | ends):
            m.d.sync += running.eq(self.start)
        m.d.comb += [
            self.start.eq(file.ctrl_ap_start & ~running),
            # Of a program that is refused the engine is never busy.
            ends.eq(running & ~self.busy),
            file.ctrl_ap_start_clear.eq(ends), file.ctrl_ap_done_set.eq(ends), file.ctrl_ap_ready_set.eq(ends),
            file.ctrl_ap_idle.eq(~running & ~file.ctrl_ap_start), file.ctrl_interrupt.eq(self.interrupt),
            file.ip_isr_ap_done_set.eq(ends & file.ip_ier_ap_done),
            file.ip_isr_ap_ready_set.eq(ends & file.ip_ier_ap_ready),
            file.error_error.eq(self.error), file.layer_layers.eq(self.layer),
            *(getattr(file, f"{name}_count").eq(self.counts[name]) for name in COUNTED),
        ]  # fmt: skip
        m.d.sync += self.interrupt.eq(file.gie_enable & (file.ip_isr_ap_done | file.ip_isr_ap_ready))
        return m


class AxiLiteEngine(wiring.Component):
    """`Engine` behind `EngineControl`.

    Members
    -------
    i : In(stream of target, address, data)
    s_axi_control_... : AXI4-Lite, 32 bits of data (`asm_hw.units.engine.engine_registers`)
    interrupt : Out(1), level
    read_enable, read_address : In, a word of activation memory: bank below, then row, then segment
    read_data : Out(``word_bits``), after the edge
    """

    signal_parts = {r".*": "control"}

    def __init__(self, config: EngineConfig):
        self._config = config
        bus = {f"{BUS}_{name}": member for name, member in BUS_MEMBERS.items()}
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout(config.access_fields))),
                **bus,
                "interrupt": Out(1),
                "read_enable": In(1),
                "read_address": In(config.host_address_bits),
                "read_data": Out(config.word_bits),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.engine = engine = Engine(self._config)
        m.submodules.control = control = EngineControl()
        join_axi_lite(m, self, control, ADDRESS_BITS, f"{BUS}_")
        m.d.comb += [
            engine.i.valid.eq(self.i.valid), engine.i.payload.eq(self.i.payload), self.i.ready.eq(engine.i.ready),
            engine.start.eq(control.start), control.busy.eq(engine.busy), control.error.eq(engine.error),
            control.layer.eq(engine.layer), control.counts.eq(engine.counts), self.interrupt.eq(control.interrupt),
            engine.read_enable.eq(self.read_enable), engine.read_address.eq(self.read_address),
            self.read_data.eq(engine.read_data),
        ]  # fmt: skip
        return m


def engine_component(config: EngineConfig) -> wiring.Component:
    """The component of a configuration."""
    return AxiLiteEngine(config) if config.control == "axi_lite" else Engine(config)

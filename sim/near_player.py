"""Plays whole layers through an emitted ``near_memory`` unit, by the stream test bench."""

from __future__ import annotations

from pathlib import Path

from asm_hw.emission.emit_folder import Emitted
from asm_hw.numbers.bit_fields import pack, unpack, unpack_signed
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig
from asm_hw.units.near_memory.near_memory_program import Program

from .stream_simulation import StreamSimulation, emitted_config, hex_lines, payload_widths


class NearPlayer:
    """An emitted ``near_memory`` unit compiled with the stream test bench (Verilator)."""

    def __init__(self, emitted: Emitted, build: Path):
        self._config = emitted_config(emitted, NearMemoryConfig)
        widths = payload_widths(emitted, {"I": "i", "W": "i_weight", "C": "i_command", "O": "o"})
        self._simulation = StreamSimulation(build, emitted.manifest["top"], widths, emitted.verilog)

    def play(self, program: Program, pace: int = 100) -> tuple[list[list[int]], int]:
        """Outputs [vectors][outputs] and cycles, those included in which the weights are written.

        ``pace``: percentage of cycles in which a stream is willing to move. Raises RuntimeError if the unit
        stalls.
        """
        config = self._config
        rows = enumerate(program.rows, program.blocks[0].row)
        streams = {
            # A beat has the address in its low bits, the row above it.
            "i_weight": hex_lines(row | word << config.row_address_bits for row, word in rows),
            "i_command": hex_lines(map(config.command_word, program.blocks)),
            "i": hex_lines(pack(beat, config.activation.code_bits) for beat in program.x),
        }
        groups = config.columns // config.beat_columns
        raw, cycles = self._simulation.play(streams, sum(b.vectors for b in program.blocks) * groups, pace)
        elements = unpack_signed if config.out_signed else unpack
        return program.gather([elements(beat, config.out_bits, config.beat_columns) for beat in raw]), cycles

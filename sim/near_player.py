"""Plays whole layers through an emitted ``near_memory`` unit, by the stream test bench."""

from __future__ import annotations

from pathlib import Path

from asm_hw.emission.emit_folder import Emitted
from asm_hw.emission.manifest import config_of
from asm_hw.numbers.integers import to_signed
from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig
from asm_hw.units.near_memory.near_memory_program import Program

from .dot_player import StreamBench


class NearPlayer:
    """An emitted ``near_memory`` unit compiled with the stream test bench (Verilator)."""

    def __init__(self, emitted: Emitted, build: Path):
        config = config_of(emitted.manifest)
        assert isinstance(config, NearMemoryConfig)
        self._config = config
        names = {"I": "i__payload", "W": "i_weight__payload", "C": "i_command__payload", "O": "o__payload"}
        ports = {port["name"]: port["width"] for port in emitted.manifest["ports"]}
        widths = {name: ports[port] for name, port in names.items()}
        self._bench = StreamBench(build, emitted.manifest["top"], widths, emitted.verilog)

    def play(self, program: Program, pace: int = 100) -> tuple[list[list[int]], int]:
        """Outputs [vectors][outputs] and cycles, those included in which the weights are written.

        ``pace``: percentage of cycles in which a stream is willing to move. Raises RuntimeError if the unit
        stalls.
        """
        config = self._config
        first = program.blocks[0].row
        lines = {
            "i_weight": [row | word << config.row_address_bits for row, word in enumerate(program.rows, first)],
            "i_command": [config.command_word(block) for block in program.blocks],
            "i": [sum(code << i * config.activation.code_bits for i, code in enumerate(beat)) for beat in program.x],
        }
        groups = config.columns // config.beat_columns
        streams = {name: "".join(f"{word:x}\n" for word in words) for name, words in lines.items()}
        raw, cycles = self._bench.play(streams, sum(b.vectors for b in program.blocks) * groups, pace)
        return program.gather([self._values(beat) for beat in raw]), cycles

    def _values(self, raw: int) -> list[int]:
        config, bits = self._config, self._config.out_bits
        values = [raw >> i * bits & (1 << bits) - 1 for i in range(config.beat_columns)]
        return [to_signed(value, bits) for value in values] if config.out_signed else values

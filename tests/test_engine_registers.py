"""The registers of an engine: a block of Vitis HLS, cycle by cycle, and just what its SystemRDL says."""

from __future__ import annotations

import random
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from register_model import CTRL, ERROR, GIE, IER, ISR, OKAY, SLVERR, check_outstanding, check_traffic, play
from systemrdl import RDLCompiler
from systemrdl.rdltypes import AccessType, OnReadType, OnWriteType

from asm_hw.emission.emit_folder import emit, render
from asm_hw.errors import ParameterError
from asm_hw.gateware.register_map import to_markdown
from asm_hw.units.catalog import CATALOG
from asm_hw.units.engine.engine_config import EngineConfig
from asm_hw.units.engine.engine_registers import RDL_FILE, REGISTERS
from asm_hw.units.engine.program_header import ERRORS, engine_number

CONFIG = next(config for config in CATALOG.values() if config.parameters.get("control") == "axi_lite")
WORDS = range(0, 0x40, 4)
PAGE = Path(__file__).resolve().parent.parent / "docs" / "engine.md"


# Words that mean something more often than others, and bytes of them.
_ADDRESSES = st.one_of(st.sampled_from([CTRL, GIE, IER, ISR]), st.integers(0, 0x3F))
_WRITES = st.tuples(
    _ADDRESSES, st.one_of(st.integers(0, 3), st.integers(0, 2**32 - 1)), st.sampled_from([15, 15, 1, 14, 0])
)
_OPERATIONS = st.lists(
    st.tuples(st.none() | _WRITES, st.none() | _ADDRESSES, st.integers(0, 9)).filter(
        lambda one: one[:2] != (None, None)
    ),
    min_size=10,
    max_size=60,
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(_OPERATIONS, st.sampled_from([1.0, 0.6, 0.2]), st.integers(0, 3))
def test_any_traffic_is_answered_as_by_a_block_of_vitis_hls(operations, pace, seed):
    check_traffic(operations, pace, seed)


def test_answers_wait_for_one_another():
    check_outstanding()


@pytest.mark.parametrize("offset", range(12))
def test_an_end_is_never_lost_to_a_read(offset):
    """Wherever in a read of CTRL the program ends, ap_done is seen once."""

    async def bench(engine, bus):
        engine.longest = 0
        await engine.exchange(bus, write=(CTRL, 1, 15))
        for _ in range(6):
            await engine.edge()
        await engine.exchange(bus, read=CTRL)
        seen = 0
        engine.longest, engine._rng = 1, random.Random(1)
        await engine.exchange(bus, write=(CTRL, 1, 15))
        engine.left = offset
        engine.set("busy", int(offset > 0))
        for _ in range(8):
            seen += (await engine.exchange(bus, read=CTRL))["r"][0] >> 1 & 1
        assert (engine.started, engine.ended, seen) == (2, 2, 1)

    play(bench)


def test_unaligned_addresses_mean_their_word():
    async def bench(engine, bus):
        assert (await engine.exchange(bus, write=(GIE + 3, 1, 1)))["b"] == (OKAY,)
        for byte in range(4):
            assert (await engine.exchange(bus, read=GIE + byte))["r"] == (1, OKAY)

    play(bench)


def compiled(text, tmp_path):
    """The address map in the text of a description."""
    path = tmp_path / RDL_FILE
    path.write_text(text)
    compiler = RDLCompiler()
    compiler.compile_file(str(path))
    return compiler.elaborate().top


@pytest.fixture(scope="module")
def described(emit_once, tmp_path_factory):
    return compiled((emit_once(CONFIG).folder / RDL_FILE).read_text(), tmp_path_factory.mktemp("rdl"))


def fields_of(node):
    return [(register.absolute_address, field) for register in node.registers() for field in register.fields()]


def test_the_description_has_these_registers(described):
    """Those of Vitis HLS at its addresses, then error, layers and counters."""
    found = {address: set() for address, _ in fields_of(described)}
    for address, field in fields_of(described):
        found[address].add((field.inst_name, field.low, field.high))
    done_and_ready = {("ap_done", 0, 0), ("ap_ready", 1, 1)}
    assert found == {
        CTRL: {("ap_start", 0, 0), ("ap_done", 1, 1), ("ap_idle", 2, 2), ("ap_ready", 3, 3), ("interrupt", 9, 9)},
        GIE: {("enable", 0, 0)}, IER: done_and_ready, ISR: done_and_ready,
        0x10: {("error", 0, 2)}, 0x14: {("layers", 0, 15)}, **{0x18 + 4 * i: {("count", 0, 31)} for i in range(8)},
    }  # fmt: skip
    names = [register.inst_name for register in described.registers()][6:]
    words = ["SOURCE_WORDS", "SKIP_WORDS", "OUTPUT_WORDS"]
    assert names == ["STEPS", "IDLE", "STREAM_WAITS", "WEIGHT_ROWS", "STREAMED_ROWS", *words]
    error = next(field for address, field in fields_of(described) if address == ERROR)
    assert [(member.name, member.value) for member in error.get_property("encode")] == list(
        zip(ERRORS, range(5), strict=True)
    )


def of(field, word):
    return word >> field.low & (1 << field.width) - 1


def test_resets_are_those_of_the_description(described):
    async def bench(engine, bus):
        engine.drive(dict.fromkeys(engine.model.status, 0))
        for address, field in fields_of(described):
            word, response = (await engine.exchange(bus, read=address))["r"]
            wanted = field.get_property("reset")
            assert (of(field, word), response) == (wanted or 0, OKAY), field.get_path()
            assert (wanted is None) == (address >= 0x18), "counters alone have no reset"

    play(bench)


def test_writes_do_what_the_description_says(described):
    """All ones, ones again, zeros: by the properties of each field, on a block that stays busy once it runs."""
    by_write = {None: lambda value, data: data, OnWriteType.woset: int.__or__, OnWriteType.wot: int.__xor__}

    async def bench(engine, bus):
        held = {}
        for data in (0, 2**32 - 1, 2**32 - 1, 0):
            for register in described.registers():
                before = (await engine.exchange(bus, read=register.absolute_address))["r"][0]
                await engine.exchange(bus, write=(register.absolute_address, data, 15))
                engine.left = 1_000 if engine.started else 0
                after = (await engine.exchange(bus, read=register.absolute_address))["r"][0]
                for field in register.fields():
                    if field.get_property("sw") is AccessType.rw:
                        change = by_write[field.get_property("onwrite")]
                        wanted = change(of(field, before), of(field, data))
                        assert of(field, after) == wanted, field.get_path()
                        held[field.get_path()] = wanted
                    elif field.get_property("hw") is AccessType.w and register.absolute_address != CTRL:
                        assert of(field, after) == of(field, before), field.get_path()
                covered = sum((1 << f.width) - 1 << f.low for f in register.fields())
                assert after & ~covered == 0, "bits without a field"
        assert len(held) == 6
        assert engine.started == 1

    play(bench)


def test_reads_do_what_the_description_says(described):
    """Fields that a read clears, and no others, are 1 in the first read after an end and 0 in the second."""

    async def bench(engine, bus):
        await engine.exchange(bus, write=(CTRL, 1, 15))
        while not engine.ended:
            await engine.edge()
        await engine.edge()
        first, second = [(await engine.exchange(bus, read=CTRL))["r"][0] for _ in range(2)]
        cleared = [f for a, f in fields_of(described) if f.get_property("onread") is OnReadType.rclr and a == CTRL]
        assert first ^ second == sum(1 << field.low for field in cleared) == first & ~(1 << 2)

    play(bench)


def test_words_beyond_the_map_are_refused(described):
    known = {register.absolute_address for register in described.registers()}

    async def bench(engine, bus):
        for address in WORDS:
            wanted = OKAY if address in known else SLVERR
            assert (await engine.exchange(bus, write=(address, 0, 15)))["b"] == (wanted,)
            word, response = (await engine.exchange(bus, read=address))["r"]
            assert response == wanted
            assert address in known or word == 0

    play(bench)


def test_the_page_has_the_table():
    assert to_markdown(REGISTERS) in PAGE.read_text()


def test_only_an_engine_with_registers_has_the_description(tmp_path):
    assert RDL_FILE in render(CONFIG, "unit")
    ports = CONFIG.core
    assert RDL_FILE not in render(ports, "unit")
    assert "s_axi" not in emit(ports, tmp_path).verilog.read_text()


def test_programs_are_the_same_for_any_control_and_memory():
    ports = replace(CONFIG, control="ports", memory="inferred")
    assert CONFIG.core == ports == ports.core
    assert engine_number(CONFIG) == engine_number(ports) != engine_number(replace(ports, hold=16))
    assert CONFIG.slug == f"{ports.slug}_axi_lite_macro"
    unnamed = {"control", "memory", "tables", "terms"}  # acc_bits says terms, the others are as they always were
    assert {f.name for f in fields(ports)} - set(ports.parameters) == unnamed
    assert EngineConfig(**CONFIG.parameters) == CONFIG


def test_another_control_is_refused():
    with pytest.raises(ParameterError, match="control must be one of ports, axi_lite, not 'axi'"):
        replace(CONFIG, control="axi")

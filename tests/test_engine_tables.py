"""Functions on engines: results that are looked up, alone and behind what computes them, to the value and cycle."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from table_networks import TableNetwork, one_table
from test_engine_networks import MEMORIES

from asm_hw.compiler.bitline_program import compile_bitline
from asm_hw.compiler.compile_network import compile_network
from asm_hw.compiler.fitted_array import array_for
from asm_hw.compiler.program_file import from_json, to_json
from asm_hw.compiler.program_folder import ProgramFolder
from asm_hw.compiler.result_tables import needed_tables
from asm_hw.errors import ParameterError
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.report.engine_run import random_inputs, run_engine
from asm_hw.units.engine.engine_config import EngineConfig

SMALL = MEMORIES | {"segments": 4, "bank_rows": 512}
ENGINES = {
    "windows": EngineConfig(alphabets=(1, 3), lanes=18, taps=9, columns=4, hold=8, tables=5, **SMALL),
    "rows": EngineConfig(
        alphabets=(1,), act_alphabets=(1, 3), act_bits=8, lanes=9, taps=3, columns=6, hold=9, stages=2, tables=1,
        memory="macro", **SMALL,
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=ENGINES)
def engine(request, emit_once):
    """An engine of each kind."""
    config = ENGINES[request.param]
    return config, emit_once(config)


def check(config, emitted, network, inputs):
    """All tensors, cycles and accesses of a network on an engine."""
    program = compile_network(network, config)
    report = run_engine(ProgramFolder(program, network, emitted), inputs)
    assert report.mismatches == 0, report.first_difference
    assert report.compared > 0 and report.as_predicted, report.to_json()
    return program


def network_of(config, seed):
    encoded = config.act_alphabets and tuple(config.act_alphabets)
    return TableNetwork(seed, tuple(config.alphabets), config.act_bits, encoded).network()


@settings(max_examples=12, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1 << 30))
def run_examples(engine, seed):
    config, emitted = engine
    network = network_of(config, seed)
    if needed_tables(network) <= config.tables:
        check(config, emitted, network, random_inputs(network, 2, seed))
        return
    with pytest.raises(ParameterError, match=rf"tables must be at least \d+ .* layer 'n\d+' .*, not {config.tables}"):
        compile_network(network, config)


def test_random_networks_equal_golden_in_every_tensor_cycle_and_access(engine):
    run_examples(engine)


@pytest.mark.parametrize("taken", [ActivationFormat(8, True), ActivationFormat(8), ActivationFormat(3, True)], ids=str)
@pytest.mark.parametrize("stored", [ActivationFormat(8, True), ActivationFormat(4)], ids=str)
def test_every_integer_is_looked_up(engine, taken, stored):
    config, emitted = engine
    network = one_table(taken, stored, shape=(3, 10, 9))
    low, high = taken.binary_range
    x = torch.arange(low, high + 1).repeat(270)[:270].view(1, 3, 10, 9)
    assert x.unique().numel() == 1 << taken.bits
    check(config, emitted, network, x)


def networks(config, count):
    found = (network_of(config, seed) for seed in range(100 * count))
    return [network for network in found if 0 < needed_tables(network) <= config.tables][:count]


def test_a_table_behind_a_layer_costs_no_layer_of_its_own():
    config = ENGINES["windows"]
    fused = alone = 0
    for network in networks(config, 20):
        program = compile_network(network, config)
        tables = {layer.name for layer in network.layers if layer.kind == "table"}
        own = tables & {layer.name for layer in program.layers}
        fused, alone = fused + len(tables - own), alone + len(own)
        for name in tables:
            assert name in program.tensors
    assert fused > 5 and alone > 5


def test_programs_with_tables_come_back_from_a_file(tmp_path):
    config = ENGINES["windows"]
    program = compile_network(networks(config, 1)[0], config)
    (tmp_path / "program.json").write_text(to_json(program))
    again = from_json(tmp_path / "program.json")
    assert again.rows == program.rows and len(again.tables) % 256 == 0 and again.tables
    assert sum(target == "tables" for target, _, _ in program.rows) == len(program.tables)


def test_what_has_no_room_for_a_table_is_refused_by_name():
    config, u8 = ENGINES["windows"], ActivationFormat(8)
    network = one_table(u8, u8)
    plain = replace(config, tables=0)
    with pytest.raises(
        ParameterError, match=r"tables must be at least 1 for this network, in which layer 'f' .* not 0"
    ):
        compile_network(network, plain)
    with pytest.raises(ParameterError, match="layer 'f' must give at most 8 bits on an engine, not 16"):
        compile_network(one_table(u8, ActivationFormat(16)), config)
    with pytest.raises(ParameterError, match="stages must be at most 3 in an engine with tables, not 4"):
        replace(config, stages=4)
    network = next(n for n in networks(config, 20) if n.products)
    with pytest.raises(ParameterError, match=r"layer 'n\d+' must be a node that is counted beside a bitline array"):
        compile_bitline(network, array_for(network))


def test_engines_without_tables_are_called_as_before():
    config = EngineConfig()
    assert "tables" not in config.parameters and config.slug == replace(config, tables=0).slug
    assert replace(config, tables=2).parameters["tables"] == 2 and replace(config, tables=2).slug != config.slug
    assert replace(config, tables=2).last_stage == config.last_stage + 2

"""Networks on engines: every stored tensor, every cycle and every access as golden and the model say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import RandomNetwork

from asm_hw.compiler.compile_network import compile_network
from asm_hw.compiler.program_folder import ProgramFolder
from asm_hw.errors import ParameterError
from asm_hw.report.engine_run import random_inputs, run_engine
from asm_hw.sim.engine_player import EnginePlayer
from asm_hw.units.engine.engine_config import EngineConfig
from asm_hw.units.engine.program_header import ERRORS, PATIENCE_BITS

MEMORIES = {"segments": 16, "bank_rows": 256, "weight_rows": 1 << 16, "program_rows": 1 << 13}
ENGINES = {
    "windows": EngineConfig(alphabets=(1, 3), lanes=18, taps=9, columns=4, hold=8, **MEMORIES),
    "rows": EngineConfig(
        alphabets=(1,), act_alphabets=(1, 3), act_bits=8, lanes=9, taps=3, columns=6, hold=9, **MEMORIES
    ),
    "points": EngineConfig(
        alphabets=(1, 3), act_alphabets=(1,), lanes=4, taps=1, columns=8, hold=16, memory="macro", **MEMORIES
    ),
    "stages": EngineConfig(
        alphabets=(1,),
        lanes=18,
        taps=9,
        columns=2,
        hold=8,
        stages=3,
        structure="tree",
        accumulators="memory",
        **MEMORIES,
    ),
    "streams": EngineConfig(alphabets=(1, 3), lanes=18, taps=9, columns=4, hold=8, **MEMORIES | {"weight_rows": 256}),
}


@pytest.fixture(scope="module", params=ENGINES)
def emitted(request, emit_once):
    """An engine of each kind."""
    return emit_once(ENGINES[request.param])


def check_network(emitted, seed):
    """A random network on the engine, two inputs."""
    config = next(config for config in ENGINES.values() if config.slug == emitted.manifest["top"])
    encoded = config.act_alphabets and tuple(config.act_alphabets)
    network = RandomNetwork(seed, tuple(config.alphabets), config.act_bits, encoded).network()
    try:
        program = compile_network(network, config)
    except ParameterError as error:
        # A layer of this many weights is too large for the small memory, from which the others stream.
        assert config == ENGINES["streams"] and "holds a pass of layer" in str(error)
        return
    report = run_engine(ProgramFolder(program, network, emitted), random_inputs(network, 2, seed))
    assert report.mismatches == 0, report.first_difference
    assert report.compared > 0
    assert report.as_predicted, report.to_json()
    assert len(report.cycles) == 2


@settings(max_examples=12, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1 << 30))
def run_examples(emitted, seed):
    check_network(emitted, seed)


def test_random_networks_equal_golden_in_every_tensor_cycle_and_access(emitted):
    run_examples(emitted)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(20))
def test_more_random_networks(emitted, seed):
    check_network(emitted, seed)


def test_another_network_runs_on_the_same_verilog(emit_once):
    config = ENGINES["windows"]
    emitted = emit_once(config)
    player = EnginePlayer(emitted)
    for seed in (1, 2, 1):
        network = RandomNetwork(seed, (1, 3), 4).network()
        program = compile_network(network, config)
        x = random_inputs(network, 1, seed)
        (run,) = player.run(program, x.numpy().reshape(1, *program.input_shape))
        expected = network(x)[0].numpy()
        assert run.done
        assert np.array_equal(program.tensor(program.output, run.layers[-1].memory).ravel(), expected.ravel())


def test_a_thousand_spoiled_programs_end_with_an_error(emit_once):
    """Bits flipped, rows lost, rows swapped, of another engine: an error in bounded cycles, and the next one runs."""
    config = ENGINES["windows"]
    player = EnginePlayer(emit_once(config))
    network = RandomNetwork(1, (1, 3), 4).network()
    program = compile_network(network, config)
    generator = torch.Generator().manual_seed(0)

    def draw(high):
        return int(torch.randint(high, (), generator=generator))

    jobs = []
    for _ in range(1000):
        rows = list(program.rows)
        kind, place = draw(3), draw(len(rows))
        if kind == 0:
            target, address, data = rows[place]
            width = 64 if target == "program" else config.row_bits
            rows[place] = (target, address, data ^ 1 << draw(width))
        elif kind == 1:
            del rows[max(place, 1) :]
        elif rows[place][2] == rows[place - 1][2] or place == 0:
            continue
        else:
            (one, first, data), (other, second, following) = rows[place - 1 : place + 1]
            if one != other:
                continue
            rows[place - 1 : place + 1] = [(one, first, following), (other, second, data)]
        jobs.append((rows, ()))
    assert len(jobs) > 600
    # The limit of the header, in whose bits an error may leave a right program with another limit.
    most = program.cycles * 2
    runs = list(player.run_rows(jobs, most))
    assert len(runs) == len(jobs)
    assert all(run.done for run in runs)
    spoiled = [run for run in runs if run.error]
    assert all(run.cycles == program.cycles for run in runs if not run.error)
    assert len(spoiled) > 0.95 * len(runs)
    assert {ERRORS[run.error] for run in spoiled} >= {"engine", "checksum"}


def streamed_program():
    """A program whose weights do not fit the memory, and its inputs."""
    config = ENGINES["streams"]
    network = RandomNetwork(0, (1, 3), 4).network()
    program = compile_network(network, config)
    assert len(program.streamed) == len(program.weights) > 4 * config.weight_rows
    return config, network, program


def test_weights_stream_while_a_program_runs(emit_once):
    config, network, program = streamed_program()
    report = run_engine(ProgramFolder(program, network, emit_once(config)), random_inputs(network, 3, 1))
    assert report.mismatches == 0, report.first_difference
    assert report.as_predicted and len(report.cycles) == 3
    counts = [layer.predicted for layer in program.layers]
    assert sum(layer.streamed_rows for layer in counts) == len(program.weights)
    resident = compile_network(network, replace(config, weight_rows=1 << 16))
    assert not resident.streamed and resident.cycles < program.cycles


def test_streams_cut_short_or_changed_end_with_an_error(emit_once):
    config, network, program = streamed_program()
    player = EnginePlayer(emit_once(config))
    inputs = [("activations", *row) for row in program.input_rows(random_inputs(network, 1, 0)[0].numpy())]
    rows, whole = [*program.rows, *inputs], program.streamed
    half, (target, address, data) = len(whole) // 2, whole[len(whole) // 2]
    streams = {
        "none": whole,
        "stream": whole[:half],
        "checksum": [*whole[:half], (target, address, data ^ 1), *whole[half + 1 :]],
    }
    jobs = [(rows, stream) for stream in (*streams.values(), [], [*whole, *whole[:9]], whole)]
    runs = list(player.run_rows(jobs, program.cycles + (2 << PATIENCE_BITS)))
    assert [ERRORS[run.error] for run in runs] == [*streams, "stream", "none", "none"]
    assert all(run.done for run in runs)
    images = [program.tensor(program.output, runs[i].layers[-1].memory) for i in (0, 4, 5)]
    expected = network(random_inputs(network, 1, 0))[0].numpy()
    assert all(np.array_equal(image.ravel(), expected.ravel()) for image in images)


def test_what_does_not_fit_is_refused_by_name(emit_once):
    network = RandomNetwork(1, (1, 3), 4).network()
    small = {"lanes": 18, "taps": 9, "columns": 4, "hold": 8}
    with pytest.raises(ParameterError, match=r"layer 'n\d+' must have (weights|multipliers)"):
        compile_network(network, EngineConfig(alphabets=(1,), **small))
    pattern = (
        r"weight_rows must be at least \d+ for this network, or a power of two of at least \d+ .* layer '\w+' .* not 96"
    )
    with pytest.raises(ParameterError, match=pattern):
        compile_network(network, EngineConfig(alphabets=(1, 3), **small, **{**MEMORIES, "weight_rows": 96}))
    with pytest.raises(ParameterError, match=r"must find room in 2 segments of 8 rows"):
        compile_network(network, EngineConfig(alphabets=(1, 3), **small, segments=2, bank_rows=8))
    with pytest.raises(ParameterError, match=r"acc_bits must be at least \d+ for layer 'n\d+', not 9"):
        compile_network(network, EngineConfig(alphabets=(1, 3), acc_bits=9, **small, **MEMORIES))

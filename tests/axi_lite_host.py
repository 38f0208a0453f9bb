"""A host of an emitted engine behind AXI4-Lite, whose bus is driven by cocotbext-axi and not by this project.

``python axi_lite_host.py FOLDER SIMULATOR BUILD JOB`` builds and runs it; the job is JSON: payloads of a program's rows
and of each image, addresses of registers by name, what is to be counted, words of activation memory to read.
"""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge, with_timeout
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp

JOB = "AXI_LITE_HOST_JOB"
RESULT = "words.json"


async def write_rows(dut, payloads):
    """Rows through ``i``, one a cycle."""
    for payload in payloads:
        dut.i__payload.value = int(payload, 16)
        dut.i__valid.value = 1
        await FallingEdge(dut.clk)
        assert dut.i__ready.value == 1
    dut.i__valid.value = 0


async def read_words(dut, addresses):
    """Words of activation memory; None for what was never written."""
    words = []
    dut.read_enable.value = 1
    for address in addresses:
        dut.read_address.value = address
        await FallingEdge(dut.clk)
        word = dut.read_data.value
        words.append(int(word) if word.is_resolvable else None)
    dut.read_enable.value = 0
    return words


def pause(bus, rng):
    """Random pauses in all five channels."""
    for channel in (bus.write_if.aw_channel, bus.write_if.w_channel, bus.write_if.b_channel):
        channel.set_pause_generator(iter(lambda: rng.random() < 0.5, None))
    for channel in (bus.read_if.ar_channel, bus.read_if.r_channel):
        channel.set_pause_generator(iter(lambda: rng.random() < 0.5, None))


async def started(dut):
    """The host's bus after a reset."""
    Clock(dut.clk, 10, unit="ns").start()
    for port in ("i__valid", "i__payload", "read_enable", "read_address"):
        getattr(dut, port).value = 0
    dut.rst.value = 1
    bus = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi_control"), dut.clk, dut.rst)
    for _ in range(3):
        await FallingEdge(dut.clk)
    dut.rst.value = 0
    await FallingEdge(dut.clk)
    return bus


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def runs_programs_by_interrupt(dut):
    job = json.loads(Path(os.environ[JOB]).read_text())
    at, found = job["registers"], []
    bus = await started(dut)
    for number, image in enumerate(job["images"]):
        if number:
            pause(bus, random.Random(number))
        await write_rows(dut, (job["rows"] if number == 0 else []) + image)
        for name in ("GIE", "IP_IER"):
            await bus.write_dword(at[name], 1)
            assert await bus.read_dword(at[name]) == 1
        assert await bus.read_dword(at["CTRL"]) == 1 << 2
        await bus.write_dword(at["CTRL"], 1)
        if dut.interrupt.value == 0:
            await with_timeout(RisingEdge(dut.interrupt), job["cycles"] * 20, "ns")
        assert await bus.read_dword(at["CTRL"]) == 1 << 1 | 1 << 2 | 1 << 3 | 1 << 9
        assert await bus.read_dword(at["CTRL"]) == 1 << 2 | 1 << 9
        assert await bus.read_dword(at["IP_ISR"]) == 1
        await bus.write_dword(at["IP_ISR"], 1)
        assert await bus.read_dword(at["IP_ISR"]) == 0
        assert dut.interrupt.value == 0
        assert await bus.read_dword(at["ERROR"]) == 0
        assert await bus.read_dword(at["LAYER"]) == job["layers"]
        for name, value in job["counts"].items():
            assert await bus.read_dword(at[name]) == value, name
        await FallingEdge(dut.clk)
        found.append(await read_words(dut, job["addresses"]))
    Path(RESULT).write_text(json.dumps(found))


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def refuses_what_is_not_there(dut):
    job = json.loads(Path(os.environ[JOB]).read_text())
    at, bus = job["registers"], await started(dut)
    beyond = max(at.values()) + 4
    assert (await bus.write(beyond, b"\1\0\0\0")).resp == AxiResp.SLVERR
    answer = await bus.read(beyond, 4)
    assert (answer.resp, bytes(answer.data)) == (AxiResp.SLVERR, bytes(4))
    # Bytes, of which only the first holds the flag.
    await bus.write_byte(at["GIE"] + 1, 0xFF)
    assert await bus.read_dword(at["GIE"]) == 0
    await bus.write_byte(at["GIE"], 0xFF)
    assert await bus.read_dword(at["GIE"]) == 1


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def says_why_a_program_did_not_run(dut):
    job = json.loads(Path(os.environ[JOB]).read_text())
    at, bus = job["registers"], await started(dut)
    await write_rows(dut, job["rows"][:-1])
    await bus.write_dword(at["CTRL"], 1)
    while not await bus.read_dword(at["CTRL"]) & 2:
        pass
    assert await bus.read_dword(at["ERROR"]) == job["checksum_error"]
    assert dut.interrupt.value == 0


def main(folder: str, simulator: str, build: str, job: str) -> None:
    from cocotb_tools.runner import get_runner

    from asm_hw.emission.manifest import load
    from asm_hw.sim import verilator

    manifest = load(Path(folder))
    verilog = Path(folder, manifest["verilog"])
    os.environ |= (verilator.environment() if simulator == "verilator" else {}) | {JOB: job}
    runner = get_runner(simulator)
    arguments = [str(verilator.waivers_of(verilog)), "--build-jobs", "1"] if simulator == "verilator" else []
    runner.build(
        sources=[verilog], hdl_toplevel=manifest["top"], build_dir=build, build_args=arguments,
        timescale=("1ns", "1ps"),
    )  # fmt: skip
    runner.test(
        hdl_toplevel=manifest["top"], test_module=Path(__file__).stem, build_dir=build, test_dir=build,
        results_xml=str(Path(build, "results.xml")), timescale=("1ns", "1ps"),
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])

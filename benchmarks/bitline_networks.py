"""Counts whole networks on bitline arrays beside the engine: docs/results/bitline_networks.json, tables of the pages.

    python benchmarks/bitline_networks.py [--tables-only]

ResNet-20 and ResNet-8 of `zoo/`, and the network of `asm-hw demo`, which is trained as there. Nothing is simulated:
cycles and accesses are those that the models of both units count; that sums and tensors are the golden ones is
checked with one image by the model of the array.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

import torch
from figures import REPOSITORY, RESULTS, provenance, write_block

from asm_hw.compiler.bitline_program import compile_bitline
from asm_hw.compiler.bitline_run import array_tensors, model_matmul
from asm_hw.compiler.compile_network import compile_network
from asm_hw.compiler.fitted_array import array_for
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.network_file import load
from asm_hw.numbers.bit_fields import fields_width
from asm_hw.report.engine_run import random_inputs
from asm_hw.training.convert import convert
from asm_hw.training.data import digits
from asm_hw.training.digits_training import train, train_asm
from asm_hw.training.models import digits_cnn
from asm_hw.units.bitline.bitline_config import BitlineConfig
from asm_hw.units.engine.engine_config import EngineConfig

OUTPUT = RESULTS / "bitline_networks.json"
ZOO = {"ResNet-20 {1}": "resnet20_1_w5_a4", "ResNet-8 {1,3}": "resnet8_1_3_w5_a4"}
DEMO = "digits {1,3}"
ARRAYS: tuple[dict[str, int], ...] = (
    {"rows": 64},
    {"rows": 64, "act_bits": 4},
    {"rows": 512, "act_bits": 4},
)
COLS = {(1,): 512, (1, 3): 510}
"""Columns by alphabets: words of 4 and 8 bits divide 512, those that hold multiples by 3, of 6 and 10 bits, 510."""
MBIT = 1e6


def networks() -> Iterator[tuple[str, IntegerNetwork]]:
    """The networks by name."""
    for name, file in ZOO.items():
        yield name, load(REPOSITORY / "zoo" / f"{file}.safetensors")
    torch.set_num_threads(1)  # as the demo
    data, model = digits(), digits_cnn(0)
    train(model, data, seed=0)
    yield DEMO, convert(train_asm(model, data, seed=0), tuple(data.test_images.shape[1:]))


def on_engine(network: IntegerNetwork) -> dict[str, Any]:
    """The default engine on the network's alphabets; bits of words and rows of both memories."""
    config = EngineConfig(alphabets=network.alphabets)
    program = compile_network(network, config)
    events = [layer.predicted for layer in program.layers]
    return {
        "parameters": config.parameters,
        "products_per_cycle": config.lanes * config.columns,
        "cycles": program.cycles,
        "fetched_bits": config.row_bits * sum(event.weight_rows for event in events),
        "read_bits": config.word_bits * sum(event.source_words + event.skip_words for event in events),
        "written_bits": config.word_bits * sum(event.output_words for event in events),
        "outside": {},
    }


def on_array(network: IntegerNetwork, config: BitlineConfig) -> dict[str, Any]:
    """A bitline array, counted, and every tensor of an image by its model against golden."""
    program = compile_bitline(network, config)
    report = program.report
    x = random_inputs(network, 1, 0)
    found, cycles = array_tensors(config, network, x, model_matmul(config))
    golden = network.tensors(x)
    accesses = report["accesses"]
    operations = sum(layer.groups * len(one) for layer in program.layers for one in layer.programs)
    opened = sum(count for kind, count in accesses.items() if kind != "write")
    written = sum(count for kind, count in accesses.items() if "write" in kind)
    return {
        "parameters": config.parameters,
        "products_per_cycle": 2 * config.words,  # two rows at once
        "cycles": program.cycles,
        "model_cycles": sum(cycles.values()),
        "values_compared": sum(tensor.numel() for tensor in golden.values()),
        "mismatches": sum(int((found[name] != tensor).sum()) for name, tensor in golden.items()),
        "fetched_bits": fields_width(config.op_fields) * operations,
        "read_bits": config.cols * opened,
        "written_bits": config.cols * written,
        **{name: report[name] for name in ("micro_operations", "accesses", "outside", "program_entries")},
    }


def measure(name: str, network: IntegerNetwork) -> dict[str, Any]:
    """A network on the engine and on `ARRAYS`."""
    cols = COLS[tuple(network.alphabets)]
    arrays = [on_array(network, array_for(network, cols=cols, **given)) for given in ARRAYS]
    macs = sum(size.macs for size in network.sizes)
    return {"network": name, "macs": macs, "engine": on_engine(network), "arrays": arrays}


def table() -> str:
    """A row for each network and hardware, Markdown."""
    lines = [
        "| network | on | products a cycle | cycles | used, % | fetched, Mbit | read | written | outside, values |"
    ]
    lines += ["|---" * 9 + "|"]
    for network in json.loads(OUTPUT.read_text())["networks"]:
        for row in (network["engine"], *network["arrays"]):
            could = row["products_per_cycle"] * row["cycles"]
            outside = f"{sum(row['outside'].values()):,}" if row["outside"] else "-"
            figures = [f"{row['products_per_cycle']:,}", f"{row['cycles']:,}", f"{100 * network['macs'] / could:.1f}"]
            figures += [f"{row[f'{name}_bits'] / MBIT:.2f}" for name in ("fetched", "read", "written")]
            lines.append(f"| {network['network']} | {title(row['parameters'])} | {' | '.join(figures)} | {outside} |")
    return "\n".join(lines)


def title(of: dict[str, Any]) -> str:
    """A unit in few words."""
    if "lanes" in of:
        return f"engine A={of['act_bits']}, {of['lanes']} lanes x {of['columns']}"
    return f"bitline A={of['act_bits']}, {of['rows']} x {of['cols']}, words of {of['word_bits']}"


def beside_engine() -> str:
    """Cycles of each network alone, Markdown."""
    found = json.loads(OUTPUT.read_text())["networks"]
    heads = [
        f"bitline A={row['parameters']['act_bits']}, {row['parameters']['rows']} rows" for row in found[0]["arrays"]
    ]
    heads.insert(0, title(found[0]["engine"]["parameters"]))
    lines = ["| cycles | " + " | ".join(heads) + " |"]
    lines += ["|---" * (len(heads) + 1) + "|"]
    for network in found:
        cycles = [row["cycles"] for row in (network["engine"], *network["arrays"])]
        lines.append(f"| {network['network']} | " + " | ".join(f"{count:,}" for count in cycles) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables-only", action="store_true", help="only write the tables, from the JSON file")
    if not parser.parse_args().tables_only:
        result = provenance("python benchmarks/bitline_networks.py")
        result["networks"] = [measure(name, network) for name, network in networks()]
        wrong = [row for one in result["networks"] for row in one["arrays"] if row["mismatches"]]
        if wrong or any(row["cycles"] != row["model_cycles"] for one in result["networks"] for row in one["arrays"]):
            raise SystemExit("an array must give the golden tensors in the cycles that are counted")
        OUTPUT.write_text(json.dumps(result, indent=1) + "\n")
    write_block("networks", table(), "docs/bitline.md")
    write_block("bitline", beside_engine(), "docs/engine.md")


if __name__ == "__main__":
    main()

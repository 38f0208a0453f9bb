"""The commands ``asm-hw compile``, ``run`` and ``evaluate``: from a file of integers to hardware that was run."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from asm_hw.errors import ParameterError
from asm_hw.units.parameters import AUTO

from .bitline_command import compile_bitline_command
from .engine_choice import engine_of, limit_options, refuse_limits
from .image_options import image_options
from .unit_options import emit_result, json_option, option, unit_options

if TYPE_CHECKING:
    from torch import Tensor

    from asm_hw.network.integer_network import IntegerNetwork

network_argument = click.argument("network", type=click.Path(path_type=Path), envvar="ASM_HW_NETWORK")


@click.command("compile")
@network_argument
@partial(unit_options, chosen=("lanes",))
@limit_options
@option("--out", type=click.Path(path_type=Path), help="Folder to write. [default: build/ and the network's name]")
@option("--force", is_flag=True, help="Replace whatever the output folder holds.")
@option("--batch", type=int, default=1, show_default=True, help="Vectors at once, of a network of matrix products.")
@json_option
def compile_command(network: Path, out: Path | None, force: bool, batch: int, as_json: bool, **options: Any) -> None:
    """Compile the integers in NETWORK to a program of an engine, or for a bitline array; write it with the Verilog.

    \b
    asm-hw compile runs/resnet20/integers.safetensors --out build/resnet20
    asm-hw compile net.safetensors --lanes 16 --taps 1 --columns 16     another engine
    asm-hw compile net.safetensors --lanes auto --max-cycles 20000      the smallest engine that is so fast
    asm-hw compile autoencoder.safetensors --batch 32                   32 vectors share each row of weights
    asm-hw compile net.safetensors --unit bitline --rows 64 --cols 512  counted on a bitline array

    Unit options are those of the engine; alphabets are the network's unless given. A network that does not fit is
    refused by the layer's name. Cycles and accesses are exact: `asm-hw run` counts the same. Of a bitline array all
    formats are the network's unless given, and there is nothing to run.
    """
    from asm_hw.compiler.event_energy import layer_energies_pj
    from asm_hw.compiler.program_folder import compile_folder
    from asm_hw.compiler.result_tables import needed_tables
    from asm_hw.network.network_file import load
    from asm_hw.report.progress import working

    refuse_limits(options)
    if options.get("unit") == "bitline":
        if options["lanes"] == AUTO:
            raise ParameterError("lanes must be left out for unit bitline, which has none, not auto")
        folder = out or Path("build") / f"{stem_of(network)}-bitline"
        return compile_bitline_command(network, folder, force, batch, as_json, options)
    if options.get("unit") not in (None, "engine"):
        raise ParameterError(f"unit must be engine or bitline, or left out, to compile, not {options['unit']!r}")
    loaded = load(network)
    for name in ("alphabets", "act_alphabets"):
        own = getattr(loaded, name)
        if options.get(name) is None and own is not None:
            options[name] = str(own)
    if options.get("tables") is None:
        options["tables"] = needed_tables(loaded) or None
    folder = out or Path("build") / stem_of(network)
    with working(f"{'choosing an engine for' if options['lanes'] == AUTO else 'compiling'} {network.name}"):
        config, chosen = engine_of(loaded, batch, options)
        program = compile_folder(network, config, folder, force, batch)
    result = {"folder": str(folder), **program.report, **chosen}
    for layer, energy_pj in zip(result["layers"], layer_energies_pj(program) or (), strict=False):
        layer["energy_pj"] = energy_pj
    emit_result(as_json, result, lambda console: _show_program(console, result))


def stem_of(network: Path) -> str:
    """A name for what is made of a network: that of the run where the file has the name that every run gives it."""
    run = network.resolve().parent.name
    return run if run and network.stem == "integers" else network.stem


def _show_program(console: Console, result: dict[str, Any]) -> None:
    table = Table("layer", "MACs", "cycles", "lanes used, %", "weight rows read", "words read", "joined", "written")
    for layer in result["layers"]:
        names = ("weight_rows", "source_words", "skip_words", "output_words")
        words = [f"{layer['accesses'][name]:,}" for name in names]
        used = f"{100 * layer['utilization']:.1f}"
        table.add_row(layer["name"], f"{layer['macs']:,}", f"{layer['cycles']:,}", used, *words)
    batch = f" for {result['batch']} vectors" if result["batch"] > 1 else ""
    streams = ", streamed while it runs" if result["streamed_rows"] else ""
    rows = f"{result['weight_rows']:,} rows of weights stored{streams}"
    table.caption = f"{result['cycles']:,} cycles{batch}; {rows}; {result['folder']}/"
    if "energy_pj" in result["layers"][0]:
        table.caption += f"; {sum(layer['energy_pj'] for layer in result['layers']) / 1e6:.2f} uJ by event counts"
    if "chosen" in result:
        table.caption += f"\n{_described(result['chosen'])}"
    console.print(table)


def _described(chosen: dict[str, Any]) -> str:
    """The engine that was chosen, in words."""
    from asm_hw.compiler.engine_candidates import CHOSEN

    sizes = ", ".join(f"{name} {chosen[name]}" for name in CHOSEN)
    area = "area not known" if chosen["area_mm2"] is None else f"about {chosen['area_mm2']:.2f} mm2"
    return f"chosen of {chosen['tried']} that were tried: {sizes}; {chosen['cycles']:,} cycles, {area}"


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), envvar="ASM_HW_FOLDER")
@option("--dataset", help="Test images: cifar10, digits, folder:PATH or module:function. [default: none]")
@option("--inputs", type=click.Path(path_type=Path), help="Images in a NumPy file. [default: seeded random ones]")
@option("--images", type=click.IntRange(1), default=10, show_default=True, help="How many, the first ones.")
@option("--compare", default="all", show_default=True, help="all stored tensors, output, or none.")
@option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of random images.")
@image_options
@option("--batch", type=int, help="Vectors at once, of a network of matrix products. [default: as compiled]")
@json_option
def run(
    folder: Path,
    dataset: str | None,
    inputs: Path | None,
    images: int,
    compare: str,
    seed: int,
    batch: int | None,
    as_json: bool,
    **preprocessing: Any,
) -> None:
    """Run the program in FOLDER on its Verilog, in Verilator, and compare with the golden model.

    \b
    asm-hw run build/resnet20 --dataset cifar10 --images 10 --compare all

    Exit status 1 where a tensor, a cycle or an access differs. The simulator is compiled once for each Verilog, which
    takes minutes for a large engine, and kept.
    """
    from asm_hw.compiler.program_folder import load_folder
    from asm_hw.report.engine_run import random_inputs, run_engine
    from asm_hw.report.progress import counting

    loaded = load_folder(folder, batch)
    labels = None
    if dataset is not None and inputs is not None:
        raise ParameterError(f"inputs {str(inputs)!r} must be left out where dataset {dataset!r} gives the images")
    if dataset is not None:
        x, labels = test_images(loaded.network, dataset, images, preprocessing)
    else:
        x = _images_of(loaded.network, inputs, images) if inputs else random_inputs(loaded.network, images, seed)
    with counting("running images", len(x)) as done:
        report = run_engine(loaded, x, compare, done)
    result = report.to_json()
    if labels is not None and len(report.outputs) == len(labels):
        right = sum(int(out.argmax()) == label for out, label in zip(report.outputs, labels, strict=True))
        result["accuracy_percent"] = round(100 * right / len(labels), 4)
    emit_result(as_json, result, lambda console: _show_run(console, result))
    sys.exit(0 if report.mismatches == 0 and report.as_predicted else 1)


def _images_of(network: IntegerNetwork, path: Path, images: int) -> Tensor:
    """The first images of a file; says where there are fewer, and where real numbers are clipped."""
    from asm_hw.report.engine_run import file_inputs

    x, clipped = file_inputs(network, path)
    if len(x) < images:
        print(f"note: {path.name} holds {len(x)} images", file=sys.stderr)
    if clipped:
        share = f"{100 * clipped:.3g} % of the numbers in {path.name}"
        print(f"note: {share} are beyond what the network's input holds, and clipped", file=sys.stderr)
    return x[:images]


def test_images(
    network: IntegerNetwork, dataset: str, images: int, preprocessing: dict[str, Any]
) -> tuple[Tensor, list[int]]:
    """The first test images as integers, and their labels."""
    import torch

    from asm_hw.training.evaluate import integer_batches

    values, labels = zip(*integer_batches(network, dataset, images, **preprocessing), strict=True)
    return torch.cat(values), torch.cat(labels).tolist()


def _show_run(console: Console, result: dict[str, Any]) -> None:
    table = Table("layer", "cycles counted", "predicted", "words read", "joined", "written")
    for layer in result["layers"]:
        counted, predicted = layer["counted"], layer["predicted"]
        words = [f"{counted[name]:,}" for name in ("source_words", "skip_words", "output_words")]
        table.add_row(layer["name"], f"{counted['cycles']:,}", f"{predicted['cycles']:,}", *words)
    found = result["first_difference"]
    words = [f"{result['images']} images, {result['mismatches']} of {result['compared']:,} values differ"]
    each = f"for {result['batch']} vectors" if result["batch"] > 1 else "an image"
    words.append(f"{result['cycles']:,} cycles {each}, {result['predicted_cycles']:,} predicted")
    if "accuracy_percent" in result:
        words.append(f"accuracy {result['accuracy_percent']} %")
    if found:
        words.append(
            f"first difference: image {found['image']}, layer {found['layer']}, {found['tensor']}{list(found['index'])}"
            f" is {found['engine']}, in golden {found['golden']}, cycle {found['cycle']}"
        )
    table.caption = "; ".join(words)
    console.print(table)


@click.command()
@network_argument
@option("--dataset", default="cifar10", show_default=True, help="cifar10, digits, folder:PATH or module:function.")
@option("--images", type=click.IntRange(1), help="Test images, the first ones. [default: all]")
@image_options
@json_option
def evaluate(network: Path, dataset: str, images: int | None, as_json: bool, **preprocessing: Any) -> None:
    """The accuracy of the integers in NETWORK, by the golden model: what the hardware computes.

    \b
    asm-hw evaluate runs/resnet8/integers.safetensors --dataset cifar10
    """
    from asm_hw.network.network_file import load
    from asm_hw.report.progress import working
    from asm_hw.training.evaluate import evaluate_integers

    loaded = load(network)
    with working(f"evaluating {network.name}"):
        result = evaluate_integers(loaded, dataset, images, **preprocessing)
    emit_result(
        as_json, result, lambda console: console.print(f"{result['accuracy_percent']} % of {result['images']} images")
    )


COMMANDS = (compile_command, run, evaluate)

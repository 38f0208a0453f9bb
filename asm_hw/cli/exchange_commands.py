"""The commands ``asm-hw onnx`` and ``asm-hw table``: networks and multipliers as files of other tools."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from asm_hw.errors import ParameterError
from asm_hw.formats.product_format import ProductFormat

from .engine_commands import network_argument, stem_of, test_images
from .image_options import image_options
from .unit_options import DEFAULT_ALPHABETS, emit_result, json_option, option

if TYPE_CHECKING:
    from torch import Tensor

    from asm_hw.network.integer_network import IntegerNetwork

_FORMATS = ProductFormat.of()


@click.command()
@network_argument
@option("--out", type=click.Path(path_type=Path), help="File to write. [default: the network's name and .onnx]")
@option("--input", default="integers", show_default=True, help="What the model takes: integers, or real numbers.")
@option("--result", default="integers", show_default=True, help="What it gives: integers, or real numbers.")
@option("--all-tensors", is_flag=True, help="Every stored tensor is an output, the result last.")
@option("--images", type=click.IntRange(0), default=10, show_default=True, help="How many are compared; 0: none.")
@option("--dataset", help="Of these test images: cifar10, digits, folder:PATH or module:function. [default: random]")
@image_options
@option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of random images.")
@json_option
def onnx(
    network: Path,
    out: Path | None,
    input: str,
    result: str,
    all_tensors: bool,
    images: int,
    dataset: str | None,
    seed: int,
    as_json: bool,
    **preprocessing: Any,
) -> None:
    """Write the integers in NETWORK as an ONNX model, and compare onnxruntime's results with the golden model's.

    \b
    asm-hw onnx runs/resnet8/integers.safetensors --out resnet8.onnx
    asm-hw onnx net.safetensors --input real --result real      float32 images to float32 logits
    asm-hw onnx net.safetensors --dataset cifar10 --images 1000

    Operators of the default domain, an open batch, exact integers: results are the same bit for bit. Exit status 1
    where one differs.
    """
    from asm_hw.exchange.onnx_model import save_onnx
    from asm_hw.network.network_file import load
    from asm_hw.report.progress import working

    loaded = load(network)
    x = _inputs(loaded, images, dataset, seed, preprocessing)  # refused before anything is written
    out = out or Path(f"{stem_of(network)}.onnx")
    with working(f"writing {out.name}"):
        model = save_onnx(loaded, out, input, result, all_tensors)
    found: dict[str, Any] = {"file": str(out), "bytes": out.stat().st_size, "operators": len(model.graph.node)}
    if images:
        from asm_hw.exchange.onnx_judge import compare_with_onnxruntime

        with working(f"comparing {len(x)} images"):
            found |= compare_with_onnxruntime(out.read_bytes(), loaded, x).to_json()
    emit_result(as_json, found, lambda console: _show(console, found))
    sys.exit(1 if found.get("mismatches") else 0)


def _inputs(
    network: IntegerNetwork, images: int, dataset: str | None, seed: int, preprocessing: dict[str, Any]
) -> Tensor:
    """What is compared: integers [images, *input_shape], of random images where there is no ``dataset``."""
    from asm_hw.report.engine_run import random_inputs

    given = [name for name, value in preprocessing.items() if value is not None]
    if given and not dataset:
        raise ParameterError(f"{given[0]} must be left out where no dataset is given: random images are compared")
    return (
        test_images(network, dataset, images, preprocessing)[0]
        if dataset and images
        else random_inputs(network, images, seed)
    )


def _show(console: Console, found: dict[str, Any]) -> None:
    console.print(f"wrote {found['file']}: {found['operators']} operators, {found['bytes']:,} bytes", highlight=False)
    if "images" not in found:
        return
    values = f"{found['mismatches']} of {found['compared']:,} values differ between onnxruntime and golden"
    console.print(f"{found['images']} images, {found['images_per_second']:,} a second; {values}", highlight=False)
    if found["first_difference"]:
        console.print(f"first difference: {found['first_difference']}", highlight=False)


@click.command()
@option("--alphabets", default=DEFAULT_ALPHABETS, show_default=True, help="Alphabets of the weights.")
@option("--weight-bits", type=int, default=8, show_default=True, help="Weight bits, with sign, 2 to 8.")
@option("--act-bits", type=int, default=_FORMATS.activation.bits, show_default=True, help="Activation bits, 1 to 8.")
@option("--act-signed", type=bool, default=False, show_default=True, help="1: activations are signed.")
@option("--act-alphabets", help="Alphabets of encoded activations. [default: none, binary]")
@option("--first", default="weight", show_default=True, help="Operand of the first index: weight or activation.")
@option("--out", type=click.Path(path_type=Path), required=True, help="File to write: .npy, or .h for C.")
@json_option
def table(out: Path, first: str, as_json: bool, act_alphabets: str | None, **widths: Any) -> None:
    """Write the 256 x 256 products of a multiplier, for emulators of approximate multipliers.

    \b
    asm-hw table --alphabets 1,3 --out mul8s.npy
    asm-hw table --alphabets 1 --act-signed 1 --first activation --out mul8s_1.h      as AdaPT includes it

    Entry [w][x] is the nearest level of w times x; indices are bytes, signed ones in two's complement.
    """
    import numpy as np

    from asm_hw.exchange.multiplier_table import save_table

    product = ProductFormat.of(**widths, act_alphabets=act_alphabets or None)
    entries = save_table(product, out, first)
    signed = [np.int8, np.int8 if product.activation.signed else np.uint8]
    bytes_ = [np.arange(256).astype(np.uint8).view(kind).astype(np.int64) for kind in signed]
    exact = np.multiply.outer(*(bytes_ if first == "weight" else bytes_[::-1]))
    error = np.abs(entries - exact)
    result = {
        "file": str(out),
        "parameters": product.parameters,
        "first": first,
        "mean_error": float(error.mean()),
        "largest_error": int(error.max()),
    }
    emit_result(as_json, result, lambda console: _show_table(console, result))


def _show_table(console: Console, result: dict[str, Any]) -> None:
    errors = f"error {result['mean_error']:.1f} on average, {result['largest_error']} at most"
    console.print(f"wrote {result['file']}: 256 x 256 products of 16 bits, {errors}", highlight=False)


COMMANDS = (onnx, table)

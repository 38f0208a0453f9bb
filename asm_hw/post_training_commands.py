"""The commands ``asm-hw quantize`` and ``asm-hw choose``: what needs float weights and no training."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from .alphabet import AlphabetSet
from .errors import ParameterError
from .options import DEFAULT_ALPHABETS, emit_result, json_option, option
from .train_command import layers_option, model_options, result_table, run_name, use_threads, width_options

images_option = option("--images", type=int, default=512, show_default=True, help="Images to fit scales on.")


@click.command()
@model_options
@option("--alphabets", default=DEFAULT_ALPHABETS, show_default=True, help="Alphabet set of the weights.")
@width_options
@layers_option
@images_option
@option("--out", type=click.Path(path_type=Path), help="Folder of the run. [default: runs/ and what is quantized]")
@json_option
def quantize(as_json: bool, out: Path | None, threads: int | None, images: int, **given: Any) -> None:
    """Put float weights on the levels of an alphabet set without training or labels, and evaluate the integers.

    \b
    asm-hw quantize --model resnet20 --init FILE --alphabets 1,3
    asm-hw quantize --model resnet20 --init FILE --layers choice.json      sets by layer

    Seconds for what a training does better. OUT holds weights, integers and result.json.
    """
    from .training.post_training import quantize as run
    from .training.result import StartOptions

    options = StartOptions(**given)
    use_threads(threads)
    result = run(options, out or Path("runs") / run_name(options, "quantized"), images)
    emit_result(as_json, result, lambda console: console.print(result_table(result)))


@click.command()
@model_options
@width_options
@option("--candidates", multiple=True, help="An alphabet set, again for each, smallest first. [default: all {1,3,...}]")
@option("--within", type=float, help="Stop this many points below the last candidate everywhere. [default: 1]")
@option("--most-cost", type=float, help="The most alphabets a weight, mean; with --energy energy a MAC.")
@option("--energy", multiple=True, help="SET=ENERGY of a MAC, as asm-hw energy measures it, again for each candidate.")
@option("--labels", type=bool, default=True, show_default=True, help="0: agreement with the float model's classes.")
@option("--images", type=int, default=1000, show_default=True, help="Held-out images, and images to fit scales on.")
@option("--out", type=click.Path(path_type=Path), default="choice.json", show_default=True, help="File of the choice.")
@json_option
def choose(as_json: bool, out: Path, threads: int | None, images: int, **given: Any) -> None:
    """Find the smallest alphabet set of each layer within a budget of accuracy or energy.

    \b
    asm-hw choose --model resnet20 --init FILE --act-bits 4
    asm-hw choose --init FILE --candidates 1 --candidates 1,3 --energy 1=476 --energy 1,3=710 --most-cost 600
    asm-hw train --model resnet20 --init FILE --act-bits 4 --alphabets 1 --layers choice.json

    Every layer begins with the first candidate; the most sensitive one for its cost is raised, again and
    again, without training. OUT holds the sensitivities, the curve and the layers.
    """
    from .training.post_training import Budget
    from .training.post_training import choose as run
    from .training.result import StartOptions

    use_threads(threads)
    budget = _budget(
        Budget, {name: given.pop(name) for name in ("candidates", "within", "most_cost", "energy", "labels")}
    )
    options = StartOptions(**given, alphabets=str(budget.candidates[0]), layers=None)
    console = Console(stderr=True)
    with console.status("measuring") as status:
        result = run(options, budget, out, images, lambda p: status.update(f"{p.score:.2f} % at {p.cost:.3f}"))
    emit_result(as_json, result, lambda shown: _show(shown, result, out))


def _budget(kind: Any, given: dict[str, Any]) -> Any:
    """The budget of the options ``given``."""
    from .training.sensitivity import CANDIDATES

    texts = given["candidates"] or [",".join(map(str, values)) for values in CANDIDATES]
    candidates = [AlphabetSet.parse(text) for text in texts]
    energies = dict(map(_energy, given["energy"])) or None
    missing = [str(one) for one in candidates if energies is not None and one not in energies]
    if missing:
        raise ParameterError(f"energy must be given for each candidate, and {missing[0]!r} has none")
    most, within = given["most_cost"], given["within"]
    for name in ("most_cost", "within"):
        if given[name] is not None and not 0 <= given[name] < math.inf:
            raise ParameterError(f"{name} must be a number of at least 0, not {given[name]!r}")
    if within is None and most is None:
        within = 1.0
    return kind(
        candidates=candidates,
        within=within,
        most_cost=math.inf if most is None else most,
        energies=energies,
        labels=given["labels"],
    )


def _energy(text: str) -> tuple[AlphabetSet, float]:
    alphabets, _, energy = text.partition("=")
    try:
        value = float(energy)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ParameterError(f"energy must be SET=ENERGY with an energy above 0, not {text!r}")
    return AlphabetSet.parse(alphabets), value


def _show(console: Console, result: dict[str, Any], out: Path) -> None:
    layers, top = result["layers"], result["top"]
    table = Table("layer", "alphabets", "points lost on the first set", title=f"layers, in {out}")
    for path, loss in result["sensitivity"].items():
        table.add_row(path, ",".join(map(str, layers[path]["alphabets"])), f"{loss:.2f}")
    console.print(table)
    curve = Table("raised", "to", "score, %", "cost", title="escalation")
    for row in result["curve"]:
        curve.add_row(
            row["raised"] or "", ",".join(map(str, row["to"] or ())), f"{row['score']:.2f}", f"{row['cost']:.3f}"
        )
    console.print(curve)
    end = "reached" if result["reached"] else "NOT reached"
    console.print(
        f"float {result['float_score']:.2f} %, last set everywhere {top['score']:.2f} % at {top['cost']:.3f}; {end}"
    )

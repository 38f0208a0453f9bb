"""The commands ``asm-hw quantize`` and ``asm-hw choose``: what needs float weights and no training."""

from __future__ import annotations

import math
from itertools import count
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from asm_hw.errors import ParameterError
from asm_hw.numbers.alphabets import AlphabetSet

from .train_command import layers_option, model_options, result_table, run_name, use_threads, width_options
from .unit_options import DEFAULT_ALPHABETS, emit_result, json_option, option

ROUNDINGS = ("feedback", "nearest")
UNITS = ("alphabets a weight", "energy a MAC")
"""Of the cost of a choice: without energies, with them."""


@click.command()
@model_options
@option("--alphabets", default=DEFAULT_ALPHABETS, show_default=True, help="Alphabet set of the weights.")
@width_options
@layers_option
@option("--images", type=int, default=512, show_default=True, help="Images to fit scales on.")
@option("--rounding", type=click.Choice(ROUNDINGS), default=ROUNDINGS[0], show_default=True, help="Of weights.")
@option("--out", type=click.Path(path_type=Path), help="Folder of the run. [default: runs/ and what is quantized]")
@json_option
def quantize(as_json: bool, out: Path | None, threads: int | None, images: int, rounding: str, **given: Any) -> None:
    """Put float weights on the levels of an alphabet set without training or labels, and evaluate the integers.

    \b
    asm-hw quantize --model resnet20 --init FILE --alphabets 1,3
    asm-hw quantize --model resnet20 --init FILE --layers choice.json      sets by layer

    Weights are rounded with error feedback: the levels of each layer make good what those before it lose; nearest:
    each weight by itself, in seconds. OUT holds weights, integers and result.json.
    """
    from asm_hw.report.progress import working
    from asm_hw.training.post_training import run_quantization
    from asm_hw.training.run_options import StartOptions

    options = StartOptions(**given)
    use_threads(threads)
    with working("quantizing") as step:
        folder = out or Path("runs") / run_name(options, "quantized")
        result = run_quantization(options, folder, images, feedback=rounding == ROUNDINGS[0], report=step)
    emit_result(as_json, result, lambda console: console.print(result_table(result)))


@click.command()
@model_options
@width_options
@layers_option
@option("--candidates", multiple=True, help="An alphabet set, again for each, cheapest first. [default: {1} to all]")
@option("--within", type=float, help="Points below the last candidate alone. [default: 0 with --most-cost, else 1]")
@option("--most-cost", type=float, help="The most alphabets a weight, mean; with --energy energy a MAC. [no default]")
@option("--energy", multiple=True, help="SET=ENERGY of a MAC, as asm-hw energy measures it, again for each candidate.")
@option("--labels", type=bool, default=True, show_default=True, help="0: agreement with the float model's classes.")
@option("--images", type=int, default=1000, show_default=True, help="Held-out images, and images to fit scales on.")
@option("--out", type=click.Path(path_type=Path), default="choice.json", show_default=True, help="File of the choice.")
@json_option
def choose(as_json: bool, out: Path, threads: int | None, images: int, **given: Any) -> None:
    """Find the smallest alphabet set of each layer within a budget of accuracy or energy.

    \b
    asm-hw choose --model resnet20 --init FILE --act-bits 4
    asm-hw choose --init FILE --candidates 1 --candidates 1,3 --energy 1=477 --energy 1,3=710 --most-cost 600
    asm-hw train --model resnet20 --init FILE --act-bits 4 --alphabets 1 --layers choice.json

    Every layer begins with the first candidate; the most sensitive one for its cost is raised, again and
    again, without training. OUT holds the sensitivities, the curve and the layers.
    """
    from asm_hw.training.post_training import run_selection
    from asm_hw.training.run_options import StartOptions

    use_threads(threads)
    budget = _budget(**{name: given.pop(name) for name in ("candidates", "within", "most_cost", "energy", "labels")})
    options = StartOptions(**given, alphabets=str(budget.candidates[0]))
    console = Console(stderr=True, highlight=False)
    with console.status("measuring") as status:
        trials = count(1)
        unit = UNITS[bool(budget.energy)]

        def report(point: Any) -> None:
            text = f"trial {next(trials)}: {point.score:.2f} % at {point.cost:.3f} {unit}"
            status.update(text) if console.is_terminal else console.print(text)

        result = run_selection(options, budget, out, images, report)
    emit_result(as_json, result, lambda shown: _show(shown, result, out))


def _budget(candidates: Any, within: float | None, most_cost: float | None, energy: Any, labels: bool) -> Any:
    """The budget of the options, checked."""
    from asm_hw.training.post_training import Budget
    from asm_hw.training.sensitivity import CANDIDATES

    sets = [AlphabetSet.of(one) for one in CANDIDATES]
    if candidates:
        sets = list(map(AlphabetSet.parse, candidates))
    for name, value in (("most_cost", most_cost), ("within", within)):
        if value is not None and not 0 <= value < math.inf:
            raise ParameterError(f"{name} must be a number of at least 0, not {value!r}")
    if within is None:
        within = 1.0 if most_cost is None else 0.0
    energies = _energies(energy, sets) if energy else None
    return Budget(candidates=sets, within=within, most_cost=most_cost, energy=energies, labels=labels)


def _energies(texts: Any, sets: list[AlphabetSet]) -> dict[AlphabetSet, float]:
    """The energy of each of ``sets``, from texts SET=ENERGY."""
    energies: dict[AlphabetSet, float] = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not 0 < value < math.inf:
            raise ParameterError(f"energy must be SET=ENERGY with an energy above 0, not {text!r}")
        alphabets = AlphabetSet.parse(name)
        if alphabets in energies or alphabets not in sets:
            raise ParameterError(f"energy must be given once for each candidate and for no other set, not {text!r}")
        energies[alphabets] = value
    missing = [one for one in sets if one not in energies]
    if missing:
        raise ParameterError(f"energy must be given for each candidate, and {missing[0]} has none")
    return energies


def _show(console: Console, result: dict[str, Any], out: Path) -> None:
    layers, top, chosen = result["layers"], result["top"], result["chosen"]
    table = Table("layer", "alphabets", "points lost on the first set", title=f"layers, in {out}")
    for path, loss in result["sensitivity"].items():
        table.add_row(path, ",".join(map(str, layers[path]["alphabets"])), f"{loss:.2f}")
    console.print(table)
    unit = UNITS[bool(result["settings"]["energy"])]
    curve = Table("raised", "to", "score, %", unit, title="escalation")
    for row in result["curve"]:
        to = ",".join(map(str, row["to"] or ()))
        curve.add_row(row["raised"] or "", to, f"{row['score']:.2f}", f"{row['cost']:.3f}")
    console.print(curve)
    others = f"float {result['float_score']:.2f} %, last set everywhere {top['score']:.2f} % at {top['cost']:.3f}"
    chosen_at = f"{chosen['cost']:.3f} {unit}"
    end = "within the points asked for" if result["reached"] else "NOT within the points asked for"
    console.print(f"chosen {chosen['score']:.2f} % at {chosen_at}, {end}; {others}")

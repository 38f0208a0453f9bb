"""Small netlists as Yosys writes them, for tests of what is put into one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def cell(kind: str, connections: Mapping[str, int | str], output: str) -> dict[str, Any]:
    """An instance of a library cell: the net of each pin."""
    directions = {pin: "output" if pin == output else "input" for pin in connections}
    return {
        "hide_name": 0,
        "type": kind,
        "parameters": {},
        "attributes": {},
        "port_directions": directions,
        "connections": {pin: [net] for pin, net in connections.items()},
    }


def document(
    top: str, cells: Mapping[str, Any], ports: Mapping[str, tuple[str, list[int]]], wires: Mapping[str, list[int]]
) -> str:
    """A module of ``cells``; the wires that have names are those of its ports and ``wires``."""
    named = {name: bits for name, (_, bits) in ports.items()} | dict(wires)
    module = {
        "attributes": {},
        "cells": cells,
        "ports": {name: {"direction": way, "bits": bits} for name, (way, bits) in ports.items()},
        "netnames": {name: {"hide_name": 0, "bits": bits, "attributes": {}} for name, bits in named.items()},
    }
    return json.dumps({"creator": "test", "modules": {top: module}})

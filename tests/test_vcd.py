"""Dumps by hand: what is read of them, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from asm_hw.ppa.activity.vcd_file import Vcd

HEAD = """$timescale 1ps $end
$scope module tb $end
$scope module dut $end
$var wire 1 ! n2 $end
$var wire 1 " n3 $end
$var wire 1 " alias $end
$var wire 4 ab word [3:0] $end
$var wire 1 never n9 $end
$upscope $end
$upscope $end
$enddefinitions $end
"""
BODY = """#0
$dumpvars
x!
0"
bx ab
$end
#5
1!
1"
b101 ab
#7
1!
0"
#1000
0!
b0 ab
1"
"""


@pytest.fixture
def dump(tmp_path):
    def write(body: str, head: str = HEAD) -> Vcd:
        path = tmp_path / "dump.vcd"
        path.write_text(head + body)
        return Vcd(path)

    return write


def test_transitions_of_bits(dump):
    """From just before 6 ps on: a value that is written again is no transition."""
    vcd = dump(BODY)
    assert vcd.names['"'] == [("tb.dut.n3", 1), ("tb.dut.alias", 1)]
    waves = vcd.waves([2, 3], 6_000, 2_000_000)
    assert waves.initial == {2: 1, 3: 1}
    assert {net: times.tolist() for net, times in waves.toggles.items()} == {2: [1_000_000], 3: [7_000, 1_000_000]}
    assert vcd.waves([3], 1_000, 7_000).toggles[3].tolist() == [5_000]


def test_samples_of_bits_and_words(dump):
    """Just before each time; unknown bits, and those before the first change, are 0."""
    vcd, times = dump(BODY), np.array([0, 1_000, 6_000, 1_000_001])
    assert vcd.samples("!", times).tolist() == [[0, 0, 1, 0]]
    assert vcd.samples("ab", times).tolist() == [[0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert vcd.samples("never", times).tolist() == [[0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("body", "net", "words"),
    [
        (BODY, 2, "net 2 must be known"),  # x at the start
        (BODY.replace("#7\n1!", "#7\nx!"), 2, "net 2 must be known"),
        (BODY, 9, "net 9 must be known"),  # never written
        (BODY, 7, "must dump net 7"),
        ("", 2, "net 2 must be known"),
        ("#0\nb11 ab\n", 2, "net 2 must be known"),
    ],
)
def test_what_is_unknown_or_missing_is_refused(dump, body, net, words):
    start = 6_000 if "x!" in body.partition("#7")[2] else 1_000
    with pytest.raises(RuntimeError, match=words):
        dump(body).waves([net], start, 2_000_000)

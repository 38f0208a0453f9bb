"""What `extract_cells.py` takes of each full library."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Technology:
    """What to take of a library: the files, the cells, and the points of the slew and load axes."""

    files: tuple[str, ...]
    cells: str
    slews: tuple[int, int, int]
    loads: tuple[int, int, int]
    licence: str


EXTRACTED = {
    "sg13g2": Technology(
        ("sg13g2_stdcell_typ_1p20V_25C.lib.gz",),
        r"sg13g2_(?!antenna|decap|fill|dlh|dll|dly|ebufn|einvn|sighold|sdf|slgcp)\w+",
        slews=(0, 1, 4),
        loads=(0, 1, 5),
        licence="Apache-2.0",
    ),
    "sky130hd": Technology(
        ("sky130hd_tt.lib.gz",),
        r"sky130_fd_sc_hd__("
        r"(a2111oi|a21boi|o21ai|and2|or2)_0|(inv|clkbuf|clkinv)_(1|2|4|8|16)|buf_[124]|(nand2|nor2|a21oi|o21ai)_4"
        r"|(nand2|nor2|nand3|nor3|a21oi|o21ai|a22oi|o22ai|a21o|o21a|and2|or2|xor2|xnor2|maj3|mux2|o221a"
        r"|a211oi|o211ai|nand4|nor4|dfxtp|dlclkp)_[12]"
        r"|(a211o|a21bo|a21boi|a221o|a221oi|a22o|a2bb2oi|a311oi|a31o|a31oi|a32o|a32oi|o211a|o21ba|o21bai"
        r"|o221ai|o22a|o2bb2ai|o31a|o31ai|o32ai|o311ai|and2b|or2b|and3|or3|and3b|or3b|nand2b|nor2b|nand3b|nor3b"
        r"|and4|or4|mux2i|mux4|xor3|xnor3|fa|ha|dfrtp|edfxtp|conb)_1)",
        slews=(0, 3, 5),
        loads=(1, 3, 4),
        licence="Apache-2.0",
    ),
    "asap7": Technology(
        (
            "asap7sc7p5t_AO_RVT_TT_nldm_211120.lib.gz",
            "asap7sc7p5t_INVBUF_RVT_TT_nldm_220122.lib.gz",
            "asap7sc7p5t_OA_RVT_TT_nldm_211120.lib.gz",
            "asap7sc7p5t_SEQ_RVT_TT_nldm_220123.lib.gz",
            "asap7sc7p5t_SIMPLE_RVT_TT_nldm_211120.lib.gz",
        ),
        r"(A2O1A1I|O2A1O1I|A2O1A1O1I)xp(33|25)_.*|INVx(p33|p67|1|2|4|8)_.*|BUFx(2|4|8)_.*"
        r"|(NAND|NOR)2x(p33|p5|p67|1|2)_.*|(NAND|NOR)3x(p33|1)_.*|(NAND|NOR)4xp(25|75)_.*|(AND|OR)2x(2|4)_.*"
        r"|(AND|OR)[34]x1_.*|(FA|HA)x(1|p5)_.*|MAJ(Ixp5|x2)_.*|XN?OR2x(p5|1|2)_.*"
        r"|(AOI|OAI)2[12]x(p33|p5|1)_.*|(AOI|OAI)2(11|21)xp5_.*|(AOI|OAI)3[12]xp33_.*"
        r"|AO21x[12]_.*|AO22x1_.*|AO211x2_.*|AO221x1_.*|OA(21|22|211|31)x2_.*"
        r"|DFFHQNx[12]_.*|DFFHQx4_.*|DFFASRHQNx1_.*|ICGx[12]_.*|TIE(HI|LO)x1_.*",
        slews=(1, 3, 5),
        loads=(0, 2, 4),
        licence="BSD-3-Clause",
    ),
}

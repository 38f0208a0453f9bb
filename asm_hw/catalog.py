"""Named configurations that rtl, sim, synth, docs and CI loop over."""

from __future__ import annotations

from .config import DotConfig, MacConfig, MultiplierConfig, counterpart

_ALL = (1, 3, 5, 7, 9, 11, 13, 15)

_BASE = (
    # Combinational multipliers: every alphabet set of interest, every digit split.
    MultiplierConfig(alphabets=(1,), weight_bits=3),
    MultiplierConfig(alphabets=(1,), weight_bits=4),
    MultiplierConfig(alphabets=(1,), weight_bits=5),
    MultiplierConfig(alphabets=(1,), weight_bits=8),
    MultiplierConfig(alphabets=(1, 3), weight_bits=5, act_bits=4),
    MultiplierConfig(alphabets=(1, 3), weight_bits=5),
    MultiplierConfig(alphabets=(1, 3), weight_bits=5, act_signed=True),
    MultiplierConfig(alphabets=(1, 3), weight_bits=8, act_bits=12, act_signed=True),
    MultiplierConfig(alphabets=(1, 5), weight_bits=5),
    MultiplierConfig(alphabets=(1, 11), weight_bits=5, weight_code="fields"),
    MultiplierConfig(alphabets=(1, 3, 7), weight_bits=8),
    MultiplierConfig(alphabets=(1, 3, 5, 7), weight_bits=8),
    MultiplierConfig(alphabets=(1, 3, 5, 7), weight_bits=12, act_bits=12, act_signed=True),
    MultiplierConfig(alphabets=_ALL, weight_bits=8),
    MultiplierConfig(alphabets=_ALL, weight_bits=12, weight_code="fields"),
    MultiplierConfig(alphabets=(1,), weight_bits=5, act_bits=4, act_alphabets=(1,)),
    MultiplierConfig(alphabets=(1,), weight_bits=8, act_bits=8, act_signed=True, act_alphabets=(1,)),
    MultiplierConfig(alphabets=(1, 3), weight_bits=5, act_bits=4, act_alphabets=(1, 3)),
    MultiplierConfig(alphabets=(1, 3), weight_bits=8, act_bits=8, act_signed=True, act_alphabets=(1, 3)),
    # Multiply-accumulate: code storages, narrow accumulators, both overflow rules.
    MacConfig(alphabets=(1,), weight_bits=5),
    MacConfig(alphabets=(1, 3), weight_bits=5),
    MacConfig(alphabets=(1, 3), weight_bits=5, weight_code="fields"),
    MacConfig(alphabets=(1, 3), weight_bits=4, act_bits=4),
    MacConfig(alphabets=(1, 5), weight_bits=4, act_signed=True),
    MacConfig(alphabets=(1, 3, 7), weight_bits=5, act_signed=True, acc_bits=14),
    MacConfig(alphabets=(1, 3), weight_bits=5, act_signed=True, acc_bits=14, overflow="saturate"),
    MacConfig(alphabets=(1, 3, 5, 7), weight_bits=8, act_bits=12),
    MacConfig(alphabets=_ALL, weight_bits=8, act_signed=True),
    MacConfig(alphabets=(1,), weight_bits=5, act_bits=4, act_alphabets=(1,)),
    MacConfig(alphabets=(1, 3), weight_bits=5, act_bits=8, act_alphabets=(1, 3), act_signed=True),
    # Dot products: held and streaming weights, one and several columns.
    DotConfig(alphabets=(1,), weight_bits=5),
    DotConfig(alphabets=(1, 3), weight_bits=5),
    DotConfig(alphabets=(1, 3), weight_bits=5, columns=4),
    DotConfig(alphabets=(1, 3), weight_bits=3, lanes=4, columns=2, act_bits=4, acc_bits=8, overflow="saturate"),
    DotConfig(alphabets=(1, 3, 5, 7), weight_bits=8, lanes=4, act_signed=True),
    DotConfig(alphabets=(1, 3, 7), weight_bits=5, lanes=1, weight_code="fields"),
    DotConfig(alphabets=(1,), weight_bits=5, lanes=8, act_bits=4, act_alphabets=(1,)),
    DotConfig(alphabets=(1,), weight_bits=4, lanes=3, columns=3, act_bits=4, act_signed=True, acc_bits=10),
)

_TWINS = tuple(
    counterpart(config, arithmetic)
    for config in (
        MultiplierConfig(alphabets=(1, 3), weight_bits=5),
        MacConfig(alphabets=(1, 3), weight_bits=5, act_signed=True),
        DotConfig(alphabets=(1, 3), weight_bits=5),
    )
    for arithmetic in ("exact", "bare")
)

CATALOG: dict[str, MultiplierConfig] = {config.slug: config for config in (*_BASE, *_TWINS)}
"""Every row by its slug."""

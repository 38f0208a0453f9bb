"""Tables of a network on an engine: results go through them on their way to be stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from asm_hw.errors import ParameterError
from asm_hw.formats.activation_format import ActivationFormat
from asm_hw.network.integer_network import IntegerNetwork
from asm_hw.network.integer_table import IntegerTable
from asm_hw.units.engine.engine_config import EngineConfig
from asm_hw.units.engine.engine_records import ENTRY_BITS, TABLE_ENTRIES

from .products import LookUp, Product, changes_nothing, writes_alone
from .tensor_layout import stored_offset


def look_up_of(table: IntegerTable) -> LookUp:
    """The entries of a node as an engine stores them: by stored value, as stored values.

    Raises `ParameterError` where they are wider than what an engine looks up.
    """
    if table.stored.bits > ENTRY_BITS:
        raise ParameterError(
            f"layer {table.name!r} must give at most {ENTRY_BITS} bits on an engine, not {table.stored.bits}"
        )
    entries = [value + stored_offset(table.stored) for value in table.values.tolist()]
    # The smallest integer is stored as 0, of signed and unsigned ones.
    return LookUp(table.taken, (*entries, *[0] * (TABLE_ENTRIES - len(entries))))


def needed_tables(network: IntegerNetwork) -> int:
    """How many different tables an engine has to hold for ``network``."""
    tables = [layer for layer in network.layers if isinstance(layer, IntegerTable)]
    return len(distinct(look_up_of(table) for table in tables))


def distinct(found: Iterable[LookUp | None]) -> list[tuple[int, ...]]:
    """The entries of different tables, in order."""
    return list(dict.fromkeys(look_up.entries for look_up in found if look_up))


def check_tables(config: EngineConfig, products: Sequence[Product]) -> None:
    """Raise `ParameterError` unless the engine holds as many tables as ``products`` go through."""
    needed = len(distinct(product.look_up for product in products))
    if needed > config.tables:
        name = next(product.target for product in products if product.look_up)
        raise ParameterError(
            f"tables must be at least {needed} for this network, in which layer {name!r} is one, not {config.tables}"
        )


def look_up_at_once(
    products: Sequence[Product], kept: set[str], formats: Mapping[str, ActivationFormat]
) -> list[Product]:
    """Products of which all that is stored goes through a table store what the table gives instead.

    ``kept``: tensors that must be stored.
    """
    readers = Counter(name for product in products for name in (product.source, product.skip) if name)
    found: list[Product] = []
    for product in products:
        source = product.source
        alone = readers[source] == 1 and source not in kept and formats[source].bits <= ENTRY_BITS
        maker = next((i for i, one in enumerate(found) if one.target == source), None)
        looked = product.look_up is not None and changes_nothing(product) and alone
        if maker is None or not looked or not _gives_all(found, maker, product):
            found.append(product)
        else:
            found[maker] = replace(found[maker], target=product.target, look_up=product.look_up)
    return found


def _gives_all(products: Sequence[Product], maker: int, product: Product) -> bool:
    """Whether one product makes the whole of what another one reads, and leaves it as the accumulators gave it."""
    one = products[maker]
    whole = not one.encode and one.look_up is None and one.out_size == product.out_size
    return whole and (one.reduce or writes_alone(products, maker, product.out_size))

"""The loops of a layer: passes of columns, blocks of pixels, tiles of weights; each step adds a stride."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from asm_hw.gateware.shapes import struct_of
from asm_hw.numbers.integers import ceil_log2

from .engine_config import EngineConfig
from .engine_layouts import PLACES, job_layout, place_layout
from .program_header import HEADER_ROWS


def add_mod3(a: Value, b: Value) -> Value:
    """``(a + b) % 3`` of numbers below 3."""
    total = a + b
    return Mux(total == 3, 0, Mux(total == 4, 1, total))[:2]


def carries(rest: Value, words: int) -> Value:
    """Whether ``rest + words >= 3``, of numbers of which the first is below 3 and the second not above."""
    return (Const(0, 1), rest == 2, rest != 0, Const(1, 1))[words]


class Loops(wiring.Component):
    """Counts tiles, blocks and passes, and keeps where the next tile lies in every memory.

    Members
    -------
    start : In(1), no program has begun
    opens : In(1), a layer's record is there
    leave : In(1), go to the next tile
    read_record, read_row : In(1), the word at that address is read on this edge
    layer, tile : In(records)
    record : Out, address in program memory
    row, first_row : Out, numbers of the next row of weights and of the first one of the pass, modulo twice their memory
    in_layer : Out(1), records that are read are of a layer
    wants_parameters : Out(1), the tile brings parameters
    ends_layer : Out(1), it is the layer's last; from two cycles after ``leave`` or ``opens`` on
    job : Out(`job_layout`); from then on, too
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        controls = ("start", "opens", "leave", "read_record", "read_row")
        super().__init__(
            {name: In(1) for name in controls}
            | {
                "layer": In(struct_of(config.records.layer)),
                "tile": In(struct_of(config.records.tile)),
                "record": Out(ceil_log2(config.program_rows)),
                "row": Out(ceil_log2(config.weight_rows) + 1),
                "first_row": Out(ceil_log2(config.weight_rows) + 1),
                "in_layer": Out(1),
                "wants_parameters": Out(1),
                "ends_layer": Out(1),
                "job": Out(job_layout(config)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        layer = self.layer
        count = {name: Signal.like(layer[f"{name}s"], name=name, reset_less=True) for name in ("tile", "passe")}
        count |= {name: Signal.like(layer[f"blocks_{name}"], name=f"block_{name}", reset_less=True) for name in "xy"}
        ends = {name: Signal(name=f"ends_{name}") for name in count}
        first = {name: Signal(name=f"first_{name}") for name in count}
        last = {name: Signal.like(number, name=f"last_{name}") for name, number in count.items()}
        # What the next tile begins: another block of the row, another row of blocks, another pass. The registers are a
        # cycle late: no tile is left within three cycles of the one before, for its record is read first.
        order = ("tile", "x", "y", "passe")
        steps, follows, inner_end = {"tile": Const(1)}, {}, count["tile"] == last["tile"]
        m.d.sync += ends["tile"].eq(inner_end)
        for name in order[1:]:
            steps[name] = Signal(name=f"steps_{name}")  # the loops within it end
            follows[name] = Signal(name=f"follows_{name}")  # and it goes on
            here = count[name] == last[name]
            m.d.sync += [ends[name].eq(here), steps[name].eq(inner_end), follows[name].eq(inner_end & ~here)]
            inner_end &= here
        m.d.sync += self.ends_layer.eq(inner_end)
        next_x, next_y, next_pass = (self.leave & follows[name] for name in order[1:])
        m.d.comb += self.wants_parameters.eq(first["tile"] & first["x"] & first["y"])
        for name, step in steps.items():
            with m.If(self.leave & step):
                m.d.sync += [count[name].eq(Mux(ends[name], 0, count[name] + 1)), first[name].eq(ends[name])]
        with m.If(self.start):
            m.d.sync += [self.in_layer.eq(1), self.record.eq(HEADER_ROWS), self.row.eq(0), self.first_row.eq(0)]
        with m.If(self.opens):
            m.d.sync += [self.in_layer.eq(0), *(number.eq(0) for number in count.values())]
            m.d.sync += [flag.eq(1) for flag in first.values()]
            limits = {"tile": layer.tiles, "passe": layer.passes, "x": layer.blocks_x, "y": layer.blocks_y}
            m.d.sync += [last[name].eq(limit - 1) for name, limit in limits.items()]
        with m.If(self.leave & self.ends_layer):
            m.d.sync += self.in_layer.eq(1)
        self._addresses(m, next_x | next_y, next_pass, self.wants_parameters, first["tile"])
        later = [Signal(name=f"next_{name}") for name in order[1:]]  # a block is told as late as the rest of a job
        m.d.sync += Cat(later).eq(Cat(next_x, next_y, next_pass))
        places = {name: self._place(m, name, *later) for name in PLACES}
        source = self._source(m, *later)
        self._job(m, first, ends, source, places)
        return m

    def _addresses(self, m: Module, same_pass, next_pass, fresh, first_tile) -> None:
        """Records and rows follow one another; the blocks of a pass begin with its first again."""
        record, row = Signal.like(self.record, reset_less=True), self.first_row  # of the pass
        following = Signal.like(self.row)
        # A block that is not the first of its pass has the parameters already.
        m.d.comb += following.eq(self.row + Mux(first_tile & ~fresh, self._config.records.parameter_rows, 0))
        with m.If(self.read_record):
            m.d.sync += self.record.eq(self.record + 1)
        with m.If(self.read_row):
            m.d.sync += self.row.eq(self.row + 1)
        with m.If(self.opens):
            m.d.sync += [record.eq(self.record), row.eq(self.row)]
        after = Signal.like(self.row)
        m.d.comb += after.eq(following + self.read_row)  # a tile may be left in the cycle of its last read
        with m.If(self.leave):
            m.d.sync += self.row.eq(after)
            with m.If(same_pass):
                m.d.sync += [self.record.eq(record), self.row.eq(row)]
            with m.If(next_pass):
                m.d.sync += row.eq(after)
                with m.If(self.layer.own_tiles):
                    m.d.sync += record.eq(self.record)
                with m.Else():
                    m.d.sync += self.record.eq(record)

    def _place(self, m: Module, name: str, next_x, next_y, next_pass) -> dict[str, Signal]:
        """Where the block's first pixel lies in a tensor that is written or joined: `place_layout`, by field."""
        of, layer, words = (lambda field: self.layer[f"{name}_{field}"]), self.layer, self._config.beat_words
        # Signals of their own, since parts of one register get names that need escapes.
        place = {
            field: Signal(shape, name=f"{name}_{field}", reset_less=True)
            for field, shape in place_layout(self._config).members.items()
        }
        fields = ("row", "m3", "m2", "rest")
        first = {f: Signal.like(place[f], name=f"{name}_pass_{f}", reset_less=True) for f in fields}
        following = {
            "row": first["row"] + carries(first["rest"], words), "m3": add_mod3(first["m3"], words % 3),
            "m2": first["m2"] ^ words % 2, "rest": add_mod3(first["rest"], words % 3),
        }  # fmt: skip
        begin = {"row": of("base")} | {field: of(field) for field in fields[1:]}
        for step, values in ((self.opens, begin), (next_pass, following)):
            with m.If(step):
                m.d.sync += place["col"].eq(0)
                m.d.sync += [kept[field].eq(value) for field, value in values.items() for kept in (place, first)]
        with m.If(next_x):
            m.d.sync += place["col"].eq(place["col"] + of("block_col"))
        with m.If(next_y):
            m.d.sync += [
                place["col"].eq(0), place["row"].eq(place["row"] + of("block_row")),
                place["m3"].eq(add_mod3(place["m3"], layer.out_height_m3)),
                place["m2"].eq(place["m2"] ^ layer.out_height_m2),
            ]  # fmt: skip
        return place

    def _source(self, m: Module, next_x, next_y, next_pass) -> dict[str, Signal]:
        """The block's first pixel in the source."""
        layer = self.layer
        y, x, row, col, m3 = (
            Signal.like(layer[f"block_{name}"], name=f"source_{name}", reset_less=True)
            for name in ("y", "x", "row", "col", "m3")
        )
        with m.If(next_x):
            m.d.sync += [x.eq(x + layer.block_x), col.eq(col + layer.block_col)]
        with m.If(next_y):
            m.d.sync += [x.eq(0), col.eq(0), y.eq(y + layer.block_y), row.eq(row + layer.block_row)]
            m.d.sync += m3.eq(add_mod3(m3, layer.block_m3))
        with m.If(self.opens | next_pass):
            m.d.sync += [x.eq(0), col.eq(0), y.eq(0), row.eq(0), m3.eq(0)]
        return {"y": y, "x": x, "row": row, "col": col, "m3": m3}

    def _job(self, m: Module, first, ends, source, places) -> None:
        layer, tile, job = self.layer, self.tile, self.job
        first_block = first["x"] & first["y"]
        m.d.comb += [
            job.y.eq(source["y"] + tile.dy.as_signed()), job.x.eq(source["x"] + tile.dx.as_signed()),
            job.row.eq(source["row"] + tile.address), job.col.eq(source["col"]),
            job.m3.eq(add_mod3(source["m3"], tile.m3)), job.m2.eq(tile.m2),
            job.mask.eq(tile.mask), job.shift.eq(tile.shift), job.pad.eq(tile.pad),
            job.height.eq(Mux(ends["y"], layer.last_h, layer.block_h)),
            job.width.eq(Mux(ends["x"], layer.last_w, layer.block_w)),
            job.first.eq(first["tile"]), job.last.eq(ends["tile"]),
            job.starts_pass.eq(first_block), job.ends_layer.eq(self.ends_layer),
            job.starts_layer.eq(first_block & first["tile"] & first["passe"]),
            job.starts_sum.eq(~layer.reduce | first_block), job.ends_sum.eq(~layer.reduce | (ends["x"] & ends["y"])),
            *(job[name][field].eq(kept) for name, place in places.items() for field, kept in place.items()),
        ]  # fmt: skip

"""The stages of an engine's pipeline: how many edges lie between the issue of a step and what becomes of it."""

SWAP_STAGE = 2
"""Edges from the issue of a tile's first step to the one that swaps its weights in."""
OUTPUT_STAGES = 4
"""Edges from the one that ends a sum to its output in the activation memory."""
TABLE_STAGES = 2
"""Edges more where outputs can be looked up: two, so that `EngineStages.join_gap` stays odd."""
MAX_TABLE_STAGES = 3
"""Most ``stages`` beside tables: with more, what shares segments would need steps longer than a record says."""


class EngineStages:
    """What `EngineConfig` says of its stages."""

    stages: int
    tables: int

    @property
    def finish_stage(self) -> int:
        """Edges from the issue of a step to the one that ends its sum."""
        return SWAP_STAGE + 1 + self.stages

    @property
    def skip_stage(self) -> int:
        """Edges from the issue of a step to the one that reads what joins its sum."""
        return self.finish_stage - 1

    @property
    def last_stage(self) -> int:
        """Edges from the issue of a step to its output in the activation memory."""
        return self.finish_stage + OUTPUT_STAGES + (TABLE_STAGES if self.tables else 0)

    @property
    def drain(self) -> int:
        """Cycles after a layer's last issue without the next layer: its first read would meet the last write."""
        return self.last_stage - 1

    @property
    def join_gap(self) -> int:
        """Cycles after an issue that writes in which no tile begins whose sums others join: these may lie in place.

        Odd: at a step a cycle, word read and word written then lie in banks of different parity.
        """
        return self.last_stage - self.skip_stage

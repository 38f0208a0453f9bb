"""Integer networks to programs of the engine: lowered to products, cut into tiles, placed, scheduled."""

"""Cell libraries and memory macros: files, tables, models."""

"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from asm_hw.errors import ParameterError


@contextmanager
def whole_file(what: str, path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to, which becomes ``path`` at the end; nothing does where writing fails.

    ``what`` names the file in the `ParameterError` for a folder that is missing or cannot be written.
    """
    if not path.parent.is_dir() or path.is_dir():
        raise ParameterError(f"{what} {str(path)!r} must be a file in a folder that exists")
    try:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            written = Path(folder) / path.name
            yield written
            os.replace(written, path)
    except OSError as error:
        raise ParameterError(f"{what} {str(path)!r} must be one that can be written: {error.strerror}") from None

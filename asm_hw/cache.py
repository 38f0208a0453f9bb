"""Where results that are slow to make are kept between runs."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

_LOCKS: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


def cache_folder(name: str) -> Path:
    """The folder ``name`` in the user's cache; it need not exist yet."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "asm-hw" / name


def content_key(texts: Iterable[str], files: Iterable[Path]) -> str:
    """A hash of texts and of files' contents, in order: all that a result depends on, its programs included."""
    digest = hashlib.sha256()
    for part in [*(text.encode() for text in texts), *(path.read_bytes() for path in files)]:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


def package_files() -> list[Path]:
    """Every file of the package: what anything that it writes depends on, its libraries aside."""
    root = Path(__file__).parent
    return sorted(path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def kept(name: str, key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The plain JSON that ``make`` returns, made once for each ``key`` and kept in the cache folder ``name``.

    Threads that want the same wait for the one that makes it.
    """
    path = cache_folder(name) / f"{key}.json"
    with _LOCKS[str(path)]:
        with suppress(OSError, ValueError):  # nothing kept, or nothing that can be read
            return json.loads(path.read_text())
        text = json.dumps(make())
        with suppress(OSError):  # a cache that cannot be written saves no time and does no harm
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = path.with_suffix(f".{os.getpid()}")
            fresh.write_text(text)
            fresh.rename(path)
        return json.loads(text)

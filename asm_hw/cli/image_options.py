"""The options that say how an image in a file becomes what a model takes."""

from __future__ import annotations

from collections.abc import Callable

from .unit_options import option

_OPTIONS = (
    option("--resize", type=int, help="Pixels of the short side before the middle is cut out. [default: size / 0.875]"),
    option("--mean", help="Of red, green and blue, 0 to 1, taken off folder data. [default: that of ImageNet]"),
    option("--std", help="Of red, green and blue: what folder data is divided by. [default: that of ImageNet]"),
)


def image_options(command: Callable) -> Callable:
    """``--resize``, ``--mean`` and ``--std`` of images in folders, as `Preprocessing.of` takes them."""
    for add in reversed(_OPTIONS):
        command = add(command)
    return command

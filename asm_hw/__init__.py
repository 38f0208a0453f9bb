"""The generator of multiplier-less neural-network hardware.

What stands in ``__all__`` is the public face, and stable; everything else may move. Names are imported when they are
first used: configurations and `emit` need no PyTorch, training no Amaranth.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "errors": ("ParameterError",),
    "numbers.alphabets": ("AlphabetSet",),
    "formats.weight_format": ("WeightFormat",),
    "formats.activation_format": ("ActivationFormat",),
    "formats.product_format": ("ProductFormat",),
    "formats.accumulator_format": ("AccumulatorFormat",),
    "formats.requantize_format": ("RequantizeFormat",),
    "units.unit_config": ("UnitConfig",),
    "units.multiplier.multiplier_config": ("MultiplierConfig",),
    "units.mac.mac_config": ("MacConfig",),
    "units.dot.dot_config": ("DotConfig",),
    "units.near_memory.near_memory_config": ("NearMemoryConfig",),
    "units.bitline.bitline_config": ("BitlineConfig",),
    "units.vn_scalar.vn_scalar_config": ("VnScalarConfig",),
    "units.vn_array.vn_array_config": ("VnArrayConfig",),
    "units.engine.engine_config": ("EngineConfig",),
    "units.registry": ("Unit", "make_config", "register"),
    "units.catalog": ("CATALOG",),
    "emission.emit_folder": ("Emitted", "emit"),
    "network.integer_network": ("IntegerNetwork",),
    "network.network_file": ("load", "save"),
    "exchange.onnx_model": ("onnx_model", "save_onnx"),
    "exchange.multiplier_table": ("multiplier_table", "save_table"),
    "training.prepare": ("prepare",),
    "training.freeze": ("freeze", "settle"),
    "training.convert": ("convert",),
    "training.calibrate": ("quantize",),
    "training.onnx_in.onnx_import": ("from_onnx",),
}
"""Where the public names live."""

if TYPE_CHECKING:
    from asm_hw import golden as golden
    from asm_hw.emission.emit_folder import Emitted, emit
    from asm_hw.exchange.multiplier_table import multiplier_table, save_table
    from asm_hw.exchange.onnx_model import onnx_model, save_onnx
    from asm_hw.formats.accumulator_format import AccumulatorFormat
    from asm_hw.formats.activation_format import ActivationFormat
    from asm_hw.formats.product_format import ProductFormat
    from asm_hw.formats.requantize_format import RequantizeFormat
    from asm_hw.formats.weight_format import WeightFormat
    from asm_hw.network.integer_network import IntegerNetwork
    from asm_hw.network.network_file import load, save
    from asm_hw.numbers.alphabets import AlphabetSet
    from asm_hw.training.calibrate import quantize
    from asm_hw.training.convert import convert
    from asm_hw.training.freeze import freeze, settle
    from asm_hw.training.onnx_in.onnx_import import from_onnx
    from asm_hw.training.prepare import prepare
    from asm_hw.units.bitline.bitline_config import BitlineConfig
    from asm_hw.units.catalog import CATALOG
    from asm_hw.units.dot.dot_config import DotConfig
    from asm_hw.units.engine.engine_config import EngineConfig
    from asm_hw.units.mac.mac_config import MacConfig
    from asm_hw.units.multiplier.multiplier_config import MultiplierConfig
    from asm_hw.units.near_memory.near_memory_config import NearMemoryConfig
    from asm_hw.units.registry import Unit, make_config, register
    from asm_hw.units.unit_config import UnitConfig
    from asm_hw.units.vn_array.vn_array_config import VnArrayConfig
    from asm_hw.units.vn_scalar.vn_scalar_config import VnScalarConfig

    from .errors import ParameterError

__all__ = [
    "CATALOG", "AccumulatorFormat", "ActivationFormat", "AlphabetSet", "BitlineConfig", "DotConfig", "Emitted",
    "EngineConfig", "IntegerNetwork", "MacConfig", "MultiplierConfig", "NearMemoryConfig", "ParameterError",
    "ProductFormat", "RequantizeFormat", "Unit", "UnitConfig", "VnArrayConfig", "VnScalarConfig", "WeightFormat",
    "convert", "emit", "freeze", "from_onnx", "golden", "load", "make_config", "multiplier_table", "onnx_model",
    "prepare", "quantize", "register", "save", "save_onnx", "save_table", "settle",
]  # fmt: skip

_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # it would let every name pass

    def __getattr__(name: str) -> Any:
        """A public name, imported from its home."""
        if name == "golden":
            return import_module("asm_hw.golden")
        if name not in _MODULE_OF:
            raise AttributeError(f"module 'asm_hw' has no attribute {name!r}")
        return getattr(import_module(f"asm_hw.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])

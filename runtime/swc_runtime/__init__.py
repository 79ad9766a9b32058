"""The torch runtime of swc: banks, composition, training."""

from swc_runtime.anytime import AnytimePredictor
from swc_runtime.ensemble import Ensemble, build

__all__ = ["AnytimePredictor", "Ensemble", "build"]

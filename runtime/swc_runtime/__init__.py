"""The torch runtime of swc: banks, composition, training."""

from swc_runtime.ensemble import Ensemble, build
from swc_runtime.evaluate.anytime import AnytimePredictor

__all__ = ["AnytimePredictor", "Ensemble", "build"]

"""Step strategies: how the members run together on a mini-batch; one literal registry, by `Program.step`."""

from swc_runtime.steps.independent import independent
from swc_runtime.steps.step import Batch, Outcome, Step, StepOptions

STEPS: dict[str, Step] = {"independent": independent}

__all__ = ["STEPS", "Batch", "Outcome", "Step", "StepOptions"]

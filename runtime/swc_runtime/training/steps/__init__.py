"""Step strategies: how the members run together on a mini-batch; one literal registry, by `Program.step`."""

from swc_runtime.training.steps.distilled import distilled
from swc_runtime.training.steps.independent import independent
from swc_runtime.training.steps.joint import joint
from swc_runtime.training.steps.sandwich import sandwich
from swc_runtime.training.steps.split import split
from swc_runtime.training.steps.step import Batch, Outcome, Step, StepOptions
from swc_runtime.training.steps.taught import taught

STEPS: dict[str, Step] = {
    "independent": independent,
    "split": split,
    "sandwich": sandwich,
    "joint": joint,
    "distilled": distilled,
    "taught": taught,
}
LEAVES_NORMS: tuple[str, ...] = ("sandwich",)  # after these strategies running statistics are estimated again

__all__ = ["LEAVES_NORMS", "STEPS", "Batch", "Outcome", "Step", "StepOptions"]

"""Whether a run could train a model, keep it, take it up again, recompile and export it: all of it tried once."""

from swc_runtime.trial.subject import ActFailedError, Trial
from swc_runtime.trial.trial import TrialResult, try_member

__all__ = ["ActFailedError", "Trial", "TrialResult", "try_member"]

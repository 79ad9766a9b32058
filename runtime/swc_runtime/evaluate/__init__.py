"""What an ensemble predicts, and what that is worth."""

from swc_runtime.evaluate.predict import evaluate, evaluating, predict, predict_logits

__all__ = ["evaluate", "evaluating", "predict", "predict_logits"]

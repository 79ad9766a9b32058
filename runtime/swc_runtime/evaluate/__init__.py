"""What an ensemble predicts, and what that is worth."""

from swc_runtime.evaluate.predict import dependences, evaluate, evaluating, predict, predict_logits

__all__ = ["dependences", "evaluate", "evaluating", "predict", "predict_logits"]

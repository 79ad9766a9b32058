"""Weight expressions: how a weight is made of stored tensors and SuperWeights."""

from swc_runtime.weights.expressions.evaluate import evaluate

__all__ = ["evaluate"]

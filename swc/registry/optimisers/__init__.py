"""The optimisers: one file for each, and one line here."""

from swc.registry.optimisers.adamw import ADAMW
from swc.registry.optimisers.row import OptimiserRow, StateRow
from swc.registry.optimisers.sgd import SGD
from swc.registry.registry import Registry

OPTIMISERS: Registry[OptimiserRow] = Registry("optimiser", "swc.optimisers", OptimiserRow, (SGD, ADAMW))

__all__ = ["OPTIMISERS", "OptimiserRow", "StateRow"]

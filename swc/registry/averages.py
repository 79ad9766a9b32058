"""The averages of weights over the steps of a training: one row for each."""

from __future__ import annotations

from attrs import frozen

from swc.registry.registry import Registry
from swc.registry.row import ArgumentRow, RegistryRow


@frozen(kw_only=True)
class AverageRow(RegistryRow):
    """An average of weights. `implementation` is called with the states averaged so far and its arguments by name.

    It gives what share of the average the state at hand gets, from 0 to 1; of the first state, all of it, it is not
    asked. See `swc_runtime.training.averages`.
    """


EMA = AverageRow(
    name="ema",
    words="an exponential moving average: each step takes it by 1 - `decay` of the way to the weights",
    implementation="swc_runtime.training.averages:ema",
    arguments=(ArgumentRow("decay", "number", least=0, below=1, default=0.999, what="the decay of an average"),),
)

AVERAGES: Registry[AverageRow] = Registry("average", "swc.averages", AverageRow, (EMA,))

"""The schedules of the learning rate: one row for each."""

from __future__ import annotations

from attrs import frozen

from swc.registry.registry import Registry
from swc.registry.row import ArgumentRow, RegistryRow


@frozen(kw_only=True)
class ScheduleRow(RegistryRow):
    """A schedule. `implementation` is called with a `PhasePlace` and its arguments by name; it gives a factor.

    See `swc_runtime.training.schedule`. The factor depends on the place alone, so that a run can be resumed anywhere.
    One that `needs_end` depends on how many epochs the phase has, and does not go with a phase of `up to N epochs`.
    """

    needs_end: bool = False


CONSTANT = ScheduleRow(
    name="constant", words="the same rate throughout", implementation="swc_runtime.training.schedule:constant"
)
STEPS = ScheduleRow(
    name="steps",
    words="multiplies the rate by `factor` at each epoch of `at`",
    implementation="swc_runtime.training.schedule:steps",
    arguments=(
        ArgumentRow("at", "numbers", above=0, rises=True, in_epochs=True, what="a milestone"),
        ArgumentRow("factor", "number", above=0, default=0.2, what="a factor"),
    ),
)
COSINE = ScheduleRow(
    name="cosine",
    words="falls to zero at the end of the phase",
    implementation="swc_runtime.training.schedule:cosine",
    needs_end=True,
)

SCHEDULES: Registry[ScheduleRow] = Registry("schedule", "swc.schedules", ScheduleRow, (CONSTANT, COSINE, STEPS))

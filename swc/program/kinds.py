"""Every registry there is, by its kind."""

from __future__ import annotations

from typing import Any

from swc.program.datasets import DATA
from swc.registry.actions import ACTIONS
from swc.registry.augmentations import AUGMENTATIONS
from swc.registry.averages import AVERAGES
from swc.registry.families import FAMILIES
from swc.registry.losses import LOSSES
from swc.registry.optimisers import OPTIMISERS
from swc.registry.policies import POLICIES
from swc.registry.registry import Registry
from swc.registry.schedules import SCHEDULES
from swc.registry.tasks import TASKS

ALL: tuple[Registry[Any], ...] = (
    ACTIONS,
    AUGMENTATIONS,
    AVERAGES,
    DATA,
    FAMILIES,
    LOSSES,
    OPTIMISERS,
    POLICIES,
    SCHEDULES,
    TASKS,
)
KINDS: dict[str, Registry[Any]] = {registry.kind: registry for registry in ALL}

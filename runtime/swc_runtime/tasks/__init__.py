"""What an ensemble's outputs mean: a module for each task, behind the rows of `swc.registry.tasks`."""

from swc_runtime.tasks.rules import PLAIN, TaskRules, rules_of

__all__ = ["PLAIN", "TaskRules", "rules_of"]

"""The task of an ensemble.

Takes the `task` item and its scope, gives `Task`; takes what else an ensemble says, reports what is for another task.
Guarantees: without an item the task is classification.
"""

from __future__ import annotations

from swc.diagnostics import Span, catalogue
from swc.language.semantics.calls import bind_declared, row_of
from swc.language.semantics.scope import Scope
from swc.language.semantics.steps import span_of_step
from swc.language.syntax import tree
from swc.program.steps import StepPlan
from swc.program.task import Task
from swc.program.training import Training
from swc.program.vocabulary import STEP_TASKS
from swc.registry.tasks import TASKS

Items = tuple[tree.EnsembleItem, ...]


def read_task(item: tree.TaskItem, scope: Scope) -> Task:
    """The task that an ensemble states; an unknown one is reported."""
    row = row_of(item.call.name, TASKS, scope)
    if row is None:
        return Task()
    given = bind_declared(item.call, scope, row.arguments, f"task {row.name}")
    return Task() if row.fault_of(given) else Task(row.name, row.settled(given))


def check_task(items: Items, task: Task, step: StepPlan, training: Training | None, scope: Scope) -> None:
    """Losses and step strategies are each for some tasks."""
    loss = training.recipe.loss if training is not None else None
    if loss is not None and loss.row.task != task.name:
        found, of, span = f"the loss `{loss.name}`", loss.row.task, _span_of_loss(items)
        way = f"leave it out, and the loss is `{task.row.loss}`"
        scope.sink.report(catalogue.ForAnotherTask(span=span, what=found, of=of, task=task.name, way=way))
    if task.name not in STEP_TASKS.get(step.name, (task.name,)):
        (of, *_), found, span = STEP_TASKS[step.name], f"the step `{step.name}`", span_of_step(items)
        way = "train with `step independent`, which is the default"
        scope.sink.report(catalogue.ForAnotherTask(span=span, what=found, of=of, task=task.name, way=way))


def _span_of_loss(items: Items) -> Span:
    """Where a loss is stated in the train block, or the block, whose recipe states it."""
    train = next(item for item in items if isinstance(item, tree.TrainBlock))
    stated = (
        item
        for item in train.items
        if isinstance(item, tree.LossItem) or (isinstance(item, tree.SettingItem) and item.key == "label_smoothing")
    )
    return next((item.span for item in stated), train.recipe.span if train.recipe is not None else train.span)

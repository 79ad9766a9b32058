"""The numbers of a run that tables of a sweep have, by name, and what their columns are called.

Guarantees: the order here is that of tables; a table of an earlier version may lack the later ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from swc.registry.tasks import TASKS, ScoreRow

SCORES = ("top1", "nll", "ece")  # of the ensemble, on the test images
VALIDATION_NLL = "validation_nll"  # by which a setting is chosen
MEMBERS = ("mean_member_top1", "best_member_top1", "chosen_member_top1", "chosen_member_nll")  # on the test images
METRICS = ("validation_top1", VALIDATION_NLL, "validation_ece", *SCORES, *MEMBERS)
BY_TASK: dict[str, ScoreRow] = {  # the scores of other tasks; NLL and ECE are shared
    row.name: row
    for task in TASKS.rows
    for row in task.scores
    if task.name != "classification" and row.name not in SCORES
}
CHOICES = tuple(f"validation_{task.patience}" for task in TASKS.rows if task.patience != "nll")  # of other tasks
BEST = {task.best: task for task in TASKS.rows}  # by the score that is known of every run of a task
WHOSE = ("mean", "best", "chosen")
OTHERS = (  # the numbers of other tasks, which tables have where some run has them
    *(f"validation_{name}" for name in BY_TASK),
    *BY_TASK,
    *(f"{whose}_member_{name}" for name in BEST if name in BY_TASK for whose in WHOSE),
)
COSTS = ("stored", "stored_bytes", "templates", "multiply_adds", "train_seconds")
BANKS = "templates_per_bank"  # no number: the smallest, the median and the largest
FRACTIONS = frozenset(METRICS) - {"nll", VALIDATION_NLL, "chosen_member_nll"}  # of images, and ECE
PLAIN: tuple[str, ...] = ("nll", VALIDATION_NLL, "chosen_member_nll", "diversity")  # that are not fractions of images


def _row_of(name: str) -> ScoreRow:
    """The score that a number of another task is of."""
    return BY_TASK[name.removeprefix("validation_").split("_member_")[-1]]


def _heading(name: str) -> str:
    """What the column of a number of another task is called."""
    title = _row_of(name).title
    if "_member_" in name:
        return f"{name.partition('_')[0]} member {title}"
    return f"validation {title}" if name.startswith("validation_") else title


PLAIN += tuple(name for name in OTHERS if _row_of(name).form == "number")
FRACTIONS |= {name for name in OTHERS if name not in PLAIN}
HEADINGS = {
    "validation_top1": "validation top-1",
    VALIDATION_NLL: "validation NLL",
    "validation_ece": "validation ECE",
    "top1": "ensemble top-1",
    "nll": "NLL",
    "ece": "ECE",
    "mean_member_top1": "mean member",
    "best_member_top1": "best member",
    "chosen_member_top1": "chosen member",
    "chosen_member_nll": "chosen member NLL",
    **{name: _heading(name) for name in OTHERS},
    "stored": "stored",
    "stored_bytes": "stored bytes",
    "templates": "in templates",
    "multiply_adds": "multiply-adds",
    "train_seconds": "seconds",
    BANKS: "per bank",
}


def choice_in(names: Collection[str]) -> str:
    """By which number of the validation part settings are chosen, of those that are known: lower is better."""
    return next((name for name in CHOICES if name in names), VALIDATION_NLL)


def paired_of(names: Collection[str]) -> tuple[str, str]:
    """The two numbers whose differences by seed are told, of runs that have these."""
    task = next((task for best, task in BEST.items() if best in names), TASKS["classification"])
    return task.paired


def metrics_in(rows: Iterable[Mapping[str, float]]) -> tuple[str, ...]:
    """The columns of scores of a table with these rows: those of other tasks where some row has them."""
    known = {name for row in rows for name in row}
    return (*METRICS, *(name for name in OTHERS if name in known))


def fault_of(name: str, number: float, *, is_density: bool = False) -> str:
    """What is wrong with a number of a column, which nothing that is measured can be; "" where nothing is.

    An NLL `is_density` where it is of numbers, and may then be below 0, as may what is explained of a variance.
    """
    if name.endswith("r2") or (is_density and name.endswith("nll")):
        return ""
    if number < 0:
        return f"a `{name}` of {number:g} is below 0"
    return f"a `{name}` of {number:g} is above 1, and it is a fraction" if name in FRACTIONS and number > 1 else ""

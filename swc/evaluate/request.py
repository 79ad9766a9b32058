"""What the command line asks of an evaluation, and what cannot be asked of some data.

Takes options; gives `EvaluationRequest`. Guarantees: what does not fit is a DiagnosticError before anything is opened.
"""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.data_parts import NoValidationPart
from swc.diagnostics.catalogue.tasks import OptionForAnotherTask
from swc.files.evaluation import Storage
from swc.files.scores import ScoredPart
from swc.program.datasets import DataFacts
from swc.program.task import Task


@frozen
class EvaluationRequest:
    """What the command line says about an evaluation.

    `outliers` are names of data sets or folders of images; `time_batch` 0 leaves out the times; `interpolate` asks for
    the line between members of one architecture; `keep` writes the predictions beside the numbers; `corruptions` is a
    folder of corrupted test images; `stored` says what weights are rounded to before anything is predicted; `on` says
    which part is scored, `test` or `validation`; `average` takes the average of the weights for the weights;
    `workers` is as `swc.running.options` has it.
    """

    data: Path | None = None
    offline: bool = False
    device: str = "auto"
    temperature: bool = False
    outliers: tuple[str, ...] = ()
    time_batch: int = 128
    interpolate: bool = False
    keep: bool = False
    corruptions: Path | None = None
    stored: Storage = "float32"
    on: str = "test"
    average: bool = False
    workers: int | None = None

    @property
    def stem(self) -> str:
        """What the files with the numbers are called."""
        return "validation" if self.on == "validation" else "evaluation"


def check_options(task: Task, asked: EvaluationRequest) -> None:
    """DiagnosticError where an option asks for what is measured of classes alone."""
    if task.is_classification:
        return
    options = {
        "--temperature": asked.temperature,
        "--ood": asked.outliers,
        "--corruptions": asked.corruptions,
        "--interpolate": asked.interpolate,
    }
    unfit = tuple(OptionForAnotherTask(option=name, task=task.name) for name, value in options.items() if value)
    if unfit:
        raise DiagnosticError(*unfit)


def part_of(data: DataFacts, on: str) -> ScoredPart:
    """The part of a data set that `--on` names; DiagnosticError where no validation part is drawn."""
    if on == "validation" and not data.has_validation:
        raise DiagnosticError(NoValidationPart(name=data.title))
    return "validation" if on == "validation" else "test" if data.has_validation else ""

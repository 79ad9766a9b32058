"""Diagnostics about tasks: what is for another one, and targets that are not what a task needs (SW800 to SW809).

Guarantees: `TASKS` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic


@frozen(kw_only=True)
class ForAnotherTask(Diagnostic):
    """A loss, a step strategy or a figure is for another task than the ensemble has.

    A loss compares the outputs of a member with its targets, and these are a class in `task classification`, numbers
    in `task regression`, and a yes or no for each label in `task multilabel`. Of the step strategies, `distilled` and
    `taught` soften the probabilities of classes by a temperature, which the predictions of other tasks have not got.
    The figures interpolation and corruptions are of accuracies.
    """

    code: ClassVar[str] = "SW800"
    what: str
    of: str
    task: str
    way: str

    def message(self) -> str:
        return f"{self.what} is for `task {self.of}`, and this ensemble has `task {self.task}`"

    def help(self) -> str:
        return self.way


@frozen(kw_only=True)
class DataWithoutTargets(Diagnostic):
    """A data set has other targets than the task of the ensemble needs.

    The published sets of images, and folders of images, have one class for each image. Numbers to predict, or several
    labels for each example, come from a function of your own: `data python("module:function", ...)`.
    """

    code: ClassVar[str] = "SW801"
    data: str
    task: str
    fitting: tuple[str, ...]

    def message(self) -> str:
        return f"the data set `{self.data}` has no targets for `task {self.task}`"

    def help(self) -> str:
        return f"take another: {', '.join(f'`data {name}(...)`' for name in self.fitting)}"


@frozen(kw_only=True)
class UnfitTargets(Diagnostic):
    """The targets of some examples are not what the task needs.

    `task regression` needs finite numbers, [N] or [N, targets]; `task multilabel` a 0 or 1 for each example and label,
    [N, labels]. Integers, floats and booleans are taken for either; texts are not.
    """

    code: ClassVar[str] = "SW802"
    name: str
    part: str
    wanted: str
    found: str

    def message(self) -> str:
        return f"the targets of {self.part} of `{self.name}` should be {self.wanted}, and are {self.found}"

    def help(self) -> str:
        return "mend what the function gives, or the `task` item"


@frozen(kw_only=True)
class ConstantTarget(Diagnostic):
    """A target of a regression has the same value for all training examples.

    Targets are standardised by the mean and the deviation of the training part, and a deviation of zero leaves nothing
    to learn. Leave that target out, or give examples in which it differs.
    """

    code: ClassVar[str] = "SW803"
    name: str
    target: int
    value: float

    def message(self) -> str:
        return f"target {self.target} of `{self.name}` is {self.value:g} in every training example"

    def help(self) -> str:
        return "leave this target out, or give examples in which it differs"


@frozen(kw_only=True)
class OptionForAnotherTask(Diagnostic):
    """An option asks for something that the task of the ensemble has not got.

    Temperatures, outliers by the uncertainty of a class, corrupted images and accuracy on the line between two members
    are about classes. The scores of other tasks are measured without any option.
    """

    code: ClassVar[str] = "SW804"
    option: str
    task: str

    def message(self) -> str:
        return f"`{self.option}` is for `task classification`, and this ensemble has `task {self.task}`"

    def help(self) -> str:
        return f"leave `{self.option}` out"


@frozen(kw_only=True)
class OtherScale(Diagnostic):
    """The training examples are others than those that a run was begun with: its targets have another mean.

    The numbers of a regression are standardised by the mean and the deviation of the training part, which the run
    keeps in `targets.json`. Outputs of its members mean nothing with others.
    """

    code: ClassVar[str] = "SW805"
    name: str
    folder: str

    def message(self) -> str:
        return f"the training targets of `{self.name}` are not those that the run in `{self.folder}` was begun with"

    def help(self) -> str:
        return "give the same examples as then, or begin another run: `swc train --fresh`"


TASKS: tuple[type[Diagnostic], ...] = (
    ForAnotherTask,
    DataWithoutTargets,
    UnfitTargets,
    ConstantTarget,
    OptionForAnotherTask,
    OtherScale,
)

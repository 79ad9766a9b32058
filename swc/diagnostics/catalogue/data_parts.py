"""Diagnostics about the parts that are drawn from a data set (SW513 to SW517).

Guarantees: `DATA_PARTS` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics import Diagnostic, Severity


@frozen(kw_only=True)
class PartTooSmall(Diagnostic):
    """A part that is drawn from a data set would have fewer images than there are classes.

    Images to train on (`train`) and to choose settings with (`validation`) are drawn with each class in proportion.
    With fewer images than classes some class would be missing: it would not be learned, or its mistakes not be seen.
    """

    code: ClassVar[str] = "SW513"
    name: str
    part: str
    found: int
    num_classes: int

    def message(self) -> str:
        images = "one image" if self.found == 1 else f"{self.found:,} images"
        return f"`{self.part}` of `{self.name}` draws {images}, where there are {self.num_classes:,} classes"

    def help(self) -> str:
        return f"draw at least one image of each class: {self.num_classes:,} or more"


@frozen(kw_only=True)
class ValidationNotAsSaid(Diagnostic):
    """The data set has a validation part of its own and the spec does not say so, or the other way round.

    A function of yours, or a file of arrays, may give a third part to choose settings with. The spec says so,
    `validation: given`, because what is scored while training goes on, and what a sweep chooses by, follows from it.
    With `validation: 10%` the part is drawn from the training examples instead, and the data set must not have one.
    """

    code: ClassVar[str] = "SW517"
    name: str
    is_given: bool

    def message(self) -> str:
        if self.is_given:
            return f"`{self.name}` has a validation part, and the spec does not say `validation: given`"
        return f"the spec says `validation: given`, and `{self.name}` has no validation part"

    def help(self) -> str:
        if self.is_given:
            return "say `validation: given` in the `data` line, or leave that part out of the data"
        return "give the part, or let one be drawn: `validation: 10%`"


@frozen(kw_only=True)
class PartsTooLarge(Diagnostic):
    """The parts that are drawn from a data set need more images than there are, or leave none.

    `train` and `validation` are drawn from the images to train on, none of them twice; per cent are of all of these.
    What is left must hold an image of each class: without `train` it is trained on, and of a set without a published
    split, such as the digits, it is tested with.
    """

    code: ClassVar[str] = "SW514"
    name: str
    total: int
    num_train: int
    num_validation: int
    left: int

    def message(self) -> str:
        parts = [(self.num_train, "to train on"), (self.num_validation, "to validate with")]
        asked = " and ".join(f"{count:,} {what}" for count, what in parts if count > 0)
        return f"the {self.total:,} images of `{self.name}` are too few to draw {asked}"

    def help(self) -> str:
        return (
            f"ask for fewer, so that at least {self.left:,} are left, one of each class"
            if self.left
            else "ask for fewer"
        )


@frozen(kw_only=True)
class ClassesNotDrawn(Diagnostic):
    """A part that was drawn from a data set has no image of some classes.

    Classes are drawn in proportion, so that a class of few images may get none in a small part. A class that is not
    trained on is not learned; one that is not validated with has no part in choosing. Draw more, or add images.
    """

    code: ClassVar[str] = "SW515"
    severity: ClassVar[Severity] = Severity.WARNING
    name: str
    part: str
    num_classes: int

    def message(self) -> str:
        classes = "one class" if self.num_classes == 1 else f"{self.num_classes:,} classes"
        return f"`{self.part}` of `{self.name}` draws no image of {classes}"

    def help(self) -> str:
        return f"draw more with `{self.part}`, or add images of these classes"


@frozen(kw_only=True)
class NoValidationPart(Diagnostic):
    """Scores were asked for on a validation part, and the spec draws none.

    A validation part is drawn from the images to train on where the `data` item says so: `data cifar100(validation:
    5000)`, or `validation: 10%`. A run that trained on all images has none that it has not seen but the test images:
    train it again with a validation part, or leave `--on validation` away.
    """

    code: ClassVar[str] = "SW516"
    name: str

    def message(self) -> str:
        return f"no validation part is drawn from `{self.name}`"

    def help(self) -> str:
        return "say `validation: 10%` in the spec's `data` item and train again, or leave `--on validation` away"


DATA_PARTS = (PartTooSmall, ValidationNotAsSaid, PartsTooLarge, ClassesNotDrawn, NoValidationPart)

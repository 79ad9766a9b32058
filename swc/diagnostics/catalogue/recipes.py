"""Diagnostics about what a recipe and its phases ask of the data and of each other (SW213 ...).

Guarantees: `RECIPES` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic


@frozen(kw_only=True)
class PatienceWithoutValidation(Diagnostic):
    """A phase is to end when its scores no longer get better, and there are no images to take such scores on.

    Scores on the images that are trained on get better for ever, and those on the test images must not decide anything,
    or they would no longer say how good the ensemble is on images it has never seen. Draw a validation part from the
    images to train on: `data cifar100(validation: 10%)`. Or give the phase a fixed number of epochs.
    """

    code: ClassVar[str] = "SW213"
    phase: str

    def message(self) -> str:
        return f"phase `{self.phase}` has patience, and the data have no validation part to be patient with"

    def help(self) -> str:
        return "draw one, such as `validation: 10%` in the data item, or write a number of epochs without `up to`"


@frozen(kw_only=True)
class ScheduleNeedsEnd(Diagnostic):
    """The schedule of the learning rate depends on the end of a phase, and nobody knows when this one will end.

    `cosine` falls to zero at the last epoch. With `up to N epochs, patience P` a phase mostly ends long before epoch N,
    at a rate that has hardly fallen. Take a schedule that counts from the beginning (`constant`, `steps`), give the
    phase a rate of its own (`at lr X`), or a fixed number of epochs.
    """

    code: ClassVar[str] = "SW214"
    phase: str
    schedule: str
    schedules: tuple[str, ...] = ()

    def message(self) -> str:
        return f"the schedule `{self.schedule}` needs the end of phase `{self.phase}`, which patience decides"

    def help(self) -> str:
        known = " or ".join(f"`schedule {name}`" for name in self.schedules)
        return f"take {known}, or write a number of epochs without `up to`"


@frozen(kw_only=True)
class LabelsNotMixed(Diagnostic):
    """An augmentation mixes images, and what learns from them takes one label for each.

    An image of `mixup` or `cutmix` is of two classes, each by a share. Cross-entropy takes such labels; other losses
    are written for one class alone. `step joint` gives members rows of their own, `step distilled` a loss of its own.
    Take `loss cross_entropy`, another step, or leave the augmentation away.
    """

    code: ClassVar[str] = "SW215"
    augmentation: str
    what: str

    def message(self) -> str:
        return f"`{self.augmentation}` mixes the labels of images, which {self.what} cannot learn from"

    def help(self) -> str:
        return f"leave `{self.augmentation}` away, or train with `loss cross_entropy` and another step"


@frozen(kw_only=True)
class ChannelsNotAugmented(Diagnostic):
    """An augmentation is for grey or coloured images, and these have another number of channels.

    `randaugment` and `trivial_augment` change brightness, contrast and colour, which torchvision defines for one
    channel and for three. `crop`, `flip`, `cutout`, `erasing`, `mixup` and `cutmix` take any number of channels.
    """

    code: ClassVar[str] = "SW216"
    augmentation: str
    channels: int

    def message(self) -> str:
        return f"`{self.augmentation}` takes images of 1 or 3 channels, and these have {self.channels}"

    def help(self) -> str:
        return f"leave `{self.augmentation}` away"


RECIPES = (PatienceWithoutValidation, ScheduleNeedsEnd, LabelsNotMixed, ChannelsNotAugmented)

"""Diagnostics about data sets: not there, damaged, or not what the spec says (SW50x).

Guarantees: `DATA` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics import Diagnostic


@frozen(kw_only=True)
class DataMissing(Diagnostic):
    """The data set is not on this machine and may not, or cannot, be downloaded.

    A named data set is downloaded at its first use. With `--offline`, without a network, or for a set that nobody may
    hand out freely (ImageNet), you put it there yourself. The message says which files go where. No other data set
    is ever taken in its place. Use `--data FOLDER` or the environment variable `SWC_DATA` to name another folder.
    """

    code: ClassVar[str] = "SW500"
    name: str
    folder: str
    wanted: str
    reason: str

    def message(self) -> str:
        """The set, where it was looked for, and why it was not downloaded."""
        return f"the data set `{self.name}` is not in `{self.folder}`, and {self.reason}"

    def help(self) -> str:
        """What to put where."""
        return f"put {self.wanted} into `{self.folder}`, or name another folder with `--data`"


@frozen(kw_only=True)
class DataDamaged(Diagnostic):
    """A file of a data set is not the official one: its checksum differs, or it cannot be read.

    Results on altered images could not be compared with anybody's, and a file that cannot be trusted is not opened.
    Most often a download or a copy was cut short. Delete the file named in the message, or its folder, and let it be
    downloaded again.
    """

    code: ClassVar[str] = "SW501"
    name: str
    file: str
    reason: str

    def message(self) -> str:
        """The file, and what is wrong with it."""
        return f"`{self.file}` of the data set `{self.name}` is damaged: {self.reason}"

    def help(self) -> str:
        """Get it again."""
        return "delete it and download or copy it again"


@frozen(kw_only=True)
class NotAnImageFolder(Diagnostic):
    """A folder of images does not have the layout that is needed.

    An ImageNet-style tree has a folder `train` and a folder `val`; each has one folder for every class, with the same
    names in both, and those hold the images: `train/cat/1.jpg`, `val/cat/7.jpg`. Move the images so, or name the folder
    that holds `train` and `val` itself.
    """

    code: ClassVar[str] = "SW502"
    folder: str
    reason: str

    def message(self) -> str:
        """The folder, and what it lacks."""
        return f"`{self.folder}` is no folder of images: {self.reason}"

    def help(self) -> str:
        """The layout."""
        return "arrange it as `train/CLASS/IMAGE` and `val/CLASS/IMAGE`"


@frozen(kw_only=True)
class WrongNumberOfClasses(Diagnostic):
    """A folder of images has another number of classes than the spec says.

    Members have one logit for each class, so the number must be known when the spec is compiled. Correct the number
    in the spec's `data` line, or the class folders under `train` and `val`.
    """

    code: ClassVar[str] = "SW503"
    folder: str
    found: int
    stated: int

    def message(self) -> str:
        """Both numbers."""
        return f"`{self.folder}` has {self.found} classes where the spec says {self.stated}"

    def help(self) -> str:
        """Correct either."""
        return "correct the number of classes in the spec, or the folders"


@frozen(kw_only=True)
class LabelsOutOfRange(Diagnostic):
    """A data set holds a label that belongs to none of the classes.

    Labels count from 0, and members have one logit for each class: a label beyond them has no loss. Correct the number
    of classes in the spec's `data` line, or the labels of the data set.
    """

    code: ClassVar[str] = "SW504"
    name: str
    part: str
    label: int
    num_classes: int

    def message(self) -> str:
        """The label and the classes."""
        last = self.num_classes - 1
        return f"the {self.part} images of `{self.name}` have a label {self.label}, where classes are 0 to {last}"

    def help(self) -> str:
        """Correct either."""
        return "correct the number of classes in the spec, or the labels"


@frozen(kw_only=True)
class ImagesUnreadable(Diagnostic):
    """Files of a folder of images are no images, or are cut short within their heads.

    Before a run begins, the head of every file that is not known yet is read; all pixels are decoded beside the first
    epoch, and remembered by the sizes and times of the files. A run that met such a file by chance in a later epoch
    would have wasted the time before.
    """

    code: ClassVar[str] = "SW505"
    name: str
    broken: tuple[tuple[str, str], ...]

    def message(self) -> str:
        """How many, and the first."""
        count = len(self.broken)
        start = "a file of" if count == 1 else f"{count} files of"
        what = "an image" if count == 1 else "images, the first"
        return f"{start} `{self.name}` cannot be read as {what}: `{self.broken[0][0]}`"

    def help(self) -> str:
        """Remove or replace them."""
        return "remove these files, or copy them again"

    def notes(self) -> tuple[str, ...]:
        """What is wrong with the first ones."""
        return tuple(f"`{file}`: {reason}" for file, reason in self.broken[:8])


@frozen(kw_only=True)
class DataTooSmall(Diagnostic):
    """A data set has too few images to train on or to score with.

    Training takes at least two images, because BatchNorm has no variance of one, and scores take at least one. Look
    whether the folder is the one that was meant, and whether its files have the endings of images.
    """

    code: ClassVar[str] = "SW506"
    name: str
    part: str
    found: int
    least: int

    def message(self) -> str:
        """How many there are."""
        return f"`{self.name}` has {self.found} {self.part} images, where {self.least} are the least"

    def help(self) -> str:
        """Add some."""
        return "add images, or name other data"


DATA = (
    DataMissing,
    DataDamaged,
    NotAnImageFolder,
    WrongNumberOfClasses,
    LabelsOutOfRange,
    ImagesUnreadable,
    DataTooSmall,
)

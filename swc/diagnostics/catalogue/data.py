"""Diagnostics about data sets: not there, damaged, or not what the spec says (SW50x, SW51x).

Guarantees: `DATA` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics import Diagnostic, Severity

READ = ".jpg, .jpeg, .png, .ppm, .bmp, .pgm, .tif, .tiff, .webp"  # the endings of images that torchvision reads


@frozen(kw_only=True)
class DataMissing(Diagnostic):
    """The data set is not on this machine and may not, or cannot, be downloaded.

    A named data set is downloaded at its first use. With `--offline`, without a network, or for a set that nobody may
    hand out freely (ImageNet), you put it there yourself. The message says which files go where. No other data set
    is ever taken in its place. Use `--data FOLDER` or the environment variable `SWC_DATA` to name another folder.
    The path of a folder of your own counts from the current folder, or from the one named with `--data`.
    """

    code: ClassVar[str] = "SW500"
    name: str
    folder: str
    wanted: str
    reason: str
    is_own: bool = False

    def message(self) -> str:
        if self.is_own:
            return f"there is no folder `{self.folder}`, {self.reason}"
        return f"the data set `{self.name}` is not in `{self.folder}`, and {self.reason}"

    def help(self) -> str:
        if self.is_own:
            return f"its path counts from the current folder, or from `--data FOLDER`; in it must be {self.wanted}"
        return f"put {self.wanted} into `{self.folder}`, or name another folder with `--data`"


@frozen(kw_only=True)
class DataDamaged(Diagnostic):
    """A file of a data set cannot be read, or is not the official one: its checksum differs.

    Results on altered images could not be compared with anybody's, and a file that cannot be trusted is not opened.
    Most often a download or a copy was cut short. Delete the file named in the message, or its folder, and let it be
    downloaded again. An image of your own may also hold numbers of which nobody can say which is white (floats, 32
    bits, or 12 bits in 16); save it with 8 bits a channel. Mend it, or take it out of the folder: no image is left out
    silently.
    """

    code: ClassVar[str] = "SW501"
    name: str
    file: str
    reason: str
    is_own: bool = False

    def message(self) -> str:
        return f"`{self.file}` of the data set `{self.name}` is damaged: {self.reason}"

    def help(self) -> str:
        if self.is_own:
            return "mend, convert or replace the image and those like it, or take them out of the folder"
        return "delete it and download or copy it again"


@frozen(kw_only=True)
class NotAnImageFolder(Diagnostic):
    """A folder of images does not have the layout that is needed.

    An ImageNet-style tree has a folder `train` and a folder `val`; each has one folder for every class, with the same
    names in both, and those hold the images: `train/cat/1.jpg`, `val/cat/7.jpg`. Move the images so, or name the folder
    that holds `train` and `val` itself. Hidden files and folders (`.DS_Store`, `._1.jpg`, `.ipynb_checkpoints`,
    `Thumbs.db`) are neither images nor classes. Classes are numbered in the order of their names, as torchvision does,
    so both parts must have the same: otherwise one class would be tested as another.
    """

    code: ClassVar[str] = "SW502"
    folder: str
    reason: str
    is_flat: bool = False

    def message(self) -> str:
        return f"`{self.folder}` is not a folder of images: {self.reason}"

    def help(self) -> str:
        if self.is_flat:
            return f"put images into it; read are {READ}"
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
        return f"`{self.folder}` has {self.found} classes where the spec says {self.stated}"

    def help(self) -> str:
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
    number: int | None = None

    def message(self) -> str:
        last = self.num_classes - 1
        where = "" if self.number is None else f" (example {self.number:,}, counted from 0)"
        labels = f"the labels of the {self.part} part of `{self.name}`"
        return f"{labels} have a label {self.label}{where}, where classes are 0 to {last}"

    def help(self) -> str:
        return "correct the number of classes in the spec, or the labels"


@frozen(kw_only=True)
class ImagesUnreadable(Diagnostic):
    """Files of a folder of images are not images, or are cut short within their heads.

    Before a run begins, the head of every file that is not known yet is read; all pixels are decoded beside the first
    epoch, and remembered by the sizes and times of the files. A run that met such a file by chance in a later epoch
    would have wasted the time before.
    """

    code: ClassVar[str] = "SW505"
    name: str
    broken: tuple[tuple[str, str], ...]

    def message(self) -> str:
        count = len(self.broken)
        start = "a file of" if count == 1 else f"{count} files of"
        what = "an image" if count == 1 else "images, the first"
        return f"{start} `{self.name}` cannot be read as {what}: `{self.broken[0][0]}`"

    def help(self) -> str:
        return "remove these files, or copy them again"

    def notes(self) -> tuple[str, ...]:
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
        return f"`{self.name}` has {self.found} {self.part} images, where {self.least} are the least"

    def help(self) -> str:
        return "add images, or name other data"


@frozen(kw_only=True)
class ImagesPassedOver(Diagnostic):
    """A folder holds images in formats that are not read.

    Read are the endings that torchvision reads, in any case: .jpg, .jpeg, .png, .ppm, .bmp, .pgm, .tif, .tiff, .webp.
    Files with other endings are passed over. Where these are images (photographs as .heic, animations as .gif), part of
    the data would be missing: save them in one of those formats, or take them out of the folder.
    """

    code: ClassVar[str] = "SW507"
    severity: ClassVar[Severity] = Severity.WARNING
    folder: str
    num_images: int
    endings: str

    def message(self) -> str:
        images = "one image" if self.num_images == 1 else f"{self.num_images:,} images"
        return f"`{self.folder}` holds {images} in formats that are not read: {self.endings}"

    def help(self) -> str:
        return f"save them as one of {READ}, or take them out of the folder"


@frozen(kw_only=True)
class SharedImages(Diagnostic):
    """Images that are trained on are also tested with.

    Files in `train` and in `val` have the same bytes. Scores on them say what was learned by heart. Copies that were
    saved again, or cropped, are not noticed; of folders with more than 20,000 images none are looked for.
    """

    code: ClassVar[str] = "SW508"
    severity: ClassVar[Severity] = Severity.WARNING
    folder: str
    num_images: int
    is_more: bool
    first: str
    second: str

    def message(self) -> str:
        count = "one image" if self.num_images == 1 else f"{self.num_images:,} images"
        at_least = " at least" if self.is_more else ""
        are = "is" if self.num_images == 1 else "are"
        same = f"`{self.second}` has the bytes of `{self.first}`"
        return f"{count}{at_least} of `val` in `{self.folder}` {are} in `train` too: {same}"

    def help(self) -> str:
        return "take them out of one of the two, or scores will be too good"


@frozen(kw_only=True)
class OtherClasses(Diagnostic):
    """A run's images are of other classes than it was trained on.

    A member's outputs are numbered as the class folders were, in the order of their names, when the run was begun. With
    a class renamed, added or taken away the numbers would stand for others, and every score be wrong. The names are
    kept in the run's `classes.json`.
    """

    code: ClassVar[str] = "SW509"
    folder: str
    number: int
    found: str
    trained: str

    def message(self) -> str:
        return (
            f"class {self.number} in `{self.folder}` is `{self.found}`, where the run was trained with `{self.trained}`"
        )

    def help(self) -> str:
        return "name the classes as they were, or point `--data` at the folder that the run was trained on"


@frozen(kw_only=True)
class UnfitDataArguments(Diagnostic):
    """The arguments of a `data` item do not go together.

    Each is right by itself, but not beside the others: `python("pictures:load", classes: 12, shape: [3, 64, 64])` has
    images of three channels, so `mean` and `deviation` need three numbers each. Correct one of the two, or leave the
    other out.
    """

    code: ClassVar[str] = "SW510"
    name: str
    reason: str

    def message(self) -> str:
        return f"the arguments of `{self.name}` do not go together: {self.reason}"

    def help(self) -> str:
        return "correct one of them"


@frozen(kw_only=True)
class DataFunctionFailed(Diagnostic):
    """The function that `data python(...)` names cannot be called, or raised an exception.

    It must be a Python function that is defined in the module which the spec names. It is called with the arguments of
    the `data` item, but for those that describe its images (`classes`, `shape`, `mean`, `deviation`): `swc compile`
    looks whether it is there, `swc train` and `swc eval` call it.
    """

    code: ClassVar[str] = "SW511"
    name: str
    error: str
    place: str = ""
    meant: str | None = None

    def message(self) -> str:
        return f"the data of `{self.name}` cannot be had: {self.error}"

    def help(self) -> str:
        if self.meant is not None:
            return f"did you mean `{self.meant}`, which is not given to the function?"
        return "mend the function, or the arguments in the spec's `data` line"

    def notes(self) -> tuple[str, ...]:
        return (f"raised at {self.place}",) if self.place else ()


@frozen(kw_only=True)
class WrongInputs(Diagnostic):
    """The function that `data python(...)` names, or a file of arrays, gave something else than the spec describes.

    A function gives `(train, test)` or `(train, test, class_names)`, or these by name in a dictionary, in which there
    may be `validation` too. A part is a pair of arrays: images [N, C, H, W], as bytes or as floats from 0 to 1, or
    other inputs [N, ...] in the shape and type of the spec, and labels [N], whole numbers from 0; or a data set with
    `len` and numbered items, each a pair of an input and a label. Shapes are those of the `data` line, and there are as
    many classes as it says. Nothing is converted that could mean two things: bytes must be bytes, floats floats.
    """

    code: ClassVar[str] = "SW512"
    name: str
    part: str
    wanted: str
    found: str

    def message(self) -> str:
        where = f"{self.part} of " if self.part else ""
        return f"{where}`{self.name}` should be {self.wanted}, not {self.found}"

    def help(self) -> str:
        return "correct what is given, or the `data` line of the spec"


DATA = (
    DataMissing,
    DataDamaged,
    NotAnImageFolder,
    WrongNumberOfClasses,
    LabelsOutOfRange,
    ImagesUnreadable,
    DataTooSmall,
    ImagesPassedOver,
    SharedImages,
    OtherClasses,
    UnfitDataArguments,
    DataFunctionFailed,
    WrongInputs,
)

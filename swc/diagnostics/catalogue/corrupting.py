"""Diagnostics of corrupted images: making them, and evaluating on them (SW68x).

Guarantees: `CORRUPTING` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic, Severity


@frozen(kw_only=True)
class PackageMissing(Diagnostic):
    """Some corruptions need a package that is not installed.

    Frost is laid on from photographs, which the package imagecorruptions-imaug ships; the drops of spatter are drawn
    with OpenCV, as the published ones were, which comes with the extra `corruptions`. Of the first the photographs
    alone are used, so it can be installed without what it needs itself. Nothing is drawn in their place: install them,
    or name the types that you want with `--types`.
    """

    code: ClassVar[str] = "SW680"
    missing: tuple[tuple[str, str], ...]

    def message(self) -> str:
        needed = ", ".join(f"`{name}` needs the package {package}" for name, package in self.missing)
        return f"{needed}, which cannot be imported"

    def help(self) -> str:
        return (
            "`pip install opencv-python-headless` for OpenCV, `pip install --no-deps imagecorruptions-imaug` for the "
            "pictures; or name other types with `--types`"
        )


@frozen(kw_only=True)
class OtherArrays(Diagnostic):
    """A folder already holds other corrupted images than those that are asked for.

    `swc data corrupt` goes on where it stopped, so all arrays of a folder must be of one data set, one seed and the
    same severities, and official arrays are never mixed with generated ones. Choose another folder with `-o`, or repeat
    the command as it was given first.
    """

    code: ClassVar[str] = "SW681"
    folder: str
    reason: str

    def message(self) -> str:
        return f"`{self.folder}` holds other arrays: {self.reason}"

    def help(self) -> str:
        return "write to another folder with `-o`, or repeat the command that made these"


@frozen(kw_only=True)
class NoCorruptedImages(Diagnostic):
    """A folder does not hold corrupted images.

    The official CIFAR-10-C and CIFAR-100-C are folders with a file `labels.npy` and one file such as `fog.npy` for each
    type. Name the folder that holds these files, or make such a folder with `swc data corrupt`.
    """

    code: ClassVar[str] = "SW682"
    folder: str
    lacking: str

    def message(self) -> str:
        return f"`{self.folder}` holds no corrupted images: there is no {self.lacking}"

    def help(self) -> str:
        return "unpack the official arrays there, or make some with `swc data corrupt`"


@frozen(kw_only=True)
class UnfitArray(Diagnostic):
    """An array of corrupted images is damaged, or is not one of this data set.

    Each holds the test images of the data set once for every severity, in order, as bytes [images, height, width,
    channels]; the labels are those of the test images, repeated. Scores on anything else would be of no use, so nothing
    is scored. Most often the folder belongs to another data set, or a copy was cut short.
    """

    code: ClassVar[str] = "SW683"
    path: str
    reason: str

    def message(self) -> str:
        return f"`{self.path}` does not fit: {self.reason}"

    def help(self) -> str:
        return "name the folder for the data set of the run, or copy or make the file again"


@frozen(kw_only=True)
class TypesMissing(Diagnostic):
    """A folder of corrupted images does not hold all types, or not all severities.

    The benchmark's number is the mean over fifteen types in five severities. A mean over fewer could not be compared
    with anybody's, so none is given; each type that is there is scored all the same.
    """

    code: ClassVar[str] = "SW684"
    severity: ClassVar[Severity] = Severity.WARNING
    folder: str
    missing: tuple[str, ...]

    def message(self) -> str:
        return f"`{self.folder}` lacks {', '.join(self.missing)}"

    def help(self) -> str:
        return "means over types that are not all there are left out"


@frozen(kw_only=True)
class OtherSize(Diagnostic):
    """Images are corrupted that are not of 32 x 32 pixels.

    The published constants are made for CIFAR: a blur of one pixel is little in a large image and much in a small one.
    Images of another size can be corrupted with them, but how harsh that is cannot be compared with CIFAR-C, nor with
    ImageNet-C, which has constants of its own.
    """

    code: ClassVar[str] = "SW685"
    severity: ClassVar[Severity] = Severity.WARNING
    name: str
    shape: tuple[int, int]

    def message(self) -> str:
        return f"images of `{self.name}` have {self.shape[0]}x{self.shape[1]} pixels; the constants are made for 32x32"

    def help(self) -> str:
        return "compare such scores with each other, not with published ones"


@frozen(kw_only=True)
class ImagesTooSmall(Diagnostic):
    """Images are too small to be corrupted.

    Below 8 pixels in height or width most types would be the same in several severities, or leave nothing to see.
    There is nothing to set: choose a data set of larger images.
    """

    code: ClassVar[str] = "SW686"
    name: str
    shape: tuple[int, int]

    def message(self) -> str:
        return f"images of `{self.name}` have {self.shape[0]}x{self.shape[1]} pixels: too small to be corrupted"

    def help(self) -> str:
        return "it takes 8 pixels in each direction"


@frozen(kw_only=True)
class UnknownCorruption(Diagnostic):
    """A corruption was asked for that there is not.

    There are nineteen types, with the names of the official files, such as `gaussian_noise` and `jpeg_compression`.
    `docs/reference/data.md` lists them with what they do.
    """

    code: ClassVar[str] = "SW687"
    name: str
    suggestion: str | None = None
    known: tuple[str, ...] = ()

    def message(self) -> str:
        return f"there is no corruption `{self.name}`"

    def help(self) -> str:
        return f"did you mean `{self.suggestion}`?" if self.suggestion else f"choose of {', '.join(self.known)}"


@frozen(kw_only=True)
class FolderBusy(Diagnostic):
    """Another process is writing corrupted images to this folder just now.

    Two of them would write over each other's files, so the second does nothing. Wait for the first, or stop it: the
    same command goes on where it was. The lock is the system's and ends with the process that holds it.
    """

    code: ClassVar[str] = "SW688"
    folder: str
    process: int | None = None

    def message(self) -> str:
        number = "" if self.process is None else f" ({self.process})"
        return f"another process{number} is writing to `{self.folder}`"

    def help(self) -> str:
        return "wait for it or stop it, or write to another folder with `-o`"


@frozen(kw_only=True)
class WorkerLost(Diagnostic):
    """A process that corrupts images was ended from outside.

    Most often the system ended it because memory was short. Types that were done are in the folder, and the same
    command goes on with the others; fewer processes need less memory.
    """

    code: ClassVar[str] = "SW689"
    name: str

    def message(self) -> str:
        return f"a process that made `{self.name}` was ended"

    def help(self) -> str:
        return "repeat the command, with a smaller `--jobs`"


CORRUPTING = (
    PackageMissing,
    OtherArrays,
    NoCorruptedImages,
    UnfitArray,
    TypesMissing,
    OtherSize,
    ImagesTooSmall,
    UnknownCorruption,
    FolderBusy,
    WorkerLost,
)

"""Diagnostics of `swc export` (SW66x).

Guarantees: `EXPORTING` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic
from swc.diagnostics.installing import extra_words


@frozen(kw_only=True)
class NoSuchMember(Diagnostic):
    """`swc export --members` names a member that the ensemble does not have.

    Members are named as in the spec; those of an array are `m[0]`, `m[1]`, ... Several are joined by commas.
    """

    code: ClassVar[str] = "SW660"
    name: str
    ensemble: str
    known: tuple[str, ...]
    suggestion: str | None = None

    def message(self) -> str:
        return f"`{self.ensemble}` has no member `{self.name}`"

    def help(self) -> str:
        if self.suggestion:
            return f"did you mean `{self.suggestion}`?"
        return f"its members are {', '.join(f'`{name}`' for name in self.known)}"


@frozen(kw_only=True)
class NotExportable(Diagnostic):
    """A member cannot be written in this format.

    `torch-export` and `onnx` follow what a module does with one batch, and refuse code whose way depends on the images;
    ONNX has no word for some operations. The formats `torch` and `safetensors` keep weights alone, and take every
    member. Nothing was written.
    """

    code: ClassVar[str] = "SW661"
    member: str
    form: str
    reason: str
    because: str = ""
    others: tuple[str, ...]

    def message(self) -> str:
        because = f", and {self.because}" if self.because else ""
        return f"member `{self.member}` cannot be written as {self.form}{because}: {self.reason}"

    def help(self) -> str:
        return f"change the member's code as it says, or use {_formats(self.others)}"


@frozen(kw_only=True)
class ExportDiffers(Diagnostic):
    """What was written does not give the outputs of the ensemble.

    Every file is read back and asked for a few images. It should give what the member gives, but for rounding. It was
    not kept. This can happen to a module that keeps numbers outside of its parameters and buffers.
    """

    code: ClassVar[str] = "SW662"
    path: str
    member: str
    difference: float

    def message(self) -> str:
        return f"`{self.path}` gives other outputs than member `{self.member}`: they differ by {self.difference:.2g}"

    def help(self) -> str:
        return "keep everything the member computes with in parameters or buffers"


@frozen(kw_only=True)
class PackagesMissing(Diagnostic):
    """A format needs packages that are not installed.

    ONNX files are written by onnx and onnxscript and checked in onnxruntime. They are an extra of this project, because
    nothing else needs them. Whoever uses the files needs onnxruntime alone, or another reader of ONNX.
    """

    code: ClassVar[str] = "SW663"
    form: str
    packages: tuple[str, ...]
    extra: str

    def message(self) -> str:
        named = ", ".join(f"`{name}`" for name in self.packages)
        return f"the format {self.form} needs packages that are not installed: {named}"

    def help(self) -> str:
        return f"install the extra `{self.extra}`: {extra_words(self.extra)}"


@frozen(kw_only=True)
class OwnFactory(Diagnostic):
    """The code of a member cannot be written into one file.

    `--format python` writes the code of all members. That of families is this project's and stands on its own, and
    torchvision's is imported; a factory of your own may be made of any number of files, which cannot be known here.
    """

    code: ClassVar[str] = "SW664"
    member: str
    factory: str

    def message(self) -> str:
        return f"member `{self.member}` is made by your own factory `{self.factory}`, which no single file can hold"

    def help(self) -> str:
        return "name the other members with `--members`, or use `--format torch`, whose loader imports the factory"


@frozen(kw_only=True)
class ExportDoesNotRun(Diagnostic):
    """The Python file that was written does not run by itself.

    It is run in a process of its own, which cannot see this project, and asked for a few images. It was not kept. The
    reason is what that process said last: another torch, torchvision or safetensors than here may have been found.
    """

    code: ClassVar[str] = "SW665"
    path: str
    reason: str

    def message(self) -> str:
        return f"`{self.path}` does not run by itself: {self.reason}"

    def help(self) -> str:
        return "see that this Python imports torch, torchvision and safetensors, or use `--format torch`"


@frozen(kw_only=True)
class JointNetwork(Diagnostic):
    """A network that gives several members' predictions was to be written as one readable Python file.

    `--format python` writes each member as a network of its own, whose weights are put together from what all share.
    The members of an array of `mimo`, `packed`, `msdnet` or `hne` are outputs of one network. The other formats write
    that network whole: its logits are [members, images, classes].
    """

    code: ClassVar[str] = "SW666"
    members: tuple[str, ...]
    others: tuple[str, ...]

    def message(self) -> str:
        return f"`--format python` does not write joint networks: {', '.join(f'`{name}`' for name in self.members)}"

    def help(self) -> str:
        return f"take {_formats(self.others)}"


@frozen(kw_only=True)
class ForeignFiles(Diagnostic):
    """An export would replace files that no earlier export wrote.

    An export has a README.md and files named after members; in a folder with other work it could overwrite what is
    yours. A folder with an earlier export, known by its model card, is rewritten.
    """

    code: ClassVar[str] = "SW667"
    folder: str
    files: tuple[str, ...]

    def message(self) -> str:
        return f"`{self.folder}` holds {', '.join(f'`{name}`' for name in self.files)}, which no export wrote"

    def help(self) -> str:
        return "name another folder: `-o FOLDER`"


@frozen(kw_only=True)
class ChanceNotKept(Diagnostic):
    """A member's outputs depend on chance, in a way that a format cannot keep.

    A member may draw random numbers in eval mode too: `F.dropout(x)` without `training=self.training`, noise in
    `forward`. `torch` and `safetensors` hold its state alone and take it. `torch-export` takes it where the program
    draws the same numbers after `torch.manual_seed` as the member does: those of Python and numpy would stand in it as
    constants. ONNX has random numbers of its own, with which nothing can be compared. A member that gives other outputs
    for the same images and the same random numbers keeps something that is neither a parameter nor a buffer, such as a
    counter or a generator, and no program can hold that.
    """

    code: ClassVar[str] = "SW668"
    member: str
    form: str
    is_random: bool
    others: tuple[str, ...]

    def message(self) -> str:
        does = (
            "draws random numbers in eval mode" if self.is_random else "gives the same images other outputs each time"
        )
        return f"member `{self.member}` {does}, which the format {self.form} cannot keep"

    def help(self) -> str:
        return (
            f"use {_formats(self.others)}, which hold its state alone, or let chance end with "
            "training: `F.dropout(x, training=self.training)`"
        )


@frozen(kw_only=True)
class BatchNotKept(Diagnostic):
    """A member's outputs depend on the other images of the batch, in a way that a format does not keep.

    `torch-export` and `onnx` hold one program for batches of any size. They keep most of what a member does with a
    batch, such as taking its mean; but what it decides by the size of the batch is decided once, when the program is
    written. Every file is asked for 1, 3 and 8 images and must give what the member gives for the same batch. `torch`
    and `safetensors` hold the member's state alone, and take it.
    """

    code: ClassVar[str] = "SW669"
    member: str
    form: str
    others: tuple[str, ...]

    def message(self) -> str:
        return (
            f"member `{self.member}` makes an image's output depend on the other images of its batch, in a way that "
            f"the format {self.form} does not keep"
        )

    def help(self) -> str:
        return f"use {_formats(self.others)}, which hold its state alone, or let it treat images singly"


@frozen(kw_only=True)
class BatchRefused(Diagnostic):
    """A file does not take a batch that its member takes.

    `torch-export` and `onnx` hold one program for batches of any size. This one ends with an error for a size that the
    member itself takes, most often because the member's code decides by the size of the batch. `torch` and
    `safetensors` hold the member's state alone, and take it.
    """

    code: ClassVar[str] = "SW672"
    member: str
    form: str
    size: int
    reason: str
    others: tuple[str, ...]

    def message(self) -> str:
        images = "one image" if self.size == 1 else f"{self.size} images"
        return f"as {self.form}, member `{self.member}` takes no batch of {images}: {self.reason}"

    def help(self) -> str:
        return f"use {_formats(self.others)}, or let the member treat every size of batch alike"


def _formats(names: tuple[str, ...]) -> str:
    """Formats as one would ask for them."""
    return " or ".join(f"`--format {name}`" for name in names)


EXPORTING = (
    ForeignFiles,
    NoSuchMember,
    NotExportable,
    ExportDiffers,
    PackagesMissing,
    OwnFactory,
    ExportDoesNotRun,
    JointNetwork,
    ChanceNotKept,
    BatchNotKept,
    BatchRefused,
)

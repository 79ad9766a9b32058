"""Diagnostics about inputs of members that do not go together with the rest of a spec (SW571 to SW576).

Guarantees: `INPUTS` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics import Diagnostic


@frozen(kw_only=True)
class NothingToAugment(Diagnostic):
    """A recipe augments, and the data are no images.

    Crops, flips and cut-out squares are changes of pixels; features of a table and tokens of a text have none. What is
    no image reaches the members as the data set gives it. A recipe for it says `augment none`; changes of one's own
    belong into the data set.
    """

    code: ClassVar[str] = "SW571"
    step: str
    inputs: str

    def message(self) -> str:
        return f"`{self.step}` augments images, and members take {self.inputs}"

    def help(self) -> str:
        return "write `augment none` in the train block"


@frozen(kw_only=True)
class FamilyTakesOthers(Diagnostic):
    """A member's network takes another kind of inputs than the data set gives.

    Each family of networks says what it takes: convolutional ones take images, others rows of features, which are one
    input of one axis. Models of torchvision take images. What takes several inputs, or any other, is a model of one's
    own: `member m = python("package.module:factory")`.
    """

    code: ClassVar[str] = "SW572"
    source: str
    takes: tuple[str, ...]
    inputs: str

    def message(self) -> str:
        return f"`{self.source}` takes {' or '.join(self.takes)}, and the data give {self.inputs}"

    def help(self) -> str:
        return 'choose a family for such inputs, or a model of your own: `python("package.module:factory")`'


@frozen(kw_only=True)
class NeedsImages(Diagnostic):
    """Something was asked for that images alone have, and the data set has none.

    Corruptions change pixels, and outliers are the images of another data set or of a folder, brought to the size that
    the members take. For rows of features, tokens and other tensors none of both has a meaning that everybody shares;
    measure on inputs of your own instead.
    """

    code: ClassVar[str] = "SW573"
    what: str
    name: str
    inputs: str

    def message(self) -> str:
        return f"`{self.what}` is for images, and `{self.name}` gives {self.inputs}"

    def help(self) -> str:
        return "leave it out, or score such inputs of your own from Python (docs/how-to/use_from_python.md)"


@frozen(kw_only=True)
class PythonFileForImages(Diagnostic):
    """Members that take neither images nor a table were to be written as one readable Python file.

    `--format python` writes beside the members how pixels are normalised, or columns of a table scaled and coded, and a
    training loop on these. Of other inputs it knows neither yet. The other formats write such members.
    """

    code: ClassVar[str] = "SW574"
    inputs: str
    others: tuple[str, ...]

    def message(self) -> str:
        return f"`--format python` writes members that take images or a table, and these take {self.inputs}"

    def help(self) -> str:
        return f"take {' or '.join(f'`--format {name}`' for name in self.others)}"


@frozen(kw_only=True)
class IterableData(Diagnostic):
    """A function of the user's own gave a stream of examples in place of a data set with numbered items.

    An epoch is a random order of all examples, and a run that was stopped goes on in the middle of one: both need to
    ask for example number n. An `IterableDataset` or a generator gives its examples in one order, once, so that neither
    is possible without keeping all of them. Give a data set with `__len__` and `__getitem__`, or arrays.
    """

    code: ClassVar[str] = "SW575"
    name: str
    part: str
    found: str

    def message(self) -> str:
        return f"{self.part} of `{self.name}` is a stream, `{self.found}`, whose examples have no numbers"

    def help(self) -> str:
        return "give a data set with `__len__` and `__getitem__`, or arrays: `list(stream)` where it fits into memory"


@frozen(kw_only=True)
class ArraysUnreadable(Diagnostic):
    """The file that `data arrays(...)` names is not there, or does not hold what it should.

    It is an .npz file of numpy or a .safetensors file with the arrays `x_train`, `y_train`, `x_test` and `y_test`, for
    several inputs `x0_train`, `x1_train` and so on, and `classes` where these have names. Arrays of objects are
    refused, because to read them is to run code. The path counts from the current folder, or from the one named with
    `--data`.
    """

    code: ClassVar[str] = "SW576"
    file: str
    reason: str

    def message(self) -> str:
        return f"`{self.file}` cannot be read as arrays: {self.reason}"

    def help(self) -> str:
        return "save x_train, y_train, x_test and y_test: numpy.savez or safetensors"


INPUTS = (NothingToAugment, FamilyTakesOthers, NeedsImages, PythonFileForImages, IterableData, ArraysUnreadable)

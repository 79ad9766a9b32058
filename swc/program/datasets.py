"""Data sets: what the compiler and the runtime must both know about each, and the registry of where images come from.

Guarantees: `DATA` is one literal; a row says its arguments, the facts that follow from them, and the runtime's reader;
nothing here imports that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import prod
from pathlib import PurePath
from typing import Any

from attrs import evolve, field, frozen

from swc.program.class_names import CIFAR10, CIFAR100, CIFAR100_COARSE, DIGITS
from swc.program.data_arguments import ARRAYS, FUNCTION, NUM_CLASSES, TABLE, TORCHVISION
from swc.program.data_facts import HALF, NO_IMAGE, NUMBERS, DataFacts
from swc.program.data_parts import portion_of
from swc.program.inputs import InputFacts
from swc.program.limits import PIXELS
from swc.program.torchvision_sets import torchvision_facts, torchvision_notes
from swc.registry.registry import Registry
from swc.registry.row import ArgumentRow, RegistryRow

__all__ = [
    "DATA",
    "DATASETS",
    "NO_IMAGE",
    "SIZES",
    "DataArguments",
    "DataFacts",
    "DataRow",
    "always",
    "are_resized",
    "class_names_of",
    "has_class_folders",
    "image_facts",
    "named",
]

DataArguments = Mapping[str, Any]  # the arguments of a data item by name; those that were left out are not there


def _nothing(given: object) -> tuple[str, ...]:
    return ()


def _no_arguments(facts: DataFacts) -> dict[str, Any]:
    return {}


@frozen(kw_only=True)
class DataRow(RegistryRow):
    """Where images come from; its implementation is a function `(facts, place)` that gives `swc_runtime.data.Dataset`.

    `facts` gives the facts that follow from the arguments; ValueError says which of them do not go together. `notes`
    gives what it chose where an argument was left out, a line each. The values of the arguments `in_facts` stand in
    fields of their own, and `written` gives them back; all others are kept in `DataFacts.arguments`. The first
    `num_plain` arguments need no name. An open row takes any further ones. `code` is the argument that names a function
    of the user's own. Images that come in any size are resized (`is_resized`) and, but for published sets, turned
    upright (`is_upright`). Where each class is a folder its name is that folder's (`has_class_folders`). Of a `pool`
    nobody has published a split: once `train` says how many of all images are trained on, the others test. Of a set
    that may have a validation part of its own (`may_validate`), `validation: given` asks for it. Where only a file
    tells what members take, `settle` is "package.module:function" that gives the whole facts and
    the warnings of the file, for `(facts, place)`.
    `targets` are the kinds of targets that its examples can have (`TaskRow.targets`).
    """

    facts: Callable[[DataArguments], DataFacts]
    notes: Callable[[DataArguments], tuple[str, ...]] = _nothing
    written: Callable[[DataFacts], dict[str, Any]] = _no_arguments
    in_facts: tuple[str, ...] = ()
    num_plain: int = 0
    is_open: bool = False
    settle: str = ""
    code: str = ""
    class_names: tuple[str, ...] = field(default=(), repr=False)
    is_resized: bool = False
    is_upright: bool = False
    has_class_folders: bool = False
    superclass_names: tuple[str, ...] = field(default=(), repr=False)
    is_pool: bool = False
    may_validate: bool = False
    targets: tuple[str, ...] = ("class",)

    def faults(self) -> Iterator[str]:
        """What is wrong with the row; beside what every row is held to, `in_facts` and `code` name arguments."""
        yield from super().faults()
        names = {one.name for one in self.arguments}
        missing = sorted({*self.in_facts, *([self.code] if self.code else [])} - names)
        yield f"it declares no argument `{missing[0]}`" if missing else ""
        yield "" if self.num_plain <= len(names) else "it has fewer arguments than `num_plain`"

    @property
    def is_named_alone(self) -> bool:
        """Whether the name says all: no argument must be given."""
        return all(one.default is not None for one in self.arguments)

    def facts_of(self, given: DataArguments) -> DataFacts:
        """The facts of a call with these arguments; ValueError where they do not go together."""
        kept = tuple(sorted((name, value) for name, value in given.items() if name not in self.in_facts))
        return evolve(self.facts(given), name=self.name, arguments=kept)


def always(facts: DataFacts) -> Callable[[DataArguments], DataFacts]:
    """For a data set without a choice: the same facts, whatever is given."""
    return lambda given: facts


_CIFAR10 = DataFacts("cifar10", 10, (3, 32, 32), 50_000, 10_000, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
_CIFAR100 = DataFacts("cifar100", 100, (3, 32, 32), 50_000, 10_000, (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))
_DIGITS = DataFacts("digits", 10, (1, 8, 8), 1_437, 360, (0.3057,), (0.3761,))
_IMAGENET = DataFacts("imagenet", 1000, (3, 224, 224), 1_281_167, 50_000, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


SIZES = (8, 16, 32)  # pixels of a side to which CIFAR's can be brought: means over 4 x 4, 2 x 2, one
_SIZE = ArgumentRow("size", "whole number", among=SIZES, default="")
_LABELS = ArgumentRow("labels", "text", words=("fine", "coarse"), default="", what="kind of labels")
_SUPERCLASSES = len(CIFAR100_COARSE)


def _cifar_facts(whole: DataFacts) -> Callable[[DataArguments], DataFacts]:
    """The facts at a size, of CIFAR-100 with one of both kinds of labels; mean and deviation stay those of the set."""

    def facts(given: DataArguments) -> DataFacts:
        size, is_coarse = given.get("size", SIZES[-1]), given.get("labels") == "coarse"
        classes = _SUPERCLASSES if is_coarse else whole.num_classes
        changed = evolve(whole, num_classes=classes, image_shape=(3, size, size))
        written = (f"{name}: {value}" for name, value in _cifar_arguments(changed).items())
        return evolve(changed, variant=", ".join(written))

    return facts


def _cifar_arguments(facts: DataFacts) -> dict[str, Any]:
    """What says which images these are, sorted by name; nothing for the set as it was published."""
    labels = {"labels": "coarse"} if facts.name == "cifar100" and facts.num_classes == _SUPERCLASSES else {}
    return {**labels, **({"size": facts.image_shape[1]} if facts.image_shape[1] != SIZES[-1] else {})}


def _folder_facts(given: DataArguments) -> DataFacts:
    """Images of the author's own, as colours, normalised like ImageNet's; how many there are is seen when opened."""
    shape = (3, given["size"], given["size"])
    return DataFacts("folder", given["classes"], shape, 0, 0, _IMAGENET.mean, _IMAGENET.deviation, given["path"])


def _table_facts(given: DataArguments) -> DataFacts:
    """A file of a table; what its columns come to is seen when it is opened."""
    marks = [name for name in ("separator", "decimal") if name in given]
    files = (given["path"], *([] if portion_of(given["test"]) else [given["test"]]))
    if marks and all(PurePath(file).suffix == ".parquet" for file in files):
        raise ValueError(f"`{marks[0]}` is for CSV, and a Parquet file has no such mark")
    if (given.get("separator", "comma"), given.get("decimal")) == ("comma", "comma"):
        raise ValueError("a comma cannot part fields and be the mark of a decimal too: say what `separator` there is")
    return _file_facts("table", given)


def _file_facts(name: str, given: DataArguments) -> DataFacts:
    path = given["path"]
    return DataFacts(name, 0, NO_IMAGE, 0, 0, (), (), path, variant=PurePath(path).name)


def _array_facts(given: DataArguments) -> DataFacts:
    """A file of arrays, whose shapes are seen in its head."""
    return evolve(_file_facts("arrays", given), num_classes=given["classes"])


def image_facts(facts: DataFacts, shape: tuple[int, int, int]) -> DataFacts:
    """The facts of images of this shape that nobody has measured the mean and deviation of."""
    return evolve(facts, image_shape=shape, mean=(HALF,) * shape[0], deviation=(HALF,) * shape[0])


def _function_facts(given: DataArguments) -> DataFacts:
    """What the author says of what a function gives; it is held to it when it is called."""
    if _are_images(given):
        return _image_facts(given)
    shapes, dtypes = given["shape"], given.get("dtype", ("float32",))
    if len(dtypes) not in (1, len(shapes)):
        raise ValueError(f"`dtype` has {len(dtypes)} words for {len(shapes)} inputs: give one for all, or one for each")
    for name in ("mean", "deviation"):
        if name in given:
            raise ValueError(f"`{name}` is for images, and `shape` or `dtype` says that members take none")
    if any(prod(shape) > NUMBERS for shape in shapes):
        raise ValueError(f"an input of `shape` has more than {NUMBERS:,} numbers")
    inputs = tuple(map(InputFacts, shapes, dtypes * len(shapes) if len(dtypes) == 1 else dtypes))
    return DataFacts("python", given["classes"], NO_IMAGE, 0, 0, (), (), function=given["function"], inputs=inputs)


def _are_images(given: DataArguments) -> bool:
    """Three sizes alone, and no word on their numbers, are those of an image."""
    return "dtype" not in given and len(given["shape"]) == 1 and len(given["shape"][0]) == 3


def _image_facts(given: DataArguments) -> DataFacts:
    channels, height, width = given["shape"][0]
    if max(channels, height, width) > PIXELS:
        raise ValueError(f"`shape` says an image of more than {PIXELS:,} channels or pixels a side")
    mean, deviation = (given.get(name) or (HALF,) * channels for name in ("mean", "deviation"))
    for name, values in (("mean", mean), ("deviation", deviation)):
        if len(values) != channels:
            raise ValueError(f"`{name}` has {len(values)} numbers, where `shape` says {channels} channels")
    shape = (channels, height, width)
    return DataFacts("python", given["classes"], shape, 0, 0, mean, deviation, function=given["function"])


def _function_notes(given: DataArguments) -> tuple[str, ...]:
    if not _are_images(given):
        return () if "dtype" in given else ("dtype float32 of every input",)
    return tuple(f"{name} {HALF} in every channel" for name in ("mean", "deviation") if name not in given)


def _function_arguments(facts: DataFacts) -> dict[str, Any]:
    shown: dict[str, Any] = {"function": facts.function, "classes": facts.num_classes, "shape": facts.image_shape}
    if facts.are_images:
        return {**shown, "mean": facts.mean, "deviation": facts.deviation}
    return {**shown, "shape": facts.shapes, "dtype": tuple(one.dtype for one in facts.inputs)}


DATA: Registry[DataRow] = Registry(
    "data set",
    "swc.data",
    DataRow,
    (
        DataRow(
            name="cifar10",
            words="downloaded at first use, 163 MiB",
            implementation="swc_runtime.data.cifar:read",
            arguments=(_SIZE,),
            facts=_cifar_facts(_CIFAR10),
            written=_cifar_arguments,
            in_facts=("size",),
            class_names=CIFAR10,
        ),
        DataRow(
            name="cifar100",
            words="downloaded at first use, 161 MiB",
            implementation="swc_runtime.data.cifar:read",
            arguments=(_SIZE, _LABELS),
            facts=_cifar_facts(_CIFAR100),
            written=_cifar_arguments,
            in_facts=("size", "labels"),
            class_names=CIFAR100,
            superclass_names=CIFAR100_COARSE,
        ),
        DataRow(
            name="digits",
            words="shipped with scikit-learn",
            implementation="swc_runtime.data.digits:read",
            facts=always(_DIGITS),
            class_names=DIGITS,
            is_pool=True,
        ),
        DataRow(
            name="imagenet",
            words="a folder of yours",
            implementation="swc_runtime.data.folder:read_imagenet",
            facts=always(_IMAGENET),
            is_resized=True,
            has_class_folders=True,
        ),
        DataRow(
            name="folder",
            words="a folder of yours",
            implementation="swc_runtime.data.folder:read_own",
            arguments=(
                ArgumentRow("path", "text"),
                NUM_CLASSES,
                ArgumentRow("size", "whole number", least=1, most=PIXELS),
            ),
            facts=_folder_facts,
            notes=lambda given: ("mean and deviation those of imagenet",),
            written=lambda facts: {
                "path": facts.folder,
                "classes": facts.num_classes,
                "size": facts.image_shape[1],
            },
            in_facts=("path", "classes", "size"),
            num_plain=1,
            is_resized=True,
            is_upright=True,
            has_class_folders=True,
        ),
        DataRow(
            name="torchvision",
            words="downloaded at first use by torchvision",
            implementation="swc_runtime.data.torchvision_sets:read",
            arguments=TORCHVISION,
            facts=torchvision_facts,
            notes=torchvision_notes,
            num_plain=1,
        ),
        DataRow(
            name="arrays",
            words="a file of yours",
            implementation="swc_runtime.data.array_files:read",
            settle="swc_runtime.data.array_files:settle",
            arguments=ARRAYS,
            targets=("class", "numbers", "labels"),
            facts=_array_facts,
            written=lambda facts: {"path": facts.folder, "classes": facts.num_classes},
            in_facts=("path", "classes"),
            num_plain=1,
            may_validate=True,
        ),
        DataRow(
            name="table",
            words="a file of yours",
            implementation="swc_runtime.data.tables:read",
            settle="swc_runtime.data.tables:settle",
            arguments=TABLE,
            targets=("class", "numbers"),
            facts=_table_facts,
            written=lambda facts: {"path": facts.folder},
            in_facts=("path",),
            num_plain=1,
        ),
        DataRow(
            name="python",
            words="a function of yours",
            implementation="swc_runtime.data.own:read",
            arguments=FUNCTION,
            facts=_function_facts,
            notes=_function_notes,
            written=_function_arguments,
            in_facts=("function", "classes", "shape", "dtype", "mean", "deviation"),
            num_plain=1,
            is_open=True,
            code="function",
            may_validate=True,
            targets=("class", "numbers", "labels"),
        ),
    ),
)

DATASETS: dict[str, DataFacts] = {row.name: row.facts_of(row.defaults()) for row in DATA.rows if row.is_named_alone}


def named(name: str) -> DataFacts | None:
    """The facts of a data set that a name says all of, ours or a plug-in's; None for any other name."""
    row = DATA.find(name)
    return row.facts_of(row.defaults()) if row is not None and row.is_named_alone else None


def class_names_of(facts: DataFacts) -> tuple[str, ...]:
    """What the classes of a named data set are called; () where only the opened data tell."""
    row = DATA.find(facts.name)
    if row is None:
        return ()
    is_coarse = bool(row.superclass_names) and len(row.superclass_names) == facts.num_classes
    return row.superclass_names if is_coarse else row.class_names


def are_resized(facts: DataFacts) -> bool:
    """Whether images may come in any size, and are brought to that of the facts."""
    row = DATA.find(facts.name)
    return row is not None and (row.is_resized or (row.name == "torchvision" and "size" in facts.given()))


def has_class_folders(facts: DataFacts) -> bool:
    """Whether every class of a data set is a folder of images, so that it has a name."""
    row = DATA.find(facts.name)
    return row is not None and row.has_class_folders

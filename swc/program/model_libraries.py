"""Libraries of models that a member may name: one row for each.

Guarantees: a name in `LIBRARIES` is the kind of a `ModelSource`; nothing here imports a library.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

from attrs import frozen

from swc.program.model_source import Argument, ModelSource


@frozen
class ModelLibrary:
    """A package whose `module` has a function that builds a model by its name, `num_classes` and further arguments.

    `untrained` are the arguments that ask for no trained weights. `extra` is the extra of this project that installs
    the package ("": it always is).
    """

    name: str
    module: str
    function: str
    untrained: tuple[tuple[str, Argument | None], ...]
    extra: str = ""

    def call(self, model: str, num_classes: int, given: str) -> str:
        """The call that builds a model, as Python; `given` are further arguments, each behind a comma."""
        plain = "".join(f", {name}={value!r}" for name, value in self.untrained)
        return f"{self.function}({model}{plain}, num_classes={num_classes}{given})"


LIBRARIES: dict[str, ModelLibrary] = {
    row.name: row
    for row in (
        ModelLibrary(
            name="timm",
            module="timm",
            function="create_model",
            untrained=(("pretrained", False),),
            extra="timm",
        ),
        ModelLibrary(
            name="torchvision",
            module="torchvision.models",
            function="get_model",
            untrained=(("weights", None),),
        ),
    )
}


def library_of(source: ModelSource) -> ModelLibrary | None:
    """The library that a member's model is of; None: of ours, or of the author's own."""
    return LIBRARIES.get(source.kind)


def extra_versions(sources: Iterable[ModelSource]) -> list[str]:
    """The installed libraries that are extras and that a member's model is of, as in `timm 1.0.31`."""
    found = {library.name for source in sources if (library := library_of(source)) is not None and library.extra}
    return [text for name in sorted(found) if (text := _with_version(name))]


def _with_version(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return ""

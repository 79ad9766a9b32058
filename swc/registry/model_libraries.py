"""Libraries of models that a member may name: one row for each.

Guarantees: a name in `LIBRARIES` is the kind of a member's source; nothing here imports a library.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

from attrs import frozen


@frozen
class ModelLibrary:
    """A package whose `module` has a function that builds a model by its name, `num_classes` and further arguments.

    `untrained` are the arguments that ask for no trained weights. `extra` is the extra of this project that installs
    the package ("": it always is).
    """

    name: str
    module: str
    function: str
    untrained: tuple[tuple[str, bool | None], ...]
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


def extra_versions(kinds: Iterable[str]) -> list[str]:
    """The installed libraries among the kinds of some members' sources that are extras, as in `timm 1.0.31`."""
    found = {kind for kind in kinds if kind in LIBRARIES and LIBRARIES[kind].extra}
    return [text for name in sorted(found) if (text := _with_version(name))]


def _with_version(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return ""

"""How files of older schemas are read: one declared step for each schema that has been left.

Takes plain data as an older version wrote it, gives what the next schema says instead. Guarantees: a step never
changes what a file meant; a field that a file has not got takes the default of the file's own time (`schemas`); keys
that a class never had are passed on, so that they are refused as in a file of today.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from swc.files import schemas
from swc.files.older_parameters import table_of_parameters, weight_of_layer
from swc.program.program import SCHEMA

Document = dict[str, Any]


def _unchanged(document: Document) -> Document:
    return document


@frozen
class Migration:
    """The step from files of `schema` to those of the next; `words` say what has changed between the two.

    `objects` change single objects, by the name of their class, wherever in a file they are, once the defaults of
    `schema` are in; `change` takes the whole file without its schema number.
    """

    schema: int
    words: str
    objects: Mapping[str, Callable[[Document], Document]] = field(factory=dict)
    change: Callable[[Document], Document] = _unchanged


def upgraded(name: str, value: Document, schema: int) -> Document:
    """An object of the class `name` as today's schema has it, from how a file of `schema` has it.

    A worked example: an optimiser of schema 3 that lacks `nesterov` first gets the default of schema 3, then becomes
    one with `arguments`, and last gets what schema 4 added to its class.
    """
    for step in VOCABULARY:
        if step.schema >= schema:
            value = {**schemas.defaults_of(step.schema).get(name, {}), **value}
            value = step.objects.get(name, _unchanged)(value)
    return {**schemas.missing_fields(name, value, SCHEMA), **value}


def migrated(document: Document, steps: Sequence[Migration], schema: int) -> Document:
    """A whole file as today's schema of its kind has it, from how a file of `schema` has it."""
    for step in steps:
        if step.schema >= schema:
            document = step.change(document)
    return document


def _optimiser(given: Document) -> Document:
    """Until schema 3 there was stochastic gradient descent alone, each of its arguments a field."""
    return {"name": "sgd", **_with_arguments(given, ("lr", "momentum", "nesterov", "weight_decay"))}


def _schedule(given: Document) -> Document:
    """Until schema 3 every schedule had the fields of `steps`: {"kind": "cosine", "milestones": [], "factor": 0.2}."""
    renamed = {{"kind": "name", "milestones": "at"}.get(key, key): value for key, value in given.items()}
    if renamed["name"] == "steps":
        return _with_arguments(renamed, ("at", "factor"))
    return {**{key: value for key, value in renamed.items() if key not in ("at", "factor")}, "arguments": []}


# the fields of an augmentation until schema 3, in the order of the steps: the step's name, and its argument ("": none)
AUGMENTATION = {
    "resized_crop": ("resized_crop", ""),
    "pad": ("crop", "pad"),
    "flip": ("flip", ""),
    "cutout": ("cutout", "size"),
}


def _recipe(given: Document) -> Document:
    """Until schema 3 cross-entropy was the loss, and augmentation had a field a step.

    {"label_smoothing": 0.1} is that argument; {"pad": 4, "flip": true, "cutout": 0, ...} are two steps.
    """
    loss = {
        "name": "cross_entropy",
        **_with_arguments({"label_smoothing": given["label_smoothing"]}, ("label_smoothing",)),
    }
    given = {**{key: value for key, value in given.items() if key != "label_smoothing"}, "loss": loss}
    old = given["augmentation"]
    if not isinstance(old, dict):
        return given  # which is refused as what it is
    old = {**schemas.defaults_of(3)["Augmentation"], **old}
    if unknown := old.keys() - AUGMENTATION.keys():
        raise ValueError(f"an augmentation has no {', '.join(sorted(unknown))}")
    steps = [
        {"name": name, "arguments": [[argument, old[key]]] if argument else []}
        for key, (name, argument) in AUGMENTATION.items()
        if old[key] not in (False, 0)
    ]
    return {**given, "augmentation": steps}


def _with_arguments(given: Document, names: tuple[str, ...]) -> Document:
    rest = {key: value for key, value in given.items() if key not in names}
    return {**rest, "arguments": [[name, given[name]] for name in names]}


# of all kinds that are made of the classes in `swc.program`: they share classes, and so one number
VOCABULARY = (
    Migration(2, "a layer table may say `multiply_adds`, a span where in its line it `begin`s"),
    Migration(
        3,
        "optimisers, schedules, augmentation, losses have `name` and `arguments`; tables list parameters, not layers",
        objects={
            "Optimiser": _optimiser,
            "Recipe": _recipe,
            "Schedule": _schedule,
            "LayerTable": table_of_parameters,
            "WeightPlan": weight_of_layer,
        },
    ),
    Migration(
        4,
        "facts of data may say which `variant` of a set they are of, and which `parts` are drawn; slots have gains and "
        "start scales; a split may go by a `number` of clusters, and cluster feedback tell its `cuts`",
    ),
    Migration(
        5,
        "a recipe may `clip_gradients` and have a `weight_average`, a phase have `patience`; facts of data may say "
        "what members take beside images: `inputs`, and the `task` of targets; a portion may be given; a member may "
        "begin with `weights`; tensors may start uniform or normal, and private parameters like another's; expressions "
        "may add and multiply, and scale one side alone",
    ),
)

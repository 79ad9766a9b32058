"""What `preparation.json` of a run holds: how the columns of its table become the inputs of members."""

from __future__ import annotations

from attrs import frozen


@frozen
class CategoryValues:
    """A column of categories and the values of its training rows, in the order of their numbers ("": none is there)."""

    column: str
    values: tuple[str, ...]


@frozen
class TableColumns:
    """The columns of a table that are inputs: those of numbers in order, then those of categories.

    `scheme` says how numbers are scaled, `encoding` how categories are coded. `sha256` is the digest of the fitted
    arrays, which lie beside this in `preparation.safetensors`.
    """

    target: str
    scheme: str
    encoding: str
    numbers: tuple[str, ...]
    categories: tuple[CategoryValues, ...]
    sha256: str

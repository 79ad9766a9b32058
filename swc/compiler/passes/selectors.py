"""Which parameters a share block's selector takes.

Takes a share block and the layer tables; gives the ids of what it takes, in the order of the tables. Guarantees: only
what can be shared, and under the block's policy; a selector that takes nothing is reported with the reason.

A word takes what it says. A glob is held against the path of the module that owns a parameter, and against the
parameter's full name, both with and without the member before it. What is left aside (grouped and transposed
convolutions, parameters of no layer) is taken by a glob alone, and only where its last part is written out: in a
network with `features.3.dw`, `"features.*"` leaves that depthwise convolution private and `"*.dw"` takes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attrs import evolve

from swc.compiler.passes.globs import is_plain, matcher
from swc.compiler.passes.policies import policy_of
from swc.diagnostics import Sink
from swc.diagnostics.catalogue.clusters import NothingSelected, NothingSharable
from swc.program.layer_table import ROLE_OBSTACLES, LayerTable, ParameterRow, id_of
from swc.program.spec import Selector, Share

# selectors of a role: each parameter that has it, by its full name
ROLES = {"norms": "norm", "heads": "head", "biases": "bias"}
KINDS: dict[str, tuple[str, ...]] = {
    "conv": ("conv", "grouped", "transposed"),
    "linear": ("linear",),
    "embeddings": ("embedding",),
    "all": ("conv", "grouped", "transposed", "linear", "projection", "embedding"),
}
PRECISE = ("attention", "embeddings")  # blocks by `linear` and `all` leave to these what they take
BROAD = ("linear", "all")

Entry = tuple[str, ParameterRow]  # a member's name, and one of its parameters
_Predicate = Callable[[str, ParameterRow], bool]


def words(selector: Selector) -> str:
    """The selector as the author wrote it."""
    return f'"{selector.pattern}"' if selector.kind == "glob" else selector.kind


def taken_by(share: Share, tables: tuple[LayerTable, ...], sink: Sink) -> list[str]:
    """The ids of what a block's selector takes; reports a selector that takes nothing."""
    if share.selector.kind in ROLES:
        return _taken_by_role(share, tables, sink)
    entries = [(table.member, row) for table in tables for row in table.parameters if row.role != "bias"]
    wanted = _wanted(share.selector)
    named = [(member, row) for member, row in entries if wanted(member, row)]
    taken = [id_of(member, row.path) for member, row in named if not _reason(row, share)]
    if not named:
        inside = _inside(share.selector, entries)
        sink.report(NothingSelected(span=share.selector.span, selector=words(share.selector), inside=inside))
    elif not taken:
        obstacles = tuple(f"`{id_of(member, row.name)}`: {_reason(row, share)}" for member, row in named)
        unnamed = [] if _is_written_out(share.selector) else named
        aside = tuple(id_of(member, row.path) for member, row in unnamed if row.is_sharable and row.aside)
        found = NothingSharable(
            span=share.selector.span, selector=words(share.selector), obstacles=obstacles, aside=aside
        )
        sink.report(found)
    return taken


def _taken_by_role(share: Share, tables: tuple[LayerTable, ...], sink: Sink) -> list[str]:
    """The ids of the parameters of norms, heads, or other biases; of those a policy may want the weights alone."""
    role, span, said = ROLES[share.selector.kind], share.selector.span, words(share.selector)
    named = [(table.member, row) for table in tables for row in table.parameters if row.role == role]
    taken = [id_of(member, row.name) for member, row in named if not _reason_beside_role(row, share)]
    if not named:
        sink.report(NothingSelected(span=span, selector=said))
    elif not taken:
        obstacles = tuple(f"`{id_of(member, row.name)}`: {_reason_beside_role(row, share)}" for member, row in named)
        sink.report(NothingSharable(span=span, selector=said, obstacles=obstacles, aside=()))
    return taken


def _reason_beside_role(row: ParameterRow, share: Share) -> str:
    """Why a block by its role does not take a parameter; "" where it does."""
    return _reason(evolve(row, obstacle="" if row.obstacle in ROLE_OBSTACLES else row.obstacle, aside=""), share)


def _reason(row: ParameterRow, share: Share) -> str:
    """Why a block does not take a parameter that its selector names; "" where it does."""
    if row.obstacle or (row.aside and not _is_written_out(share.selector)):
        return row.obstacle or row.aside
    if len(row.shape) < policy_of(share.policy).least_dims:
        return f"a vector, which `{share.policy}` does not make"
    return ""


def _is_written_out(selector: Selector) -> bool:
    """Whether the last part of a glob is a name: `"*.dw"`, and not `"features.*"`."""
    return selector.kind == "glob" and is_plain(selector.pattern.split(".")[-1])


def _wanted(selector: Selector) -> _Predicate:
    if selector.kind == "attention":
        return lambda member, row: row.part_of == "attention"
    if selector.kind != "glob":
        return lambda member, row: row.kind in KINDS[selector.kind]
    matches = matcher((selector.pattern,))
    return lambda member, row: any(matches(name) for name in _names(member, row))


def _names(member: str, row: ParameterRow) -> tuple[str, ...]:
    """What a glob is held against."""
    return id_of(member, row.owner), row.owner, id_of(member, row.name), row.name


def _inside(selector: Selector, entries: Iterable[Entry]) -> str:
    """The glob of what lies inside the modules that a glob names, where they hold layers and are none themselves."""
    if selector.kind != "glob":
        return ""
    inside = evolve(selector, pattern=f"{selector.pattern.rstrip('.')}.*")
    wanted = _wanted(inside)
    return words(inside) if any(wanted(member, row) for member, row in entries) else ""

"""Which revision the user means: by number, by phase, by the label of a stage; the last one by default.

Raises DiagnosticError for one that is not there.
"""

from __future__ import annotations

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.show import NoSuchRevision
from swc.diagnostics.suggest import closest
from swc.show.revision import Revision


def choose(revisions: tuple[Revision, ...], wanted: str | None) -> Revision:
    """The revision with that number or label, else the latest of that phase; the latest of all for None."""
    if wanted is None:
        return revisions[-1]
    for found in (_numbered(revisions, wanted), _labelled(revisions, wanted), _of_phase(revisions, wanted)):
        if found:
            return found[-1]
    known = tuple(f"{revision.number} ({revision.label})" for revision in revisions)
    names = [name for revision in revisions for name in (revision.label, revision.graph.phase)]
    raise DiagnosticError(NoSuchRevision(asked=wanted, known=known, suggestion=closest(wanted, names)))


def _numbered(revisions: tuple[Revision, ...], wanted: str) -> list[Revision]:
    return [revision for revision in revisions if wanted == str(revision.number)]


def _labelled(revisions: tuple[Revision, ...], wanted: str) -> list[Revision]:
    # the first stage of a phase is called like the phase; its name alone means the latest stage
    return [r for r in revisions if r.label == wanted and r.label != r.graph.phase]


def _of_phase(revisions: tuple[Revision, ...], wanted: str) -> list[Revision]:
    return [revision for revision in revisions if revision.graph.phase == wanted]

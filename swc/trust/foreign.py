"""The one place in which code that is not ours may run: factories of the user's own, and plug-ins.

Takes a spec; inside the context its members' modules can be imported. Guarantees: nothing else of the user's folders
can be, as `swc.trust.importing` says; what such code raises is a diagnostic that names whose it is and where.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from swc.program.spec import Spec
from swc.trust.blame import told_to_its_author
from swc.trust.code import folders_of
from swc.trust.importing import own_code


@contextmanager
def foreign_code(spec: Spec) -> Iterator[None]:
    """Inside, the code that a spec names may run; DiagnosticError for what it raises."""
    with own_code(spec), told_to_its_author(folders_of(spec), spec.plug_ins):
        yield

"""Code of the user's own that a spec names: `package.module:function`, and what it is called with.

Takes names and values, gives plain data. Guarantees: nothing is imported; a name of Python's own library is refused.
"""

from __future__ import annotations

import re
import sys

from swc.diagnostics import Span, catalogue
from swc.language.semantics import values
from swc.language.semantics.scope import Scope, scalar
from swc.language.syntax import tree
from swc.program.model_source import Argument

_FUNCTION = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
STANDARD = sys.stdlib_module_names | frozenset(sys.builtin_module_names) | {"__main__"}


def check_own_function(name: str, span: Span, scope: Scope, makes: str = "models") -> None:
    """Report a name that is no "package.module:function", or is one of Python's own; `makes` says what was wanted."""
    if not is_factory_name(name):
        scope.sink.report(catalogue.MalformedFactory(span=span, found=name))
    elif is_standard(name):
        scope.sink.report(catalogue.StandardLibraryFactory(span=span, name=name, makes=makes))


def is_factory_name(text: str) -> bool:
    """Whether a text has the form "package.module:factory"."""
    return _FUNCTION.fullmatch(text) is not None


def is_standard(name: str) -> bool:
    """Whether a module, or the module of a factory, is Python's own."""
    return top_of(name) in STANDARD


def top_of(name: str) -> str:
    """The outermost package of a module's name, or of a factory's."""
    return name.partition(":")[0].partition(".")[0]


def open_argument(value: tree.Value, scope: Scope, name: str) -> Argument:
    """An argument of a function of the user's own: a number, a text, yes or no, or a list of such."""
    found = scope.settle(value)
    if isinstance(found, tree.ListOf):
        return tuple(open_argument(item, scope, name) for item in found.items)
    plain = scalar(found)
    if isinstance(found, tree.Name) and not isinstance(plain, bool):
        scope.sink.report(catalogue.UnknownParam(span=found.span, name=found.text, params=scope.names))
    elif isinstance(found, tree.Amount):
        wanted, what = "a number, a text, `yes` or `no`, or a list of such", f"`{name}`"
        scope.sink.report(catalogue.WrongType(span=found.span, what=what, wanted=wanted, found=values.kind_of(found)))
    return plain

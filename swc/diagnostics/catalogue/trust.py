"""Diagnostics about trust: whose code runs, and who said so (SW76x).

Guarantees: `TRUST` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics import Diagnostic, Severity


@frozen(kw_only=True)
class StandardLibraryFactory(Diagnostic):
    """`python(...)` names something of Python's own library, in which there are no models and no data sets.

    `python("os:system", command: "...")` would run a command and not make a network, so such a name is refused
    before anything is imported. Write a function in a module of your own that makes the model or gives the images, and
    name that one: `python("nets:small")` for `def small(): ...` in `nets.py` beside the spec.
    """

    code: ClassVar[str] = "SW760"
    name: str
    makes: str = "models"

    def message(self) -> str:
        return f"`{self.name}` belongs to Python's own library, which makes no {self.makes}"

    def help(self) -> str:
        return 'name a function of a module of your own, as in `python("nets:small")`'


@frozen(kw_only=True)
class NotAFactory(Diagnostic):
    """A `python(...)` member names something that is neither a class of torch modules nor a Python function.

    Only an `nn.Module` class, a function or a class method is called to make a member, so that it is known from the
    spec and the module what runs. Objects that can be called, builtins and other classes are refused before they are.
    Write a function that calls them and returns the model.
    """

    code: ClassVar[str] = "SW761"
    name: str
    found: str

    def message(self) -> str:
        return f"`{self.name}` is {self.found}, not a `torch.nn.Module` class nor a Python function"

    def help(self) -> str:
        return "write a function in that module that makes the model, and name it"


@frozen(kw_only=True)
class FactoryElsewhere(Diagnostic):
    """A `python(...)` member names something that its module only imports from another one.

    Whoever reads the spec looks into the module that is named to see what runs, so the factory must be defined there.
    Name the module that defines it, or write a function in the module that you named which calls it.
    """

    code: ClassVar[str] = "SW762"
    name: str
    home: str
    factory: str | None = None

    def message(self) -> str:
        module = self.name.partition(":")[0]
        return f"`{self.name}` is not defined in `{module}` but in `{self.home}`"

    def help(self) -> str:
        module = self.name.partition(":")[0]
        own = f"write a function in `{module}` that makes the model, and name it"
        return own if self.factory is None else f'write `python("{self.factory}")`, or {own}'


@frozen(kw_only=True)
class FactoryHidden(Diagnostic):
    """The module of a `python(...)` member lies beside the spec, but an installed package has the same name.

    Installed packages come first, so that a file beside a spec never takes the place of a library. The member's
    factory would be looked for in the package. Give the file a name that no package has.
    """

    code: ClassVar[str] = "SW763"
    file: str

    def message(self) -> str:
        return f"`{self.file}` has the name of an installed package, which is imported in its place"

    def help(self) -> str:
        return "rename the file, and name it so in the spec"


@frozen(kw_only=True)
class ModuleHidden(Diagnostic):
    """A file beside the spec has the name of a module that the members' code imports from Python or a package.

    Python's own modules and installed packages come first, so that a file beside a spec never takes the place of a
    library: that file is not imported. If the import meant it, rename it; if not, all is well.
    """

    code: ClassVar[str] = "SW764"
    severity: ClassVar[Severity] = Severity.WARNING
    file: str

    def message(self) -> str:
        return f"`{self.file}` is not imported: an installed module has its name"

    def help(self) -> str:
        return "if the members' code meant this file, rename it"


@frozen(kw_only=True)
class NotCompiledYet(Diagnostic):
    """A spec with `python(...)` members was to be looked at, but it has not been compiled here as it is now.

    To look at a spec never runs its members' code: their layers are those that `swc compile` found, kept by what the
    spec says of the members and by the bytes of their modules. Nothing is kept for this spec, or its code, its data set
    or the version of torch is another now. Read the code if it is not yours, then compile the spec. A build folder can
    always be looked at: `swc show NAME`.
    """

    code: ClassVar[str] = "SW765"
    file: str
    members: tuple[str, ...]

    def message(self) -> str:
        names = ", ".join(f"`{name}`" for name in self.members)
        return f"the layers of {names} are not known: only compiling runs the code of `python(...)` members"

    def help(self) -> str:
        return f"compile it first, with the same params: `swc compile {self.file}`"


@frozen(kw_only=True)
class ConsentMissing(Diagnostic):
    """A build or a run has members made by code that you have not said may run.

    Whoever made the folder chose the code. `swc compile` and `swc sweep` take your naming a spec as your consent to
    its code, and remember it by a hash of the code; a folder that you got from somebody else, or that was compiled on
    another machine or by another user, needs `--trust` once. Read the code first: it can do whatever you can.
    """

    code: ClassVar[str] = "SW766"
    place: str
    files: tuple[str, ...]
    reason: str = ""

    def message(self) -> str:
        return f"`{self.place}` runs code that you have not consented to"

    def help(self) -> str:
        return "read the code; to run it, give `--trust`, or compile the spec yourself"

    def notes(self) -> tuple[str, ...]:
        return (*(f"it would run {file}" for file in self.files), *((self.reason,) if self.reason else ()))


@frozen(kw_only=True)
class CodeChanged(Diagnostic):
    """The code of `python(...)` members is not the code that you compiled or consented to.

    Consent is to the bytes of the members' modules, and of the modules beside them that they import, so every change
    asks again. If the change is yours, compile the spec again, or give `--trust` to go on with the code as it is.
    """

    code: ClassVar[str] = "SW767"
    place: str
    changes: tuple[str, ...]

    def message(self) -> str:
        return f"the code of the members of `{self.place}` has changed since you compiled it"

    def help(self) -> str:
        return "compile the spec again, or give `--trust` to run the code as it is now"

    def notes(self) -> tuple[str, ...]:
        return self.changes


@frozen(kw_only=True)
class ConsentNotKept(Diagnostic):
    """Your consent to the code of some members could not be written down.

    It is kept in `$XDG_STATE_HOME/swc`, or `~/.local/state/swc`, in a folder that must be yours and that nobody else
    can write to. This command and the processes it starts run the code; later commands will ask for `--trust`.
    """

    code: ClassVar[str] = "SW768"
    severity: ClassVar[Severity] = Severity.WARNING
    folder: str
    reason: str

    def message(self) -> str:
        return f"your consent to the members' code cannot be kept in `{self.folder}`: {self.reason}"

    def help(self) -> str:
        return "make the folder writable, or name another in `XDG_STATE_HOME`; else later commands need `--trust`"


@frozen(kw_only=True)
class CostsUnknown(Diagnostic):
    """The multiply-adds of an ensemble with `python(...)` members are not known.

    They are counted when a spec is compiled: to compare never runs the members' code. A folder that was compiled by an
    earlier version holds none. Compile the spec again to have them counted.
    """

    code: ClassVar[str] = "SW769"
    severity: ClassVar[Severity] = Severity.NOTE
    ensemble: str

    def message(self) -> str:
        return f"the multiply-adds of `{self.ensemble}` were not counted when it was compiled"

    def help(self) -> str:
        return "compile its spec again"


TRUST = (
    StandardLibraryFactory,
    NotAFactory,
    FactoryElsewhere,
    FactoryHidden,
    ModuleHidden,
    NotCompiledYet,
    ConsentMissing,
    CodeChanged,
    ConsentNotKept,
    CostsUnknown,
)

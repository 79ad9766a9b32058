"""swc: a compiler for parameter-shared ensembles.

`swc.compile_file(path)` gives a `Compiled`, whose `program` `swc_runtime.build` turns into a torch module. The
distribution is `superweights`; on the public registry the name `swc` is another project's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swc.system.version import DISTRIBUTION, VERSION

if TYPE_CHECKING:
    from swc.compiler.driver import Compiled, compile_file

__version__ = VERSION
__all__ = ["DISTRIBUTION", "Compiled", "__version__", "compile_file"]


def __getattr__(name: str) -> object:
    """Import the compiler when it is asked for, so that `import swc` stays light."""
    if name not in __all__:
        raise AttributeError(f"module `swc` has no attribute `{name}`")
    from swc.compiler import driver

    return getattr(driver, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

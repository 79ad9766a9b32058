"""The torch runtime of swc: banks, composition, training.

ImportError where the package `swc` that Python finds is another project's.
"""

import swc

if getattr(swc, "DISTRIBUTION", None) != "superweights":  # said here, before an import fails in other words
    raise ImportError(
        f"the package `swc` in {swc.__file__ or list(swc.__path__)} is another project's, not that of superweights: "
        "`pip uninstall swc`, then install superweights again, from its wheel or its checkout"
    )

from swc_runtime.ensemble import Ensemble, build
from swc_runtime.evaluate.anytime import AnytimePredictor

__all__ = ["AnytimePredictor", "Ensemble", "build"]

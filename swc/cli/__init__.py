"""The commands of `swc`, one thin module each; SystemExit where the package around them is another project's."""

import swc

if getattr(swc, "DISTRIBUTION", None) != "superweights":
    # A distribution named `swc`, installed over ours, leaves our commands where they were in a package of its own.
    raise SystemExit(
        f"the package `swc` in {swc.__file__} is another project's, not that of superweights: `pip uninstall swc`, "
        "then install superweights again, from its wheel or its checkout"
    )

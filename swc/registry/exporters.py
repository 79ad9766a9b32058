"""The formats of `swc export`.

Guarantees: `EXPORTERS` is all that the command, its help, its diagnostics and its reference know of formats.
"""

from __future__ import annotations

from attrs import frozen

from swc.registry.registry import Registry
from swc.registry.row import RegistryRow


@frozen(kw_only=True)
class ExporterRow(RegistryRow):
    """A format. Its implementation has a method `export(job)` that writes the chosen members into `job.stage`.

    `export` gives every file's name with how far the outputs of the file are from the members' (relative to the
    largest; 0.0 where there is nothing to ask), and raises DiagnosticError for what the format cannot keep.
    `title` heads the model card. `packages` must be there to be imported; `extra` is what installs them. A format that
    `holds_state` alone takes every member; one that `keeps_draws` draws torch's random numbers as the members do; one
    that `takes_joint` writes networks which give the predictions of several members.
    """

    title: str = "Members with their weights written out"
    packages: tuple[str, ...] = ()
    extra: str = ""
    holds_state: bool = False
    keeps_draws: bool = False
    takes_joint: bool = True


EXPORTERS: Registry[ExporterRow] = Registry(
    "exporter",
    "swc.exporters",
    ExporterRow,
    (
        ExporterRow(
            name="torch",
            words="their state, and a Python file that loads them with torch alone",
            implementation="swc.export.formats:TORCH",
            holds_state=True,
        ),
        ExporterRow(
            name="safetensors",
            words="their state",
            implementation="swc.export.formats:SAFETENSORS",
            holds_state=True,
        ),
        ExporterRow(
            name="torch-export",
            words="programs that run without any Python code of the members",
            implementation="swc.export.formats:TORCH_EXPORT",
            keeps_draws=True,
        ),
        ExporterRow(
            name="onnx",
            words="models for onnxruntime and others",
            implementation="swc.export.formats:ONNX",
            packages=("onnx", "onnxscript", "onnxruntime"),
            extra="onnx",
        ),
        ExporterRow(
            name="python",
            words="one readable file that shows how each weight is composed, and trains",
            implementation="swc.export.python_file:PYTHON",
            title="Members over the templates they share",
            takes_joint=False,
        ),
    ),
)


def states_alone() -> tuple[str, ...]:
    """Our formats that hold the state of a member and no program: they take every member."""
    return tuple(row.name for row in EXPORTERS.rows if row.holds_state)

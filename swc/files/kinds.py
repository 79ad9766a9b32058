"""Every kind of file that the project writes for itself.

Takes nothing; gives `FILE_KINDS`, the literal registry. Guarantees: a kind has one class, one schema number and one
layout; its migrations lead from the oldest schema that can be read to this number without a gap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from attrs import frozen

from swc.diagnostics import Diagnostic
from swc.diagnostics.catalogue.evaluation import DamagedEvaluation
from swc.diagnostics.catalogue.formats import DamagedFile
from swc.files.checkpoint import CheckpointNote, PredictionsNote
from swc.files.consent import Consent
from swc.files.evaluation import Evaluations
from swc.files.generated import Generated
from swc.files.metrics import MetricRow
from swc.files.migrations import VOCABULARY, Migration
from swc.files.notes import Notes
from swc.files.origin import Origin
from swc.files.preparation import TableColumns
from swc.files.run import ClassNames, MachineFacts, RunResults, TargetScale
from swc.files.tables import ComparisonTable, SweepTable
from swc.program.feedback import Feedback
from swc.program.layer_table import LayerTable
from swc.program.program import SCHEMA, Program
from swc.program.spec import Spec

Layout = Literal["canonical", "indented", "declared", "line", "compact", "row", "text"]


@frozen
class FileKind:
    """A kind of file: what `content` it holds, in the `schema` that this version writes, and how it is laid out.

    `place` is where such files are; `fault` says in a few words that one holds something else. `words` come before the
    number where a head of tensors states the schema as text. Files of schemas before `numbered` state no number: they
    are of schema 1. `field` names the one field whose entries are those of the file itself.
    """

    name: str
    place: str
    content: Any
    fault: str
    schema: int = 1
    layout: Layout = "indented"
    has_checksum: bool = True
    migrations: tuple[Migration, ...] = ()
    numbered: int = 0
    words: str = ""
    field: str = ""
    damaged: Callable[..., Diagnostic] = DamagedFile

    @property
    def oldest(self) -> int:
        """The oldest schema that can be read."""
        return self.migrations[0].schema if self.migrations else self.schema


def _vocabulary(name: str, place: str, content: Any, fault: str, *, has_checksum: bool = True) -> FileKind:
    """A kind made of the classes in `swc.program`, which have one number together."""
    return FileKind(name, place, content, fault, SCHEMA, "canonical", has_checksum, VOCABULARY)


FILE_KINDS: dict[str, FileKind] = {
    kind.name: kind
    for kind in (
        _vocabulary("spec", "build/*/spec.json, run/spec.json", Spec, "it holds no spec"),
        _vocabulary(
            "tables", "build/*/tables.json, run/tables.json", tuple[LayerTable, ...], "it holds no layer tables",
        ),
        _vocabulary(
            "origin", "build/*/origin.json, run/origin.json", Origin, "it does not say what a spec was read from",
        ),
        _vocabulary("program", "build/*/program.json, run/revisions/*/program.json", Program, "it holds no program"),
        _vocabulary("feedback", "run/revisions/*/feedback.json", Feedback, "it holds no feedback"),
        _vocabulary(
            "generated", "*/generated.json", Generated, "it does not say how images were made",
            has_checksum=False,
        ),
        FileKind(
            "notes", "build/*/notes.txt, run/revisions/*/notes.txt", Notes, "its last line has no end",
            layout="text", numbered=2,
        ),
        FileKind(
            "machine", "run/machine.json", MachineFacts, "it does not say by name what the run is trained on",
            numbered=2, field="facts",
        ),
        FileKind(
            "classes", "run/classes.json", ClassNames, "it holds no names of classes",
            layout="declared", has_checksum=False,
        ),
        FileKind(
            "targets", "run/targets.json", TargetScale, "it does not say how targets were standardised",
            layout="declared",
        ),
        FileKind(
            "preparation", "run/preparation.json", TableColumns, "it does not say how the columns of a table are used",
        ),
        FileKind("metrics", "run/metrics.jsonl", MetricRow, "it is no row of metrics", layout="row", numbered=2),
        FileKind(
            "checkpoint", "run/checkpoints/*.safetensors", CheckpointNote, "it does not say where training stood",
            layout="compact", words="swc checkpoint ",
        ),
        FileKind("results", "run/results.json", RunResults, "it holds no results of a run"),
        FileKind(
            "evaluation",
            "evaluation.json and validation.json in run/eval, run/eval/int*, run/eval/average", Evaluations,
            "it holds no evaluation of one run", damaged=DamagedEvaluation,
        ),
        FileKind(
            "predictions", "predictions*.safetensors in run/eval, run/eval/int*, run/eval/average", PredictionsNote,
            "it holds no predictions",
            layout="line", words="swc predictions ",
        ),
        FileKind(
            "consent", "$XDG_STATE_HOME/swc/consent/*.json", Consent, "it holds no consent", has_checksum=False,
        ),
        FileKind(
            "sweep", "build/sweeps/*/sweep.json", SweepTable, "it holds no summary of a sweep", has_checksum=False,
        ),
        FileKind(
            "comparison", "what `swc compare --format json -o` writes", ComparisonTable, "it holds no comparison",
            has_checksum=False,
        ),
    )
}  # fmt: skip

"""The teacher of a run: a trained ensemble whose predictions the members of another learn from.

Takes a spec with `step taught` and what the run computes on; gives `Teacher`. Guarantees: it was trained to its end, on
the same data; what does not fit is told before anything is trained; a run that goes on has the teacher it was begun
with.
"""

from __future__ import annotations

from attrs import frozen
from torch import Tensor

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.training import TeacherChanged, TeacherUnfit
from swc.folders.store import Build, open_build
from swc.program.spec import Spec
from swc.running.machine import Machine
from swc.running.trained import SavedState, open_trained
from swc_runtime.ensemble import Ensemble
from swc_runtime.evaluate.predict import ask
from swc_runtime.inputs import Inputs
from swc_runtime.precision import Arithmetic
from swc_runtime.records.checkpoint import under_prefix
from swc_runtime.records.digest import digest_of

FACT = "teacher"  # what its digest is called among the facts of a run
SEED = "{seed}"  # in the name of a teacher it stands for the seed of the run


@frozen(eq=False)
class Teacher:
    """A trained ensemble that answers in eval mode; `digest` is that of its weights and running statistics."""

    ensemble: Ensemble
    arithmetic: Arithmetic
    digest: str

    def __call__(self, inputs: Inputs) -> Tensor:
        """Logits [T, B, C] of its T members for a batch of inputs on its device."""
        return ask(self.ensemble, inputs, self.arithmetic)


def open_teacher(spec: Spec, machine: Machine) -> Teacher | None:
    """The teacher that a spec names; None where it has none. DiagnosticError where it is not there, or does not fit."""
    if spec.step.name != "taught":
        return None
    assert spec.training is not None, "a run has something to train"
    name = str(spec.step["by"]).replace(SEED, str(spec.training.recipe.seed))
    try:
        build = open_build(name)
        saved = open_trained(build)
        reason = misfit(build, saved, spec)
    except DiagnosticError as error:
        reason = error.diagnostics[0].message()
    if reason:
        raise DiagnosticError(TeacherUnfit(teacher=name, reason=reason))
    return Teacher(saved.ensemble(machine.device), machine.arithmetic, digest_of(under_prefix("state", saved.tensors)))


def misfit(build: Build, saved: SavedState, spec: Spec) -> str:
    """Why a trained ensemble cannot teach the members of a spec; "" where it can."""
    assert build.spec.training is not None, "what was trained has a training"
    if not saved.is_finished(build.spec.training):
        return f"its training stands at {saved.where(build.spec.training)}"
    if any(member.source.kind == "python" for member in build.spec.members):
        return "its members come from factories of your own, to which no consent is asked here"
    if build.spec.data != spec.data:
        same_name = build.spec.data.title == spec.data.title
        found = "another part of it, or classes, or seed" if same_name else f"`{build.spec.data.title}`"
        return f"the members learn from `{spec.data.title}`, and it was trained on {found}"
    return ""


def check_teacher(teacher: Teacher | None, before: dict[str, str] | None, spec: Spec) -> None:
    """DiagnosticError where a run, with the facts `before`, was begun with another teacher."""
    known = (before or {}).get(FACT)
    if teacher is not None and known not in (None, teacher.digest):
        raise DiagnosticError(TeacherChanged(teacher=str(spec.step["by"])))

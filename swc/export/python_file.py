"""The Python file of an ensemble and its tensors, written and tried.

Takes a job; writes two files. Guarantees: the Python file was run in a process of its own, where this project cannot be
imported, and gave the members' outputs for the tensors beside it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch
from attrs import frozen
from safetensors.torch import load_file, save, save_file
from torch import Tensor

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.exporting import ExportDoesNotRun, JointNetwork, OwnFactory
from swc.diagnostics.catalogue.inputs import PythonFileForImages
from swc.diagnostics.catalogue.tasks import ForAnotherTask
from swc.export.column_files import features_module
from swc.export.families import families_of
from swc.export.job import BATCHES, Job
from swc.export.python_names import Names, file_stem, names_of
from swc.export.python_source import python_source
from swc.files.whole import fill, whole
from swc.folders.store import write_whole
from swc.program.program import MemberPlan
from swc.registry.exporters import EXPORTERS
from swc.registry.families import FAMILIES
from swc.registry.model_libraries import LIBRARIES
from swc.system.processes import end, tied
from swc_runtime.inputs import size_of, tensors_of

ASK = """
import os, sys, threading

# input is a pipe that the export holds open: this process ends when that is gone
threading.Thread(target=lambda: os.read(0, 1) or os._exit(1), daemon=True).start()
sys.modules.update(swc=None, swc_runtime=None)  # as if this project were not there
sys.path.insert(0, sys.argv[1])
from importlib import import_module

import torch
from attrs import frozen
from safetensors.torch import load_file, save_file

ensemble = import_module(sys.argv[2]).load()
batches = {}
for name, tensor in sorted(load_file(sys.argv[3]).items()):
    batches.setdefault(name.partition(".")[0], []).append(tensor)
with torch.no_grad():
    save_file({size: ensemble(*batch) for size, batch in batches.items()}, sys.argv[4])
"""


@frozen
class PythonFile:
    """The format of one readable file for all members."""

    def export(self, job: Job) -> dict[str, float]:
        """Write and try the Python file and its tensors; how far the outputs were off, by file."""
        return python_file(job)


PYTHON = PythonFile()


def python_file(job: Job) -> dict[str, float]:
    """Write and try both files; how far the outputs were off, by file."""
    for member in job.members:
        source = member.source
        if source.kind not in LIBRARIES and not families_of((source,)):
            factory = source.name if source.kind == "python" else FAMILIES[source.name].implementation
            raise DiagnosticError(OwnFactory(member=member.name, factory=factory))
    joint = tuple(job.program.members[network.host].name for network in job.ensemble.networks if network.is_joint)
    if joint:
        others = tuple(row.name for row in EXPORTERS.rows if row.takes_joint)
        raise DiagnosticError(JointNetwork(members=joint, others=others))
    task = job.program.task
    if not task.is_classification and job.preparation is None:
        what, way = "the format `python`", "export with `--format torch`, whose loader predicts"
        raise DiagnosticError(ForAnotherTask(what=what, of="classification", task=task.name, way=way))
    if not job.program.data.are_images and job.preparation is None:
        others = tuple(row.name for row in EXPORTERS.rows if row.name != job.form.name)
        raise DiagnosticError(PythonFileForImages(inputs=job.program.data.inputs_text, others=others))
    stem = file_stem(job.program.ensemble)
    names = names_of(job.program, job.members)
    graph = job.saved.compiled.graph
    text = python_source(job.program, graph, job.members, job.classes, job.preparation, job.scale)
    state = _state(job, names)
    with whole(job.stage / f"{stem}.safetensors") as partial:
        fill(partial, save(state))
    write_whole(job.stage / f"{stem}.py", text)
    outputs = _tried(job, stem)
    gaps = [
        job.check(f"{stem}.py", number, lambda inputs, place=place: outputs[size_of(inputs)][place], None)  # type: ignore[misc]
        for place, number in enumerate(job.chosen)
    ]
    return {f"{stem}.py": max(gaps), f"{stem}.safetensors": 0.0}


def _state(job: Job, names: Names) -> dict[str, Tensor]:
    """The tensors by the names that the file's module has for them."""
    program, ensemble = job.program, job.ensemble
    state: dict[str, Tensor] = {}
    for number, bank in enumerate(program.banks):
        if bank.id in names.banks:
            rows = [c.id for c in program.coefficients if c.bank == bank.id]
            kept = torch.tensor([row for row, name in enumerate(rows) if name in names.vectors[bank.id]])
            state[f"templates.{names.banks[bank.id]}"] = ensemble.banks[number]
            state[f"coefficients.{names.banks[bank.id]}"] = ensemble.coefficients[number][kept]
    for plan, tensor in zip(program.tensors, ensemble.tensors, strict=True):
        if plan.id in names.tensors:
            state[f"tensors.{names.tensors[plan.id]}"] = tensor
    for number, member in zip(job.chosen, job.members, strict=True):
        state |= _own(job, number, member, names)
    if job.preparation is not None:
        state |= {f"features.{name}": t for name, t in features_module(job.preparation).state_dict().items()}
    return {name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in state.items()}


def _own(job: Job, number: int, member: MemberPlan, names: Names) -> dict[str, Tensor]:
    start = f"members.{names.members[member.name]}"
    return {f"{start}.{path}": tensor for path, tensor in job.ensemble.members[number].state_dict().items()}


def _tried(job: Job, stem: str) -> dict[int, Tensor]:
    """What the file gives for batches of several sizes, by size."""
    asked, found = job.stage / "asked.safetensors", job.stage / "found.safetensors"
    given = enumerate(tensors_of(job.inputs if job.columns is None else job.columns))
    save_file({f"{size}.{place}": one[:size].clone() for place, one in given for size in BATCHES}, asked)
    try:
        _run(job, stem, asked, found)
        return {int(size): logits for size, logits in load_file(found).items()}
    finally:
        asked.unlink()
        found.unlink(missing_ok=True)


def _run(job: Job, stem: str, asked: Path, found: Path) -> None:
    # -B: no bytecode is left beside the file; -P: the current folder's files are not taken for modules
    command = [sys.executable, "-B", "-P", "-c", ASK, str(job.stage), stem, str(asked), str(found)]
    process = tied(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        assert process.stderr is not None
        said = process.stderr.read().decode(errors="replace").strip().splitlines()
        status = process.wait()
    finally:
        end([process])
    if status != 0:
        reason = said[-1] if said else f"it ended with status {status}"
        raise DiagnosticError(ExportDoesNotRun(path=str(job.folder / f"{stem}.py"), reason=reason))

"""The formats in which each member is a file, by the names that `swc.registry.exporters` has for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safetensors.torch import load_file

from swc.export.card import loader
from swc.export.column_files import write_features
from swc.export.families import families_of, family_files
from swc.export.member_files import MemberFiles
from swc.folders.store import write_whole
from swc_runtime.export.formats import (
    reread_exported,
    reread_safetensors,
    reread_torch,
    torch_state,
    write_exported,
    write_safetensors,
    write_torch,
)
from swc_runtime.export.onnx_files import reread_onnx, write_onnx

if TYPE_CHECKING:
    from swc.export.job import Job


def _loader(job: Job) -> dict[str, float]:
    """The code that builds the members and loads their state: a loader, and the families' own files."""
    families = families_of(member.source for member in job.members)
    files = {file: text for name in families for file, text in family_files(name).items()}
    text = loader(job.program, job.members, job.classes, job.scale, job.preparation)
    texts = {"members.py": text, **dict(sorted(files.items()))}
    for file, text in texts.items():
        write_whole(job.stage / file, text)
    beside = () if job.preparation is None else write_features(job.preparation, job.stage)
    return dict.fromkeys((*texts, *beside), 0.0)


TORCH = MemberFiles(".pt", write_torch, reread_torch, torch_state, _loader)
SAFETENSORS = MemberFiles(".safetensors", write_safetensors, reread_safetensors, load_file)
TORCH_EXPORT = MemberFiles(".pt2", write_exported, reread_exported, takes_columns=True)
ONNX = MemberFiles(".onnx", write_onnx, reread_onnx, takes_columns=True)

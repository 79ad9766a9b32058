"""Checkpoints: one safetensors file each, written whole or not at all.

Takes tensors by id and a `Meta`; gives them back. Guarantees: whenever the process dies, the file or, beside it, the
one before is whole; equal content gives equal bytes; what is read has the checksum of what was written; no pickle.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from attrs import asdict
from safetensors import SafetensorError
from safetensors.torch import load, save
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.formats import NewerFile
from swc.diagnostics.catalogue.run import (
    CheckpointDamaged,
    CheckpointForeign,
    CheckpointMissing,
    CheckpointNotWritten,
    CheckpointSchema,
)
from swc.files.checkpoint import CheckpointNote, Meta
from swc.files.checksums import is_there
from swc.files.kind_codec import content_of_document, is_stated, laid_out, text_of_kind
from swc.files.kinds import FILE_KINDS
from swc.files.plain_json import read_json
from swc.files.whole import whole
from torch import Tensor

KNOWN = f"{FILE_KINDS['checkpoint'].words}{FILE_KINDS['checkpoint'].schema}"
KEY = "swc"  # the one key of the file's metadata: several would stand in no settled order


def previous_of(path: Path) -> Path:
    """Where the checkpoint before is kept."""
    return path.with_name(f"{path.name}.previous")


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], meta: Meta) -> None:
    """Write a checkpoint in the place of the one before, which is kept as `previous_of(path)`.

    DiagnosticError where the system refuses; both older files are then as they were.
    """
    data = encode_checkpoint(tensors, meta)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path, previous=previous_of(path)) as partial:
            _write(partial, data)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DiagnosticError(CheckpointNotWritten(path=str(path), reason=reason)) from error


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def encode_checkpoint(tensors: Mapping[str, Tensor], meta: Meta) -> bytes:
    """The bytes of a checkpoint: tensors by name, and one line of JSON with the checksum over both."""
    # cloned, because safetensors takes neither views nor tensors that share memory
    held = {name: tensors[name].detach().cpu().clone(memory_format=torch.contiguous_format) for name in sorted(tensors)}
    note = CheckpointNote(meta, _checksum(held, asdict(meta)))
    return save(held, {KEY: text_of_kind(FILE_KINDS["checkpoint"], note)})


def _checksum(tensors: Mapping[str, Tensor], meta: object) -> str:
    digest = sha256(laid_out("compact", meta).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(laid_out("compact", [name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def newest_checkpoint(path: Path) -> Path | None:
    """The whole checkpoint to go on from: `path`, the one before where a write was cut off, or None."""
    return next((candidate for candidate in (path, previous_of(path)) if is_there(candidate)), None)


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], Meta]:
    """The tensors, on the CPU, and the meta of a checkpoint; DiagnosticError where it is missing or damaged."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise DiagnosticError(CheckpointMissing(path=str(path))) from error
    except OSError as error:
        raise _damaged(path, f"it cannot be read ({error.strerror})") from error
    return decode_checkpoint(data, path)


def decode_checkpoint(data: bytes, path: Path) -> tuple[dict[str, Tensor], Meta]:
    """The way back from `encode_checkpoint`; DiagnosticError, naming the file, where the bytes are damaged."""
    document = _document(path, data)
    note = _note(path, document)
    try:
        tensors = load(data)
    except SafetensorError as error:
        raise _damaged(path, str(error)) from error
    if _checksum(tensors, document["meta"]) != note.sha256:
        raise _damaged(path, "its checksum does not match")
    return dict(sorted(tensors.items())), note.meta


def _document(path: Path, data: bytes) -> dict[str, Any]:
    """The note in the head, as plain data."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        raise _damaged(path, "it ends too early")
    try:
        document = read_json(read_json(data[8 : 8 + length].decode("utf-8"))["__metadata__"][KEY])
    except ValueError as error:
        raise _damaged(path, "its head is not readable") from error
    except (KeyError, TypeError) as error:
        raise _unknown(path, "no word of swc") from error
    if not isinstance(document, dict):
        raise _unknown(path, "no layout")
    return document


def _note(path: Path, document: dict[str, Any]) -> CheckpointNote:
    """The note; anything but counts where counts belong, and records outside the run's folder, are refused."""
    kind = FILE_KINDS["checkpoint"]
    if not is_stated(kind, document):
        raise _unknown(path, str(document.get("schema")))
    try:
        note: CheckpointNote = content_of_document(kind, document, str(path))
    except DiagnosticError as error:
        if any(isinstance(one, NewerFile) for one in error.diagnostics):
            raise _unknown(path, str(document["schema"])) from error
        raise _damaged(path, "it does not say where training stood") from error
    marks = note.meta.marks
    if any(size < 0 or Path(name).is_absolute() or ".." in Path(name).parts for name, size in marks.items()):
        raise _damaged(path, "it does not say where training stood")
    return note


def _damaged(path: Path, detail: str) -> DiagnosticError:
    return DiagnosticError(CheckpointDamaged(path=str(path), detail=detail))


def _unknown(path: Path, found: str) -> DiagnosticError:
    return DiagnosticError(CheckpointSchema(path=str(path), found=found, known=KNOWN))


def check_belongs(path: Path, meta: Meta, *, spec_hash: str, program_hash: str) -> None:
    """DiagnosticError unless a checkpoint was written for this spec and this program."""
    for what, found, expected in (
        ("spec", meta.spec_hash, spec_hash),
        ("program", meta.program_hash, program_hash),
    ):
        if found != expected:
            raise DiagnosticError(CheckpointForeign(path=str(path), what=what, found=found, expected=expected))


def with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under `prefix/`."""
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def under_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under `prefix/`, without it."""
    start = f"{prefix}/"
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}

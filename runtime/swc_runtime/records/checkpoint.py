"""Checkpoints: one safetensors file each, written whole or not at all.

Takes tensors by id and a `Meta`; gives them back. Guarantees: whenever the process dies, the file or, beside it, the
one before is whole; equal content gives equal bytes; what is read has the checksum of what was written; no pickle.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from attrs import asdict, field, frozen
from safetensors import SafetensorError
from safetensors.torch import load, save
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.run import (
    CheckpointDamaged,
    CheckpointForeign,
    CheckpointMissing,
    CheckpointNotWritten,
    CheckpointSchema,
)
from swc.files.checksums import is_there
from swc.files.plain_json import read_json
from torch import Tensor

SCHEMA = "swc checkpoint 1"
KEY = "swc"  # the one key of the file's metadata: several would stand in no settled order
Plain = str | int | float | bool | None


@frozen
class Position:
    """Where training stands: `epoch` epochs of the phase are done, and `step` steps of the next."""

    revision: int
    phase: int
    epoch: int
    step: int = 0


@frozen
class Meta:
    """What a checkpoint says beside its tensors.

    `marks` are the lengths of the records at that moment, by file; `facts` whatever the writer wants to find again.
    """

    position: Position
    spec_hash: str
    program_hash: str
    marks: Mapping[str, int] = field(factory=dict)
    facts: Mapping[str, Plain] = field(factory=dict)


def previous_of(path: Path) -> Path:
    """Where the checkpoint before is kept."""
    return path.with_name(f"{path.name}.previous")


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], meta: Meta) -> None:
    """Write a checkpoint in the place of the one before, which is kept as `previous_of(path)`.

    DiagnosticError where the system refuses; both older files are then as they were.
    """
    data = encode_checkpoint(tensors, meta)
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_through(partial, data)
        if path.exists():
            _keep_previous(path)
        partial.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DiagnosticError(CheckpointNotWritten(path=str(path), reason=reason)) from error


def _keep_previous(path: Path) -> None:
    # from here until the next rename the previous one is the newest whole checkpoint
    path.replace(previous_of(path))
    _sync_folder(path.parent)


def _write_through(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def encode_checkpoint(tensors: Mapping[str, Tensor], meta: Meta) -> bytes:
    """The bytes of a checkpoint: tensors by name, and one line of JSON with the checksum over both."""
    # cloned, because safetensors takes neither views nor tensors that share memory
    held = {name: tensors[name].detach().cpu().clone(memory_format=torch.contiguous_format) for name in sorted(tensors)}
    plain = asdict(meta)
    described = {"schema": SCHEMA, "meta": plain, "sha256": _checksum(held, plain)}
    return save(held, {KEY: _canonical(described)})


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _checksum(tensors: Mapping[str, Tensor], meta: object) -> str:
    digest = sha256(_canonical(meta).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(_canonical([name, str(tensor.dtype), list(tensor.shape)]).encode())
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
    described = _described(path, data)
    try:
        tensors = load(data)
    except SafetensorError as error:
        raise _damaged(path, str(error)) from error
    if _checksum(tensors, described["meta"]) != described["sha256"]:
        raise _damaged(path, "its checksum does not match")
    try:
        return dict(sorted(tensors.items())), _meta(described["meta"])
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, "it does not say where training stood") from error


def _described(path: Path, data: bytes) -> dict[str, Any]:
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        raise _damaged(path, "it ends too early")
    try:
        described = read_json(read_json(data[8 : 8 + length].decode("utf-8"))["__metadata__"][KEY])
    except ValueError as error:
        raise _damaged(path, "its head is not readable") from error
    except (KeyError, TypeError) as error:
        raise _unknown(path, "no word of swc") from error
    if not isinstance(described, dict) or described.get("schema") != SCHEMA:
        raise _unknown(path, str(described.get("schema")) if isinstance(described, dict) else "no layout")
    if not {"meta", "sha256"} <= described.keys():
        raise _damaged(path, "its head is incomplete")
    return described


def _meta(plain: dict[str, Any]) -> Meta:
    """What a head says; anything but counts, and records outside the run's folder, is a ValueError."""
    position, marks = Position(**plain["position"]), plain["marks"]
    if not all(type(number) is int and number >= 0 for number in (*asdict(position).values(), *marks.values())):
        raise ValueError(position)
    if any(Path(name).is_absolute() or ".." in Path(name).parts for name in marks):
        raise ValueError(marks)
    return Meta(position, str(plain["spec_hash"]), str(plain["program_hash"]), marks, plain["facts"])


def _damaged(path: Path, detail: str) -> DiagnosticError:
    return DiagnosticError(CheckpointDamaged(path=str(path), detail=detail))


def _unknown(path: Path, found: str) -> DiagnosticError:
    return DiagnosticError(CheckpointSchema(path=str(path), found=found, known=SCHEMA))


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

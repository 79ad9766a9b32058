"""Predictions that are kept, so that metrics never need a second pass.

Takes what predicts and a split; gives logits and labels, from a file where it holds just these. Guarantees: what is
used was made of the same weights, code, images, normalisation, precision and libraries, and it is said that it is used;
a file of anything else, or a damaged one, is not used, and it is said why.

Shapes: M members, N images, C classes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from attrs import define
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

import swc
from swc.diagnostics import Diagnostic, DiagnosticError
from swc.diagnostics.catalogue.files import OutputUnwritable
from swc.diagnostics.sources import reason_of
from swc.files.checkpoint import PredictionsNote, TrainedTo
from swc.files.checksums import is_there
from swc.files.kind_codec import content_of, laid_out, text_of_kind
from swc.files.kinds import FILE_KINDS
from swc.files.whole import fill, whole
from swc.program.datasets import named
from swc.running.checkpoints import SavedState
from swc_runtime.data import Split
from swc_runtime.data.batches import read_inputs
from swc_runtime.data.splits import FolderSplit
from swc_runtime.inputs import tensors_of
from swc_runtime.precision import Arithmetic
from swc_runtime.records.checkpoint import under_prefix
from swc_runtime.records.digest import digest_of

KEY = "swc"  # the one key of the file's metadata: several would stand in no settled order
READING = 2  # how files are decoded; before, EXIF orientation was left aside
CHUNK = 1024  # images that are hashed at a time
LIBRARIES = ("torch", "torchvision", "pillow")

Predictions = tuple[Tensor, Tensor]
Facts = dict[str, str]


@define(eq=False)
class PredictionCache:
    """The kept predictions of a run: files in `folder`, used where they fit, and written where `keeps` says so.

    `code` is the digest of the code of members that is not ours; `announce` says which are used, and which are not;
    `refused` takes what the system did not let it write, so that what was computed is not lost with it; `stored` is
    what weights are rounded to.
    """

    folder: Path
    saved: SavedState
    arithmetic: Arithmetic
    code: str
    keeps: bool
    announce: Callable[[str], None]
    refused: Callable[[Diagnostic], None]
    stored: str = "float32"

    def predictions(self, name: str, split: Split, compute: Callable[[], Predictions]) -> Predictions:
        """Logits [M, N, C] and labels [N] of a split, kept under `name` or computed."""
        path = self.folder / f"{name}.safetensors"
        is_kept = is_there(path)
        if not (self.keeps or is_kept):
            return compute()
        facts = {**self._facts, **facts_of(split)}
        found = self._found(path, facts) if is_kept else None
        if found is not None:
            return found
        logits, labels = compute()
        if self.keeps:
            self._keep(path, logits, labels, facts)
        return logits, labels

    @cached_property
    def _facts(self) -> Facts:
        """What predictions depend on beside the images."""
        return {
            "weights": digest_of(under_prefix("state", self.saved.tensors)),
            "program": self.saved.meta.program_hash,
            "code of members": self.code,
            "precision": self._precision,
            "libraries": ", ".join([f"swc {swc.__version__}", *(f"{name} {version(name)}" for name in LIBRARIES)]),
        }

    @property
    def _precision(self) -> str:
        weights = "" if self.stored == "float32" else f", weights of {self.stored}"
        return f"{str(self.arithmetic.dtype).removeprefix('torch.')} on {self.arithmetic.device}{weights}"

    def _found(self, path: Path, facts: Facts) -> Predictions | None:
        try:
            kept, tensors = read_predictions(path)
        except (OSError, ValueError) as error:
            self.announce(f"{path} is damaged ({error}): predictions are recomputed")
            return None
        other = next((what for what, value in facts.items() if kept.get(what) != value), None)
        if other is not None:
            self.announce(f"{path} is of other {other}: predictions are recomputed")
            return None
        self.announce(f"predictions are those kept in {path}")
        return tensors

    def _keep(self, path: Path, logits: Tensor, labels: Tensor, facts: Facts) -> None:
        position = self.saved.meta.position
        trained = TrainedTo(position.revision, position.epoch, position.step)
        tensors = {"logits": logits.cpu().contiguous(), "labels": labels.cpu().contiguous()}
        note = PredictionsNote(facts, trained, digest_of(tensors))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with whole(path) as partial:
                fill(partial, save(tensors, {KEY: text_of_kind(FILE_KINDS["predictions"], note)}))
        except OSError as error:
            self.refused(OutputUnwritable(path=str(path), reason=reason_of(error)))
            return
        self.announce(f"kept the predictions in {path}")


def read_predictions(path: Path) -> tuple[Mapping[str, str], Predictions]:
    """What predictions depend on, and the logits and labels themselves; ValueError where the file is damaged."""
    try:
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {})[KEY]
            tensors = {name: file.get_tensor(name) for name in ("logits", "labels")}
        note: PredictionsNote = content_of(FILE_KINDS["predictions"], text, str(path))
    except (SafetensorError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"it holds no predictions: {error}") from error
    except DiagnosticError as error:
        raise ValueError(error.diagnostics[0].message()) from error
    if note.sha256 != digest_of(tensors):
        raise ValueError("its checksum does not match")
    logits, labels = tensors["logits"], tensors["labels"]
    targets = (logits.shape[1:2], logits.shape[1:])  # classes [N], or of another task [N, C]
    if logits.dim() != 3 or labels.shape not in targets:
        raise ValueError("its parts do not fit together")
    return note.facts, (logits, labels)


def cache_name(outliers: str) -> str:
    """Under which name predictions for another data set, or a folder of images, are kept."""
    if named(outliers) is not None:
        return f"predictions_{outliers}"
    place = Path(outliers).resolve()
    return f"predictions_{re.sub(r'[^A-Za-z0-9_]', '_', place.name)}_{sha256(os.fsencode(place)).hexdigest()[:8]}"


def facts_of(split: Split) -> Facts:
    """What predictions depend on of a split: the images, and how they are normalised."""
    facts = split.facts
    shaped: dict[str, Any] = {"mean": facts.mean, "deviation": facts.deviation, "shape": facts.image_shape}
    if not facts.are_images:
        shaped = {"inputs": facts.inputs_text}
    if isinstance(split, FolderSplit):
        shaped["reading"] = READING
    return {"images": _images_digest(split), "preprocessing": laid_out("line", shaped)}


def _images_digest(split: Split) -> str:
    """Of files their names, sizes and times of change; of what is held in memory every pixel; and all labels."""
    digest = sha256(split.labels.cpu().numpy().tobytes())
    if isinstance(split, FolderSplit):
        for name in split.files:
            state = Path(name).stat()
            digest.update(os.fsencode(f"{name}\0{state.st_size}\0{state.st_mtime_ns}\0"))
        return digest.hexdigest()
    starts = range(0, len(split), CHUNK)
    requests = ((np.arange(start, min(start + CHUNK, len(split)), dtype=np.int64), None) for start in starts)
    for inputs in read_inputs(split, requests):
        for tensor in tensors_of(inputs):
            digest.update(tensor.cpu().contiguous().numpy().data)
    return digest.hexdigest()

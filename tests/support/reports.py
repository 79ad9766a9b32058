"""Runs that were never trained, with everything a report shows: graphs of a split, curves, an evaluation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from unittest.mock import patch

from attrs import evolve
from benchmarks.synthetic import SPLIT, ensemble, statistics
from swc.compiler.driver import Compiled, compile_spec, recompile
from swc.files.origin import Origin, SourceFile
from swc.folders.store import revision_folder, write_feedback, write_origin, write_revision, write_spec
from swc.program.inputs import InputFacts
from swc.program.task import Task

EVIL = "</script><img src=x onerror=hacked=1><a href=javascript:hacked=1>%{x}"
TYPES = ("gaussian_noise", "fog", "spatter")


def compiled(
    num_layers: int = 60,
    *,
    name: str = "synthetic",
    first_member: str = "m0",
    task: str = "classification",
    inputs: tuple[InputFacts, ...] = (),
) -> Compiled:
    """An ensemble of wide residual networks with a search and a split; with `inputs`, as if it took those."""
    spec, tables = ensemble(num_layers, 4, SPLIT)
    members = (evolve(spec.members[0], name=first_member), *spec.members[1:])
    tables = (evolve(tables[0], member=first_member), *tables[1:])
    data = evolve(spec.data, task=Task.of(task), inputs=inputs)
    return compile_spec(evolve(spec, name=name, members=members, data=data), tables)


@contextmanager
def without_rules() -> Iterator[None]:
    """Let decoders take any name, so that what comes behind them is seen to hold by itself."""
    with patch("swc.files.codec.fault_of", lambda found: None), patch("swc.files.kind_codec.fault_of", lambda _: None):
        yield


def begin(folder: Path, first: Compiled) -> None:
    """Write a run that has compiled its first revision, and not finished an epoch."""
    write_origin(folder, Origin((SourceFile("mine.sw", f"# {first.spec.name}\n"),), (("tau", "0.1"),)))
    write_spec(folder, first)
    write_revision(revision_folder(folder, 0), first)


def split(folder: Path, first: Compiled) -> None:
    """Write what the search measured, and the revision after its split."""
    feedback = statistics(first)
    write_feedback(folder, feedback)
    second = recompile(first, feedback)
    write_revision(revision_folder(folder, 1), second)


def add_epochs(folder: Path, first: Compiled, phase: str, epochs: Sequence[int]) -> None:
    """Write the metrics of some epochs: losses of all members, and scores."""
    names = [member.name for member in first.spec.members]
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as stream:
        for epoch in epochs:
            place = {"revision": int(phase != "search"), "phase": phase, "epoch": epoch}
            losses = [2.0 / epoch + 0.1 * number for number in range(len(names))]
            stream.write(json.dumps({"kind": "epoch", **place, "losses": losses}) + "\n")
            for name in (*names, "ensemble"):
                scores = {"of": name, "top1": 1 - 0.5 / epoch, "nll": 1.0, "ece": 0.1}
                stream.write(json.dumps({"kind": "scores", **place, **scores}) + "\n")


def evaluate(
    folder: Path, first: Compiled, *, cost: float = 1.0, gain: float = 0.0, stage: str = "epoch 3 of main"
) -> None:
    """Write an evaluation of all subsets of the first three members, in the form of `swc eval`."""
    names = [member.name for member in first.spec.members][:3]
    chosen = [subset for size in (1, 2, 3) for subset in combinations(names, size) if size <= len(names)]
    found = {
        "run": "/home/somebody/run", "ensemble": first.spec.name, "data": first.spec.data.name, "stage": stage,
        "epochs_scale": 1.0, "machine": "cpu, float32", "num_images": 100, "num_calibration": 0, "time_batch": 128,
        "predictors": [_predictor(subset, place, cost, gain) for place, subset in enumerate(chosen)],
        "reliability": [[_bin(place) for place in range(15)] for _ in range(len(names) + 1)],
        "diversity": [[0.0 if one == other else 0.7 for other in names] for one in names],
        "mean_diversity": 0.7, "mean_top1": 0.64,
        "outliers": [{"data": "/home/somebody/textures", "num_images": 9, "by_measure": [
            ["entropy", {"auroc": 0.9, "aupr": 0.8, "fpr95": 0.4}]]}],
        "interpolations": [{"first": names[0], "second": names[-1], "top1": [0.9, 0.5, 0.9]}],
        "corruptions": _corruptions([*names, "ensemble"]),
    }  # fmt: skip
    (folder / "eval").mkdir(exist_ok=True)
    text = json.dumps({"schema": 1, "evaluations": [found]})
    (folder / "eval" / "evaluation.json").write_text(text, encoding="utf-8")


def _predictor(subset: tuple[str, ...], place: int, cost: float, gain: float) -> dict[str, object]:
    scores = {
        "top1": 0.6 + 0.04 * place + gain,
        "nll": 1.5 - 0.1 * place,
        "ece": 0.1,
        "top5": 0.9,
        "brier": 0.5,
        "aurc": 0.2,
    }
    adds = int(cost * 1e6 * (place + 1))
    return {
        "members": list(subset), "scores": {**scores, "num_images": 100}, "parameters": 1000 * len(subset),
        "multiply_adds": adds, "milliseconds": adds / 1e6, "temperature": None,
        "quartiles": [0.8 * adds / 1e6, 1.5 * adds / 1e6],
    }  # fmt: skip


def _bin(place: int) -> dict[str, object]:
    return {"num_images": place, "confidence": (place + 0.5) / 15, "accuracy": (place + 0.4) / 15}


def _corruptions(names: Sequence[str]) -> dict[str, object]:
    def grid(scale: float) -> list[list[float]]:
        return [[scale * (row + severity) for severity in range(1, 6)] for row in range(len(TYPES))]

    scales = {"top1": 0.1, "top5": 0.15, "nll": 1.0, "ece": 0.01, "brier": 0.2, "aurc": 0.05}
    predictors = [{"name": name, **{score: grid(scale) for score, scale in scales.items()}} for name in names]
    return {
        "folder": "/home/somebody/corrupted", "official": False, "seed": 0, "num_images": 100, "missing": [],
        "generated": True, "types": list(TYPES), "severities": [1, 2, 3, 4, 5], "standard": list(TYPES[:2]),
        "predictors": predictors, "mean_standard": {}, "mean_all": {},
    }  # fmt: skip


FURTHER = {
    "regression": {"rmse": 4.0, "mae": 3.0, "r2": 0.5, "crps": 2.0, "coverage50": 0.5, "coverage90": 0.8},
    "multilabel": {"map": 0.7, "micro_f1": 0.6, "macro_f1": 0.5},
}
DETAILS = {
    "regression": {
        "targets": [{"target": 0, "observed": [1.0, 2.0, 3.0], "predicted": [1.5, 2.0, 2.0], "spread": [0.1, 0.2, 0.3],
                     "deviation": [0.5, 0.6, 0.7]}],
        "labels": [],
    },
    "multilabel": {
        "targets": [],
        "labels": [{"label": 0, "share": 0.0, "average_precision": None, "f1": None},
                   {"label": 1, "share": 0.2, "average_precision": 0.5, "f1": 0.4}],
    },
}  # fmt: skip


def run_of_task(folder: Path, task: str, *, name: str = "synthetic", outputs: Sequence[str] = ()) -> Path:
    """A run of numbers, or of labels: an epoch, with an average of weights, and an evaluation.

    `outputs` are the names of the first outputs; the others have such as `class 5`.
    """
    first = compiled(20, name=name, task=task)
    begin(folder, first)
    scores = {"top1": None, "nll": 1.0, "ece": None, "further": FURTHER[task]}
    place = {"revision": 0, "phase": "search", "epoch": 1}
    names = [member.name for member in first.spec.members]
    rows = [{"kind": "epoch", **place, "losses": [1.0] * len(names)}]
    rows += [{"kind": "scores", **place, "of": of, **scores} for of in (*names, "ensemble")]
    rows += [{**row, "is_average": True} for row in rows[1:]]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    evaluate(folder, first)
    path = folder / "eval/evaluation.json"
    (found,) = json.loads(path.read_text("utf-8"))["evaluations"]
    for number, one in enumerate(found["predictors"]):
        further = {key: value - 0.05 * number for key, value in FURTHER[task].items()}
        one["scores"] = {**one["scores"], "top1": None, "ece": None, "further": further}
    others = [f"class {number}" for number in range(len(outputs), first.spec.data.num_classes)] if outputs else []
    found["outputs"] = [*outputs, *others]
    found |= {"task": task, "outliers": [], "interpolations": [], "corruptions": None, "details": DETAILS[task]}
    path.write_text(json.dumps({"schema": 1, "evaluations": [found]}), encoding="utf-8")
    return folder


def whole_run(folder: Path, num_layers: int = 60, **names: str) -> Path:
    """A run with everything."""
    first = compiled(num_layers, **names)
    begin(folder, first)
    split(folder, first)
    add_epochs(folder, first, "search", range(1, 21))
    add_epochs(folder, first, "main", range(1, 4))
    evaluate(folder, first)
    return folder

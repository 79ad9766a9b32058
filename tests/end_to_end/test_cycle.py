"""The whole cycle on real images: search, split, restart, main, untie; and the same spec twice."""

from __future__ import annotations

import json

import pytest
import torch
from swc.compiler.ir.counts import count
from swc.compiler.ir.text import print_graph
from swc.folders.store import read_compiled
from swc.program.feedback import ClusterFeedback, CoefficientFeedback

from support.runs import Place, place, spec_text, trained
from swc_runtime import build
from swc_runtime.ensemble import load_state_tensors
from swc_runtime.records.checkpoint import load_checkpoint, under_prefix


@pytest.fixture(scope="module")
def cycle(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return trained(tmp_path_factory, batch=64, main=4)


def test_the_run_goes_through_split_and_untie(cycle: Place) -> None:
    split, untie, end = (revision.feedback for revision in cycle.build().revisions)
    assert isinstance(split, ClusterFeedback)
    assert split.similarities
    assert split.num_images == 1437
    assert all(similarity.error > 0 for similarity in split.similarities)
    assert isinstance(untie, CoefficientFeedback)
    assert untie.similarities
    assert end is None


def test_what_a_recompile_warns_of_is_told_and_kept(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = place(tmp_path_factory, main=2)
    assert whole.compile(spec_text(main=2), "--set", "tau=-1") == 0
    capsys.readouterr()
    assert whole.train() == 0
    told = capsys.readouterr().err
    assert "warning[SW410]: splitting below -1 leaves every cluster whole" in told
    assert told.count("[SW410]") == 1, "the revisions after it do not repeat it"
    assert "SW410: splitting below -1 leaves every cluster whole" in whole.revision(1, "notes.txt")


def test_a_split_by_sketches_is_near_the_exact_one(cycle: Place, tmp_path_factory: pytest.TempPathFactory) -> None:
    sketched = trained(tmp_path_factory, batch=64, main=2, sketch=" sketch 1024")
    found, exact = (run.build().revisions[0].feedback for run in (sketched, cycle))
    assert isinstance(found, ClusterFeedback) and isinstance(exact, ClusterFeedback)
    assert (found.num_images, found.num_groups) == (1437, 8)
    for mine, true in zip(found.similarities, exact.similarities, strict=True):
        assert (mine.first, mine.second) == (true.first, true.second)
        assert abs(mine.value - true.value) < 5 / 1024**0.5
    assert found.similarities != exact.similarities


def test_metrics_tell_every_epoch_and_the_scores_of_every_stage(cycle: Place) -> None:
    rows = cycle.metrics()
    epochs = [(row["revision"], row["phase"], row["epoch"]) for row in rows if row["kind"] == "epoch"]
    assert epochs == [(0, "search", 1), (1, "main", 1), (2, "main", 2), (2, "main", 3), (2, "main", 4)]
    scored = [(row["revision"], row["of"]) for row in rows if row["kind"] == "scores"]
    assert scored == [(revision, name) for revision in range(3) for name in ("deep", "shallow", "ensemble")]


def test_the_ensemble_is_above_chance_by_far(cycle: Place) -> None:
    results = cycle.results()
    assert results["together"]["top1"] > 0.8  # type: ignore[index]
    assert [member["name"] for member in results["members"]] == ["deep", "shallow"]  # type: ignore[union-attr, index]
    last = [row for row in cycle.metrics() if row["kind"] == "scores" and row["of"] == "ensemble"][-1]
    assert last["top1"] == results["together"]["top1"]  # type: ignore[index]


@pytest.mark.parametrize("number", range(3))
def test_torch_counts_what_the_compiler_counted(cycle: Place, number: int) -> None:
    revision = cycle.build().revisions[number]
    ensemble = build(revision.program)
    assert sum(parameter.numel() for parameter in ensemble.parameters()) == count(revision.graph).parameter_scalars


def test_the_split_splits_and_the_untie_unties(cycle: Place) -> None:
    first, split, untied = (revision.graph for revision in cycle.build().revisions)
    assert len(first.clusters) < len(split.clusters) == len(untied.clusters)
    assert len(split.coefficients) < len(untied.coefficients)
    assert "split clusters below" in cycle.revision(1, "notes.txt")
    assert "untied coefficients below 0.9" in cycle.revision(2, "notes.txt")


def test_untying_and_splitting_change_the_counts_as_they_say(cycle: Place) -> None:
    first, split, untied = (count(revision.graph) for revision in cycle.build().revisions)
    assert first.native_scalars == split.native_scalars == untied.native_scalars
    assert untied.coefficient_scalars > split.coefficient_scalars
    assert untied.template_scalars == split.template_scalars
    assert {name: vars_of(untied)[name] for name in vars_of(untied)} == cycle.results()["counts"]


def vars_of(counts: object) -> dict[str, int]:
    return {name: getattr(counts, name) for name in counts.__slots__ if not name.startswith("__")}  # type: ignore[attr-defined]


@pytest.mark.parametrize("number", range(3))
def test_a_revision_compiles_again_to_the_same_bytes(cycle: Place, number: int) -> None:
    assert print_graph(read_compiled(cycle.run, number).graph) == cycle.revision(number, "graph.txt")


def test_the_checkpoint_holds_the_ensemble_that_was_scored(cycle: Place) -> None:
    tensors, meta = load_checkpoint(cycle.checkpoint)
    assert (meta.position.revision, meta.position.epoch, meta.position.step) == (2, 4, 0)
    ensemble = build(cycle.build().revisions[2].program)
    load_state_tensors(ensemble, under_prefix("state", tensors))
    ensemble.eval()
    from sklearn.datasets import load_digits

    images = torch.tensor(load_digits().images, dtype=torch.float32)[:, None]
    with torch.no_grad():
        logits = ensemble(images / 8 - 1)
    assert logits.shape == (2, 1797, 10)
    assert logits.isfinite().all()


def test_a_finished_run_shows_its_result_without_training(cycle: Place, capsys: pytest.CaptureFixture[str]) -> None:
    before = cycle.contents()
    assert cycle.train() == 0
    shown = capsys.readouterr()
    assert "tiny on digits, 360 held-out images" in shown.out
    assert "epoch 1/" not in shown.err
    assert cycle.contents() == before


def test_show_and_diff_see_the_run(cycle: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert cycle.swc("show", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["ensemble"] == "tiny"
    assert cycle.swc("diff", "build/tiny/run:1", "build/tiny/run:2") == 0
    assert capsys.readouterr().out


def test_the_same_spec_gives_the_same_bytes(tmp_path_factory: pytest.TempPathFactory) -> None:
    one, two = (trained(tmp_path_factory) for _ in range(2))
    for name in ("program.json", "graph.txt", "spec.json", "tables.json"):
        assert (one.folder / "build/tiny" / name).read_bytes() == (two.folder / "build/tiny" / name).read_bytes()
    assert one.metrics() == two.metrics()
    for name, data in one.contents().items():
        if not name.startswith(("events", "metrics", "checkpoints")):
            assert two.contents()[name] == data, name
    (here, _), (there, _) = load_checkpoint(one.checkpoint), load_checkpoint(two.checkpoint)
    assert here.keys() == there.keys()
    assert all(torch.equal(here[name], there[name]) for name in here)


def test_scaled_epochs_mark_the_run_and_its_tables(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    made = place(tmp_path_factory, search=2, main=4)
    assert made.train("--epochs-scale", "0.5") == 0
    assert "epochs scaled by 0.5" in capsys.readouterr().out
    assert made.results()["epochs_scale"] == 0.5
    assert [row["epoch"] for row in made.metrics() if row["kind"] == "epoch"] == [1, 1, 2]
    assert made.swc("show") == 0
    assert "tiny, revision 2 (main from epoch 1), epochs scaled by 0.5" in capsys.readouterr().out
    training = made.build().spec.training
    assert training is not None
    assert training.epochs_scale == 0.5

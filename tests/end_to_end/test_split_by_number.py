"""A run that splits into a number of clusters: what it keeps, what is shown of it, on what processors agree."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import evolve
from swc.compiler.ir.graph import Graph
from swc.compiler.passes.split_number import cuts_of
from swc.files.codec import decode, encode
from swc.folders.store import Build, open_build
from swc.program.feedback import ClusterCut, ClusterFeedback
from swc.program.spec import Spec
from swc.report.measurements import recompiles_of
from swc.report.pairs import pairs_of
from swc.report.similarities import similarities
from swc.show.diff import cut_table
from swc.show.plain import plain

from support.runs import Place

NUMBER = 5
SPEC = f"""
import "digits.sw"

ensemble tiny {{
  data digits
  member deep = wrn(depth: 10, width: 0.5)
  member shallow = wrn(depth: 10, width: 0.25)
  budget 90% of native
  share conv {{ clusters by depth in 2 bins }}

  train digits {{
    batch 512
    phase search: 1 epochs at lr 0.1
      then split clusters into {NUMBER} over 2 batches
    phase main: 1 epochs
  }}
}}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = Place(tmp_path_factory.mktemp("place"))
    assert made.compile(SPEC) == 0
    assert made.train() == 0
    return made


@pytest.fixture(scope="module")
def feedback(run: Place) -> ClusterFeedback:
    found = run.build().revisions[0].feedback
    assert isinstance(found, ClusterFeedback)
    return found


def the_cut(feedback: ClusterFeedback) -> ClusterCut:
    (cut,) = feedback.cuts
    assert cut.joined is not None and cut.apart is not None
    assert cut.joined.value > cut.apart.value
    return cut


def test_the_run_has_that_many_clusters_and_keeps_the_cut(run: Place, feedback: ClusterFeedback) -> None:
    before, after = run.build().revisions
    assert (len(before.graph.clusters), len(after.graph.clusters)) == (2, NUMBER)
    cut = the_cut(feedback)
    action = run.build().spec.training.phases[0].split  # type: ignore[union-attr]
    assert cuts_of(before.graph, feedback, action) == (cut,)  # type: ignore[arg-type]
    assert f"split clusters into {NUMBER}: 2 became {NUMBER}; the cut lies between" in run.revision(1, "notes.txt")
    assert cut.joined is not None and cut.joined.text in run.revision(1, "notes.txt")


def test_show_and_diff_tell_the_number_and_the_cut(
    run: Place, feedback: ClusterFeedback, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.swc("show") == 0
    shown = capsys.readouterr().out
    assert f"split clusters into {NUMBER}, restart" in shown
    assert "joined last" in shown
    assert run.swc("diff", ":0", ":1") == 0
    told = capsys.readouterr().out
    cut = the_cut(feedback)
    assert cut.joined is not None and cut.apart is not None
    rows = [line.split() for line in told.splitlines()]
    for words, link in (("joined last", cut.joined), ("left apart", cut.apart)):
        assert [str(NUMBER), *words.split(), link.first, link.second, *link.text.split()] in rows
    assert f"cut at {cut.level:.3f}" in told
    assert "clusters by threshold (linkage union)" in told


def test_the_report_draws_the_cut_as_its_threshold(run: Place, feedback: ClusterFeedback) -> None:
    recompile = recompiles_of(run.build())[0]
    cut = the_cut(feedback)
    assert (recompile.cut, recompile.threshold) == (cut, cut.level)
    facts = pairs_of(recompile)
    assert facts.limit == f"the cut into {NUMBER} clusters at {cut.level:.3f}"
    assert [line.split(" ")[0] for line in facts.links] == ["joined", "left"]
    assert facts.above == sum(pair.value > recompile.threshold for pair in feedback.similarities)
    figure = similarities(run.build())
    assert f"above the cut into {NUMBER}" in figure.axes[1].get_title(loc="left").replace("\n", " ")


def test_several_blocks_have_a_recompile_each(run: Place, feedback: ClusterFeedback) -> None:
    build = run.build()
    graph = build.revisions[0].graph
    last = graph.clusters[-1]
    clusters = (*graph.clusters[:-1], evolve(last, share=1))
    two = (the_cut(feedback), evolve(the_cut(feedback), share=1))
    revision = evolve(build.revisions[0], graph=evolve(graph, clusters=clusters), feedback=evolve(feedback, cuts=two))
    changed: Build = evolve(build, revisions=(revision, *build.revisions[1:]))
    first, second = recompiles_of(changed)[:2]
    assert second.title.endswith("of search, share block 2")
    known = {pair.first for pair in second.feedback.similarities}
    assert known < set(last.layers)
    assert len(first.feedback.similarities) + len(second.feedback.similarities) == len(feedback.similarities)
    assert plain(cut_table(two)).count("joined last") == 2


def test_files_keep_the_cut_and_the_number(run: Place, feedback: ClusterFeedback) -> None:
    assert decode(encode(feedback), ClusterFeedback) == feedback
    spec = run.build().spec
    assert decode(encode(spec), Spec) == spec


SPECS = Path(__file__).parents[2] / "specs"
AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
SWC = "from swc.cli.main import main; main()"


def searched(folder: Path, spec: str, ensemble: str, epochs: int, **environment: str) -> tuple[ClusterFeedback, Graph]:
    """What the search of a shipped spec measured and the graph after it, trained in a process of its own."""
    folder.mkdir()
    text = (SPECS / spec).read_text("utf-8")
    (folder / spec).write_text(text.replace(f"main: {epochs}", "main: 7"), "utf-8")
    compiled = ("compile", spec, "--ensemble", ensemble, "--quiet")
    for command in (compiled, ("train", "--threads", "1")):
        subprocess.run([sys.executable, "-c", SWC, *command], cwd=folder, check=True, env={**os.environ, **environment})
    before, after = open_build(folder / "build" / ensemble / "run").revisions[:2]
    assert isinstance(before.feedback, ClusterFeedback)
    return before.feedback, after.graph


@pytest.mark.slow
def test_processors_that_round_differently_agree_on_the_number_and_on_a_clear_cut(tmp_path: Path) -> None:
    # Rounding flips single rectifiers, and a few steps later gradients differ by a tenth: similarities do too, and the
    # groups with them wherever the cut is narrower than that. Below half its width it cannot matter.
    mine, graph = searched(tmp_path / "mine", "quickstart.sw", "quickstart", 24)
    other, others = searched(tmp_path / "other", "quickstart.sw", "quickstart", 24, **AVX2)
    cut = the_cut(mine)
    assert len(graph.clusters) == len(others.clusters) == cut.number
    pairs = zip(mine.similarities, other.similarities, strict=True)
    difference = max(abs(one.value - two.value) for one, two in pairs)
    assert cut.joined is not None and cut.apart is not None
    if difference < (cut.joined.value - cut.apart.value) / 2:
        assert [c.layers for c in graph.clusters] == [c.layers for c in others.clusters]

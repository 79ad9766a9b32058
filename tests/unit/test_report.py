"""What a report is made of: graphs, similarities, scores, what it takes to repeat a run, and the page around them."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from shutil import copytree

import pytest
from attrs import evolve
from swc.diagnostics import DiagnosticError
from swc.folders.store import open_build, read_origin, write_origin
from swc.language.semantics.origin import origin_of
from swc.program.feedback import ClusterFeedback, Similarity
from swc.report.document import embedded, page_of
from swc.report.figures import figure_of
from swc.report.gather import RunFacts, as_json, report_of, run_names
from swc.report.measurements import Recompile
from swc.report.pairs import MOST_LISTED, pairs_of
from swc.report.provenance import repeat_of
from swc.report.scores import scored_of
from swc.report.sharing import layers_of, revisions_of
from swc.show.palette import looks
from swc.show.revision import Revision

from support.graphs import small_graph, small_spec
from support.reports import EVIL, begin, compiled, evaluate, run_of_task, whole_run, without_rules


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole_run(tmp_path_factory.mktemp("somewhere") / "run")


@pytest.fixture(scope="module")
def run(folder: Path) -> RunFacts:
    (found,) = report_of([open_build(folder)]).runs
    return found


def test_a_graph_keeps_who_shares_what() -> None:
    revisions = (Revision(0, "main", small_graph()),)
    layers = layers_of(revisions, ("wide", "thin"))
    (facts,) = revisions_of(revisions, layers, small_spec())
    assert [layer.id for layer in layers] == ["wide.conv0", "wide.conv1", "wide.conv2", "thin.conv0"]
    assert [state.cluster for state in facts.states if state] == [0, 0, 1, 0]
    assert [bank.template_scalars for bank in facts.banks] == [576, 288, 576]
    (wide, thin) = (facts.slots[facts.states[place].slots[0]] for place in (0, 3))  # type: ignore[union-attr]
    assert wide[1:] == thin[1:], "one bank and, tied, one coefficient"
    assert facts.gains == (), "no slot has any"
    blocks = facts.states[1].blocks  # type: ignore[union-attr]
    assert [(block.shape, block.at) for block in blocks] == [("8x4x3x3", (0, 0)), ("8x4x3x3", (0, 4))]
    assert (facts.used, facts.limit) == (1440, 1500)


def test_a_graph_with_gains_tells_those_of_all_slots() -> None:
    graph = small_graph()
    graph = evolve(graph, slots=(evolve(graph.slots[0], gain=3**0.5), *graph.slots[1:]))
    revisions = (Revision(0, "main", graph),)
    (facts,) = revisions_of(revisions, layers_of(revisions, ("wide", "thin")), small_spec())
    assert facts.gains == ("1.732", "1", "1", "1", "1")


def test_clusters_look_as_in_pictures(run: RunFacts, folder: Path) -> None:
    build = open_build(folder)
    worn = looks(tuple(revision.graph for revision in build.revisions))
    for facts, revision, look in zip(run.revisions, build.revisions, worn, strict=True):
        assert [cluster.fill for cluster in facts.clusters] == [look[c.id].fill for c in revision.graph.clusters]


def test_the_histogram_counts_every_pair_though_few_are_listed() -> None:
    pairs = tuple(Similarity(f"a{n}", f"b{n}", n / 5000 - 0.5, 0.01005) for n in range(5000))
    found = pairs_of(Recompile("split", ClusterFeedback(0, pairs), 0.1))
    assert sum(found.counts) == found.num_pairs == 5000
    assert found.above == 1999
    assert found.close == 201
    assert len(found.listed) <= MOST_LISTED
    assert [pair[0] for pair in found.listed[:3]] == [1, 1 + found.step, 1 + 2 * found.step]
    assert found.listed[0][1:4] == ("a4999", "b4999", pytest.approx(0.4998))


def test_an_evaluation_is_read_without_folders(folder: Path, run: RunFacts) -> None:
    assert run.scored is not None
    assert run.scored.outliers[0].data == "textures"
    assert run.scored.corruptions is not None
    assert run.scored.corruptions.predictors[0].top1[1][0] == pytest.approx(0.2)
    assert "/home" not in as_json(report_of([open_build(folder)]))


@pytest.mark.parametrize("text", ["{}", "[", '{"evaluations": []}', '{"evaluations": [{"data": 3}]}'])
def test_a_damaged_evaluation_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval/evaluation.json").write_text(text, encoding="utf-8")
    with pytest.raises(DiagnosticError, match="it holds no evaluation of one run") as told:
        scored_of(tmp_path)
    assert told.value.diagnostics[0].code == "SW740"
    assert "`swc eval` again" in told.value.diagnostics[0].help()


def _without_a_line(found: dict) -> None:
    found["interpolations"][0]["top1"] = [0.5]


def _with_words(found: dict) -> None:
    found["predictors"][0]["scores"]["top1"] = "high"


EDITS = {
    "predictors do not begin with the members": lambda found: found["predictors"].clear(),
    "reliability is not of the members": lambda found: found["reliability"].pop(),
    "diversity is not a matrix": lambda found: found["diversity"][0].pop(),
    "interpolations have less than two points": _without_a_line,
    "corruptions are not matrices": lambda found: found["corruptions"]["types"].pop(),
    "it holds no evaluation of one run": _with_words,
}


@pytest.mark.parametrize("told", EDITS)
@pytest.mark.parametrize("name", ["anytime", "reliability", "diversity", "interpolation", "corruptions"])
def test_no_figure_is_drawn_of_an_evaluation_of_another_shape(tmp_path: Path, name: str, told: str) -> None:
    first = compiled(20)
    begin(tmp_path, first)
    evaluate(tmp_path, first)
    path = tmp_path / "eval/evaluation.json"
    document = json.loads(path.read_text("utf-8"))
    EDITS[told](document["evaluations"][0])
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(DiagnosticError, match=told):
        figure_of(name, (open_build(tmp_path),), "svg")


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        (b"\xff\x00\xfe", "line 1 is no JSON"),
        (b"[1]", "line 1 has no `kind`"),
        (b'{"kind": "epoch"}', r"line 1 is no row of metrics \(required field missing"),
        (b'{"kind": "epok"}', "its `kind` is none of epoch, scores"),
        (
            b'{"kind": "epoch", "revision": 0, "phase": "main", "epoch": 99, "losses": []}',
            "a line is not of this run",
        ),
        (
            b'{"kind": "epoch", "revision": 0, "phase": "main", "epoch": 1, "losses": ["a", "b", "c", "d"]}',
            "line 1 is no row of metrics",
        ),
    ],
)
def test_damaged_metrics_are_told(tmp_path: Path, line: bytes, detail: str) -> None:
    begin(tmp_path, compiled(20))
    (tmp_path / "metrics.jsonl").write_bytes(line + b"\n")
    for asked in (lambda build: figure_of("curves", (build,), "svg"), lambda build: report_of([build])):
        with pytest.raises(DiagnosticError, match=detail) as told:
            asked(open_build(tmp_path))
        assert told.value.diagnostics[0].code == "SW650"


def test_what_is_not_there_yet_is_none(tmp_path: Path) -> None:
    begin(tmp_path / "run", compiled())
    (found,) = report_of([open_build(tmp_path / "run")]).runs
    assert (found.curves, found.pairs, found.scored) == (None, (), None)
    assert [stage.then for stage in found.stages] == ["split clusters below 0.1", ""]


@pytest.mark.parametrize("task", ["regression", "multilabel"])
def test_a_run_of_another_task_is_drawn_by_its_scores(tmp_path: Path, task: str) -> None:
    (found,) = report_of([open_build(run_of_task(tmp_path / "run", task))]).runs
    assert found.scored is not None and found.curves is not None
    assert found.task.name == task and not found.task.has_classes
    best = {"regression": ("rmse", 4.0, 1.0), "multilabel": ("map", 0.7, 100.0)}[task]
    assert (found.task.best.name, found.scored.predictors[0].scores[best[0]], found.task.best.factor) == best
    assert set(found.scored.predictors[0].scores) == {one.name for one in found.task.tabled}
    for curve in (found.curves.scores, found.curves.averages):
        assert curve["ensemble"] == ((1, best[1]),)
    details = found.scored.details
    assert (len(details.targets), len(details.labels)) == {"regression": (1, 0), "multilabel": (0, 2)}[task]
    json.loads(as_json(report_of([open_build(tmp_path / "run")])))


def test_outputs_are_called_as_the_data_say_and_are_as_many_as_those_of_the_run(tmp_path: Path) -> None:
    path = run_of_task(tmp_path / "run", "multilabel", outputs=("cat", "dog")) / "eval/evaluation.json"
    scored = scored_of(tmp_path / "run")
    assert scored is not None and scored.outputs[:3] == ("cat", "dog", "class 2")
    path.write_text(path.read_text("utf-8").replace('"dog", ', ""), encoding="utf-8")
    with pytest.raises(DiagnosticError, match="its outputs are not those of the run"):
        scored_of(tmp_path / "run")


def test_an_evaluation_of_another_task_than_the_run_is_damaged(tmp_path: Path) -> None:
    path = run_of_task(tmp_path / "run", "regression") / "eval/evaluation.json"
    whole = path.read_text("utf-8")
    path.write_text(whole.replace('"task": "regression"', '"task": "multilabel"'), encoding="utf-8")
    with pytest.raises(DiagnosticError, match="its task is not that of the run"):
        scored_of(tmp_path / "run")
    path.write_text(whole.replace("[0.1, 0.2, 0.3]", "[0.1, 0.2]"), encoding="utf-8")
    with pytest.raises(DiagnosticError, match="samples of targets are not of one length"):
        scored_of(tmp_path / "run")


def test_figures_of_several_tasks_have_no_common_axes(tmp_path: Path) -> None:
    builds = [open_build(run_of_task(tmp_path / task, task)) for task in ("regression", "multilabel")]
    with pytest.raises(DiagnosticError, match="the runs have different tasks: `regression`, `multilabel`"):
        figure_of("anytime", builds, "svg")


def test_intervals_without_noise_are_told(tmp_path: Path) -> None:
    path = run_of_task(tmp_path, "regression") / "eval/evaluation.json"
    document = json.loads(path.read_text("utf-8"))
    (found,) = document["evaluations"]
    found["reliability"] = [[] for _ in found["reliability"]]
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(DiagnosticError, match="has no intervals evaluated") as told:
        figure_of("reliability", (open_build(tmp_path),), "svg")
    assert "`validation: 20%`" in told.value.diagnostics[0].help()


def test_everything_to_repeat_a_run_is_there(run: RunFacts) -> None:
    assert run.repeat.commands == (
        "swc compile mine.sw --set tau=0.1",
        "swc eval --ood textures --corruptions FOLDER --interpolate",
    )
    assert run.repeat.files[0].text == "# synthetic\n"
    assert ("seed", "0") in run.repeat.recipe
    assert [name for name, _ in run.repeat.hashes] == ["spec", "graph of revision 0", "graph of revision 1"]


@pytest.mark.parametrize(("settings", "varied"), [((), ""), ((("tau", "0.1"),), " --vary tau=0.1")])
def test_a_run_of_a_sweep_is_repeated_with_its_seed_and_ensemble(
    folder: Path, tmp_path: Path, settings: tuple[tuple[str, str], ...], varied: str
) -> None:
    copytree(folder, tmp_path / "run")
    origin = read_origin(folder)
    assert origin is not None
    write_origin(tmp_path / "run", evolve(origin, settings=settings, ensemble="synthetic", swept=True))
    first = repeat_of(open_build(tmp_path / "run"), None).commands[0]
    assert first == f"swc sweep mine.sw --ensemble synthetic{varied} --seeds 0-0"


def test_an_origin_holds_imports_and_no_folder(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/own.sw").write_text("recipe own() {\n}\n", encoding="utf-8")
    spec = tmp_path / "mine.sw"
    spec.write_text('import "parts/own.sw"\nimport "digits.sw"\n', encoding="utf-8")
    found = origin_of(spec, {"tau": "0.5"})
    assert [file.name for file in found.files] == ["mine.sw", "parts/own.sw", "digits.sw"]
    assert "recipe digits" in found.files[2].text
    assert found.settings == (("tau", "0.5"),)


def test_runs_of_one_ensemble_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    first = compiled()
    places = [tmp_path / name / "run" for name in ("a", "b")]
    for place in places:
        begin(place, first)
    builds = [open_build(place) for place in places]
    assert run_names(builds) == ("synthetic (a)", "synthetic (b)")
    assert run_names(builds[:1]) == ("synthetic",)


def test_a_page_has_the_same_bytes_twice_and_its_data_inside(folder: Path) -> None:
    report = report_of([open_build(folder)])
    page = page_of(report)
    assert page == page_of(report_of([open_build(folder)]))
    data = re.findall(r'<script type="application/json" id="data">(.*)</script>', page)
    assert [json.loads(text) for text in data] == [json.loads(as_json(report))]
    assert str(folder.parent) not in page


def test_the_policy_knows_every_script_of_the_page_and_no_address(folder: Path) -> None:
    page = page_of(report_of([open_build(folder)]))
    policy = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)[0].replace("&#x27;", "'")
    scripts = re.findall(r"<script>(.*?)</script>", page, re.S)
    known = [f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in scripts]
    assert len(scripts) == 2
    assert f"script-src {' '.join(known)};" in policy
    assert "default-src 'none'" in policy
    assert "connect-src 'none'" in policy


def test_names_cannot_leave_their_place(tmp_path: Path) -> None:
    with without_rules():
        page = page_of(report_of([open_build(whole_run(tmp_path / "run", name=EVIL, first_member=EVIL))]))
    assert "<img" not in page.split('id="data">')[1].split("</script>")[0]
    assert "<img" not in page.split("<title>")[1].split("</title>")[0]
    assert page.count("</script>") == page_of(report_of([open_build(whole_run(tmp_path / "other"))])).count("</script>")
    assert embedded('"<&>"') == '"\\u003c\\u0026\\u003e"'

"""`swc slim`: from a trained slimmable run to a spec that stands on its own, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve
from swc.cli.check import check_one
from swc.compiler.driver import compile_file
from swc.diagnostics import DiagnosticError, Sink
from swc.folders.store import Build, open_build
from swc.language.semantics.check import check_file
from swc.language.syntax.printer import format_text
from swc.program.datasets import DATASETS
from swc.program.model_source import ModelSource
from swc.program.spec import Budget, Member, Selector, Share, Spec
from swc.program.training import AugmentationStep, Loss, Optimiser, Phase, Recipe, Schedule, SplitClusters, Training
from swc.slim.slim import Slimming, SlimRequest, slim_build, widest
from swc.slim.spec_text import spec_text as slim_text
from swc.slim.targets import read_targets

from support.own_targets import write_measures
from support.runs import Place, spec_text
from swc_runtime.training.channel_search import SlimmedChannels

SLIMMABLE = """
import "digits.sw"

ensemble widths {
  data digits
  member wide = wrn(depth: 10, width: 0.5)
  member narrow = wrn(depth: 10, width: 0.25)
  step sandwich(random: 0)
  budget unlimited
  share conv as slices
  share heads as slices
  train digits {
    batch 128
    phase main: 1 epochs
  }
}
"""
NUMBERS = (14, 6, 2, 16, 16, 32, 16)
SGD = Optimiser.of("sgd", ("biases", "norms"), lr=0.05, momentum=0.8, nesterov=False, weight_decay=1e-05)
STEPS = Schedule.of("steps", 0.5, at=(1.5, 3.0), factor=0.1)
FULL = Recipe(
    "default",
    96,
    SGD,
    Schedule.of("steps", 0.5, at=(1.5, 3.0), factor=0.1),
    (AugmentationStep.of("crop", pad=2), AugmentationStep.of("flip"), AugmentationStep.of("cutout", size=3)),
    Loss.of(label_smoothing=0.1),
    32,
    "bfloat16",
    7,
)
TRAININGS = (
    Training(Recipe("default"), (Phase("main", 4),)),
    Training(FULL, (Phase("first", 2, 0.1), Phase("second", 4))),
    Training(evolve(FULL, schedule=Schedule("cosine", warmup=1.0)), (Phase("main", 4),)),
    Training(evolve(FULL, loss=Loss.of("focal", gamma=1.5)), (Phase("main", 4),)),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = Place(tmp_path_factory.mktemp("slim"))
    assert made.compile(SLIMMABLE) == 0
    assert made.train() == 0
    return made


def slimming(training: Training = TRAININGS[0], **changes: object) -> Slimming:
    source = ModelSource("family", "wrn", (("depth", 10), ("width", 0.5)))
    shares = (Share(Selector("conv"), "slices"), Share(Selector("norms"), "slices"))
    spec = Spec("w", DATASETS["digits"], (Member("wide", source),), Budget("unlimited"), shares, training)
    uncut = SlimmedChannels((16, 8, 8, 16, 16, 32, 32), 240_000, 0.5)
    found = zip(read_targets(["50%", "30%"]), (SlimmedChannels(NUMBERS, 118_720, 0.75),) * 2, strict=True)
    return Slimming(evolve(spec, **changes), spec.members[0], uncut, tuple(found), 64)


def spec_of(text: str, folder: Path) -> Spec:
    path = folder / "found.sw"
    path.write_text(text, encoding="utf-8")
    sink = Sink()
    check_one(path, None, {}, sink)
    found = check_file(path, None, {}, sink)
    assert sink.diagnostics == [] and format_text(text) == text
    return found


def test_a_run_becomes_a_spec_within_its_targets(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert place.swc("slim", "--flops", "80%", "--flops", "90%", "--images", "64") == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows] == ["wide", "slim_90", "slim_80"]
    whole, larger, smaller = (int(row[1].replace(",", "")) for row in rows)
    assert larger <= 0.9 * whole and smaller <= 0.8 * whole
    compiled = compile_file(place.folder / "widths_slim.sw")
    assert compiled.warnings == ()
    assert dict(compiled.spec.members[1].source.arguments)["channels"] == " ".join(rows[2][-7:])
    trained = open_build(place.folder / "build/widths/run").spec.training
    assert trained is not None and compiled.spec.training is not None
    assert evolve(compiled.spec.training.recipe, name="digits") == trained.recipe
    assert compiled.spec.training.phases == trained.phases


def test_a_run_of_numbers_is_cut_by_its_squared_errors(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Place(tmp_path_factory.mktemp("slim_ink"))
    write_measures(made.folder)
    data = 'python("measures:ink", shape: [1, 8, 8], count: 120)\n  task regression'
    assert made.compile(SLIMMABLE.replace("data digits", f"data {data}").replace("batch 128", "batch 32")) == 0
    assert made.train() == 0
    capsys.readouterr()
    assert made.swc("slim", "--flops", "90%", "--images", "32") == 0
    whole, cut = (line.split() for line in capsys.readouterr().out.splitlines())
    assert whole[0] == "wide" and cut[0] == "slim_90" and 0 < float(whole[4]) < 100
    text = (made.folder / "widths_slim.sw").read_text("utf-8")
    assert "task regression" in text and "loss mse" in text
    assert compile_file(made.folder / "widths_slim.sw").spec.task == compile_file(made.folder / "tiny.sw").spec.task
    module = made.folder / "measures.py"
    module.write_text(module.read_text("utf-8").replace("/ 16", "/ 17"), "utf-8")
    capsys.readouterr()
    assert made.swc("slim", "--flops", "90%", "--images", "32", "--trust", "-o", "other.sw") == 0
    assert "warning[SW551]" in capsys.readouterr().err, "other images than it was trained on"


def test_the_spec_is_the_same_each_time(place: Place) -> None:
    for name in ("a.sw", "b.sw"):
        assert place.swc("slim", "--flops", "90%", "--images", "64", "-o", name) == 0
    assert (place.folder / "a.sw").read_bytes() == (place.folder / "b.sw").read_bytes()


def test_a_target_that_cuts_nothing_is_told(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert place.swc("slim", "--flops", "100%", "--images", "64", "-o", "uncut.sw") == 0
    assert "slim_100 is not cut at all" in capsys.readouterr().err


def test_what_cannot_be_met_is_refused(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert place.swc("slim", "--flops", "0.1%", "--images", "64", "-o", "none.sw") == 1
    assert "SW701" in capsys.readouterr().err
    assert not (place.folder / "none.sw").exists()


@pytest.mark.parametrize("training", TRAININGS)
def test_the_text_trains_as_the_run_did(training: Training, tmp_path: Path) -> None:
    spec = spec_of(slim_text(slimming(training), "none"), tmp_path)
    assert spec.training == training
    assert [share.policy for share in spec.shares] == ["none"]
    assert [dict(member.source.arguments)["channels"] for member in spec.members] == [" ".join(map(str, NUMBERS))] * 2


def test_members_may_share_slices(tmp_path: Path) -> None:
    spec = spec_of(slim_text(slimming(), "slices"), tmp_path)
    assert [(share.selector.kind, share.policy) for share in spec.shares] == [("conv", "slices"), ("norms", "slices")]


def test_a_folder_of_images_is_named_again(tmp_path: Path) -> None:
    data = evolve(DATASETS["imagenet"], name="folder", num_classes=5, image_shape=(3, 64, 64), folder="my images")
    found = spec_of(slim_text(slimming(data=data), "none"), tmp_path).data
    assert (found.folder, found.num_classes, found.image_shape) == ("my images", 5, (3, 64, 64))


def test_phases_that_were_thrown_away_are_left_out(tmp_path: Path) -> None:
    search = Phase("search", 2, 0.1, split=SplitClusters(0.1))
    kept = evolve(search, name="kept", carry="continue")
    training = Training(Recipe("default"), (search, kept, Phase("main", 4)))
    spec = spec_of(slim_text(slimming(training), "none"), tmp_path)
    assert spec.training is not None
    assert [(phase.name, phase.is_search) for phase in spec.training.phases] == [("kept", False), ("main", False)]


def test_targets_are_parts_or_numbers() -> None:
    first, second, third = read_targets(["12.5%", "12M", "12.5%", "300"])
    assert (first.member, first.limit(800)) == ("slim_12_5", 100)
    assert (second.member, second.limit(800), third.limit(800)) == ("slim_12M", 12_000_000, 300)


@pytest.mark.parametrize("text", ["half", "0%", "101%", "-5", "1e6", "", "12m"])
def test_other_targets_are_refused(text: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        read_targets([text])
    assert [found.code for found in caught.value.diagnostics] == ["SW704"]


def test_a_run_without_slices_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Place(tmp_path)
    assert made.compile(spec_text()) == 0
    assert made.swc("slim", "--flops", "50%") == 1
    assert "SW700" in capsys.readouterr().err


def refused(spec: Spec, folder: Path) -> list[str]:
    with pytest.raises(DiagnosticError) as caught:
        slim_build(Build(folder, spec, (), ()), SlimRequest(("50%",)), Sink(), print)
    return [found.code for found in caught.value.diagnostics]


def test_other_families_and_runs_without_weights_are_refused(tmp_path: Path) -> None:
    spec = slimming().spec
    other = Member("wide", ModelSource("family", "mobilenet_v2", (("width", 1),)))
    assert refused(evolve(spec, members=(other,)), tmp_path) == ["SW703"]
    assert refused(spec, tmp_path) == ["SW640"]


def test_the_widest_member_must_be_one() -> None:
    assert widest(("a", "b", "c"), (3, 5, 4)) == 1
    with pytest.raises(DiagnosticError) as caught:
        widest(("a", "b", "c"), (5, 3, 5))
    assert [found.message() for found in caught.value.diagnostics] == ["several members are the widest: `a`, `c`"]
    assert [found.code for found in caught.value.diagnostics] == ["SW702"]


def test_the_text_is_that_of_the_golden_file() -> None:
    golden = Path(__file__).parents[1] / "golden" / "slim.sw"
    scaled = evolve(TRAININGS[1], epochs_scale=0.25)
    assert slim_text(slimming(scaled), "slices") == golden.read_text(encoding="utf-8")

"""Every rival of the paper goes the whole way: compiled, trained, taken up again, evaluated and exported.

Half of them do so in every run of the tests, all in the slow ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from swc.running import transitions

from support.runs import Place

SPEC = """
import "digits.sw"

ensemble tiny {{
  data digits
  {members}
  budget {budget}
  {sharing}
  train digits {{
    batch 128
    phase main: 2 epochs
  }}
}}
"""
WIDTHS = (
    "member a = wrn(depth: 10, width: 0.5) member b = wrn(depth: 10, width: 0.25) member c = wrn(depth: 10, width: 1)"
)
ALIKE = "member m[2] = wrn(depth: 10, width: 0.5)"
BATCH_ENSEMBLE = "share conv as rank_one(rate: 0.5) share norms as hard share heads as rank_one"
RIVALS = {
    "hard": (ALIKE, "share conv as hard"),
    "batch_ensemble": (f"{ALIKE} step independent(average: yes)", BATCH_ENSEMBLE),
    "batch_ensemble_split": (f"{ALIKE} step split", BATCH_ENSEMBLE),
    "slimmable": (WIDTHS, "share conv as slices"),
    "universally_slimmable": (
        f"{WIDTHS} step sandwich(random: 0)",
        "share conv as slices share norms as slices share heads as slices",
    ),
    "shapeshifter": (ALIKE, "share conv as shapeshifter"),
    "mimo": ("member m[2] = mimo(depth: 10, width: 0.5) step joint(batch_repetition: 2)", ""),
    "packed": ("member m[2] = packed(depth: 10, width: 0.5)", ""),
    "msdnet": ("member exit[2] = msdnet(growth: 1, channels: 2, base: 1, step: 1)", ""),
    "hne": ("member leaf[2] = hne(depth: 26, width: 0.25, narrowing: 4) step distilled", ""),
}


def test_too_few_training_images_for_the_networks_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Place(tmp_path)
    text = spec_of("member m[11] = wrn(depth: 10, width: 0.25) step split", "").replace(
        "data digits", "data digits(train: 10)"
    )
    assert made.compile(text) == 0
    assert made.train() == 1
    said = capsys.readouterr().err
    assert "error[SW149]: `step split` parts all 10 training images among 11 networks: each needs two" in said
    assert "train on 22 images or more, or `step independent`" in said


def test_norms_of_a_sandwich_are_settled_for_scores_within_a_phase(tmp_path: Path) -> None:
    """As they are at its end, and for the scores alone: what is trained is the same however often it is scored."""
    text = spec_of(*RIVALS["universally_slimmable"]).replace("batch 128", "batch 128 schedule constant")
    once, often, shorter = (Place(tmp_path / name) for name in ("once", "often", "shorter"))
    for place, spec, options in (
        (once, text, ()),
        (often, text, ("--score-every", "1")),
        (shorter, text.replace("2 epochs", "1 epochs"), ()),
    ):
        place.folder.mkdir()
        assert place.compile(spec) == 0
        assert place.train(*options) == 0
    trained = load_file(once.checkpoint)
    assert all(torch.equal(tensor, trained[name]) for name, tensor in load_file(often.checkpoint).items())

    def scores(place: Place) -> list[float]:
        rows = [row for row in place.metrics() if row["kind"] == "scores" and row["epoch"] == 1]
        return [row["nll"] for row in rows]

    assert scores(often) == scores(shorter) != []


ONE_PIXEL = """
from torch import nn


def net(num_classes):
    features = nn.Sequential(nn.Conv2d(1, 4, 8), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
    return nn.Sequential(features, nn.Linear(4, num_classes))
"""


def test_no_network_sees_a_single_image_of_the_last_batch(tmp_path: Path) -> None:
    """Of which BatchNorm has no variance, where a map has one pixel; the last batch has five for four networks."""
    made = Place(tmp_path)
    (tmp_path / "pixel_nets.py").write_text(ONE_PIXEL, encoding="utf-8")
    text = spec_of('member m[4] = python("pixel_nets:net") step split', "")
    text = text.replace("data digits", "data digits(train: 69)").replace("batch 128", "batch 64")
    assert made.compile(text.replace("2 epochs", "1 epochs")) == 0
    assert made.train() == 0


def spec_of(members: str, sharing: str) -> str:
    return SPEC.format(
        members=members, sharing=sharing, budget="30% of native" if "shapeshifter" in sharing else "unlimited"
    )


OFTEN = ("batch_ensemble", "universally_slimmable", "shapeshifter", "mimo", "hne")
ALL = [pytest.param(name, marks=() if name in OFTEN else pytest.mark.slow) for name in RIVALS]
JOINT = ("mimo", "packed", "msdnet", "hne")


@pytest.fixture(scope="module", params=ALL)
def rival(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Place]]:
    members, sharing = RIVALS[request.param]
    place = Place(tmp_path_factory.mktemp(request.param))
    assert place.compile(spec_of(members, sharing)) == 0
    assert place.train() == 0
    yield request.param, place


def test_it_trains_and_scores_every_member(rival: tuple[str, Place]) -> None:
    _, place = rival
    epochs = [row for row in place.metrics() if row["kind"] == "epoch"]
    assert len(epochs) == 2
    assert epochs[1]["losses"] < epochs[0]["losses"]
    scored = [row["of"] for row in place.metrics() if row["kind"] == "scores"]
    assert scored[-1] == "ensemble"
    assert scored[:-1] == [member.name for member in place.build().spec.members]


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n == "universally_slimmable" else pytest.mark.slow) for n in RIVALS]
)
def test_it_goes_on_to_the_same_bits(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parted = Place(tmp_path / "whole"), Place(tmp_path / "parted")
    for place in (whole, parted):
        place.folder.mkdir()
        assert place.compile(spec_of(*RIVALS[name])) == 0
    assert whole.train() == 0
    with monkeypatch.context() as patched:
        patched.setattr(transitions, "scores", interrupted)  # after the last epoch, before it is saved
        assert parted.train() != 0
    assert parted.train() == 0
    ended, undisturbed = load_file(parted.checkpoint), load_file(whole.checkpoint)
    assert all(torch.equal(tensor, ended[key]) for key, tensor in undisturbed.items())


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_it_is_evaluated_with_what_each_subset_costs(
    rival: tuple[str, Place], capsys: pytest.CaptureFixture[str]
) -> None:
    name, place = rival
    capsys.readouterr()
    assert place.swc("eval", "--format", "json", "--time-batch", "0") == 0
    (found,) = json.loads(capsys.readouterr().out)["evaluations"]
    costs = {len(row["members"]): row["multiply_adds"] for row in found["predictors"]}
    singles = [row["multiply_adds"] for row in found["predictors"] if len(row["members"]) == 1]
    whole = costs[max(costs)]
    assert whole == (max(singles) if name in JOINT else sum(singles))
    assert (singles[0] < singles[-1]) == (name in ("msdnet", "hne", "slimmable", "universally_slimmable"))


def test_it_is_exported_and_read_back(rival: tuple[str, Place], capsys: pytest.CaptureFixture[str]) -> None:
    name, place = rival
    assert place.swc("export", "--format", "torch", "-o", "plain") == 0
    capsys.readouterr()
    code = place.swc("export", "--format", "python", "-o", "readable")
    if name in JOINT:
        assert code != 0 and "SW666" in capsys.readouterr().err
    else:
        assert code == 0

"""Actions between epochs: what is frozen stays to the bit, its optimiser state too, however a run was stopped."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from swc.folders.store import open_build

from support.patches import ROOT, Copy, copied, patch_of, patched
from support.plug_ins import install
from support.runs import Place
from swc_runtime.records.checkpoint import load_checkpoint

PAGE = "docs/how-to/new_action.md"
MOST = 8  # files of source, beside the row's own
SPEC = """
import "digits.sw"

ensemble tiny {{
  data digits
  member deep = wrn(depth: 10, width: 1)
  member shallow = wrn(depth: 10, width: 0.5)
  budget 50% of native
  share conv
  train digits {{
    batch 256
    optimiser {optimiser}
    {phases}
  }}
}}
"""
SGD = "sgd(lr: 0.1, momentum: 0.9, nesterov: yes, weight_decay: 5e-4)"
ADAMW = "adamw(lr: 0.003)"
FROZEN = "phase main: 3 epochs\n after 1 epochs freeze coefficients"
UNTIED = "phase main: 3 epochs\n after 1 epochs untie coefficients below 0.95\n after 2 epochs freeze coefficients"
WHOLE = "phase main: 1 epochs"  # the epoch before the freezing, and not one more


def trained(folder: Path, phases: str, optimiser: str = SGD) -> Place:
    folder.mkdir(exist_ok=True)
    made = Place(folder)
    assert made.compile(SPEC.format(optimiser=optimiser, phases=phases)) == 0
    assert made.train() == 0
    return made


def tensors(place: Place, kind: str) -> dict[str, torch.Tensor]:
    """What a checkpoint holds of parameters of a kind: their values and what the optimiser keeps for them."""
    found, _ = load_checkpoint(place.checkpoint)
    return {name: tensor for name, tensor in found.items() if f"/{kind}/" in f"/{name}"}


@pytest.fixture(scope="module", params=[SGD, ADAMW], ids=["sgd", "adamw"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, Place]:
    """The same training with a constant rate, stopped where coefficients are frozen, and gone on with."""
    constant = f"{request.param}\n    schedule constant"
    folder = tmp_path_factory.mktemp("pair")
    return trained(folder / "short", WHOLE, constant), trained(folder / "long", FROZEN, constant)


def test_coefficients_and_their_state_stay_to_the_bit(pair: tuple[Place, Place]) -> None:
    short, long = (tensors(place, "coefficient") for place in pair)
    assert short.keys() == long.keys()
    assert len(short) > len([name for name in short if name.startswith("state/")]) > 0, "an optimiser keeps something"
    assert [name for name in short if not torch.equal(short[name], long[name])] == []
    before, after = (tensors(place, "bank") for place in pair)
    assert any(not torch.equal(before[name], after[name]) for name in before), "templates are trained on"


def test_the_next_revision_says_what_is_frozen(pair: tuple[Place, Place], capsys: pytest.CaptureFixture[str]) -> None:
    long = pair[1]
    programs = [revision.program for revision in open_build(long.run).revisions]
    assert [program.frozen for program in programs if program is not None] == [(), ("coefficients",)]
    assert not (long.run / "revisions/0/feedback.json").exists()
    for command, words in (
        (("show",), "coefficients are frozen: they get no further updates"),
        (("show", "build/tiny/run", "--phase", "0"), "freeze coefficients"),
        (("diff", "build/tiny/run"), "coefficients are frozen: they get no further updates"),
    ):
        assert long.swc(*command) == 0
        told = capsys.readouterr()
        assert words in told.out, told
    assert long.swc("report", "-o", "page.html") == 0
    assert "freeze coefficients" in (long.folder / "page.html").read_text("utf-8")
    assert long.swc("export", "--format", "safetensors", "-o", "members") == 0
    assert long.swc("eval", "--time-batch", "0") == 0


@pytest.mark.slow
def test_a_run_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    undisturbed = trained(tmp_path / "whole", UNTIED)
    disturbed = Place(tmp_path / "cut")
    disturbed.folder.mkdir()
    assert disturbed.compile(SPEC.format(optimiser=SGD, phases=UNTIED)) == 0
    process = disturbed.start("--checkpoint-every", "0")
    assert process.stderr is not None
    while "are frozen" not in process.stderr.readline():
        assert process.poll() is None
    process.kill()
    process.communicate(timeout=60)
    assert disturbed.train() == 0
    (found, _), (wanted, _) = load_checkpoint(disturbed.checkpoint), load_checkpoint(undisturbed.checkpoint)
    assert found.keys() == wanted.keys()
    assert [name for name in wanted if not torch.equal(found[name], wanted[name])] == []
    assert disturbed.metrics() == undisturbed.metrics()
    last = open_build(disturbed.run).revisions[-1].program
    assert last is not None
    assert (last.revision, last.frozen) == (2, ("coefficients",))


# --- the guide --------------------------------------------------------------------------------------------------------


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", (ROOT / PAGE).read_text("utf-8"), re.MULTILINE | re.DOTALL)


def run_guide(copy: Copy, place: Path, packages: Path | None = None) -> None:
    place.mkdir()
    (place / "still.sw").write_text(blocks("text")[0], "utf-8")
    for command in (
        ("fmt", "--check", "still.sw"),
        ("compile", "still.sw", "--quiet"),
        ("train", "--threads", "1", "--device", "cpu"),
        ("show",),
    ):
        done = copy.run(place, "-m", "swc", *command, path=packages)
        assert done.returncode == 0, done.stderr
    assert "templates are frozen: they get no further updates" in done.stdout


@pytest.mark.slow
def test_the_patch_of_the_guide_is_a_row(tmp_path: Path) -> None:
    copy = patched(copied(tmp_path / "copy"), patch_of(PAGE))
    assert len(copy.changed) <= MOST
    assert copy.changed == ("swc/registry/actions.py",)
    run_guide(copy, tmp_path / "place")


@pytest.mark.slow
def test_a_package_adds_it_with_nothing_of_ours_changed(tmp_path: Path) -> None:
    points = {"swc.actions": {"freeze_templates": "swc_freeze:row"}}
    assert 'freeze_templates = "swc_freeze:row"' in blocks("toml")[0]
    packages = install(tmp_path / "packages", "swc-freeze", points, {"swc_freeze": blocks("python")[0]})
    run_guide(Copy(ROOT), tmp_path / "place", packages)
    without = Copy(ROOT).run(tmp_path / "place", "-m", "swc", "show")
    assert without.returncode == 1
    assert "error[SW172]" in without.stderr and "pip install swc-freeze==1.2" in without.stderr

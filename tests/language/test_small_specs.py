"""The paper at a size that two cores bear: sweeps that can begin, and what the specs say of their ensembles."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from swc.compiler.driver import compile_file
from swc.compiler.ir.counts import count
from swc.diagnostics import Sink
from swc.language.semantics.check import check_file, ensembles_in
from swc.program.spec import Spec
from swc.sweep.plan import Sweep
from swc.sweep.preflight import check_beginning
from swc.sweep.sweep_file import read_sweep
from swc.system.resources import specs

SMALL = specs() / "small"
SWEEPS = {path.stem: path for path in sorted(SMALL.glob("*.toml"))}
LONGER = {
    "budgets": "_long",
    "fresh": "_long",
    "remedies": "_long_",
    "sharing_pays": "_long",
    "overview": "_long",
    "stored": "_long",
    "restart": "_longer",
    "believed": "_longer",
}  # rivals of as many epochs or hours in all
EPOCHS = {
    "sharing_pays_epochs": 2,
    "narrow_epochs": 2,
    "training_length": 6,
}  # of how many numbers of epochs the others are
ROOT = Path(__file__).parents[2]


@cache
def settled(sweep: str) -> Sweep:
    return read_sweep(SWEEPS[sweep])


def trained(sweep: str) -> dict[str, Spec]:
    """The specs of a sweep's settings, by their values."""
    specs = {}
    for setting in settled(sweep).settings:
        path, values, ensemble = settled(sweep).spec_of(setting)
        specs[",".join(value for _, value in setting)] = check_file(path, ensemble, values)
    return specs


@cache
def parameters(file: str, ensemble: str, *settings: tuple[str, str]) -> int:
    return count(compile_file(SMALL / f"{file}.sw", dict(settings), ensemble).graph).parameter_scalars


@pytest.mark.parametrize("path", sorted(SMALL.glob("*.sw")), ids=lambda path: path.stem)
def test_every_ensemble_checks_without_a_warning(path: Path) -> None:
    sink = Sink()
    for name in ensembles_in(path):
        check_file(path, name, sink=sink)
    assert not sink.diagnostics


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_can_begin_and_trains_all_settings_for_as_many_epochs(name: str, tmp_path: Path) -> None:
    check_beginning(settled(name), tmp_path)
    specs = trained(name)
    epochs = {
        spec.training.phases[-1].epochs
        for setting, spec in specs.items()
        if not (name in LONGER and LONGER[name] in setting)
        if spec.training is not None
    }
    assert len(epochs) == EPOCHS.get(name, 1)
    assert {spec.data.name for spec in specs.values()} == {"cifar100"}


@pytest.mark.slow  # some seventy networks are read
@pytest.mark.parametrize("name", SWEEPS)
def test_every_ensemble_of_a_sweep_compiles(name: str) -> None:
    firsts = {dict(setting).get("ensemble"): setting for setting in reversed(settled(name).settings)}
    for setting in firsts.values():
        assert compile_file(*settled(name).spec_of(setting)).program.members


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_repeats_by_seed_and_two_pages_name_it(name: str) -> None:
    num_seeds = {"remedies": 1, "fresh": 10}.get(name, 3)  # what only chooses takes one, which nothing else uses
    assert settled(name).by_seed and len(settled(name).seeds) == num_seeds
    assert f"(../../../specs/small/{name}.toml)" in (ROOT / "docs/results/paper_small/README.md").read_text()
    assert f"(../../specs/small/{name}.toml)" in (ROOT / "docs/reference/paper.md").read_text()


def test_the_targets_name_sweeps_and_say_what_follows_them() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    core, looked_at = (
        next(line.removeprefix(name).split() for line in lines if line.startswith(name))
        for name in ("ITEM ?=", "LOOKED_AT :=")
    )
    assert set(core) <= set(SWEEPS) and set(looked_at) <= set(SWEEPS) and not set(core) & set(looked_at)
    drawn = next(line for line in lines if line.startswith("figure:")).split("drawn-,")[1].split(")")[0].split()
    assert drawn and {settled(name).rows_from != () for name in drawn} == {True}
    assert [line for line in lines if line.startswith("define ")] == [f"define looked_at_{name}" for name in looked_at]


@pytest.mark.slow
@pytest.mark.parametrize("budget", ["240k", "99k", "46k"])
def test_table_3_has_three_ensembles_of_one_size(budget: str) -> None:
    sizes = [
        parameters("table_3", e, ("budget", budget)) for e in ("homogeneous", "gradient_conflict", "heterogeneous")
    ]
    assert max(sizes) < 1.01 * min(sizes)


@pytest.mark.slow
@pytest.mark.parametrize("budget", [6, 12, 18, 25, 35, 50])
def test_what_shares_and_narrow_networks_are_of_one_size(budget: int) -> None:
    sizes = [parameters("sharing_pays", f"{system}_{budget}") for system in ("bins", "tied", "narrow")]
    assert max(sizes) < 1.04 * min(sizes)


@pytest.mark.slow
def test_rivals_are_as_large_as_the_specs_say() -> None:
    shared, tied, narrow = (parameters("believed", f"{name}_fine") for name in ("shared", "tied", "narrow"))
    assert 1.01 * shared < narrow < 1.03 * shared and 0.98 * tied < narrow < tied
    wide, slim, narrow = (parameters("anytime", name) for name in ("shared", "slimmable", "narrow"))
    assert abs(wide / narrow - 1) < 0.015 and abs(slim / narrow - 1) < 0.015
    assert 1.4 * wide < parameters("anytime", "separate") < 1.6 * wide

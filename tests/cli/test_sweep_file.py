"""Sweep files: what one may say, and that mistakes in it are told."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve
from swc.compiler.driver import compile_file
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.sweeps import EXAMPLES
from swc.sweep.children import threads_each
from swc.sweep.plan import Sweep
from swc.sweep.preflight import check_beginning
from swc.sweep.sweep_file import KEYS, read_sweep

ROOT = Path(__file__).parents[2]
COMPARED = 'spec = "a.sw"\n[vary]\nbeta = [1, 2]\n[[compare]]\nof = {}\nagainst = {}\n'


def test_a_sweep_file_says_everything(tmp_path: Path) -> None:
    path = tmp_path / "figure.toml"
    path.write_text('spec = "../a.sw"\nseeds = 3\nepochs_scale = 0.5\n[vary]\nbeta = [0.1, "0.90"]\n')
    found = read_sweep(path)
    assert found == Sweep("figure", (tmp_path / "../a.sw",), (("beta", ("0.1", "0.90")),), 3, (), 0.5)


def test_a_sweep_file_may_name_its_seeds_their_order_and_its_table(tmp_path: Path) -> None:
    path = tmp_path / "long.toml"
    path.write_text('spec = "a.sw"\nseeds = "7-8"\nby_seed = true\ntable = "rows.csv"\n[vary]\nbeta = [1, 2]\n')
    found = read_sweep(path)
    assert found.table == tmp_path / "rows.csv"
    assert [cell.name for cell in found.cells] == ["beta=1,seed=7", "beta=1,seed=8", "beta=2,seed=7", "beta=2,seed=8"]
    assert [cell.name for cell in found.running_order] == [
        "beta=1,seed=7", "beta=2,seed=7", "beta=1,seed=8", "beta=2,seed=8",
    ]  # fmt: skip


def test_several_specs_vary_like_a_param(tmp_path: Path) -> None:
    path = tmp_path / "table.toml"
    path.write_text('spec = ["a.sw", "b.sw"]\n[vary]\nbudget = ["7M", "15M"]\n')
    found = read_sweep(path)
    assert len(found.cells) == 4
    assert found.cells[2].setting == (("spec", "b"), ("budget", "7M"))
    assert found.spec_of(found.cells[2].setting) == (tmp_path / "b.sw", {"budget": "7M"}, None)


def test_several_ensembles_vary_like_a_param(tmp_path: Path) -> None:
    path = tmp_path / "table.toml"
    path.write_text('spec = "a.sw"\nensemble = ["shared", "plain"]\nseeds = 2\n')
    found = read_sweep(path)
    assert [cell.name for cell in found.cells] == [
        "ensemble=shared,seed=0", "ensemble=shared,seed=1", "ensemble=plain,seed=0", "ensemble=plain,seed=1",
    ]  # fmt: skip
    assert found.spec_of(found.cells[2].setting) == (tmp_path / "a.sw", {}, "plain")
    path.write_text('spec = "a.sw"\nensemble = "shared"\n[vary]\nbeta = [1]\n')
    only = read_sweep(path)
    assert only.spec_of(only.cells[0].setting) == (tmp_path / "a.sw", {"beta": "1"}, "shared")


IN_SPECS = '[ensembles]\n"a.sw" = ["shared", "plain"]\n"b.sw" = ["one"]\n'


def test_ensembles_may_stand_in_several_specs(tmp_path: Path) -> None:
    path = tmp_path / "figure.toml"
    path.write_text(IN_SPECS)
    found = read_sweep(path)
    assert [cell.name for cell in found.cells] == [
        "ensemble=shared,seed=0",
        "ensemble=plain,seed=0",
        "ensemble=one,seed=0",
    ]
    assert found.spec_of(found.settings[1]) == (tmp_path / "a.sw", {}, "plain")
    assert found.spec_of(found.settings[2]) == (tmp_path / "b.sw", {}, "one")
    only = evolve(found, ensembles=("one",))
    assert only.spec_of(only.settings[0]) == (tmp_path / "b.sw", {}, "one")


@pytest.mark.parametrize("path", sorted((ROOT / "specs" / "sweeps").glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_sweeps_compile(path: Path) -> None:
    sweep = read_sweep(path)
    firsts = {dict(setting).get("ensemble"): setting for setting in reversed(sweep.settings)}
    for setting in firsts.values():
        assert compile_file(*sweep.spec_of(setting)).program.members
    check_beginning(sweep, ROOT / "build" / "none")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("spec = 3", "`spec` must not be 3"),
        ("[vary]\nbeta = [1]", "it needs `spec`"),
        ('spec = "a.sw"', "it needs `vary`, or `seeds`"),
        ('spec = ["v1/net.sw", "v2/net.sw"]', "two files called `net`"),
        (f'spec = "c.sw"\n{IN_SPECS}', "leave these away"),
        (f"seeds = 2\n{IN_SPECS.replace('plain', 'one')}", "lists of different names"),
        (IN_SPECS.replace('["one"]', '"one"'), "a list of names for each spec"),
        ("[ensembles]", "a list of names for each spec"),
        ('spec = "a.sw"\nensemble = ["a", "a"]', "`ensemble` must be a list of different names"),
        ('spec = ["a.sw", 3]', "`spec` must be a list of different names"),
        ('spec = "a.sw"\n[vary]\nbeta = 1', "`beta` must be a list"),
        ('spec = "a.sw"\n[vary]\nbeta = [1, 2, 1]', "`beta` has the value 1 twice"),
        ('spec = "a.sw"\n[vary]\nsize = ["50%", "50.0%"]', "`size` has the value 50.0% twice, once written 50%"),
        ('spec = "a.sw"\n[vary]\nbeta = [0.1, "1e-1"]', "twice, once written 0.1"),
        ('spec = "a.sw"\n[vary]\nsize = ["5k", 5_000]', "`size` has the value 5000 twice, once written 5k"),
        ('spec = "a.sw"\nsede = 2', "no key `sede`"),
        ('spec = "a.sw"\n[vary]\nseed = [1, 2]', "`seed` is what a sweep sets itself: give `seeds`"),
        ('spec = ["a.sw", "b.sw"]\n[vary]\nspec = [1]', "`spec` is a param that varies too"),
        ('spec = "a.sw"\nensemble = ["a", "b"]\n[vary]\nensemble = [1]', "`ensemble` is a param that varies too"),
        ('spec = "a.sw"\nseeds = 0\n[vary]\nbeta = [1]', "at least 1"),
        ('spec = "a.sw"\nseeds = true\n[vary]\nbeta = [1]', "`seeds` must not be true"),
        ('spec = {a = 1, b = ["x", false]}', '`spec` must not be {a = 1, b = ["x", false]}'),
        ('spec = "a.sw"\nseeds = [1, "2"]\n[vary]\nbeta = [1]', "a list of them"),
        ('spec = "a.sw"\nseeds = "9-7"\n[vary]\nbeta = [1]', "ends before it begins"),
        ('spec = "a.sw"\nby_seed = 1\n[vary]\nbeta = [1]', "`by_seed` must not be 1"),
        ('spec = "a.sw"\nshow = ["acc"]\n[vary]\nbeta = [1]', "`show` must be a list of validation_top1"),
        ('spec = "a.sw"\nshow = [["top1"]]\n[vary]\nbeta = [1]', "`show` must be a list of validation_top1"),
        (f'spec = "a.sw"\nseeds = [{2**63}]\n[vary]\nbeta = [1]', "a list of them (at most 9223372036854775807)"),
        ('spec = "a.sw"\nshow = []\n[vary]\nbeta = [1]', "`show` must be a list of validation_top1"),
        ('spec = "a.sw"\nshow = ["nll", "nll"]\n[vary]\nbeta = [1]', "`show` has the value nll twice"),
        ('spec = "a.sw"\nepochs_scale = -1\n[vary]\nbeta = [1]', "`epochs_scale` must be at least 0.001"),
        ('spec = "a.sw"\nepochs_scale = nan\n[vary]\nbeta = [1]', "at most 1000, not nan"),
        ("spec =", "is not a sweep"),
        (COMPARED.format("{beta = 1}", "{tau = 1}"), "must name the same params"),
        (COMPARED.format("{beta = 1}", "{beta = 1}"), "two settings that differ"),
        (COMPARED.format("{beta = 1}", "{beta = 3}"), "the value 3 of `beta`, which is not run"),
        (COMPARED.format("{rate = 1}", "{rate = 2}"), "names `rate`, which does not vary"),
        (COMPARED.format("{}", "{}"), "must name the same params"),
        (COMPARED.format("1", "2"), "each `compare` must have `of` and `against`"),
        ('spec = "a.sw"\ncompare = [1]\n[vary]\nbeta = [1]', "each `compare` must have `of` and `against`"),
    ],
)
def test_a_wrong_sweep_file_is_told(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(DiagnosticError) as caught:
        read_sweep(path)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "SW670" and reason in diagnostic.message()


@pytest.mark.parametrize(
    ("text", "example"),
    [
        ("seeds = 2", "[vary]"),
        ('spec = "a.sw"\nseeds = 0\n[vary]\nbeta = [1]', "`seeds = 3` for 0 to 2"),
        ('spec = "a.sw"\nshow = ["acc"]\n[vary]\nbeta = [1]', '`show = ["top1", "nll", "stored"]`'),
        (COMPARED.format("{rate = 1}", "{rate = 2}"), "`[[compare]]`"),
    ],
)
def test_the_help_shows_the_key_that_is_wrong(tmp_path: Path, text: str, example: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(DiagnosticError) as caught:
        read_sweep(path)
    assert example in caught.value.diagnostics[0].help()


def test_every_key_has_an_example() -> None:
    assert set(EXAMPLES) == set(KEYS)


@pytest.mark.parametrize(("variable", "threads"), [("3", 3), ("", 2), ("many", 2), ("0", 2)])
def test_runs_have_the_threads_that_the_environment_asks_for(
    monkeypatch: pytest.MonkeyPatch, variable: str, threads: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    monkeypatch.setattr("swc.sweep.children.num_cores", lambda: 4)
    assert threads_each(2) == threads

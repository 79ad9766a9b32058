"""Names of installed packages in a spec: noted, kept with what is written, and asked for where they are missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.plugins import BrokenPlugIn, MissingPlugIn
from swc.files.codec import decode, encode
from swc.language.semantics.check import check_text
from swc.program.spec import Spec
from swc.registry.actions import ActionRow
from swc.registry.exporters import EXPORTERS
from swc.registry.offers import PlugIn
from swc.registry.optimisers import OPTIMISERS

from support.plug_ins import NADAM, install

TEXT = """
ensemble e {
  data digits
  member a = wrn(depth: 10, width: 1)
  budget unlimited
  train {
    optimiser nadam(lr: 0.01)
    phase p: 2 epochs
  }
}
"""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "swc_nadam", raising=False)
    return install(tmp_path, "swc-nadam", {"swc.optimisers": {"nadam": "swc_nadam:row"}}, {"swc_nadam": NADAM})


def test_where_a_name_comes_from_is_noted(packages: Path) -> None:
    spec = check_text(TEXT, "mine.sw")
    assert spec.plug_ins == (PlugIn("optimiser", "nadam", "swc-nadam", "1.2"),)
    assert "optimiser nadam comes from the plug-in swc-nadam 1.2" in spec.defaults
    assert "train default: nadam momentum_decay 0.004" in spec.defaults
    assert decode(encode(spec), Spec) == spec


def test_what_is_ours_needs_no_plug_in() -> None:
    assert check_text(TEXT.replace("nadam(lr: 0.01)", "adamw"), "mine.sw").plug_ins == ()


def test_without_the_plug_in_a_file_says_what_to_install(packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = encode(check_text(TEXT, "mine.sw"))
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place != str(packages)])
    with pytest.raises(DiagnosticError) as caught:
        decode(written, Spec, "spec.json")
    (told,) = caught.value.diagnostics
    assert isinstance(told, MissingPlugIn)
    assert "`spec.json` needs the optimiser `nadam` of the plug-in swc-nadam" in told.message()
    assert told.help() == "pip install swc-nadam==1.2"


def test_a_broken_plug_in_is_told_where_the_spec_names_it(packages: Path) -> None:
    (packages / "swc_nadam.py").write_text("import nothing_of_this_name\n", "utf-8")
    with pytest.raises(DiagnosticError) as caught:
        check_text(TEXT, "mine.sw")
    (told,) = caught.value.diagnostics
    assert isinstance(told, BrokenPlugIn)
    assert told.span is not None and told.span.line == 7
    assert "ModuleNotFoundError" in told.message()


FAILING = """
    from swc.registry.optimisers import OptimiserRow, StateRow
    from swc.registry.row import ArgumentRow

    row = OptimiserRow(
        name="failing",
        words="an optimiser that fails",
        implementation="swc_failing_code:Failing",
        arguments=(ArgumentRow("lr", "number", above=0, default=1.0),),
        state=(),
    )
"""
CODE = """
    import torch

    class Failing(torch.optim.SGD):
        def step(self, closure=None):
            raise RuntimeError("no step today")
"""


def test_what_a_plug_in_raises_while_training_is_its_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from swc.trust.foreign import foreign_code
    from torch import nn

    monkeypatch.syspath_prepend(tmp_path)
    modules = {"swc_failing": FAILING, "swc_failing_code": CODE}
    install(tmp_path, "swc-failing", {"swc.optimisers": {"failing": "swc_failing:row"}}, modules)
    spec = check_text(TEXT.replace("nadam(lr: 0.01)", "failing"), "mine.sw")
    made = OPTIMISERS.load("failing")(nn.Linear(1, 1).parameters(), lr=1.0)
    with pytest.raises(DiagnosticError) as caught, foreign_code(spec):
        made.step()
    (told,) = caught.value.diagnostics
    assert isinstance(told, BrokenPlugIn)
    assert told.reason == "RuntimeError: no step today (swc_failing_code.py:5)"
    with pytest.raises(ZeroDivisionError), foreign_code(spec):
        _ = 1 // 0  # not the plug-in's


TWO_ROWS = """
    from swc.registry.augmentations import AugmentationRow
    from swc.registry.optimisers import OptimiserRow
    from swc.registry.row import ArgumentRow

    first = AugmentationRow(name="blur", words="one", implementation="swc_two_code:blur", stage="placing")
    second = OptimiserRow(
        name="zig", words="another", implementation="swc_two_code:Zig",
        arguments=(ArgumentRow("lr", "number", above=0, default=1.0),), state=(),
    )
"""
TWO_CODES = """
    def blur(chosen, draw):
        return chosen

    class Zig:
        def step(self):
            raise RuntimeError("no step today")
"""


def test_of_several_plug_ins_of_a_package_the_one_that_ran_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from swc.trust.foreign import foreign_code

    monkeypatch.syspath_prepend(tmp_path)
    points = {"swc.augmentations": {"blur": "swc_two:first"}, "swc.optimisers": {"zig": "swc_two:second"}}
    install(tmp_path, "swc-two", points, {"swc_two": TWO_ROWS, "swc_two_code": TWO_CODES})
    spec = check_text(TEXT.replace("nadam(lr: 0.01)", "zig\n    augment blur"), "mine.sw")
    assert [one.name for one in spec.plug_ins] == ["blur", "zig"]
    with pytest.raises(DiagnosticError) as caught, foreign_code(spec):
        OPTIMISERS.load("zig")().step()
    (told,) = caught.value.diagnostics
    assert isinstance(told, BrokenPlugIn)
    assert (told.kind, told.name) == ("optimiser", "zig")


EXPORTER = """
    from swc.registry.exporters import ExporterRow

    row = ExporterRow(name="npz", words="arrays", implementation="swc_npz_code:NPZ")
"""


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("class Npz:\n    def export(self, job):\n        return job.nothing\n\nNPZ = Npz()\n", "(swc_npz_code.py:3)"),
        ("NPZ = 3\n", "has no attribute 'export'"),
    ],
)
def test_what_a_format_of_a_package_raises_is_its_fault(
    code: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("swc_npz", "swc_npz_code"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    modules = {"swc_npz": EXPORTER, "swc_npz_code": code}
    install(tmp_path, "swc-npz", {"swc.exporters": {"npz": "swc_npz:row"}}, modules)
    with pytest.raises(DiagnosticError) as caught:
        EXPORTERS.call_method("npz", "export", object())
    (told,) = caught.value.diagnostics
    assert isinstance(told, BrokenPlugIn)
    assert (told.kind, told.name) == ("exporter", "npz")
    assert said in told.reason


def test_an_action_about_no_role_is_broken() -> None:
    row = ActionRow(name="scale_rate", words="slower", implementation="a:b", freezes=("nonsense",))
    assert row.fault().startswith("'nonsense' is not a role of parameters: biases, coefficients")

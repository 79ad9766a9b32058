"""Reading members: the tables, what may be shared, and every mistake by its code."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from swc.compiler.frontend import LayerTable, read_members
from swc.compiler.frontend.examine import examine
from swc.diagnostics import Diagnostic, DiagnosticError, Sink, Span
from swc.diagnostics.catalogue.members import MEMBERS
from swc.program.datasets import DATASETS
from swc.program.model_source import ModelSource
from swc.program.spec import Budget, Member, Spec

NETS = '''
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm


class Odd(nn.Module):
    """One of everything that cannot be shared."""

    def __init__(self, num_classes):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.transposed = nn.ConvTranspose2d(8, 8, 3, padding=1)
        self.normed = weight_norm(nn.Conv2d(8, 8, 1))
        self.first = nn.Conv2d(8, 8, 1, bias=False)
        self.second = nn.Conv2d(8, 8, 1, bias=False)
        self.second.weight = self.first.weight
        self.twice = nn.Conv2d(8, 8, 1)
        self.again = self.twice
        self.gn = nn.GroupNorm(2, 8)
        self.scale = nn.Parameter(torch.ones(8, 1, 1))
        self.hidden = nn.Linear(8, num_classes)
        self.head = nn.Linear(num_classes, num_classes)

    def forward(self, x):
        x = self.depthwise(self.grouped(self.stem(x)))
        x = self.second(self.first(self.normed(self.transposed(x))))
        x = self.gn(self.again(self.twice(x))) * self.scale
        return self.head(self.hidden(x.mean((2, 3))))


class Reads(nn.Module):
    """Reads values while it is built and while it runs."""

    def __init__(self, num_classes, threshold=0.5):
        super().__init__()
        sizes = [int(v.item()) for v in torch.linspace(4, 8, 2)]
        self.convs = nn.ModuleList([nn.Conv2d(3, size, 1) for size in sizes])
        self.head = nn.Linear(8, num_classes)

    def forward(self, x):
        if x.max().item() > 1e9:
            raise ValueError("too bright")
        return self.head(self.convs[1](x).mean((2, 3)))


class Pair(nn.Linear):
    def forward(self, x):
        return x, super().forward(x.flatten(1))


class Listed(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(3, 3)]


def plain(width, num_classes):
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes))


def convolutional(num_classes):
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, num_classes, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def lazy(num_classes):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(num_classes))


def fails(num_classes):
    raise OSError("no checkpoint here")


def seven(): return nn.Sequential(nn.Flatten(), nn.Linear(3072, 7))
def pair(): return Pair(3072, 100)
def number(): return 7
def listed(): return Listed()
class Counting(nn.Flatten):
    def get_extra_state(self): return 1
def counting(num_classes): return nn.Sequential(Counting(), nn.Linear(3072, num_classes))
def compiled(num_classes): return torch.compile(nn.Sequential(nn.Flatten(), nn.Linear(3072, num_classes)))
def flat(num_classes): return nn.Sequential(nn.Flatten(), nn.Linear(12, num_classes))
not_callable = 5
def chatty(num_classes):
    print("building")
    frozen, normed = nn.Conv2d(3, 4, 3), weight_norm(nn.Conv2d(4, 4, 3, bias=False))
    frozen.weight.requires_grad_(False)
    return nn.Sequential(frozen, normed, nn.Flatten(), nn.Linear(4 * 28 * 28, num_classes))
'''


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a spec and models beside it, and a cache of its own."""
    monkeypatch.setenv("SWC_CACHE", str(tmp_path / "cache"))
    (tmp_path / "frontend_nets.py").write_text(NETS)
    (tmp_path / "frontend_broken.py").write_text("import a_module_nobody_has\n")
    (tmp_path / "frontend_raising.py").write_text("raise OSError('at import')\n")
    return tmp_path


def family(name: str, **arguments) -> ModelSource:
    return ModelSource("family", name, tuple(sorted(arguments.items())))


def python(name: str, **arguments) -> ModelSource:
    return ModelSource("python", name, tuple(sorted(arguments.items())))


def read(folder: Path, *sources: ModelSource, data: str = "cifar100") -> tuple[tuple[LayerTable, ...], Sink]:
    def span(line: int) -> Span:
        return Span(str(folder / "spec.sw"), line, 1, 6, "member ...")

    members = tuple(Member(f"m{i}", source, span(i + 1)) for i, source in enumerate(sources))
    sink = Sink()
    return read_members(Spec("test", DATASETS[data], members, Budget("unlimited"), (), None), sink), sink


def only(folder: Path, source: ModelSource, data: str = "cifar100") -> Diagnostic:
    tables, sink = read(folder, source, data=data)
    assert tables == ()
    [diagnostic] = sink.diagnostics
    assert diagnostic.span is not None
    assert diagnostic.span.line == 1
    assert diagnostic.help()
    return diagnostic


def test_a_wrn_is_read_in_module_order(nets: Path) -> None:
    (table,), sink = read(nets, family("wrn", depth=10, width=2))
    assert sink.diagnostics == []
    shared = [(row.path, row.shape) for row in table.parameters if row.is_sharable]
    assert shared[:4] == [
        ("conv1", (16, 3, 3, 3)),
        ("block1.0.conv1", (32, 16, 3, 3)),
        ("block1.0.conv2", (32, 32, 3, 3)),
        ("block1.0.shortcut", (32, 16, 1, 1)),
    ]
    assert [row.obstacle for row in table.parameters if row.path == "fc"] == ["classifier"]
    roles = {row.name: row.role for row in table.parameters}
    assert roles["conv1.weight"] == "weight"
    assert roles["block1.0.bn1.bias"] == roles["bn.weight"] == "norm"
    assert roles["fc.weight"] == roles["fc.bias"] == "head"


def test_members_of_one_source_share_its_table(nets: Path) -> None:
    source = family("wrn", depth=10, width=1)
    tables, _ = read(nets, source, family("wrn", depth=16, width=1), source)
    assert [table.member for table in tables] == ["m0", "m1", "m2"]
    assert tables[0].parameters == tables[2].parameters != tables[1].parameters


def test_depthwise_convolutions_of_mobilenet_stand_aside(nets: Path) -> None:
    (table,), _ = read(nets, family("mobilenet_v2"))
    aside = [row for row in table.parameters if row.kind == "grouped"]
    assert len(aside) == 17
    assert {(row.obstacle, row.aside) for row in aside} == {("", "depthwise convolution")}
    assert all(row.groups == row.shape[0] for row in aside)


def test_what_cannot_be_shared_says_why(nets: Path) -> None:
    (table,), sink = read(nets, python("frontend_nets:Odd"))
    assert sink.diagnostics == []
    rows = [row for row in table.parameters if row.obstacle != "bias"]
    assert {row.owner: row.obstacle or row.aside for row in rows} == {
        "": "shared only where named",
        "stem": "",
        "grouped": "grouped convolution",
        "depthwise": "depthwise convolution",
        "transposed": "transposed convolution",
        "normed": "weight is parametrised",
        "first": "tied to another module",
        "twice": "tied to another module",
        "gn": "normalisation",
        "hidden": "",
        "head": "classifier",
    }
    sharable = [row.path for row in table.parameters if row.is_sharable]
    assert sharable == ["scale", "stem", "grouped", "depthwise", "transposed", "hidden"]


def test_a_frozen_weight_stays_private_and_what_a_model_prints_is_no_result(
    nets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (table,), sink = read(nets, python("frontend_nets:chatty"))
    assert sink.diagnostics == []
    assert {row.owner: row.obstacle for row in table.parameters if row.obstacle != "bias"} == {
        "0": "weight is frozen", "1": "weight is parametrised", "3": "classifier",
    }  # fmt: skip
    said = capsys.readouterr()
    assert said.out == ""
    assert "building" in said.err


def test_every_parameter_is_listed_once_with_its_role(nets: Path) -> None:
    (table,), _ = read(nets, python("frontend_nets:Odd"))
    names = [row.name for row in table.parameters]
    assert len(names) == len(set(names))
    roles = {row.name: row.role for row in table.parameters}
    assert roles["scale"] == roles["hidden.weight"] == "weight"
    assert roles["stem.bias"] == "bias"
    assert roles["gn.bias"] == "norm"
    assert roles["head.bias"] == "head"
    assert "second.weight" not in roles


def test_a_last_convolution_with_an_output_per_class_is_the_classifier(nets: Path) -> None:
    (table,), _ = read(nets, python("frontend_nets:convolutional"))
    assert [row.obstacle for row in table.parameters if row.path == row.owner] == ["", "classifier"]


def test_a_model_that_reads_values_is_built_with_memory(nets: Path) -> None:
    (table,), sink = read(nets, python("frontend_nets:Reads"))
    assert [(told.code, told.layers) for told in sink.diagnostics] == [("SW318", ("convs.0",))]
    assert [row.path for row in table.parameters if row.path == row.owner] == ["convs.0", "convs.1", "head"]


def test_reading_leaves_torchs_random_numbers_alone(nets: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    read(nets, python("frontend_nets:Reads"), family("wrn", depth=10, width=1))
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize(
    ("code", "source", "words"),
    [
        ("SW300", ModelSource("torchvision", "mobilenet_v22"), "mobilenet_v22"),
        ("SW301", python("frontend_no_such:net"), "frontend_no_such"),
        ("SW301", python("frontend_nets:missing"), "missing"),
        ("SW209", python("frontend_nets"), "frontend_nets"),
        ("SW761", python("frontend_nets:not_callable"), "of type `int`"),
        ("SW301", python("frontend_broken:net"), "a_module_nobody_has"),
        ("SW302", python("frontend_raising:net"), "at import"),
        ("SW302", python("frontend_nets:fails"), "no checkpoint here"),
        ("SW303", python("frontend_nets:number"), "int"),
        ("SW304", python("frontend_nets:plain"), "width"),
        ("SW304", python("frontend_nets:plain", width=2, wdith=3), "wdith"),
        ("SW304", ModelSource("torchvision", "resnet18", (("wdith", 3),)), "wdith"),
        ("SW305", family("wrn", depth=27, width=2), "22 and 28"),
        ("SW305", family("resnet", depth=34, width=1), "26, 38, 50"),
        ("SW306", python("frontend_nets:lazy"), "1.weight"),
        ("SW307", python("frontend_nets:listed"), "listed"),
        ("SW308", python("frontend_nets:seven"), "[2, 7]"),
        ("SW308", python("frontend_nets:pair"), "a tuple"),
        ("SW309", python("frontend_nets:flat"), "3x32x32"),
        ("SW310", python("frontend_nets:counting"), "0"),
        ("SW313", python("frontend_nets:compiled"), "the model itself"),
    ],
)
def test_mistakes_have_codes(nets: Path, code: str, source: ModelSource, words: str) -> None:
    diagnostic = only(nets, source)
    assert diagnostic.code == code
    assert words in diagnostic.message()


def test_every_code_is_among_the_mistakes() -> None:
    marks = [mark for mark in test_mistakes_have_codes.pytestmark if mark.name == "parametrize"]  # type: ignore[attr-defined]
    codes = {case[0] for case in marks[0].args[1]}
    assert {code for code in codes if code.startswith("SW3")} | {"SW336"} == {found.code for found in MEMBERS}


def test_a_misspelt_name_is_guessed(nets: Path) -> None:
    assert only(nets, ModelSource("torchvision", "mobilnet_v2")).help() == "did you mean `mobilenet_v2`?"


def test_what_raised_is_placed(nets: Path) -> None:
    [note] = only(nets, python("frontend_nets:fails")).notes()
    assert note.startswith("raised at frontend_nets.py:")


def test_colour_models_cannot_take_grey_digits(nets: Path) -> None:
    assert only(nets, ModelSource("torchvision", "resnet18"), data="digits").code == "SW309"


def test_several_mistakes_are_reported_at_their_members(nets: Path) -> None:
    bad = family("wrn", depth=27, width=1)
    tables, sink = read(nets, bad, family("wrn", depth=10, width=1), bad, python("frontend_nets:number"))
    assert [table.member for table in tables] == ["m1"]
    assert [(d.code, d.span and d.span.line) for d in sink.diagnostics] == [("SW305", 1), ("SW305", 3), ("SW303", 4)]


def test_a_factory_that_ends_the_process_is_a_diagnostic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "leaving_factory.py").write_text("def leave():\n    raise SystemExit(0)\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DiagnosticError) as refused:
        examine(ModelSource("python", "leaving_factory:leave"), DATASETS["digits"])
    assert "SystemExit(0)" in refused.value.diagnostics[0].message()

"""The rows of data sets: right by themselves, documented, and read back from their facts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from attrs import evolve
from swc.diagnostics import DiagnosticError
from swc.language.semantics.check import check_text
from swc.program.datasets import (
    DATA,
    DATASETS,
    DataFacts,
    DataRow,
    are_resized,
    class_names_of,
    has_class_folders,
    named,
)
from swc.slim.spec_text import data_item

from support.own_data import DATA as OWN

PAGE = (Path(__file__).parents[2] / "docs/reference/data.md").read_text("utf-8")
WRITTEN = (
    "digits",
    "digits(train: 360)",
    "digits(train: 360, validation: 90)",
    "cifar10(size: 16, validation: 10%)",
    "cifar100(size: 8, labels: coarse, train: 12.5%)",
    'torchvision("SVHN", validation: 10%)',
    'torchvision("Flowers102", size: 64)',
    'folder("my images", classes: 5, size: 64, train: 7%)',
    'folder("my images", classes: 5, size: 64)',
    OWN,
    'python("a.b:c", classes: 2, shape: [3, 4, 5], mean: [0.1, 0.2, 0.3], deviation: [1, 1, 1], names: ["x", 2])',
    'python("a.b:c", classes: 2, shape: [14])',
    'python("a.b:c", classes: 2, shape: [3, 4, 5], dtype: float32, validation: given)',
    'table("a.csv", target: "b", test: 20%, without: ["c"], separator: semicolon, decimal: comma)',
    'python("a.b:c", classes: 2, shape: [[14], [8]], dtype: [float32, int64], train: 10%, validation: given)',
)


def facts_of(data: str) -> DataFacts:
    text = f'ensemble a {{\n  data {data}\n  member b = python("a.b:net")\n}}\n'
    return check_text(text, "a.sw").data


@pytest.mark.parametrize("row", DATA.rows, ids=lambda row: row.name)
def test_a_row_is_right_and_has_its_line(row: DataRow) -> None:
    assert row.fault() == ""
    assert callable(row.load())
    (line,) = (line for line in PAGE.splitlines() if re.match(rf"\| `{row.name}[`(]", line) and line.count("|") == 6)
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[-1] == row.words
    if row.is_named_alone:
        facts = DATASETS[row.name]
        shape, sizes = " x ".join(map(str, facts.image_shape)), f"{facts.num_train}, {facts.num_test}"
        assert cells[1:4] == [shape, str(facts.num_classes), sizes]
        assert len(row.class_names) in (0, facts.num_classes)
    for one in row.arguments:
        assert f"`{one.name}`" in PAGE, f"the argument {one.name} is not in the reference"


@pytest.mark.parametrize("data", WRITTEN)
def test_facts_are_written_so_that_they_are_read_back(data: str) -> None:
    from swc.language.syntax import tree
    from swc.language.syntax.nodes import NOWHERE, name_node
    from swc.language.syntax.unparse import print_tree

    facts = facts_of(data)
    ensemble = tree.EnsembleDefinition(name_node("a"), None, (data_item(facts),), NOWHERE)
    again = "\n".join(print_tree(tree.File((ensemble,), NOWHERE)).splitlines()[1:-1]).removeprefix("  data ")
    assert facts_of(again) == facts


def test_classes_are_folders_of_images_in_two_kinds_of_data() -> None:
    assert [row.name for row in DATA.rows if row.has_class_folders] == ["imagenet", "folder"]
    assert has_class_folders(DATASETS["imagenet"]) and not has_class_folders(DATASETS["digits"])
    assert not has_class_folders(evolve(DATASETS["digits"], name="of a plug-in that is not installed"))


def test_images_that_differ_in_size_are_resized() -> None:
    told = ['torchvision("Food101", size: 8)', 'folder("mine", classes: 5, size: 64)', 'torchvision("MNIST")', "digits"]
    assert [are_resized(facts_of(data)) for data in told] == [True, True, False, False]


def test_only_what_a_name_says_all_of_can_be_named() -> None:
    assert named("digits") == DATASETS["digits"]
    assert named("folder") is None and named("python") is None and named("./digits") is None


def test_what_is_written_out_as_it_is_published_is_the_set_itself() -> None:
    assert facts_of("cifar100(size: 32, labels: fine)") == DATASETS["cifar100"] == facts_of("cifar100")


def test_the_facts_of_coarse_small_images() -> None:
    facts = facts_of("cifar100(size: 8, labels: coarse, train: 4000)")
    assert (facts.num_classes, facts.image_shape, facts.num_train, facts.num_test) == (20, (3, 8, 8), 4000, 10_000)
    assert (facts.mean, facts.arguments) == (DATASETS["cifar100"].mean, ())
    assert facts.title == "cifar100(labels: coarse, size: 8)", "equal test images have one title"
    assert class_names_of(facts)[0] == "aquatic_mammals" and len(class_names_of(facts)) == 20
    assert facts.undivided == facts_of("cifar100(size: 8, labels: coarse)")


@pytest.mark.parametrize(
    ("data", "numbers"),
    [
        ("digits(validation: 10%)", (1293, 144, 360)),
        ("digits(train: 360, validation: 90)", (360, 90, 1347)),
        ("cifar100(validation: 5000)", (45_000, 5000, 10_000)),
        ("cifar100(train: 10%, validation: 90%)", (5000, 45_000, 10_000)),
        ('folder("mine", classes: 5, size: 64, train: 100, validation: 20%)', (100, 0, 0)),
    ],
)
def test_numbers_are_those_of_the_parts(data: str, numbers: tuple[int, int, int]) -> None:
    facts = facts_of(data)
    assert facts.parts is not None
    assert (facts.num_train, facts.parts.num_validation, facts.num_test) == numbers


def test_a_function_is_not_given_the_parts() -> None:
    facts = facts_of(OWN.replace("count: 400", "count: 400, validation: 10%, train: 50"))
    assert facts.given() == {"count": 400}
    assert facts.title == "pictures:digits" and facts.parts is not None


def test_the_facts_of_a_function() -> None:
    facts = facts_of(OWN)
    assert (facts.name, facts.title, facts.function) == ("python", "pictures:digits", "pictures:digits")
    assert facts.given() == {"count": 400}
    assert (facts.mean, facts.deviation) == ((0.5,), (0.5,))
    assert facts.code is not None and facts.code.kind == "python"
    assert facts_of("digits").code is None


def test_three_sizes_alone_are_an_image_and_any_others_are_inputs() -> None:
    image, rows, both = (
        facts_of(f'python("a.b:c", classes: 2, {said})')
        for said in ("shape: [3, 4, 5]", "shape: [14]", "shape: [[14], [3, 4, 5]], dtype: int64")
    )
    assert (image.kind, image.shape, image.inputs_text) == ("images", (3, 4, 5), "images of 3 x 4 x 5")
    assert (rows.kind, rows.shape, rows.inputs_text, rows.mean) == ("features", (14,), "float32 [14]", ())
    assert (both.kind, both.shape) == ("tensors", ((14,), (3, 4, 5)))
    assert both.inputs_text == "int64 [14], int64 [3, 4, 5]"
    tokens = facts_of('python("a.b:c", classes: 2, shape: [128], dtype: int64)')
    assert (tokens.kind, tokens.is_settled, tokens.are_images) == ("tokens", True, False)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("shape: [14], mean: [0.5]", "SW510"),
        ("shape: [14], dtype: [float32, int64]", "SW510"),
        ("shape: [3, 20000, 20000]", "SW510"),
        ("shape: [1000000, 1000], dtype: float32", "SW510"),
        ("shape: [2000000]", "SW202"),
        ("shape: []", "SW201"),
        ("shape: [[14], 3]", "SW201"),
        ("shape: [14], dtype: float64", "SW108"),
        ("shape: [14], validation: fixed", "SW101"),
    ],
)
def test_descriptions_that_say_nothing_clear_are_refused(said: str, code: str) -> None:
    with pytest.raises(DiagnosticError) as raised:
        facts_of(f'python("a.b:c", classes: 2, {said})')
    assert [one.code for one in raised.value.diagnostics] == [code]

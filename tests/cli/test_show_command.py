"""The commands `swc show` and `swc diff` on folders as `swc compile` and `swc train` leave them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from attrs import evolve
from swc.cli.main import run
from swc.compiler.driver import compile_spec, recompile
from swc.compiler.ir.counts import rows
from swc.folders.store import RUN, revision_folder, write_build, write_feedback, write_revision, write_spec
from swc.program.feedback import ClusterFeedback, Similarity
from swc.program.spec import Budget
from swc.program.training import Phase, Recipe, SplitClusters, Training
from swc.show.plain import plain
from swc.show.summary import bank_table

from support.wrn_shapes import CONVOLUTIONS, tables_of, wrn_spec

TRAINING = Training(Recipe("plain"), (Phase("search", 2, lr=0.1, split=SplitClusters(0.1)), Phase("main", 4)))
NETS = [(10, 2), (10, 1)]


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a compiled ensemble `pair` and its run of two revisions; the current folder."""
    spec = evolve(wrn_spec(NETS, Budget("unlimited"), CONVOLUTIONS, TRAINING), name="pair")
    first = compile_spec(spec, tables_of(NETS))
    folder = write_build(first, tmp_path) / RUN
    write_spec(folder, first)
    write_revision(revision_folder(folder, 0), first)
    feedback = ClusterFeedback(0, _similarities(first.graph.clusters[1].layers), num_images=1437, num_groups=8)
    write_feedback(folder, feedback)
    write_revision(revision_folder(folder, 1), recompile(first, feedback))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _similarities(layers: tuple[str, ...]) -> tuple[Similarity, ...]:
    pairs = [(a, b) for n, a in enumerate(layers) for b in layers[n + 1 :]]
    return tuple(Similarity(a, b, 0.5 if a.split(".")[0] == b.split(".")[0] else 0.02, 0.01) for a, b in pairs)


def out(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    assert run(arguments) == status, capsys.readouterr().err
    return capsys.readouterr().out


def test_show_takes_the_last_compiled_and_its_latest_revision(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = out(capsys, "show")
    assert text.startswith("pair, revision 1 (main)\n")
    assert "\x1b" not in text


def test_colour_keeps_clusters_apart_in_a_terminal(
    trained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLORTERM", "truecolor")
    text = out(capsys, "show", "--phase", "search")
    assert "48;2;86;180;233m" in text  # the first hue as a background
    assert "48;2;230;159;0m" in text


@pytest.mark.parametrize("place", ["pair", "build/pair", "build/pair/run", "build/pair/run/revisions/0"])
def test_show_by_place_and_phase(place: str, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert out(capsys, "show", place, "--phase", "0").startswith("pair, revision 0 (search)\n")
    assert out(capsys, "show", place, "--phase", "search") == out(capsys, "show", place, "--phase", "0")


def test_show_layer(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "block of" in out(capsys, "show", "--layer", "m0.block1.0.conv1")


def test_show_layer_of_a_block_lists_what_it_shares_and_what_it_keeps(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = out(capsys, "show", "--layer", "m0.block1.0")
    assert [line.split()[0] for line in text.splitlines() if line.startswith("m0.block1.0.")][:2] == [
        "m0.block1.0.conv1", "m0.block1.0.conv2",
    ]  # fmt: skip
    assert run(("show", "--layer", "")) == 1
    assert "error[SW630]" in capsys.readouterr().err


def test_one_revision_has_nothing_to_be_compared_with(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(("diff", "build/pair")) == 0  # its run
    for number in (0, 1):
        (trained / f"build/pair/run/revisions/{number}/program.json").unlink()
    assert run(("show", "build/pair/run")) == 1
    assert "program.json" in capsys.readouterr().err
    (trained / "one.sw").write_text("ensemble e { data digits member a = wrn(depth: 10, width: 1) }\n")
    assert run(("diff", "one.sw")) == 1
    assert "error[SW635]: `one.sw` has one revision" in capsys.readouterr().err


def test_options_of_a_spec_are_refused_for_a_build(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(("show", "--set", "tau=0.2")) == 2
    (trained / "two.sw").write_text(
        "ensemble one { data digits member a = wrn(depth: 10, width: 1) }\n"
        "ensemble two extends one { member b = wrn(depth: 10, width: 2) }\n"
    )
    assert out(capsys, "show", "two.sw", "--ensemble", "two").startswith("two, revision 0")
    assert run(("show", "two.sw")) == 1


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_no_number_is_cut_on_a_narrow_terminal(columns: int, trained: Path) -> None:
    graph = compile_spec(
        evolve(wrn_spec([(28, 7), (28, 4)], Budget("templates", 18e6))), tables_of([(28, 7), (28, 4)])
    ).graph
    text = plain(bank_table(graph), columns)
    assert "…" not in text
    for row in rows(graph):
        assert f" {row.template_scalars:,} " in text
    if columns == 80:
        assert max(len(line) for line in text.splitlines()) <= 80
        assert len(text.splitlines()) == 2 + len(rows(graph)), "no row is broken"


def test_show_json(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = json.loads(out(capsys, "show", "--phase", "search", "--format", "json"))
    assert (made["ensemble"], made["phase"]) == ("pair", "search")
    assert [member["name"] for member in made["members"]] == ["m0", "m1"]


def test_pictures_go_to_a_file_that_is_told(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "--format", "svg"]) == 0
    assert "wrote pair.svg" in capsys.readouterr().err
    assert (trained / "pair.svg").read_text("utf-8").startswith("<?xml")
    out(capsys, "show", "--format", "png", "--phase", "main", "-o", "main.png")
    assert (trained / "main.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["text", "json", "dot", "graphml"])
def test_text_formats_go_to_the_output_or_a_file(name: str, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = out(capsys, "show", "--format", name)
    assert out(capsys, "show", "--format", name, "-o", "there") == ""
    assert (trained / "there").read_text("utf-8") == text


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        ("SW611", ("show", "nobody")),
        ("SW6", ("show", "no/such/folder")),
        ("SW631", ("show", "--phase", "7")),
        ("SW630", ("show", "--layer", "m0.nothing")),
        ("SW632", ("show", "--layer", "m0.conv1", "--format", "dot")),
        ("SW604", ("show", "--format", "json", "-o", "no/such/folder/out")),
        ("SW631", ("diff", "pair:9", "pair:0")),
        ("SW6", ("diff", "none.json", "pair:0")),
    ],
)
def test_mistakes_are_diagnostics(
    code: str, arguments: tuple[str, ...], trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 1
    assert capsys.readouterr().err.startswith(f"error[{code}")


def test_diff_of_the_last_two_revisions_tells_the_split(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = out(capsys, "diff")
    assert text.startswith("pair revision 0 (search) -> pair revision 1 (main)\n")
    assert "0.500 ± 0.010" in text
    assert "0.020 ± 0.010" in text
    assert text == out(capsys, "diff", "pair:0", "pair:main") == out(capsys, "diff", ":search", ":1")
    assert text == out(capsys, "diff", "build/pair/run/revisions/0", "build/pair/run/revisions/1")


def test_diff_of_program_files(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    programs = [f"build/pair/run/revisions/{n}/program.json" for n in (0, 1)]
    assert "clusters" in out(capsys, "diff", *programs)
    assert "the two share alike" in out(capsys, "diff", programs[0], "build/pair/program.json")


def test_diff_of_strangers(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = evolve(wrn_spec([(10, 1)]), name="other")
    tables = tuple(evolve(table, member="x") for table in tables_of([(10, 1)]))
    spec = evolve(other, members=(evolve(other.members[0], name="x"),))
    write_build(compile_spec(spec, tables), trained)
    assert run(["diff", "pair", "other"]) == 1
    assert "error[SW633]" in capsys.readouterr().err


def test_diff_needs_two_revisions(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = evolve(wrn_spec([(10, 1)]), name="single")
    write_build(compile_spec(spec, tables_of([(10, 1)])), trained)
    assert run(["diff"]) == 1
    assert "has one revision" in capsys.readouterr().err

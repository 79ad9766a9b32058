"""The limits that the reference states: what is beyond them is refused, and at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from swc.cli.check import check_one
from swc.compiler.passes.globs import matcher
from swc.diagnostics import Diagnostic, DiagnosticError, Sink
from swc.diagnostics.diagnostic import SHOWN
from swc.diagnostics.render import SHOWN_AS_JSON, render, render_json
from swc.diagnostics.span import WIDEST
from swc.diagnostics.suggest import closest
from swc.language.semantics.check import check_text
from swc.language.syntax.parser import parse_text
from swc.language.syntax.scan import number_value
from swc.program import limits

HEAD = "ensemble e {\n data digits\n member a = wrn(depth: 10, width: 1)\n"
TAIL = " budget unlimited\n share conv\n}\n"


def mistakes(text: str, folder: Path) -> list[Diagnostic]:
    """The diagnostics of a file."""
    path = folder / "spec.sw"
    path.write_text(text)
    sink = Sink()
    check_one(path, None, {}, sink)
    return sink.diagnostics


def codes(text: str, folder: Path) -> set[str]:
    return {found.code for found in mistakes(text, folder)}


def doubling(levels: int) -> str:
    """Policies each of which hands its argument on twice."""
    steps = "".join(f"policy p{n + 1}(x: 1) as p{n}(x: [x, x]) {{}}\n" for n in range(levels))
    share = f" budget unlimited\n share conv as p{levels}(x: [1])\n}}\n"
    return "policy p0(x: 1) { clusters [x] }\n" + steps + HEAD + share


@pytest.mark.parametrize("levels", [20, 60])
def test_arguments_that_double_are_refused(levels: int, tmp_path: Path) -> None:
    found = codes(doubling(levels), tmp_path)
    assert found & {"SW152", "SW153"}


def test_arguments_that_grow_deeper_are_refused(tmp_path: Path) -> None:
    steps = "".join(f"policy p{n + 1}(x: 1) as p{n}(x: {'[' * 40}x{']' * 40}) {{}}\n" for n in range(3))
    text = "policy p0(x: 1) { clusters [x] }\n" + steps + HEAD + " budget unlimited\n share conv as p3(x: 1)\n}\n"
    assert "SW006" in codes(text, tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "policy p0 {}\n" + "".join(f"policy p{n + 1} as p{n} {{}}\n" for n in range(900)),
        HEAD + "}\nensemble e0 extends e {}\n" + "".join(f"ensemble e{n + 1} extends e{n} {{}}\n" for n in range(800)),
    ],
    ids=["policies", "extends"],
)
def test_long_chains_are_refused(text: str, tmp_path: Path) -> None:
    assert codes(text, tmp_path) <= {"SW006", "SW153"}
    assert "SW006" in codes(text, tmp_path)


def test_a_chain_within_the_limit_is_taken(tmp_path: Path) -> None:
    text = HEAD + "}\nensemble e0 extends e {}\n" + "".join(f"ensemble e{n + 1} extends e{n} {{}}\n" for n in range(90))
    assert not codes(text, tmp_path)


def test_what_a_file_stands_for_is_counted(tmp_path: Path) -> None:
    members = "".join(f" member m{n} = wrn(depth: 10, width: 1)\n" for n in range(600))
    heirs = "".join(f"ensemble e{n} extends e {{}}\n" for n in range(600))
    assert codes(HEAD + members + "}\n" + heirs, tmp_path) == {"SW153"}
    uses = "".join(f' share "x{n}" as wide\n' for n in range(600))
    wide = "policy wide { clusters [[" + '"a", ' * 600 + "]] }\n"
    assert codes(wide + HEAD + " budget unlimited\n" + uses + "}\n", tmp_path) == {"SW153"}


def test_members_are_counted_over_all_arrays(tmp_path: Path) -> None:
    arrays = "".join(f" member m{n}[4000] = wrn(depth: 10, width: 1)\n" for n in range(3))
    assert codes("ensemble e {\n data digits\n" + arrays + "}\n", tmp_path) == {"SW154"}
    assert codes("ensemble e {\n data digits\n member a[1000000] = wrn(depth: 10, width: 1)\n}\n", tmp_path) == {
        "SW202"
    }


def test_params_that_are_lists_of_lists_are_counted(tmp_path: Path) -> None:
    lists = "".join(f" param a{n + 1} = [{', '.join(10 * [f'a{n}'])}]\n" for n in range(6))
    text = (
        HEAD
        + f" param a0 = [{', '.join('1' * 10)}]\n{lists}"
        + ' member b = python("n:f", x: a6)\n budget unlimited\n}\n'
    )
    assert codes(text, tmp_path) & {"SW152", "SW153"}


def test_a_long_list_is_refused(tmp_path: Path) -> None:
    values = "1, " * (limits.LIST_VALUES + 1)
    assert codes(f"{HEAD} param x = [{values}]\n}}\n", tmp_path) == {"SW152"}


def test_files_that_import_the_next_twice_are_read_once(tmp_path: Path) -> None:
    for number in range(60):
        twice = f'import "f{number + 1}.sw"\nimport "./f{number + 1}.sw"\n' if number < 59 else ""
        (tmp_path / f"f{number}.sw").write_text(f"{twice}recipe r{number} {{ batch 2 }}\n")
    used = " train r59 {\n phase main: 1 epochs\n }\n}\n"
    assert not codes('import "f0.sw"\n' + HEAD + used, tmp_path)
    assert codes('import "f0.sw"\n' + HEAD + "}\n", tmp_path) == {"SW141"}


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swc.language.semantics.library.FILES", 3)
    for number in range(4):
        (tmp_path / f"f{number}.sw").write_text("")
    imports = "".join(f'import "f{number}.sw"\n' for number in range(4))
    assert "SW155" in codes(imports, tmp_path)


def test_a_long_text_is_refused(tmp_path: Path) -> None:
    assert codes("#" * (limits.TEXT_BYTES + 1), tmp_path) == {"SW007"}
    (tmp_path / "half.sw").write_text("#" * (limits.TEXT_BYTES // 2))
    assert "SW007" in codes('import "half.sw"\n' + "#" * (limits.TEXT_BYTES // 2), tmp_path)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no endless file")
def test_a_file_without_an_end_is_refused(tmp_path: Path) -> None:
    sink = Sink()
    check_one(Path("/dev/zero"), None, {}, sink)
    assert [found.code for found in sink.diagnostics] == ["SW007"]


@pytest.mark.parametrize(
    "item",
    [
        "train { phase main: 1e15 epochs }",
        "train { batch 1e15 phase main: 1 epochs }",
        "budget unlimited share conv { clusters by depth in 1e9 bins }",
        "budget unlimited share conv { templates even up to 1e9 }",
        "train { phase search: 1 epochs then group layers in 1e9 clusters phase main: 1 epochs }",
        'data folder("x", classes: 1e9, size: 32)',
        'data folder("x", classes: 3, size: 1e9)',
        "member b = wrn(depth: 1e9, width: 1)",
        "member b[2e4] = wrn(depth: 10, width: 1)",
    ],
)
def test_tremendous_numbers_are_refused(item: str, tmp_path: Path) -> None:
    head = HEAD.replace(" data digits\n", "") if item.startswith("data") else HEAD
    assert "SW202" in codes(f"{head} {item}\n}}\n", tmp_path)


@pytest.mark.parametrize("text", ["900000000000000000k", "1.1e16%", "2e9G"])
def test_a_suffix_leads_not_beyond_the_numbers(text: str) -> None:
    assert number_value("1e18") == 10**18 and number_value("1000M") == 10**9
    assert number_value(text) == (1.1e14 if text.endswith("%") else None)


@pytest.mark.parametrize("text", ["0e999999999", "0.000e-99999999", "-0e99999999999999999999999999999", "0_0e9k"])
def test_nothing_times_a_power_of_ten_is_nothing(text: str) -> None:
    assert number_value(text) == 0


def test_printed_mistakes_are_capped(tmp_path: Path) -> None:
    found = mistakes("$\n" * 5_000, tmp_path)
    text = render(found)
    assert text.count("error[SW003]") == SHOWN
    assert f"and {5_000 - SHOWN:,} more that are not shown\n\n5000 errors\n" in text
    assert render_json(found).count('"SW003"') == SHOWN_AS_JSON
    assert '"errors": 5000' in render_json(found)


@pytest.mark.parametrize("line", ["$\n", "1x\n", '"\n', "ensemble e { member \n}\n"])
def test_reading_stops_at_very_many_mistakes(line: str, tmp_path: Path) -> None:
    found = mistakes(line * 11_000, tmp_path)
    assert len(found) == limits.MISTAKES + 1
    assert found[-1].code == "SW008"


def test_errors_are_shown_before_warnings(tmp_path: Path) -> None:
    unused = "".join(f'import "cifar.sw"\nensemble e{n} {{}}\n' for n in range(1))
    warnings = mistakes(HEAD + "".join(f" param p{n} = {n}\n" for n in range(300)) + "}\n" + unused, tmp_path)
    assert "error[" in render(warnings)


def test_a_span_on_a_long_line_is_small_and_stands_where_it_should() -> None:
    line = " " * 2_000 + "$ " + "x" * 5_000
    with pytest.raises(DiagnosticError) as raised:
        parse_text(line, "long.sw")
    (found, *_) = raised.value.diagnostics
    assert found.span is not None
    assert found.span.column == 2_001
    assert len(found.span.text) <= WIDEST + 6
    source, carets = render([found]).split("\n")[3:5]
    assert source[carets.index("^")] == "$"
    assert "..." in source


def test_a_long_message_is_cut(tmp_path: Path) -> None:
    text = f'import "{"x" * 50_000}.sw"\n{"y" * 50_000}'
    assert len(render(mistakes(text, tmp_path))) < 20_000


def test_long_names_are_not_compared() -> None:
    assert closest("x" * 50_000, ["x" * 50_001]) is None
    assert closest("cluster", ["clusters", "x" * 50_000]) == "clusters"


def test_a_glob_of_many_stars_is_matched_at_once() -> None:
    assert not matcher(("*a" * 2_000 + "b",))("a" * 5_000)
    assert matcher(("m*.b?ock*.**conv*1",))("m[0].block1.0.conv1")
    assert not matcher(("m*.b?ock*.conv*1",))("m[0].block1.0.conv2")


def test_a_setting_keeps_its_own_place() -> None:
    spec = HEAD + " param p = 1\n}\n"
    with pytest.raises(DiagnosticError) as raised:
        check_text(spec.replace("width: 1", "width: p"), "spec.sw", None, {"p": "-7"})
    span = raised.value.diagnostics[0].span
    assert span is not None
    assert (span.file, span.line, span.text) == ("--set p", 1, "-7")

"""The LALR tables: they give lark's trees, they are kept as plain data, and what is kept is used only when whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lark import Lark, Token, Tree
from swc.language.syntax import tables as module
from swc.language.syntax.generate import generate
from swc.language.syntax.parser import parse_tokens
from swc.language.syntax.stack import Node
from swc.language.syntax.tables import tables
from swc.system import resources
from swc.system.cache import keep, kept

ROOT = Path(__file__).parents[2]
SPECS = sorted(ROOT.glob("specs/**/*.sw"))
RUN = "import sys; from swc.cli.main import run; assert run(sys.argv[1:]) == 0; print(*sys.modules)"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SWC_CACHE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("spec", SPECS, ids=lambda path: path.stem)
def test_the_tree_is_that_of_lark(spec: Path) -> None:
    grammar = resources.grammar().read_text(encoding="utf-8")
    reference = Lark(grammar, parser="lalr", propagate_positions=True, maybe_placeholders=True)
    text = spec.read_text(encoding="utf-8")
    assert ours(parse_tokens(text, "a.sw").tree) == larks(reference.parse(text))


def ours(node: Any) -> Any:
    if isinstance(node, Node):
        return node.kind, node.start, node.end, [ours(child) for child in node.children]
    return node and node.text


def larks(node: Any) -> Any:
    if isinstance(node, Tree):
        return str(node.data), node.meta.start_pos, node.meta.end_pos, [larks(child) for child in node.children]
    return node and (str(node) if isinstance(node, Token) else node)


SMALL = """
start: _item*
_item: pair | word
pair: "pair" NAME ["of" NAME NAME] ["," last]
?word: NAME | "say" NAME -> say
last: "last" NUMBER
NAME: /[a-z]+/
NUMBER: /[0-9]+/
%ignore " "
"""


def test_what_a_rule_drops_and_what_is_absent_shows_in_the_tree_of_an_example() -> None:
    found = [
        (rule.kind, rule.size, rule.children, rule.absent) for rule in generate(SMALL).rules if rule.kind == "pair"
    ]
    name, names = (1, False, 0), ((3, False, 0), (4, False, 0))
    assert sorted(found) == [
        ("pair", 2, (name,), 3),
        ("pair", 4, (name, (3, False, 2)), 0),
        ("pair", 5, (name, *names), 1),
        ("pair", 7, (name, *names, (6, False, 0)), 0),
    ]


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ('?word: "say" NAME', "is left out of the tree, and its signs with it"),
        ('word: "say" gap "so"\ngap: NAME?', "can be empty, and has no place then"),
        ("word: _gap\n_gap: NAME [NUMBER]", "has optional parts, and is spliced"),
    ],
)
def test_a_grammar_that_needs_more_of_lark_is_refused(rule: str, reason: str) -> None:
    with pytest.raises(AssertionError, match=reason):
        generate(f'start: word*\n{rule}\nNAME: /[a-z]+/\nNUMBER: /[0-9]+/\n%ignore " "\n')


def modules_of(*arguments: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("command", [("check",), ("fmt", "--check")])
def test_a_second_run_needs_no_lark_and_no_catalogue(command: tuple[str, ...], folder: Path) -> None:
    spec = str(ROOT / "specs" / "quickstart.sw")
    assert "lark" in modules_of(*command, spec)
    imported = modules_of(*command, spec)
    assert not imported & {"lark", "numpy", "scipy", "networkx", "rich", "cattrs", "torch", "fractions"}
    assert not {name for name in imported if name.startswith("swc.diagnostics.catalogue.")}


def test_what_is_read_back_is_what_was_made(folder: Path) -> None:
    made = tables.__wrapped__()
    assert len(list((folder / "grammar").iterdir())) == 1
    assert tables.__wrapped__() == made


@pytest.mark.parametrize("damage", ["", "{}", "x" * 64 + "\n{}", "\udcff"])
def test_damaged_tables_are_made_again(damage: str, folder: Path) -> None:
    made = tables.__wrapped__()
    [entry] = (folder / "grammar").iterdir()
    whole = entry.read_text()
    for text in (damage, whole[:-1], whole.replace('"start":', '"stort":')):
        entry.write_text(text, errors="surrogateescape")
        assert tables.__wrapped__() == made
        assert entry.read_text() == whole


def test_another_grammar_or_lark_has_tables_of_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables.__wrapped__()
    monkeypatch.setattr(module, "_generators", lambda: ["another lark"])
    tables.__wrapped__()
    assert len(list((folder / "grammar").iterdir())) == 2


def test_a_folder_that_cannot_be_written_does_no_harm(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "file").write_text("")
    monkeypatch.setenv("SWC_CACHE", str(folder / "file"))
    keep("any", "key", "text")
    assert kept("any", "key") is None
    assert tables.__wrapped__().rules


def test_a_warm_compile_imports_neither_torch_nor_lark(folder: Path, tmp_path: Path) -> None:
    command = ("compile", str(ROOT / "specs" / "quickstart.sw"), "--root", str(tmp_path), "--quiet")
    assert "torch" in modules_of(*command)
    assert not modules_of(*command) & {"torch", "torchvision", "swc_runtime", "lark"}

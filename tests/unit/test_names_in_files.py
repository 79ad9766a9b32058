"""Names in files are held to the grammar's rules by every decoder, and no text field is without a rule."""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from swc.compiler.ir.graph import Graph
from swc.compiler.ir.text import parse_graph
from swc.diagnostics import DiagnosticError
from swc.diagnostics.printable import on_one_line, printable
from swc.export.card import inside_docstring, quoted
from swc.files.codec import decode
from swc.files.csv_text import csv_text
from swc.files.kinds import FILE_KINDS
from swc.files.names import RULES, fault_of
from swc.files.origin import Origin, SourceFile
from swc.program.feedback import ClusterFeedback
from swc.program.layer_table import LayerTable
from swc.program.model_source import ModelSource
from swc.program.program import Program
from swc.program.spec import Member, Spec

from support.damage import OLD
from support.rows import weight

DECODED = (Graph, *(kind.content for kind in FILE_KINDS.values()))
RUN = OLD / "finished/tiny/run"
WRONG = ("../evil", "a/b", "a b", "", "x\x1b[31m", 'a"', "m[01]", "m[-1]", "m[0", "1a", "a.b", "\ud800", "x\n")


def text_fields(cls: object, known: set[object]) -> Iterator[str]:
    """Every field below a class that can hold any text, as `Class.field`."""
    for part in typing.get_args(cls):
        yield from text_fields(part, known)
    if not (isinstance(cls, type) and attrs.has(cls)) or cls in known:
        return
    known.add(cls)
    for field in attrs.fields(attrs.resolve_types(cls)):
        if re.search(r"\bstr\b", str(field.type)) and "Literal[" not in str(field.type):
            yield f"{cls.__name__}.{field.name}"
        yield from text_fields(field.type, known)


def test_every_text_field_has_a_rule_or_is_a_plain_name() -> None:
    known: set[object] = set()
    found = {name for cls in DECODED for name in text_fields(cls, known)}
    plain = {"Spec.name", "Program.ensemble", "Graph.ensemble", "Phase.name", "Origin.ensemble"}
    plain |= {
        "Optimiser.name",
        "Schedule.name",
        "Loss.name",
        "Task.name",
        "WeightAverage.name",
        "AugmentationStep.name",
        "PhaseAction.name",
    }  # of registries
    plain |= {"PlugIn.name"}
    plain |= {"EpochRow.phase", "ScoresRow.phase", "RunResults.ensemble", "Evaluation.ensemble", "SystemRow.ensemble"}
    plain |= {"Corruptions.types", "Corruptions.standard", "Corruptions.missing", "Outliers.by_measure"}
    assert found - set(RULES) == plain
    assert set(RULES) <= found


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_name_of_a_member_is_refused(name: str) -> None:
    assert fault_of(Member(name, ModelSource("family", "wrn"))) is not None


@pytest.mark.parametrize("name", ["a", "m[0]", "m[12]", "deep_wide", "größe", "_x"])
def test_names_of_the_grammar_are_names(name: str) -> None:
    assert fault_of(Member(name, ModelSource("python", "my-nets.of.mine:Outer.small", (("width", -1.5),)))) is None


@pytest.mark.parametrize("path", ["conv1", "block1.0.conv1.weight", "a b.c-d/e", 'x"y', "1x1", ""])
def test_paths_may_hold_what_torch_lets_modules_be_called(path: str) -> None:
    assert fault_of(weight(path, "conv", (1, 2))) is None


@pytest.mark.parametrize("name", ["/etc/passwd", "../x.sw", "a/../x.sw", "a//b", "", ".", "a\\b"])
def test_sources_are_named_below_their_folder(name: str) -> None:
    assert fault_of(SourceFile(name, "")) is not None
    assert fault_of(SourceFile("sub/mine.sw", "")) is None


def changed(file: str, old: str, new: str) -> str:
    text = (RUN / file).read_text("utf-8")
    assert old in text
    return text.replace(old, new)


@pytest.mark.parametrize(
    ("file", "cls", "old", "new"),
    [
        ("spec.json", Spec, '"name": "deep"', '"name": "../deep"'),
        ("spec.json", Spec, '"name": "tiny"', r'"name": "tiny\"\"\"\nimport os"'),
        ("spec.json", Spec, '"name": "main"', r'"name": "\u001b[2J"'),
        ("spec.json", Spec, '"policy": "superweights"', '"policy": "other"'),
        ("spec.json", Spec, '"batch": ', '"batch": -'),
        ("tables.json", tuple[LayerTable, ...], '"member": "deep"', '"member": "a/b"'),
        ("origin.json", Origin, '"name": "tiny.sw"', '"name": "../tiny.sw"'),
        ("revisions/0/program.json", Program, '"ensemble": "tiny"', r'"ensemble": "x\ny"'),
        ("revisions/0/program.json", Program, '"name": "wrn"', '"name": "os"'),
        ("revisions/0/program.json", Program, '"num_templates": ', '"num_templates": -'),
        ("revisions/0/feedback.json", ClusterFeedback, '"revision": 0', '"revision": -1'),
    ],
)
def test_decoders_refuse_what_the_grammar_does_not_allow(file: str, cls: object, old: str, new: str) -> None:
    with pytest.raises(DiagnosticError, match="SW653: `a file` has 1 entry") as told:
        decode(changed(file, old, new), cls, "a file")
    assert told.value.diagnostics[0].notes()[0].startswith("$")


@pytest.mark.parametrize(
    ("file", "cls", "old", "new"),
    [
        ("spec.json", Spec, '"lr": 0.1', '"lr": 1e999'),
        ("revisions/0/feedback.json", ClusterFeedback, '"first": "deep.', r'"first": "\ud800'),
    ],
)
def test_what_is_no_number_and_no_text_is_refused_as_json(file: str, cls: object, old: str, new: str) -> None:
    with pytest.raises(DiagnosticError, match="SW650: `a file` is damaged"):
        decode(changed(file, old, new), cls, "a file")


def test_the_text_of_a_graph_is_held_to_the_same_rules() -> None:
    with pytest.raises(DiagnosticError, match=r"SW653: `graph\.txt`"):
        parse_graph(changed("revisions/0/graph.txt", "member deep is", 'member "../deep" is'), "graph.txt")


def test_text_for_a_terminal_holds_nothing_that_steers_it() -> None:
    assert printable("a\x1b[31m\x9b\r\u202eb\u2066\u2028\ud800\tc\n") == "a?[31m???b???\tc\n"
    assert on_one_line("a\tb\n") == "a?b?"
    assert printable("größe 日本 ± é") == "größe 日本 ± é"


def test_tables_hold_no_formulas() -> None:
    rows = [("=1+1", " @x", "+a", "-b", "-1", 'a"b', "a\x1b\nb", 2.5, None)]
    assert csv_text(rows) == "'=1+1,' @x,'+a,'-b,-1,\"a\"\"b\",a??b,2.5,\n"


def test_exported_code_cannot_be_left_by_a_name() -> None:
    evil = '"""\nimport os\n\\"'
    code = f'"""{inside_docstring(evil)}"""\nx = {quoted(evil)}\n'
    found: dict[str, object] = {}
    exec(compile(code, "exported", "exec"), found)
    assert found["x"] == evil
    assert "os" not in found


def test_all_output_goes_through_the_console() -> None:
    commands = Path(__file__).resolve().parents[2] / "swc/cli"
    found = [path.name for path in sorted(commands.glob("*.py")) if "click.echo(" in path.read_text("utf-8")]
    assert found == ["console.py"]
    assert json.loads('"\\u202e"') == "\u202e"

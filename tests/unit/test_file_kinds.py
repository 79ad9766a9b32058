"""Every kind of file: it comes back as it was, and what is newer, older, damaged or another is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import attrs
import pytest
from attrs import evolve, frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.formats import NewerFile
from swc.files import migrations, schemas
from swc.files.codec import decode, encode
from swc.files.converter import converter_of, is_union
from swc.files.disk import load, save
from swc.files.kind_codec import content_of, text_of_kind
from swc.files.kinds import FILE_KINDS, FileKind
from swc.files.metric_lines import rows_of
from swc.files.migrations import Migration, migrated
from swc.files.names import PLAIN, RULES, Pairs, Rule, fault_of
from swc.files.reference import reference
from swc.program.feedback import Similarity
from swc.program.program import SCHEMA
from swc.program.training import Loss

from support.damage import OLD

ROOT = Path(__file__).parents[2]
RUN = OLD / "finished/tiny/run"
OWN = [kind for kind in FILE_KINDS.values() if kind.layout not in ("canonical", "text")]  # with a number of their own
CANONICAL = [kind for kind in FILE_KINDS.values() if kind.layout == "canonical"]
PLACES = {
    "spec": "spec.json", "tables": "tables.json", "origin": "origin.json", "program": "revisions/0/program.json",
    "feedback": "revisions/0/feedback.json", "notes": "revisions/0/notes.txt", "machine": "machine.json",
    "results": "results.json", "evaluation": "eval/evaluation.json",
}  # fmt: skip
MIGRATED = {"augmentation", "label_smoothing", "layers", "optimiser", "parameters", "schedule"}  # of another form since
LETTERS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=8)
EXAMPLES = {
    "a task": "classification",
    "the name of a score": "rmse",
    "a name": "main",
    "the name of a member": "deep[1]",
    "a hash": "0af",
    "a data set": "digits",
}


def texts(rule: Rule | Pairs) -> st.SearchStrategy[str]:
    """Texts that a rule lets through."""
    rule = rule.values if isinstance(rule, Pairs) else rule
    example = EXAMPLES.get(rule.wanted, "x")
    return LETTERS.map(lambda text: text if rule.is_met(text) else example)


def values(hint: Any, rule: Rule | Pairs) -> st.SearchStrategy[Any]:
    """Whatever a field of this type may hold; floats are finite, or None where they may be."""
    parts = get_args(hint)
    if isinstance(hint, type) and attrs.has(hint):
        return objects(hint)
    if is_union(hint):
        return st.one_of(*(values(part, rule) for part in parts))
    if get_origin(hint) is tuple and parts[1:] == (Ellipsis,):
        return st.lists(values(parts[0], rule), max_size=3).map(tuple)
    if get_origin(hint) is tuple:
        return st.tuples(*(values(part, rule) for part in parts))
    if get_origin(hint) in (dict, Mapping):
        names = rule.names if isinstance(rule, Pairs) else rule
        return st.dictionaries(texts(names), values(parts[1], rule), max_size=3)
    simple: dict[Any, st.SearchStrategy[Any]] = {
        str: texts(rule), int: st.integers(0, 2**63 - 1), bool: st.booleans(), NoneType: st.none(),
        float: st.floats(allow_nan=False, allow_infinity=False),
    }  # fmt: skip
    return simple[hint] if hint in simple else st.sampled_from(parts)


def objects(cls: type) -> st.SearchStrategy[Any]:
    hints = get_type_hints(cls)
    fields = [field.name for field in attrs.fields(cls)]
    return st.builds(cls, **{name: values(hints[name], RULES.get(f"{cls.__name__}.{name}", PLAIN)) for name in fields})


def contents(kind: FileKind) -> st.SearchStrategy[Any]:
    classes = get_args(kind.content) if is_union(kind.content) else (kind.content,)
    return st.one_of(*map(objects, classes))


@pytest.mark.parametrize("kind", [*OWN, FILE_KINDS["notes"]], ids=lambda kind: kind.name)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_what_is_written_comes_back(kind: FileKind, data: st.DataObject) -> None:
    content = data.draw(contents(kind))
    text = text_of_kind(kind, content)
    back = content_of(kind, text)
    assert back == content and text_of_kind(kind, back) == text


@pytest.mark.parametrize("name", PLACES)
def test_files_of_old_runs_are_read_and_written_as_they_were(name: str) -> None:
    """Kinds that have got no field since give the same bytes; the others hold what the old file held."""
    kind, text = FILE_KINDS[name], (RUN / PLACES[name]).read_text("utf-8")
    content = content_of(kind, text, PLACES[name])
    again = text_of_kind(kind, content)
    assert content_of(kind, again) == content
    if kind.layout == "canonical" or name == "evaluation":
        assert holds(json.loads(again), json.loads(text) | {"schema": kind.schema})
    else:
        assert again == text


def holds(now: Any, before: Any) -> bool:
    """Whether plain data has everything that other data has, and perhaps more fields."""
    if isinstance(before, dict):
        kept = {name: part for name, part in before.items() if name not in MIGRATED}
        return isinstance(now, dict) and all(name in now and holds(now[name], part) for name, part in kept.items())
    if isinstance(before, list):
        return len(now) == len(before) and all(map(holds, now, before))
    return bool(now == before)


def test_metrics_of_old_runs_are_read_and_written_as_they_were() -> None:
    written = (RUN / "metrics.jsonl").read_bytes()
    rows = rows_of(written, "metrics.jsonl")
    assert "".join(f"{text_of_kind(FILE_KINDS['metrics'], row)}\n" for row in rows).encode() == written


def example(kind: FileKind) -> dict[str, Any]:
    """Plain data of a kind, as the codec writes an object of it."""
    classes = get_args(kind.content) if is_union(kind.content) else (kind.content,)
    plain: dict[str, Any] = converter_of(undefined=True).unstructure(smallest(classes[0]))
    return plain[kind.field] if kind.field else plain


def smallest(cls: type) -> Any:
    hints = get_type_hints(cls)
    required = [field.name for field in attrs.fields(cls) if field.default is attrs.NOTHING]
    return cls(**{name: least(hints[name], RULES.get(f"{cls.__name__}.{name}", PLAIN)) for name in required})


def least(hint: Any, rule: Rule | Pairs) -> Any:
    if isinstance(hint, type) and attrs.has(hint):
        return smallest(hint)
    if is_union(hint):
        return None
    if get_origin(hint) is tuple:
        return ()
    if get_origin(hint) in (dict, Mapping):
        return {}
    wanted = (rule.values if isinstance(rule, Pairs) else rule).wanted
    plain: dict[Any, Any] = {str: EXAMPLES.get(wanted, "x"), int: 1, float: 0.5, bool: True}
    return plain[hint] if hint in plain else get_args(hint)[0]


def stated(kind: FileKind, schema: int) -> Any:
    return f"{kind.words}{schema}" if kind.words else schema


def refusal(kind: FileKind, plain: Any) -> DiagnosticError:
    with pytest.raises(DiagnosticError) as told:
        content_of(kind, json.dumps(plain), "here")
    return told.value


@pytest.mark.parametrize("kind", OWN, ids=lambda kind: kind.name)
def test_a_newer_file_is_refused_by_name_and_number(kind: FileKind) -> None:
    error = refusal(kind, {**example(kind), "schema": stated(kind, kind.schema + 1)})
    assert error.diagnostics == (NewerFile(origin="here", kind=kind.name, found=kind.schema + 1, known=kind.schema),)
    assert f"`{kind.name}` of schema {kind.schema + 1}" in error.diagnostics[0].message()
    assert f"up to {kind.schema}" in error.diagnostics[0].message()


@pytest.mark.parametrize("kind", CANONICAL, ids=lambda kind: kind.name)
def test_a_newer_file_of_the_vocabulary_is_refused(kind: FileKind) -> None:
    classes = [part.__name__ for part in get_args(kind.content) if attrs.has(part)]
    name = kind.content.__name__ if attrs.has(kind.content) else classes[0]
    word = f"{name}[]" if get_origin(kind.content) is tuple else name
    error = refusal(kind, {"type": word, "schema": SCHEMA + 1})
    assert [one.code for one in error.diagnostics] == ["SW570"]
    assert name in error.diagnostics[0].message()


@pytest.mark.parametrize("kind", OWN, ids=lambda kind: kind.name)
@pytest.mark.parametrize("schema", [0, -1, True, "1 ", [], 1.0])
def test_a_schema_that_is_none_is_refused(kind: FileKind, schema: Any) -> None:
    error = refusal(kind, {**example(kind), "schema": schema})
    assert "is no schema of it" in error.diagnostics[0].message()


@pytest.mark.parametrize("kind", OWN, ids=lambda kind: kind.name)
def test_a_file_without_a_number_is_of_the_first_schema(kind: FileKind) -> None:
    """But for heads of tensors, which may be anybody's: these say by their words whose they are."""
    plain = example(kind)
    if kind.words:
        assert "is no schema of it" in refusal(kind, plain).diagnostics[0].message()
    else:
        assert content_of(kind, json.dumps(plain)) is not None


@pytest.mark.parametrize("kind", OWN, ids=lambda kind: kind.name)
def test_what_is_missing_or_unknown_is_told_by_the_kind(kind: FileKind) -> None:
    plain = {**example(kind), "schema": stated(kind, kind.schema)}
    wrong: list[Any] = [[], "x", {**plain, "unknown entry": 3}]
    if kind.field:
        wrong[-1] = {**plain, "unknown entry": 3}  # whose entries must be words
    wrong += [{name: part for name, part in plain.items() if name != left} for left in required(kind)]
    for one in wrong:
        (told,) = refusal(kind, one).diagnostics
        assert kind.fault in told.message() and "here" in told.message()
        assert type(told) is kind.damaged


def required(kind: FileKind) -> list[str]:
    cls = get_args(kind.content)[0] if is_union(kind.content) else kind.content
    return [] if kind.field else [field.name for field in attrs.fields(cls) if field.default is attrs.NOTHING]


@pytest.mark.parametrize("kind", [*OWN, *CANONICAL], ids=lambda kind: kind.name)
@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '{"schema": 1, "schema": 1}', '"x"'])
def test_what_is_no_object_is_told(kind: FileKind, text: str) -> None:
    with pytest.raises(DiagnosticError, match="here"):
        content_of(kind, text, "here")


def test_notes_that_are_cut_off_are_told() -> None:
    with pytest.raises(DiagnosticError, match="its last line has no end"):
        content_of(FILE_KINDS["notes"], "whole\nhal", "here")


@pytest.mark.parametrize("kind", FILE_KINDS.values(), ids=lambda kind: kind.name)
def test_migrations_lead_to_the_schema_of_the_kind(kind: FileKind) -> None:
    assert [step.schema for step in kind.migrations] == list(range(kind.oldest, kind.schema))
    assert all(step.words for step in kind.migrations)
    assert kind.layout != "canonical" or kind.oldest == schemas.OLDEST


def test_a_kind_is_read_through_its_migrations() -> None:
    """A made-up kind whose schema 2 renamed a field, and whose schema 3 counts from 1."""

    @frozen
    class Epochs:
        number: int

    steps = (
        Migration(1, "`count` is called `number`", change=lambda found: {"number": found["count"]}),
        Migration(2, "it counts from 1", change=lambda found: {"number": found["number"] + 1}),
    )
    kind = FileKind("epochs", "nowhere", Epochs, "it holds no epochs", schema=3, migrations=steps)
    assert [content_of(kind, text) for text in ('{"count": 4}', '{"schema": 2, "number": 4}')] == [Epochs(5)] * 2
    assert content_of(kind, text_of_kind(kind, Epochs(4))) == Epochs(4)
    assert migrated({"number": 4}, steps, 3) == {"number": 4}
    with pytest.raises(DiagnosticError, match=r"`epochs` of schema 4, .* up to 3"):
        content_of(kind, '{"schema": 4, "number": 4}')


@pytest.mark.parametrize("smoothing", [None, 0.3])
def test_label_smoothing_of_older_recipes_is_that_of_their_loss(smoothing: float | None) -> None:
    older = json.loads((RUN / "spec.json").read_text("utf-8"))
    recipe = older["training"]["recipe"]
    assert recipe.pop("label_smoothing") == 0 and older["schema"] < 4
    if smoothing is not None:
        recipe["label_smoothing"] = smoothing
    spec = content_of(FILE_KINDS["spec"], json.dumps(older))
    assert spec.training.recipe.loss == Loss.of(label_smoothing=smoothing or 0)


def test_an_object_is_read_through_the_migrations_of_the_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    step = Migration(SCHEMA - 1, "errors count twice", {"Similarity": lambda one: {**one, "error": 2 * one["error"]}})
    monkeypatch.setattr(migrations, "VOCABULARY", (*migrations.VOCABULARY[:-1], step))
    text = encode(Similarity("a", "b", 0.5, 0.25))
    older = text.replace(f'"schema": {SCHEMA}', f'"schema": {SCHEMA - 1}')
    assert (decode(text, Similarity).error, decode(older, Similarity).error) == (0.25, 0.5)


def test_a_file_on_the_disk_has_its_checksum_and_is_held_to_it(tmp_path: Path) -> None:
    kind = FILE_KINDS["machine"]
    content = smallest(kind.content)
    save(kind, tmp_path / "machine.json", evolve(content, facts={"device": "cpu"}))
    assert load(kind, tmp_path / "machine.json").facts == {"device": "cpu"}
    assert "machine.json" in (tmp_path / "checksums.txt").read_text("ascii")
    (tmp_path / "machine.json").write_text('{"device": "cuda"}', encoding="utf-8")
    with pytest.raises(DiagnosticError, match="its checksum is not the one"):
        load(kind, tmp_path / "machine.json")


def test_kinds_without_a_checksum_leave_none(tmp_path: Path) -> None:
    save(
        FILE_KINDS["classes"],
        tmp_path / "classes.json",
        evolve(smallest(FILE_KINDS["classes"].content), classes=("a", "b")),
    )
    assert (tmp_path / "classes.json").read_text("utf-8") == '{\n "schema": 1,\n "classes": [\n  "a",\n  "b"\n ]\n}\n'
    assert not (tmp_path / "checksums.txt").exists()


def test_what_breaks_a_rule_of_names_is_refused() -> None:
    plain = {**example(FILE_KINDS["results"]), "ensemble": "a b"}
    assert "is not a name" in refusal(FILE_KINDS["results"], plain).diagnostics[0].message()
    assert fault_of({"a": (1, "x\ud800")}) is not None


def test_the_reference_of_files_is_up_to_date() -> None:
    page = (ROOT / "docs/reference/files.md").read_text("utf-8")
    assert page == reference(), "run: python -m swc.files.reference > docs/reference/files.md"

"""Whose code runs: what naming a spec consents to, what looking never does, what a folder of somebody's asks for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from swc.files.checksums import write_kept
from swc.files.codec import hash_of_text

from support.own_code import SPEC, marks, own_place, write_nets
from support.runs import Place

EVIL = "from pathlib import Path\nPath(__file__).with_name('marks').write_text('EVIL')\n"
TEXT = SPEC.format(module="nets")
FORGED = ("spec.json", "program.json", "graph.txt", "tables.json")
LOOKS = (
    ("check",),
    ("fmt", "--check"),
    ("show",),
    ("report", "-o", "page.html"),
    ("compare",),
    ("diff",),
    ("plot", "curves"),
)
FORCED = (
    ("eval", "--time-batch", "0"),
    ("export",),
    ("train",),
    ("train", "--nproc", "2"),
    ("slim", "--flops", "50%"),
)


@pytest.fixture
def own(tmp_path: Path, state: Path) -> Place:
    """A folder with a spec whose code is not ours."""
    return own_place(tmp_path / "own")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A run of such a spec, evaluated."""
    made = Place(tmp_path_factory.mktemp("place"))
    write_nets(made.folder)
    assert made.compile(TEXT) == 0 and made.train() == 0 and made.swc("eval", "--time-batch", "0") == 0
    marks(made.folder)
    return made


@pytest.fixture
def sent(run: Place, tmp_path: Path, state: Path) -> Place:
    """The same run as somebody else sent it, with other code, and spans that choose the place of it."""
    folder = tmp_path / "sent"
    shutil.copytree(run.folder, folder)
    write_nets(folder)
    (folder / "nets.py").write_text(EVIL + (folder / "nets.py").read_text(), encoding="utf-8")
    forge(folder, {'"file": "tiny.sw"': f'"file": "{folder}/tiny.sw"'})
    marks(folder)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    return Place(elsewhere)


def forge(folder: Path, changes: dict[str, str], names: tuple[str, ...] = FORGED) -> None:
    """Change the text of files, and every hash by which they are held to each other."""
    for path in [path for name in names for path in sorted(folder.rglob(name))]:
        text = path.read_text()
        before = hash_of_text(text) if path.name == "spec.json" else ""
        for old, new in changes.items():
            text = text.replace(old, new)
        write_kept(path, text)
        if before:
            for program in path.parent.rglob("program.json"):
                write_kept(program, program.read_text().replace(before, hash_of_text(text)))


# --- a spec that is named ---------------------------------------------------------------------------------------------


def test_to_compile_a_spec_says_what_runs_and_consents(own: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert own.swc("compile", "tiny.sw") == 0
    told = capsys.readouterr()
    assert told.err.splitlines()[0] == "runs nets.py: small"
    assert "imported" in marks(own.folder)
    assert own.swc("compile", "tiny.sw", "--quiet", "--format", "json") == 0
    told = capsys.readouterr()
    assert told.err == "runs nets.py: small\n"
    assert json.loads(told.out)["diagnostics"] == []


def test_what_runs_is_said_before_it_does(own: Place, capsys: pytest.CaptureFixture[str]) -> None:
    with (own.folder / "nets.py").open("a") as file:
        file.write("import sys\nprint('imported now', file=sys.stderr)\n")
    assert own.swc("compile", "tiny.sw", "--quiet") == 0
    assert capsys.readouterr().err.splitlines()[:2] == ["runs nets.py: small", "imported now"]


@pytest.mark.parametrize("factory", ["os:system", "builtins:eval", "subprocess:run"])
@pytest.mark.parametrize("command", ["check", "compile", "show", "report", "compare", "eval", "export"])
def test_pythons_own_functions_are_no_factories(
    own: Place, capsys: pytest.CaptureFixture[str], factory: str, command: str
) -> None:
    text = TEXT.replace('"nets:small", width: width', f'"{factory}", command: "touch marks", args: "touch marks"')
    (own.folder / "tiny.sw").write_text(text, encoding="utf-8")
    assert own.swc(command, "tiny.sw") == 1
    assert "error[SW760]" in capsys.readouterr().err
    assert marks(own.folder) == ""


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("from subprocess import run as thing", "SW762"),
        ("from helper import activation as thing", "SW762"),
        ("class Maker:\n    def __call__(self, **_): raise SystemExit('called')\nthing = Maker()", "SW761"),
        ("class thing:\n    def __init__(self, **_): raise SystemExit('called')", "SW761"),
        ("thing = print", "SW761"),
    ],
)
def test_what_a_module_only_holds_is_not_called(
    own: Place, capsys: pytest.CaptureFixture[str], line: str, code: str
) -> None:
    (own.folder / "nets.py").write_text(f"{line}\n", encoding="utf-8")
    assert own.compile(TEXT.replace(":small", ":thing")) == 1
    told = capsys.readouterr().err
    assert f"error[{code}]" in told and "called" not in told


# --- looking ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", LOOKS, ids=lambda command: command[0])
def test_to_look_at_a_spec_runs_nothing_of_it(
    own: Place, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    place = ("tiny.sw", "tiny.sw") if command[0] == "diff" else ("tiny.sw",)
    status = own.swc(*command[:1], *place, *command[1:])
    told = capsys.readouterr().err
    assert marks(own.folder) == ""
    if command[0] == "check":
        assert status == 0
    if command[0] in ("show", "report", "compare", "diff"):
        assert status == 1 and "error[SW765]: the layers of `own` are not known" in told
        assert "swc compile tiny.sw" in told


def test_what_was_compiled_can_be_looked_at_until_its_code_changes(
    own: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert own.swc("compile", "tiny.sw", "--quiet") == 0
    shutil.rmtree(own.folder / "build")
    marks(own.folder)
    for command in ("show", "compare", "report"):
        assert own.swc(command, "tiny.sw") == 0
    assert own.swc("show", "tiny.sw", "--set", "width=9") == 1
    assert "error[SW765]" in capsys.readouterr().err
    with (own.folder / "helper.py").open("a") as file:
        file.write("# other\n")
    assert own.swc("show", "tiny.sw") == 1
    assert marks(own.folder) == ""


def test_costs_are_those_that_were_counted_when_it_was_compiled(run: Place, capsys: pytest.CaptureFixture[str]) -> None:
    evaluation = json.loads((run.run / "eval/evaluation.json").read_text())["evaluations"][0]
    measured = evaluation["predictors"][-1]["multiply_adds"]
    assert run.swc("compare", "build/tiny", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["systems"][0]["multiply_adds"] == measured
    assert marks(run.folder) == ""


def test_costs_that_nobody_counted_are_told(own: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a build by an earlier version."""
    assert own.swc("compile", "tiny.sw", "--quiet") == 0
    text = (own.folder / "build/tiny/tables.json").read_text()
    start = text.index('"multiply_adds": ')
    forge(own.folder, {text[start : text.index(", ", start) + 2]: ""}, ("tables.json",))
    marks(own.folder)
    capsys.readouterr()
    assert own.swc("compare", "tiny", "--format", "csv") == 0
    told = capsys.readouterr()
    assert "note[SW769]" in told.err and b",," in told.out.encode()
    assert own.swc("compare", "tiny") == 0
    assert marks(own.folder) == ""


# --- folders that somebody sent ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [("show",), ("report",), ("compare",), ("plot", "curves"), ("diff",)],
    ids=lambda command: command[0],
)
def test_to_look_at_a_run_runs_nothing_of_it(sent: Place, tmp_path: Path, command: tuple[str, ...]) -> None:
    sent.swc(*command, str(tmp_path / "sent/build/tiny/run"))
    assert marks(tmp_path / "sent") == ""


@pytest.mark.parametrize("command", FORCED, ids=" ".join)
def test_to_run_the_code_of_a_folder_needs_trust(
    sent: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    folder = tmp_path / "sent"
    assert sent.swc(command[0], str(folder / "build/tiny/run"), *command[1:]) == 1
    told = capsys.readouterr().err
    assert marks(folder) == ""
    if command[0] != "slim":  # which takes members of our own alone
        assert "error[SW766]" in told
        assert f"it would run {folder}/nets.py: small" in told
        assert f"it would run {folder}/helper.py, which it may import" in told


def test_trust_says_what_runs_and_is_remembered(
    sent: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sent"
    place = str(folder / "build/tiny/run")
    assert sent.swc("export", place, "--trust") == 0
    assert f"runs {folder}/nets.py: small\nruns {folder}/helper.py, which it may import\n" in capsys.readouterr().err
    assert "EVIL" in marks(folder)
    assert sent.swc("export", place, "-o", "again") == 0
    with (folder / "helper.py").open("a") as file:
        file.write("# other\n")
    marks(folder)
    assert sent.swc("export", place, "-o", "later") == 1
    told = capsys.readouterr().err
    assert "error[SW767]" in told and f"{folder}/helper.py has changed" in told
    assert marks(folder) == ""


def test_sources_that_were_changed_in_the_folder_are_refused(
    sent: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "sent/build/tiny/run"
    forge(tmp_path / "sent", {"nets:small": "os:system"})
    for command in ("eval", "export", "train"):
        assert sent.swc(command, str(run), "--trust") == 1
        assert "error[SW760]" in capsys.readouterr().err
    for command in ("show", "report", "compare"):
        sent.swc(command, str(run))
    assert not (sent.folder / "marks").exists()


def test_a_program_with_other_sources_than_its_spec_is_refused(
    sent: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is consented to is what the spec names, so nothing else may be built."""
    folder = tmp_path / "sent"
    place = str(folder / "build/tiny/run")
    assert sent.swc("export", place, "--trust") == 0
    forge(folder, {"nets:small": "nets:Late"}, ("program.json", "graph.txt"))
    marks(folder)
    for command in ("eval", "export", "train", "slim"):
        assert sent.swc(command, place, *(("--flops", "50%") if command == "slim" else ("--trust",))) == 1
        assert "its members are not those of the spec of this folder" in capsys.readouterr().err
    assert marks(folder) == ""


def test_a_run_of_members_of_ours_never_asks(tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("finished", "rank_one"):
        shutil.copytree(Path(__file__).parents[1] / "old_runs" / name, tmp_path / name)
        (run,) = (path.parent for path in (tmp_path / name).rglob("machine.json"))
        assert Place(tmp_path).swc("export", str(run), "-o", f"{name}_out") == 0
    assert not state.exists()

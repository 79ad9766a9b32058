"""Whose code runs: what naming a spec consents to, what looking never does, what a folder of somebody's asks for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from swc.cli import launch, main
from swc.files.checksums import write_kept
from swc.files.codec import hash_of_text
from swc.system.processes import child_command
from swc.trust import consent, finding

from support.own_code import SPEC, marks, write_nets
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
    folder = tmp_path / "own"
    folder.mkdir()
    write_nets(folder)
    (folder / "tiny.sw").write_text(TEXT, encoding="utf-8")
    return Place(folder)


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


# --- changes, and processes that are started --------------------------------------------------------------------------


def test_a_change_after_compiling_is_told(own: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert own.swc("compile", "tiny.sw", "--quiet") == 0
    with (own.folder / "nets.py").open("a") as file:
        file.write("# other\n")
    marks(own.folder)
    assert own.train() == 1
    told = capsys.readouterr().err
    assert "error[SW767]: the code of the members of `" in told and "nets.py has changed" in told
    assert "compile the spec again, or give `--trust`" in told
    assert marks(own.folder) == ""


def test_a_module_that_is_missing_is_told_before_anything_runs(own: Place, capsys: pytest.CaptureFixture[str]) -> None:
    (own.folder / "other.py").write_text((own.folder / "nets.py").read_text())
    both = TEXT.replace("  member ours", '  member other = python("other:small", width: 8)\n  member ours')
    assert own.compile(both) == 0
    (own.folder / "other.py").unlink()
    marks(own.folder)
    assert own.train("--trust") == 1
    told = capsys.readouterr().err
    assert "error[SW555]" in told and f"No module named 'other'; it is looked for in {own.folder}" in told
    assert marks(own.folder) == ""


def test_consent_that_cannot_be_kept_is_told(own: Place, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state.write_text("a file")
    assert own.swc("compile", "tiny.sw", "--quiet") == 0
    assert "warning[SW768]" in capsys.readouterr().err
    assert own.train() == 1
    assert "error[SW766]" in capsys.readouterr().err


def test_processes_that_train_together_inherit_consent(own: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[str, list[str]]] = []

    def start(nproc: int, arguments: tuple[str, ...]) -> None:
        started.append((os.environ[consent.VARIABLE], launch.without_nproc(arguments)))

    monkeypatch.setattr(launch, "together", start)
    assert own.swc("compile", "tiny.sw", "--quiet") == 0
    assert own.swc("train", "--nproc", "2", "--trust") == 0
    [(inherited, arguments)] = started
    assert len(inherited) == 64 and arguments == ["train"]
    shutil.rmtree(os.environ["XDG_STATE_HOME"])
    assert own.swc("train", "--nproc", "2") == 1, "the consent was only kept there"
    monkeypatch.setenv(consent.VARIABLE, inherited)
    assert own.swc("train", "--nproc", "2") == 0
    assert "--trust" not in arguments


@pytest.mark.slow
def test_consent_reaches_every_process(own: Place, state: Path, capfd: pytest.CaptureFixture[str]) -> None:
    state.write_text("a file, so that nothing can be kept")
    options = ("--device", "cpu", "--threads", "1")
    assert own.swc("sweep", "tiny.sw", "--vary", "width=8,9", *options) == 0
    assert capfd.readouterr().err.count("runs nets.py: small") == 1
    assert own.swc("compile", "tiny.sw", "--quiet") == 0
    assert own.swc("train", "--trust", "--nproc", "2", *options) == 0


# --- files with the names of libraries --------------------------------------------------------------------------------

LIBRARIES = ("sklearn", "numpy", "torch", "torchvision", "click", "attrs", "rich", "safetensors")


@pytest.fixture
def shadows(tmp_path: Path, state: Path) -> Iterator[Path]:
    for name in LIBRARIES:
        (tmp_path / f"{name}.py").write_text("raise SystemExit(f'{__file__} was imported')\n")
    (tmp_path / "tiny.sw").write_text(TEXT.replace('python("nets:small", width: width)', "wrn(depth: 10, width: 1)"))
    yield tmp_path


def test_a_file_with_the_name_of_a_library_takes_the_place_of_none(shadows: Path) -> None:
    """In a process of its own, that Python would let look into this folder first."""
    command = [sys.executable, "-m", "swc", "show", "tiny.sw"]
    done = subprocess.run(command, cwd=shadows, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_file_that_the_members_code_may_have_meant_is_told(own: Place, capsys: pytest.CaptureFixture[str]) -> None:
    (own.folder / "torch.py").write_text("raise SystemExit('imported')\n")
    assert own.swc("compile", "tiny.sw", "--quiet") == 0
    assert "warning[SW764]: `torch.py` is not imported: an installed module has its name" in capsys.readouterr().err


def test_processes_that_are_started_do_not_look_into_the_folder_first(
    shadows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = [*child_command()[:2], "-c", "import sklearn, numpy, click; print(sklearn.__file__)"]
    assert child_command()[1] == "-P"
    found = subprocess.run(code, cwd=shadows, capture_output=True, text=True, check=True)
    assert str(shadows) not in found.stdout
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.setattr(sys, "argv", ["swc", "--version"])
    monkeypatch.setattr(main.stopping, "listen", lambda: None)  # or this process would answer signals so ever after
    with pytest.raises(SystemExit):
        main.main()
    assert os.environ.pop("PYTHONSAFEPATH") == "1", "also for processes that libraries start"


def test_code_beside_the_spec_is_found_from_any_folder(
    own: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert own.swc("compile", "tiny.sw", "--quiet") == 0
    assert own.train() == 0
    monkeypatch.chdir(tmp_path)
    build = str(own.folder / "build/tiny")
    for command in (("train", build), ("eval", build, "--time-batch", "0"), ("export", build, "-o", "exported")):
        assert main.run(command) == 0


def test_a_folder_of_many_files_beside_the_code_costs_little(own: Place) -> None:
    """Only what could be a module is asked for: beside ten thousand images as many files are opened as without them."""
    images = own.folder / "images"
    images.mkdir()
    for number in range(10_000):
        (images / f"image_{number}.png").touch()
    assert finding.module_names(images) == []
    assert finding._stems(images) == []

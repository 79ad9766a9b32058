"""What a run keeps of the user's own code: a hash of each module, held against later code and shown by the report."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
from swc.folders.store import read_machine
from swc.running.own_code import changed_code

from support.own_code import SPEC, write_nets
from support.own_data import DATA, write_pictures
from support.runs import Place

TEXT = SPEC.format(module="nets").replace("data digits", f"data {DATA}")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A run whose members and data are of one's own."""
    made = Place(tmp_path_factory.mktemp("code"))
    write_nets(made.folder)
    write_pictures(made.folder)
    assert made.compile(TEXT) == 0 and made.train() == 0
    return made


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def test_the_report_has_a_hash_of_each_module_and_of_those_that_they_import(run: Place) -> None:
    assert run.swc("report", "-o", "page.html") == 0
    page = (run.folder / "page.html").read_text("utf-8")
    (found,) = json.loads(page.split('id="data">')[1].split("</script>")[0])["runs"]
    hashes = {name: value for name, value in found["repeat"]["hashes"] if name.startswith("module ")}
    files = {f"module {path.stem}": digest(path) for path in run.folder.glob("*.py")}
    assert hashes == files and {"module nets", "module helper", "module pictures"} <= files.keys()
    assert not [name for name, _ in found["repeat"]["machine"] if name.startswith("module ")]
    assert run.swc("report", "tiny.sw", "-o", "page.html") == 0, "which nobody has trained"


def test_whoever_uses_what_other_code_has_trained_is_told(run: Place, capsys: pytest.CaptureFixture[str]) -> None:
    looking = (("eval", "--time-batch", "0"), ("export", "--format", "safetensors", "-o", "written"))
    was = (run.folder / "nets.py").read_text()
    for command in looking:
        assert run.swc(*command) == 0
        assert "SW644" not in capsys.readouterr().err
    try:
        (run.folder / "nets.py").write_text(was + "# other\n")
        for command in looking:
            assert run.swc(*command, "--trust") == 0
            told = capsys.readouterr().err
            assert "warning[SW644]" in told and "module `nets` has changed" in told
    finally:
        (run.folder / "nets.py").write_text(was)


def test_a_run_that_goes_on_with_other_code_is_told_once(run: Place, capsys: pytest.CaptureFixture[str]) -> None:
    with (run.folder / "nets.py").open("a") as file:
        file.write("# other\n")
    assert run.swc("compile", "tiny.sw", "--quiet") == 0, "which is to consent to the code as it is now"
    assert run.train() == 0
    told = capsys.readouterr().err
    assert "warning[SW552]: the run goes on with other code of yours" in told
    assert "module `nets` has changed" in told and "module `helper`" not in told
    assert "SW543" not in told
    assert run.train() == 0
    assert "SW552" not in capsys.readouterr().err
    assert (read_machine(run.run) or {})["module nets"] == digest(run.folder / "nets.py")


def test_code_that_is_mended_before_anything_was_trained_is_not_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Place(tmp_path)
    write_nets(made.folder)
    write_pictures(made.folder)
    assert made.compile(TEXT) == 0
    whole = (made.folder / "nets.py").read_text()
    (made.folder / "nets.py").write_text(whole + "\n\nsmall = None\n")
    assert made.train("--trust") == 1
    (made.folder / "nets.py").write_text(whole)
    capsys.readouterr()
    assert made.train("--trust") == 0
    assert "SW552" not in capsys.readouterr().err


def test_modules_come_and_go_and_of_runs_that_kept_none_nothing_is_told() -> None:
    before = {"device": "cpu", "module a": "1", "module b": "2"}
    assert changed_code(before, {"module b": "3", "module c": "4"}) == (
        "module `a` is gone", "module `b` has changed", "module `c` is new",
    )  # fmt: skip
    assert changed_code({"device": "cpu"}, before) == ()

"""Tables kept on disk: a second reading imports no torch, and nothing stale or damaged is used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from attrs import evolve
from swc.compiler.frontend import LayerTable, cache, read_members
from swc.diagnostics import Sink
from swc.program.datasets import DATASETS
from swc.program.model_source import ModelSource
from swc.program.spec import Budget, Member, Spec
from swc.system.cache import cache_folder

WRN = ModelSource("family", "wrn", (("depth", 10), ("width", 1)))
DIGITS = DATASETS["digits"]
SPEC = Spec("test", DIGITS, (Member("m", WRN),), Budget("unlimited"), (), None)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SWC_CACHE", str(tmp_path))
    return tmp_path


def read() -> tuple[LayerTable, ...]:
    return read_members(SPEC, Sink())


def entries(folder: Path) -> list[Path]:
    return sorted((folder / "tables").iterdir())


def test_a_second_reading_imports_no_torch() -> None:
    tables = read()
    code = (
        "import sys; from swc.diagnostics import Sink; from swc.compiler.frontend import read_members;"
        "from swc.program.spec import *; from swc.program.datasets import DATASETS;"
        "from swc.program.model_source import ModelSource;"
        "source = ModelSource('family', 'wrn', (('depth', 10), ('width', 1)));"
        "spec = Spec('test', DATASETS['digits'], (Member('m', source),), Budget('unlimited'), (), None);"
        "print(read_members(spec, Sink()));"
        "assert not {'torch', 'torchvision', 'numpy', 'swc_runtime'} & set(sys.modules), 'imported'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tables)


def test_a_kept_table_equals_the_one_read(folder: Path) -> None:
    first = read()
    [entry] = entries(folder)
    assert cache.load(WRN, DIGITS) == evolve(first[0], member="")
    assert read() == first
    assert entries(folder) == [entry]


@pytest.mark.parametrize("damage", ["", "{", '{"schema": 1}', '{"schema": 999, "type": "LayerTable"}', "\udcff"])
def test_a_damaged_entry_is_made_again(folder: Path, damage: str) -> None:
    first = read()
    [entry] = entries(folder)
    whole = entry.read_text()
    entry.write_text(damage, errors="surrogateescape")
    assert cache.load(WRN, DIGITS) is None
    assert read() == first
    assert entry.read_text() == whole
    assert entries(folder) == [entry]


def test_other_data_versions_and_arguments_have_entries_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    table = LayerTable("", ())
    cache.store(WRN, DIGITS, table)
    assert cache.load(WRN, DIGITS) == table
    assert cache.load(WRN, DATASETS["cifar10"]) is None
    assert cache.load(ModelSource("family", "wrn", (("depth", 16), ("width", 1))), DIGITS) is None
    monkeypatch.setattr(cache, "_surroundings", lambda: ("torch 99",))
    assert cache.load(WRN, DIGITS) is None


def test_changed_code_of_the_families_changes_the_key(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    before = cache._hash_of_folder(tmp_path)
    (tmp_path / "a.py").write_text("x = 2\n")
    assert cache._hash_of_folder(tmp_path) != before


def test_tables_of_the_authors_factories_are_kept_by_the_digest_of_their_code(folder: Path) -> None:
    source = ModelSource("python", "net:small")
    table = LayerTable("", (), multiply_adds=7)
    cache.store(source, DIGITS, table)
    assert list(folder.iterdir()) == []
    cache.store(source, DIGITS, table, "some code")
    found = cache.load(source, DIGITS, "some code")
    assert found == table and found.multiply_adds == 7
    assert cache.load(source, DIGITS, "other code") is cache.load(source, DIGITS) is None


def test_a_folder_that_cannot_be_written_does_no_harm(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocker = folder / "file"
    blocker.write_text("")
    monkeypatch.setenv("SWC_CACHE", str(blocker))
    assert len(read()) == 1


def test_where_entries_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWC_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_folder() == Path("/x/swc")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "swc"


def test_what_others_own_or_may_write_to_is_not_read_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from swc.cli import main
    from swc.system import cache as kept_texts

    monkeypatch.setenv("SWC_CACHE", str(tmp_path / "cache"))
    kept_texts.keep("tables", "key", "text")
    (entry,) = (tmp_path / "cache/tables").iterdir()
    assert kept_texts.kept("tables", "key") == "text"
    for path, mode in ((entry, 0o666), (tmp_path / "cache/tables", 0o777), (tmp_path / "cache", 0o777)):
        before = path.stat().st_mode
        path.chmod(mode)
        assert kept_texts.kept("tables", "key") is None
        path.chmod(before)
        assert kept_texts.kept("tables", "key") == "text"
    with monkeypatch.context() as patched:
        patched.setattr("os.geteuid", lambda: 4242)
        assert kept_texts.kept("tables", "key") is None
    main.run(["explain", "SW001"])
    told = capsys.readouterr().err
    assert told.count(f"the cache {entry} is not read: other users own it or may write to it") == 1
    main.run(["explain", "SW001"])
    assert "is not read" not in capsys.readouterr().err

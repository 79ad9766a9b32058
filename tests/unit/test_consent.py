"""Consent: given once for some code, kept in a folder of the user's own, and lost with every change."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from swc.trust import consent
from swc.trust.code import Code, code_of

from support.own_code import spec_of, write_nets


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv(consent.VARIABLE, raising=False)
    return tmp_path / "state"


def code(folder: Path) -> Code:
    write_nets(folder)
    return code_of(spec_of(folder, "nets:small"))


def test_it_is_kept_in_a_folder_that_nobody_else_sees(tmp_path: Path, state: Path) -> None:
    found = code(tmp_path)
    assert not consent.is_consented(found)
    assert consent.keep(found) == ""
    assert consent.is_consented(found)
    for folder in (state / "swc", state / "swc/consent"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [path.name for path in (state / "swc/consent").iterdir()] == [f"{found.digest}.json"]


@pytest.mark.parametrize("name", ["nets", "helper"])
def test_a_change_of_a_module_or_of_one_beside_it_asks_again(tmp_path: Path, name: str) -> None:
    before = code(tmp_path)
    consent.keep(before)
    with (tmp_path / f"{name}.py").open("a") as file:
        file.write("# changed\n")
    after = code_of(spec_of(tmp_path, "nets:small"))
    assert not consent.is_consented(after)
    record = consent.earlier(after)
    assert record is not None
    assert consent.changes(record, after) == (f"{tmp_path / name}.py has changed",)


def test_changes_are_named(tmp_path: Path) -> None:
    consent.keep(code(tmp_path))
    arguments = code_of(spec_of(tmp_path, "nets:small", width=3))
    record = consent.earlier(arguments)
    assert record is not None
    assert consent.changes(record, arguments) == ("the arguments of the factories have changed",)
    (tmp_path / "nets.py").write_text("import later\n", encoding="utf-8")
    (tmp_path / "later.py").write_text("", encoding="utf-8")
    found = consent.changes(record, code_of(spec_of(tmp_path, "nets:small")))
    assert found == (f"{tmp_path}/later.py is new", "module `helper` is gone", f"{tmp_path}/nets.py has changed")
    assert consent.earlier(code_of(spec_of(tmp_path, "nets:other"))) is None
    sent = tmp_path / "sent"
    sent.mkdir()
    write_nets(sent)
    (sent / "nets.py").write_text("# somebody's\n", encoding="utf-8")
    assert consent.earlier(code_of(spec_of(sent, "nets:small"))) is None, "that it has one's own names makes it not own"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 1}', '{"schema": 2}', "[" * 9999, "\x00"])
def test_a_damaged_record_is_none(tmp_path: Path, state: Path, text: str) -> None:
    found = code(tmp_path)
    consent.keep(found)
    (state / f"swc/consent/{found.digest}.json").write_text(text)
    assert not consent.is_consented(found)
    assert consent.earlier(found) is None


def test_a_record_of_other_code_under_its_name_is_none(tmp_path: Path, state: Path) -> None:
    found, other = code(tmp_path), code_of(spec_of(tmp_path, "nets:other"))
    consent.keep(found)
    folder = state / "swc/consent"
    (folder / f"{found.digest}.json").rename(folder / f"{other.digest}.json")
    assert not consent.is_consented(other)


@pytest.mark.parametrize("inner", ["swc", "swc/consent"])
def test_a_folder_that_others_can_write_to_is_not_read(tmp_path: Path, state: Path, inner: str) -> None:
    found = code(tmp_path)
    consent.keep(found)
    (state / inner).chmod(0o770)
    assert not consent.is_consented(found)
    assert "others can write to" in consent.refusal()
    assert consent.keep(found) == consent.refusal()


def test_a_folder_of_another_user_is_not_read(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = code(tmp_path)
    consent.keep(found)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert not consent.is_consented(found)
    assert consent.refusal() == f"`{state}/swc` belongs to another user"
    assert consent.keep(found) == consent.refusal()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, state: Path) -> None:
    state.write_text("a file")
    assert consent.keep(code(tmp_path)) == "not a directory"
    assert not consent.is_consented(code(tmp_path))


def test_where_it_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for named in ("", "relative"):
        monkeypatch.setenv("XDG_STATE_HOME", named)
        assert consent.consent_folder() == Path.home() / ".local/state/swc/consent"


def test_processes_that_are_started_inherit_consent_to_this_code_alone(tmp_path: Path) -> None:
    found, other = code(tmp_path), code_of(spec_of(tmp_path, "nets:other"))
    with consent.inherited(found):
        assert consent.is_consented(found)
        assert not consent.is_consented(other)
        with consent.inherited(other):
            assert consent.is_consented(found) and consent.is_consented(other)
        assert not consent.is_consented(other)
    assert consent.VARIABLE not in os.environ


@pytest.mark.parametrize("value", ["", "1", "yes", "all", "*", ","])
def test_no_other_value_of_the_variable_is_consent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(consent.VARIABLE, value)
    assert not consent.is_consented(code(tmp_path))

"""The code that members name: found without running it, hashed as a whole, and run from the bytes that were hashed."""

from __future__ import annotations

import importlib
import py_compile
import sys
from pathlib import Path

import pytest
from attrs import evolve
from swc.diagnostics import DiagnosticError
from swc.trust.code import Code, code_of, described
from swc.trust.importing import importable, own_code

from support.own_code import spec_of


def write(folder: Path, **files: str) -> None:
    """Write modules by name."""
    for name, text in files.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def code_in(folder: Path, *factories: str) -> Code:
    return code_of(spec_of(folder, *(factories or ("nets:small",))))


def names(code: Code) -> set[str]:
    return {module.name for module in code.modules}


IMPORTS = {
    "import helper": "helper",
    "from helper import block": "helper",
    "import helper as h, os": "helper",
    "def small():\n  import helper": "helper",
    "class Net:\n  def forward(self):\n    from helper import block": "helper",
    "try:\n  import helper\nexcept ImportError:\n  helper = None": "helper",
    "from importlib import import_module\nimport_module('helper')": "helper",
    "import importlib\nimportlib.import_module('helper.deep')": "helper",
    "__import__('helper')": "helper",
    "import bundle.inner.leaf": "bundle.inner.leaf",
    "from bundle import anything": "bundle.inner.leaf",
    "import loose.leaf": "loose.leaf",
    "import chain": "helper",
}


@pytest.mark.parametrize("text", IMPORTS)
def test_every_import_of_a_module_beside_is_found_and_counts(tmp_path: Path, text: str) -> None:
    write(tmp_path, nets=text, helper="x = 1", chain="import helper, nets", script="import helper")
    inner = {"bundle/__init__": "", "bundle/inner/__init__": "from . import leaf", "bundle/inner/leaf": ""}
    write(tmp_path, **inner, **{"loose/leaf": ""})
    before = code_in(tmp_path)
    assert {"nets", IMPORTS[text]} <= names(before)
    assert "script" not in names(before)
    file = tmp_path / f"{IMPORTS[text].replace('.', '/')}.py"
    file.write_text("x = 2", encoding="utf-8")
    assert code_in(tmp_path).digest != before.digest
    (tmp_path / "script.py").write_text("x = 3", encoding="utf-8")
    assert code_in(tmp_path).digest != before.digest


@pytest.mark.parametrize(
    "call", ["import_module(f'net_{kind}')", "__import__(name)", "importlib.import_module(name=x)"]
)
def test_where_a_name_is_computed_all_of_the_folder_counts(tmp_path: Path, call: str) -> None:
    files = {"net_a": "import helper", "torch": "raise SystemExit", "bundle/__init__": "", "data/no_package": ""}
    write(tmp_path, nets=f"def small(kind):\n  return {call}", helper="", **files)
    (tmp_path / "not-a-name.py").write_text("")
    code = code_in(tmp_path)
    assert names(code) == {"nets", "net_a", "helper", "bundle"}
    assert code.hidden == ()
    with importable(code):
        importlib.import_module("net_a")


def test_nothing_is_run_and_no_text_is_too_strange(tmp_path: Path) -> None:
    texts = ("raise SystemExit", "def (", "x = 1\0", "(" * 5000, "# -*- coding: nonsense -*-", "\ufeffimport helper")
    for text in texts:
        write(tmp_path, nets=text, helper="raise SystemExit")
        assert "nets" in names(code_in(tmp_path))


def test_the_digest_is_of_the_code_and_not_of_its_place(tmp_path: Path) -> None:
    for place in ("a", "b"):
        write(tmp_path / place, nets="import helper", helper="")
    one, other = code_in(tmp_path / "a"), code_in(tmp_path / "b")
    assert one.digest == other.digest
    assert one.digest != code_of(spec_of(tmp_path / "a", "nets:small", width=3)).digest
    assert one.digest != code_in(tmp_path / "a", "nets:other").digest
    assert one.digest != code_in(tmp_path / "a", "helper:small").digest
    assert one.digest != code_of(evolve(spec_of(tmp_path / "c", "nets:small"))).digest, "there it is missing"


def test_links_between_folders_end(tmp_path: Path) -> None:
    places = [f"a{number}" for number in range(12)]
    write(tmp_path, **{f"bundle/{place}/leaf": "" for place in places})
    for place in places:
        for other in places:
            (tmp_path / "bundle" / place / f"to_{other}").symlink_to(tmp_path / "bundle" / other)
    assert sum(name.endswith("leaf") for name in names(code_in(tmp_path, "bundle.a0.leaf:small"))) == 12


@pytest.mark.parametrize("name", ["sklearn", "torch", "random", "swc_runtime"])
def test_a_file_with_the_name_of_a_library_is_not_taken(tmp_path: Path, name: str) -> None:
    write(tmp_path, **{"nets": f"import {name}", name: "raise SystemExit"})
    code = code_in(tmp_path)
    assert names(code) == {"nets"}
    assert [file.name for file in code.hidden] == ([] if name == "swc_runtime" else [f"{name}.py"])
    with importable(code):
        importlib.import_module("nets")


def test_a_factory_in_such_a_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path, sklearn="")
    with pytest.raises(DiagnosticError, match=r"SW763: `sklearn\.py` has the name of an installed package"):
        code_in(tmp_path, "sklearn:small")


@pytest.mark.parametrize(
    ("factory", "code"),
    [
        *((name, "SW760") for name in ("os:system", "os.path:join", "builtins:eval", "__main__:x")),
        *((name, "SW209") for name in ("nets", "nets:a:b", "nets:\x1b[2J", "../nets:x", "")),
    ],
)
def test_names_that_the_grammar_would_not_let_through_are_refused(tmp_path: Path, factory: str, code: str) -> None:
    write(tmp_path, nets="")
    with pytest.raises(DiagnosticError, match=code):
        code_in(tmp_path, factory)


def test_what_will_run_is_described_from_the_spec(tmp_path: Path) -> None:
    write(tmp_path, **{"nets": "", "bundle/leaf": ""})
    spec = spec_of(tmp_path, "nets:small", "nets:big", "bundle.leaf:Net", "torch.hub:load", width=3)
    code = code_of(spec)
    told = ("nets.py: small", "nets.py: big", "bundle/leaf.py: Net", "torch.hub: load(width: 3), installed")
    assert described(code) == told
    assert described(code, whole=True)[0] == f"{tmp_path / 'nets.py'}: small"
    assert [home for _, home in code.homes] == ["own", "own", "installed"]


@pytest.mark.parametrize("factory", ["research.nets:small", "nets:small"])
def test_a_package_on_the_path_is_hashed_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factory: str
) -> None:
    """As one that is installed to be edited; it is imported by Python's own means."""
    elsewhere = tmp_path / "src"
    write(elsewhere, **{"research/__init__": "", "research/nets": "", "research/blocks": ""})
    write(tmp_path / "spec", nets="import research.nets, numpy")
    monkeypatch.syspath_prepend(elsewhere)
    before = code_in(tmp_path / "spec", factory)
    assert [top for top, _ in before.linked] == ["research"]
    assert not {"research", "research.nets"} & names(before)
    assert described(before) == ("nets.py: small",) if factory == "nets:small" else ("research.nets: small(), linked",)
    write(elsewhere, **{"research/blocks": "x = 1"})
    assert code_in(tmp_path / "spec", factory).digest != before.digest


# --- importing it -----------------------------------------------------------------------------------------------------


def test_what_was_looked_at_runs_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, nets="import helper\nTEXT = __file__", helper="VALUE = 1")
    code, path = code_in(tmp_path), list(sys.path)
    write(tmp_path, helper="raise SystemExit('swapped')")
    with importable(code):
        assert importlib.import_module("nets").helper.VALUE == 1
        assert str(tmp_path / "nets.py") == importlib.import_module("nets").TEXT
        assert sys.path == path
    assert not any(getattr(finder, "serves_own_code", False) for finder in sys.meta_path)


def test_bytecode_beside_it_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, nets="VALUE = 2")
    py_compile.compile(str(tmp_path / "nets.py"), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    write(tmp_path, nets="VALUE = 1")
    with importable(code_in(tmp_path)):
        assert importlib.import_module("nets").VALUE == 1


def test_modules_that_no_import_names_are_told_and_not_run(tmp_path: Path) -> None:
    write(tmp_path, **{"nets": "import bundle", "bundle/__init__": "", "other": "raise SystemExit"})
    with importable(code_in(tmp_path)):
        write(tmp_path, **{"bundle/later": "raise SystemExit"})
        for name in ("other", "bundle.later"):
            with pytest.raises(ModuleNotFoundError) as raised:
                importlib.import_module(name)
            assert f"No module named '{name}' was seen in the code" in str(raised.value)
        with pytest.raises(ModuleNotFoundError, match=r"^No module named 'nowhere_at_all'$"):
            importlib.import_module("nowhere_at_all")


def test_two_folders_with_modules_of_one_name_have_each_its_own(tmp_path: Path) -> None:
    for place in ("a", "b"):
        write(tmp_path / place, nets="import helper\nfrom bundle.leaf import PLACE", helper=f"PLACE = '{place}'")
        write(tmp_path / place, **{"bundle/leaf": f"PLACE = '{place}'"})
    for place in ("a", "b", "a"):
        with own_code(spec_of(tmp_path / place, "nets:small")):
            nets = importlib.import_module("nets")
            assert (place, place) == (nets.helper.PLACE, nets.PLACE)


def test_a_module_that_a_caller_has_imported_is_the_callers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, callers_nets="VALUE = 1")
    monkeypatch.syspath_prepend(tmp_path)
    theirs = importlib.import_module("callers_nets")
    try:
        with importable(code_in(tmp_path, "callers_nets:small")):
            assert importlib.import_module("callers_nets") is theirs
    finally:
        del sys.modules["callers_nets"]

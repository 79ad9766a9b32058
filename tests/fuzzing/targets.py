"""What is fuzzed: each target takes the bytes of a file and does with them what a command would.

Guarantees: a target gives nothing and raises nothing but what is a find; a `DiagnosticError` is an answer.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from swc.diagnostics import Diagnostic, DiagnosticError, Sink

Target = Callable[[bytes], None]
LARGEST = 64_000  # bytes of an input


@cache
def _folder() -> Path:
    shared_memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="swc-fuzz-", dir=shared_memory if shared_memory.is_dir() else None))


def _file(name: str, data: bytes) -> Path:
    path = _folder() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _answered(act: Callable[[], object]) -> bool:
    """Whether something was done; what is told instead must be printable."""
    try:
        act()
    except DiagnosticError as told:
        _print(told.diagnostics)
        return False
    return True


def _print(diagnostics: tuple[Diagnostic, ...] | list[Diagnostic]) -> None:
    from swc.diagnostics.render import render, render_json

    render(diagnostics, colour=True).encode()
    render_json(diagnostics).encode()


def layout(data: bytes) -> None:
    """Parse and lay out; laying out twice changes nothing more."""
    from swc.diagnostics.sources import decode
    from swc.language.syntax.printer import format_text

    def act() -> None:
        once = format_text(decode(data, "fuzz.sw"), "fuzz.sw")
        assert format_text(once, "fuzz.sw") == once, "laying out twice changes something"

    _answered(act)


def check(data: bytes) -> None:
    """Check all that a file defines."""
    from swc.language.semantics.check import check_whole

    sink = Sink()
    _answered(lambda: check_whole(_file("fuzz.sw", data), {}, sink))
    _print(sink.diagnostics)


def settings(data: bytes) -> None:
    """Set a param from the command line."""
    from swc.language.semantics.check import check_text

    spec = "ensemble e {\n data digits\n param p = 1\n param l = [1]\n member m = wrn(depth: 10, width: p)\n}\n"
    value = data.decode("utf-8", errors="replace")
    _answered(lambda: check_text(spec, "fuzz.sw", None, {"p": value}))
    _answered(lambda: check_text(spec, "fuzz.sw", None, {"l": value}))


def decoders(data: bytes) -> None:
    """Read what the project writes, as a file of each of its kinds, and write it again."""
    from swc.files.kind_codec import content_of, text_of_kind
    from swc.files.kinds import FILE_KINDS

    text = data.decode("utf-8", errors="replace")
    for kind in FILE_KINDS.values():
        _answered(lambda kind=kind: text_of_kind(kind, content_of(kind, text, "fuzz.json")))


def records(data: bytes) -> None:
    """Read a run's metrics, its machine, its evaluation."""
    from swc.folders.store import read_machine
    from swc.report.scores import scored_of

    from swc_runtime.records.records import read_rows

    run = _file("run/metrics.jsonl", data).parent
    _file("run/machine.json", data)
    _file("run/eval/evaluation.json", data)
    _answered(lambda: read_rows(run))
    _answered(lambda: read_machine(run))
    _answered(lambda: scored_of(run))


def graph(data: bytes) -> None:
    """Parse the text of a share graph; what is read prints, and reads as the same."""
    from swc.compiler.ir.text import parse_graph, print_graph

    def act() -> None:
        found = parse_graph(data.decode("utf-8", errors="replace"), "graph.txt")
        assert parse_graph(print_graph(found)) == found, "a graph does not read back"

    _answered(act)


def sweep(data: bytes) -> None:
    """Read a sweep file and list its cells; read the rows of a table, which read back as the same."""
    from swc.sweep.plan import Sweep
    from swc.sweep.rows import other_rows_in, rows_in, text_of_rows
    from swc.sweep.sweep_file import read_sweep

    def act() -> None:
        for cell in read_sweep(_file("sweep.toml", data)).cells:
            assert cell.name

    def read() -> None:
        other = Sweep("s", (Path("a.sw"),), (("p", ("1", "2")),), "100-101")
        text = data.decode("utf-8", errors="replace")
        found = rows_in(text, "rows.csv", other)
        assert set(found) == {row.cell for row in other_rows_in(text, "rows.csv")}, "another sweep reads other rows"
        assert rows_in(text_of_rows(other, found), "rows.csv", other) == found, "rows do not read back"

    _answered(act)
    _answered(read)


def tensors(data: bytes) -> None:
    """Load a checkpoint and kept predictions."""
    from contextlib import suppress

    from swc.evaluate.prediction_cache import read_predictions

    from swc_runtime.records.checkpoint import load_checkpoint

    path = _file("last.safetensors", data)
    _answered(lambda: load_checkpoint(path))
    with suppress(ValueError):  # how this one says that a file is damaged
        read_predictions(path)


def compiling(data: bytes) -> None:
    """Compile a spec whose members are small, and read back what was compiled."""
    from swc.compiler.driver import compile_spec
    from swc.compiler.frontend import read_members
    from swc.compiler.ir.text import parse_graph, print_graph
    from swc.diagnostics.sources import decode as text_of
    from swc.files.codec import decode, encode
    from swc.language.semantics.check import check_text
    from swc.program.program import Program

    def act() -> None:
        sink = Sink()
        spec = check_text(text_of(data, "fuzz.sw"), str(_folder() / "fuzz.sw"), None, {}, sink)
        if not _is_small(spec):
            return
        tables = read_members(spec, sink)
        sink.raise_errors()
        compiled = compile_spec(spec, tables, sink=sink)
        assert decode(encode(compiled.program), Program) == compiled.program
        assert parse_graph(print_graph(compiled.graph)) == compiled.graph
        _print(list(compiled.warnings))

    _answered(act)


def _is_small(spec: object) -> bool:
    from swc.program.spec import Spec

    assert isinstance(spec, Spec)
    small = {"depth": 28, "width": 4.0, "growth": 12, "channels": 16, "base": 4, "step": 2, "alpha": 2, "gamma": 2}
    for member in spec.members:
        given = dict(member.source.arguments)
        large = any(isinstance(given.get(name), int | float) and given[name] > most for name, most in small.items())
        if member.source.kind != "family" or member.source.name not in ("wrn", "mimo", "packed", "msdnet") or large:
            return False
    return len(spec.members) <= 12 and spec.data.num_classes <= 1_000 and max(spec.data.image_shape) <= 64


TARGETS: dict[str, Target] = {
    "layout": layout,
    "check": check,
    "settings": settings,
    "decoders": decoders,
    "records": records,
    "graph": graph,
    "sweep": sweep,
    "tensors": tensors,
    "compiling": compiling,
}
TEXTS = ("layout", "check", "settings", "compiling")  # whose inputs are in the language
WITH_TORCH = ("tensors", "records", "compiling")  # which need more memory before they begin

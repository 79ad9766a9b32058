"""How fast the compiler is, in CPU time, against what it is meant to be.

    python -m benchmarks.compiler -o docs/results/compiler_speed

Takes a folder, writes `table.md` and `growth.png` into it and prints the table. Guarantees: times are user and system
time of one core, the least of several runs where a run is short; nothing of torch is needed but for the specs.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import log
from pathlib import Path

import click
from attrs import frozen
from matplotlib.figure import Figure
from swc import resources
from swc.driver import compile_spec, recompile
from swc.frontend.table import LayerTable
from swc.ir.counts import count
from swc.ir.text import print_graph
from swc.program.codec import encode
from swc.semantics.spec import Spec
from swc.show.plain import plain
from swc.show.report import compile_report
from swc.solvers.exact import solve_optimal

from benchmarks.machine import machine_lines
from benchmarks.synthetic import LEVELS, SPLIT, allocation, ensemble, statistics

SIZES = (100, 300, 1_000, 3_000, 10_000)
SPLIT_BINS = 40  # 28 clusters: two million pairs of 10,000 layers
REPEATS = 5
READING = """
import sys, time
import torch, torchvision
from swc.driver import compile_file
for path in sys.argv[1:]:
    start = time.process_time()
    compile_file(path)
    print(time.process_time() - start)
"""


@frozen
class Row:
    """One goal, what was measured, in words, and whether it is met."""

    goal: str
    measured: str
    met: bool


@click.command()
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True, help="Where to write.")
@click.option("--largest", type=click.IntRange(100), default=SIZES[-1], show_default=True, help="Layers to go up to.")
def main(output: Path, largest: int) -> None:
    """Measure everything, print the table and save it with a plot."""
    sizes = tuple(size for size in SIZES if size <= largest)
    curve = tuple((size, compile_seconds(size)) for size in sizes)
    rows = (*command_rows(), *spec_rows(), *growth_rows(curve), split_row(largest), *allocation_rows())
    text = table(rows)
    click.echo(text, nl=False)
    output.mkdir(parents=True, exist_ok=True)
    (output / "table.md").write_text(text, encoding="utf-8")
    draw(curve, output / "growth.png")


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown, under the lines that say what they were measured on."""
    head = "".join(f"- {line}\n" for line in machine_lines())
    lines = (f"| {row.goal} | {row.measured} | {'yes' if row.met else '**no**'} |\n" for row in rows)
    return f"{head}\n| goal | measured | met |\n|---|---|---|\n{''.join(lines)}"


def cpu_seconds(act: Callable[[], object]) -> float:
    """CPU time of this process for doing something once."""
    start = time.process_time()
    act()
    return time.process_time() - start


def command_seconds(arguments: Sequence[str], repeats: int = REPEATS, cache: str | None = None) -> float:
    """The least user and system time of a whole `swc` process, after one run that is not counted."""
    command = [sys.executable, "-m", "swc", *arguments]
    times: list[float] = []
    for _ in range(repeats + 1):
        before = _children_seconds()
        subprocess.run(command, check=True, capture_output=True, env=_environment(cache))
        times.append(_children_seconds() - before)
    return min(times[1:])


def _environment(cache: str | None) -> dict[str, str]:
    """This process's, but compiled modules are kept: a first run, which is not counted, writes them."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "SWC_CACHE": cache} if cache else kept


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def command_rows() -> Iterator[Row]:
    """The commands that build nothing."""
    spec = str(resources.specs() / "quickstart.sw")
    for arguments in (("--help",), ("check", spec), ("fmt", "--check", spec)):
        found = command_seconds(arguments)
        name = " ".join(("swc", *arguments)).replace(spec, "FILE")
        yield Row(f"`{name}` at most 0.15 s", f"{found:.3f} s", found <= 0.15)


def spec_rows() -> Iterator[Row]:
    """Every shipped spec: first with its members to read, then with their layer tables kept."""
    specs = sorted(resources.specs().glob("*.sw"))
    with tempfile.TemporaryDirectory() as folder:
        cache = f"{folder}/cache"
        reading = dict(zip(specs, _reading_seconds(specs, cache), strict=True))
        yield _spec_row("to read, beyond importing torch", reading)
        commands = {s: command_seconds(("compile", str(s), "--root", folder), 1, cache) for s in specs}
        yield _spec_row("read before, as a whole command", commands)


def _spec_row(how: str, seconds: dict[Path, float]) -> Row:
    slowest = max(seconds, key=lambda spec: seconds[spec])
    goal = f"`swc compile` of each of the {len(seconds)} shipped specs, {how}, at most 1 s"
    return Row(goal, f"{seconds[slowest]:.2f} s for the slowest, `{slowest.stem}`", seconds[slowest] <= 1)


def _reading_seconds(specs: Sequence[Path], cache: str) -> list[float]:
    """CPU time of compiling each spec in one process that has imported torch."""
    command = [sys.executable, "-c", READING, *map(str, specs)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=_environment(cache))
    return [float(line) for line in done.stdout.splitlines()]


def compile_seconds(num_layers: int) -> float:
    """Spec and tables to a Program, with all that `swc compile` writes and prints; the least of some runs."""
    spec, tables = ensemble(num_layers)
    repeats = REPEATS if num_layers <= 1_000 else 1
    return min(cpu_seconds(lambda: compile_whole(spec, tables)) for _ in range(repeats))


def compile_whole(spec: Spec, tables: tuple[LayerTable, ...]) -> None:
    """What `swc compile` does once it has the layer tables, but for the disk."""
    compiled = compile_spec(spec, tables)
    for part in (compiled.spec, compiled.tables, compiled.program):
        encode(part)
    print_graph(compiled.graph)
    plain(compile_report(compiled.graph, count(compiled.graph), compiled.spec, compiled.notes))


def growth_rows(curve: Sequence[tuple[int, float]]) -> Iterator[Row]:
    """The time of the largest, and how it grew from the smallest."""
    (small, first), (large, last) = curve[0], curve[-1]
    yield Row(f"compile {large:,} layers in at most 30 s", f"{last:.1f} s", last <= 30)
    allowed = large * log(large) / (small * log(small))
    goal = f"growth from {small:,} to {large:,} layers no worse than n log n (x{allowed:.0f})"
    yield Row(goal, f"x{last / first:.0f}", last / first <= allowed)


def split_row(num_layers: int) -> Row:
    """From cluster feedback to the next revision."""
    compiled = compile_spec(*ensemble(num_layers, SPLIT_BINS, SPLIT))
    feedback = statistics(compiled)
    found = cpu_seconds(lambda: recompile(compiled, feedback))
    size = f"{len(compiled.graph.clusters)} clusters, {len(feedback.similarities):,} pairs"
    return Row(f"split {num_layers:,} layers from statistics in at most 15 s", f"{found:.1f} s ({size})", found <= 15)


def allocation_rows() -> Iterator[Row]:
    """Both solvers at the sizes they are meant for."""
    sizes = ((200, 5.0, 1e-6), (1_000, 5.0, 1e-6), (10_000, 1.0, 1e-5))
    solve_optimal(allocation(10))  # the library's own start is not what is measured
    for (clusters, seconds, gap), objective in product(sizes, ("coverage", "profiled")):
        problem = allocation(clusters * LEVELS, objective)
        start = time.process_time()
        found = solve_optimal(problem)
        took = time.process_time() - start
        proven = 1.0 if found.gap is None else found.gap
        what = f"allocate {clusters:,} clusters of {LEVELS} levels by {objective}"
        goal = f"{what} in at most {seconds:g} s, gap at most {gap:g}"
        yield Row(goal, f"{took:.2f} s, {found.method}, gap {proven:.1g}", took <= seconds and proven <= gap)


def draw(curve: Sequence[tuple[int, float]], path: Path) -> None:
    """Compile time against number of layers, on logarithmic axes, beside n log n."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    sizes, seconds = zip(*curve, strict=True)
    scale = seconds[-1] / (sizes[-1] * log(sizes[-1]))
    axes.loglog(sizes, [scale * size * log(size) for size in sizes], "--", color="0.6", label="n log n")
    axes.loglog(sizes, seconds, "o-", label="swc compile, tables read before")
    axes.set_xlabel("layers")
    axes.set_ylabel("CPU seconds")
    axes.legend()
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()

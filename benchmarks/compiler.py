"""How fast the compiler is, in CPU time, against what it is meant to be.

    python -m benchmarks.compiler [-o FOLDER] [--rounds N]

With a folder also draws `growth.png` there. Times are user and system time of one core, the least of several runs where
a run is short; nothing of torch is needed but for the specs.
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

from matplotlib.figure import Figure
from swc.compiler.driver import compile_spec, recompile
from swc.compiler.ir.counts import count
from swc.compiler.ir.text import print_graph
from swc.compiler.solvers.exact import solve_optimal
from swc.files.codec import encode
from swc.program.layer_table import LayerTable
from swc.program.spec import Spec
from swc.show.plain import plain
from swc.show.summary import compile_summary
from swc.system import resources

from benchmarks.synthetic import LEVELS, NETS, SPLIT, allocation, ensemble, many_shapes, statistics
from benchmarks.table import Row, arguments, give

SIZES = (100, 300, 1_000, 3_000, 10_000)
LARGEST = SIZES[-1]
SPLIT_BINS = (40, 4)  # 28 clusters with two million pairs of 10,000 layers; 4 with twelve million
REPEATS = 5
READING = """
import sys, time
import torch, torchvision
from swc.compiler.driver import compile_file
for path in sys.argv[1:]:
    start = time.process_time()
    compile_file(path)
    print(time.process_time() - start)
"""


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
    for words in (("--help",), ("check", spec), ("fmt", "--check", spec)):
        found = command_seconds(words)
        name = " ".join(("swc", *words)).replace(spec, "FILE")
        yield Row(f"`{name}`", found, f"{found:.3f} s", at_most=0.15)


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
    what = f"`swc compile` of each of the {len(seconds)} shipped specs, {how}"
    return Row(what, seconds[slowest], f"{seconds[slowest]:.2f} s for the slowest, {slowest.stem}", at_most=1.0)


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
    plain(compile_summary(compiled.graph, count(compiled.graph), compiled.spec, compiled.notes))


def growth_rows(curve: Sequence[tuple[int, float]]) -> Iterator[Row]:
    """The time of the largest, and how it grew from the smallest."""
    (small, first), (large, last) = curve[0], curve[-1]
    yield Row(f"compile {large:,} layers", last, f"{last:.1f} s", at_most=30.0)
    allowed = large * log(large) / (small * log(small))
    what = f"from {small:,} to {large:,} layers, where n log n grows {allowed:.0f} times"
    yield Row(what, last / first, f"{last / first:.0f} times", at_most=round(allowed))


def shape_rows() -> Iterator[Row]:
    """As many layers of more and more shapes: a chain has a level for each, and a large layer a slot on each level."""
    for nets in (NETS, many_shapes(16), many_shapes(32)):
        spec, tables = ensemble(1_000, nets=nets)
        found = min(cpu_seconds(lambda s=spec, t=tables: compile_whole(s, t)) for _ in range(REPEATS))
        shapes = len({layer.shape for table in tables for layer in table.layers})
        yield Row(f"compile 1,000 layers of {shapes} shapes", found, f"{found:.2f} s")


def split_row(num_layers: int, bins: int) -> Row:
    """From cluster feedback to the next revision."""
    compiled = compile_spec(*ensemble(num_layers, bins, SPLIT))
    feedback = statistics(compiled)
    found = cpu_seconds(lambda: recompile(compiled, feedback))
    size = f"{len(compiled.graph.clusters)} clusters, {len(feedback.similarities):,} pairs"
    return Row(f"split {num_layers:,} layers from statistics, {size}", found, f"{found:.1f} s", at_most=15.0)


def allocation_rows() -> Iterator[Row]:
    """Both solvers at the sizes they are meant for: a row for the time, one for the gap."""
    sizes = ((200, 5.0, 1e-6), (1_000, 5.0, 1e-6), (10_000, 1.0, 1e-5))
    solve_optimal(allocation(10))  # the library's own start is not what is measured
    for (clusters, seconds, gap), objective in product(sizes, ("coverage", "profiled")):
        problem = allocation(clusters * LEVELS, objective)
        start = time.process_time()
        found = solve_optimal(problem)
        took = time.process_time() - start
        proven = 1.0 if found.gap is None else found.gap
        what = f"allocate {clusters:,} clusters of {LEVELS} levels by {objective}"
        yield Row(what, took, f"{took:.2f} s, {found.method}", at_most=seconds)
        yield Row(f"{what}: gap", proven, f"{proven:.1g}", at_most=gap)


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


def measure(folder: Path | None) -> list[Row]:
    """Everything; the plot of growth goes to the folder."""
    curve = tuple((size, compile_seconds(size)) for size in SIZES)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        draw(curve, folder / "growth.png")
    splits = [split_row(LARGEST, bins) for bins in SPLIT_BINS]
    return [*command_rows(), *spec_rows(), *growth_rows(curve), *shape_rows(), *splits, *allocation_rows()]


if __name__ == "__main__":
    given = arguments(__doc__)
    give(measure(given.output), given.output, "compiler")

"""`swc sweep`: many runs of one spec, and one table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from swc.cli import consent, console
from swc.program.limits import SCALES

if TYPE_CHECKING:
    from swc.diagnostics import Diagnostic
    from swc.running.options import Options
    from swc.sweep.plan import Sweep
    from swc.sweep.runner import CellOutcome


@click.command("sweep")
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--vary", "varied", metavar="NAME=V,...", multiple=True, help="Values of a param; repeatable.")
@click.option("--seeds", metavar="SEEDS", help="N for 0 to N-1, or 100-109, or 0,1,5: a run of each setting. [1]")
@click.option("--by-seed", is_flag=True, default=None, help="Run all settings of a seed before those of the next.")
@click.option("--table", type=click.Path(dir_okay=False, path_type=Path), help="CSV that keeps finished runs' rows.")
@click.option("--storage", metavar="S,...", help="Score each run with weights in float32, int8, int4: any of them.")
@click.option("--no-rows-from", is_flag=True, help="Take no rows from the other tables that a sweep file names.")
@click.option("--ensemble", metavar="NAME", help="Which ensemble, where the file has several.")
@click.option(
    "--epochs-scale", type=click.FloatRange(*SCALES), callback=console.number, help="Scale all epochs, for a trial."
)
@click.option("--no-run", is_flag=True, help="Put together the rows that tables have; run nothing.")
@click.option("--estimate", is_flag=True, help="Time a few batches of each setting, say how long all takes, and end.")
@click.option("--markdown", type=click.Path(dir_okay=False, path_type=Path), help="Write the tables as Markdown too.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Runs at a time.")
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="The folder that holds the data sets.")
@click.option("--offline", is_flag=True, help="Never download.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--threads", type=click.IntRange(0), default=0, help="CPU threads of each run [the cores over the jobs].")
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), help="The folder [build/sweeps/NAME]."
)
def command(
    spec: Path,
    varied: tuple[str, ...],
    no_run: bool,
    estimate: bool,
    markdown: Path | None,
    jobs: int,
    data: Path | None,
    output: Path | None,
    **given: object,
) -> None:
    """Train SPEC with every combination of some params' values, and every seed.

    SPEC is a `.sw` file with `--vary`, or a sweep file (`.toml`). To name it is to consent to the code of its
    `python(...)` members: what will run is printed first. A sweep that was stopped goes on where it was, and a
    run that fails does not stop the others. With `--table` it goes on from the rows of that file, wherever they were
    measured.
    """
    from swc.cli.output import check_place
    from swc.diagnostics import Sink
    from swc.running.options import Options
    from swc.sweep.children import ChildOptions, threads_each
    from swc.sweep.preflight import check_beginning
    from swc.sweep.runner import run_sweep

    machine = {name: given.pop(name) for name in ("offline", "device", "threads")}
    machine["threads"] = machine["threads"] or threads_each(jobs)
    if given.pop("no_rows_from"):
        given["rows_from"] = ()
    sweep = _sweep(spec, varied, given)
    folder = output or Path("build") / "sweeps" / sweep.name
    if sweep.table is not None and sweep.table.exists() and not sweep.table.is_file():
        raise click.BadParameter(f"`{sweep.table}` is no file, and rows must stay", param_hint="'--table'")
    check_beginning(sweep, folder, "[vary]" if spec.suffix == ".toml" else "--vary")
    _check_markdown(sweep, spec, markdown, folder)
    if no_run and estimate:
        raise click.UsageError("--no-run and --estimate exclude each other: leave one away")
    if estimate:
        _estimate(sweep, folder, jobs, Options(data=data, **machine))  # type: ignore[arg-type]
        return
    for path in filter(None, (None if no_run else sweep.table, markdown, folder / "sweep.csv")):
        check_place(path)
    if no_run:
        _conclude(sweep, _outcomes_in_tables(sweep), folder, markdown)
        return
    where = ("--data", str(data.resolve())) if data else ()
    offline = ("--offline",) if machine["offline"] else ()
    children = ChildOptions(jobs, machine["threads"], (*where, *offline, "--device", str(machine["device"])))  # type: ignore[arg-type]
    console.say(_plan_text(sweep, folder))

    def tell(done: CellOutcome) -> None:
        console.say(f"{done.cell.title}: {_told(done)}")

    sink = Sink()
    with consent.by_naming(sink) as announce:
        found = run_sweep(sweep, folder, children, tell, announce, data)
    console.report(sink.diagnostics)
    _conclude(sweep, found, folder, markdown)


def _check_markdown(sweep: Sweep, spec: Path, markdown: Path | None, folder: Path) -> None:
    """BadParameter where the page would be written over what the sweep reads, or writes itself."""
    own = (folder / f"sweep.{ending}" for ending in ("csv", "json", "png"))
    taken = (spec, *sweep.specs, *sweep.rows_from, *((sweep.table,) if sweep.table else ()), *own)
    if markdown is not None and markdown.resolve() in {path.resolve() for path in taken}:
        raise click.BadParameter(f"`{markdown}` is a file of the sweep: name another one", param_hint="'--markdown'")


def _outcomes_in_tables(sweep: Sweep) -> tuple[CellOutcome, ...]:
    """The cells whose rows are in the sweep's tables; UsageError where it has no table."""
    from swc.show.wording import several
    from swc.sweep.known_rows import known_rows
    from swc.sweep.runner import CellOutcome

    if sweep.table is None and not sweep.rows_from:
        raise click.UsageError(
            "there are no rows to put together: name a table with --table, or with `rows_from` in a sweep file"
        )
    if sweep.table is not None and not sweep.table.exists():
        raise click.UsageError(f"there is no table `{sweep.table}`")
    rows = known_rows(sweep)
    found = tuple(CellOutcome(cell, rows[cell]) for cell in sweep.cells if cell in rows)
    if not found:
        raise click.UsageError("the sweep's tables have none of its rows: run it without --no-run")
    console.say(f"{len(found)} of {several(len(sweep.cells), 'row')} are in tables")
    return found


def _estimate(sweep: Sweep, folder: Path, jobs: int, options: Options) -> None:
    """Measure, and print what each setting takes and what is left to do."""
    from swc.cli.rendering import give
    from swc.diagnostics import Sink
    from swc.show.wording import decimal, several
    from swc.sweep.estimate import costs_shown, estimated
    from swc.system.processes import num_cores, other_processes

    sink, others = Sink(), other_processes()  # told before the sweep's own are among them
    found = []
    with consent.by_naming(sink) as announce:
        for cost in estimated(sweep, folder, options, announce):
            found.append(cost)
            console.say(f"{len(found)} of {len(sweep.settings)} settings measured")
    console.report(sink.diagnostics)
    give(costs_shown(sweep, found, jobs))
    if others + options.threads > num_cores() + 0.5:  # what wanders through a machine at rest is less
        beside = f"{decimal(others, 1)} processes on {several(num_cores(), 'core')}"
        console.say(f"measured beside other work ({beside}): alone it takes less")


def _plan_text(sweep: Sweep, folder: Path) -> str:
    """What there is to do."""
    from swc.show.wording import several
    from swc.sweep.known_rows import known_rows, own_rows

    text = f"{several(len(sweep.runs), 'run')} in {folder}"
    if sweep.storage:
        text = f"{text}, scored as {', '.join(sweep.storage)}: {several(len(sweep.cells), 'row')}"
    own, known = own_rows(sweep), known_rows(sweep)
    if sweep.table is not None:
        text = f"{text}, {sum(cell in own for cell in sweep.cells)} of them in {sweep.table} already"
    if sweep.rows_from:
        text = f"{text}, {sum(cell in known and cell not in own for cell in sweep.cells)} in other tables"
    return text


def _told(done: CellOutcome) -> str:
    if done.row is None:
        return f"{'running elsewhere' if done.is_elsewhere else 'failed'}: {done.reason}"
    from swc.registry.tasks import TASKS
    from swc.show.wording import score_text

    best = next((row.chosen for row in TASKS.rows if row.best in done.row.numbers), TASKS["classification"].chosen)
    title = "" if best.name == "top1" else f"{best.title} "
    unkept = "".join(f"; not in the table: {fault.message()}" for fault in done.faults)
    return f"ensemble {title}{score_text(best, done.row.numbers[best.name])}{unkept}"


def _sweep(spec: Path, varied: tuple[str, ...], given: dict[str, object]) -> Sweep:
    from attrs import evolve

    from swc.diagnostics.sources import read_source
    from swc.sweep.faults import wrong_names
    from swc.sweep.plan import Sweep
    from swc.sweep.seeds import wrong_seeds
    from swc.sweep.sweep_file import read_sweep
    from swc.sweep.values import repeated, values_in

    named = {name: value for name, value in given.items() if value is not None}
    if reason := wrong_seeds(named.get("seeds", 1)):
        raise click.BadParameter(reason.replace("`seeds`", "it"), param_hint="'--seeds'")
    if "ensemble" in named:
        named["ensembles"] = (str(named.pop("ensemble")),)
    if "storage" in named:
        named["storage"] = tuple(part.strip() for part in str(named["storage"]).split(","))
    pairs = tuple((name, values_in(values)) for name, values in console.overrides(varied, "--vary").items())
    if spec.suffix == ".toml":
        if pairs:
            raise click.UsageError("a sweep file says itself what varies: leave --vary away")
        return _checked_storage(_with_its_pairs(evolve(read_sweep(spec), **named)))  # type: ignore[arg-type]
    if told := next((told for name, values in pairs if (told := repeated(name, values))), ""):
        raise click.UsageError(f"{told}: one run would count as two")
    if told := wrong_names(dict(pairs)):
        raise click.UsageError(told.replace("`seeds`", "--seeds"))
    if not pairs and not {"storage", "seeds"} & named.keys():
        read_source(spec)  # that a file is missing comes first
        raise click.UsageError(
            "nothing varies: name a param and its values, as in --vary beta=0.1,0.9, or seeds, as in --seeds 5"
        )
    return _checked_storage(Sweep(spec.stem, (spec,), pairs, **named))  # type: ignore[arg-type]


def _with_its_pairs(sweep: Sweep) -> Sweep:
    """The sweep with those comparisons whose settings the options leave in it; of the others it is said why."""
    from attrs import evolve

    from swc.sweep.faults import wrong_pair

    reasons = {pair: wrong_pair(sweep, pair) for pair in sweep.compare}
    for reason in dict.fromkeys(filter(None, reasons.values())):
        console.say(f"a comparison is left out: {reason}")
    return evolve(sweep, compare=tuple(pair for pair, reason in reasons.items() if not reason))


def _checked_storage(sweep: Sweep) -> Sweep:
    """The sweep; BadParameter where it cannot have these storages."""
    from swc.sweep.faults import wrong_storage

    if sweep.storage and (reason := wrong_storage(sweep.storage, dict(sweep.vary))):
        raise click.BadParameter(reason, param_hint="'--storage'")
    return sweep


def _conclude(sweep: Sweep, found: tuple[CellOutcome, ...], folder: Path, markdown: Path | None) -> None:
    """Write what the sweep came to, print it, also where the system refuses a file, and raise for what is not done."""
    from swc.cli.output import write_file
    from swc.cli.rendering import give
    from swc.diagnostics import DiagnosticError
    from swc.show.images import house_style, image_of
    from swc.sweep.cell_specs import example_of_sweep
    from swc.sweep.figure import figure
    from swc.sweep.markdown import as_markdown, differences_shown
    from swc.sweep.pairs import differences
    from swc.sweep.summary import as_csv, as_json, shown, summaries

    summary, example = summaries(sweep, found), example_of_sweep(sweep)
    paired = differences(sweep, {done.cell: done.row for done in found if done.row is not None})
    files: dict[Path, bytes] = {}
    if sweep.table is None or sweep.table.resolve() != (folder / "sweep.csv").resolve():
        files[folder / "sweep.csv"] = as_csv(sweep, found).encode()
    files[folder / "sweep.json"] = as_json(sweep, summary, paired).encode()
    with house_style():
        files[folder / "sweep.png"] = image_of(figure(sweep, summary, example), "png")
    if markdown is not None:
        files[markdown] = as_markdown(sweep, summary, paired, example).encode()
    left = _left(sweep, found, folder)
    written = []
    for path, content in files.items():
        try:
            write_file(path, content)
            written.append(str(path))
        except DiagnosticError as error:
            left += error.diagnostics
    give(shown(sweep, summary))  # after all is written: nobody may read on
    if paired:
        give(differences_shown(paired, f"test {example}s"))
    if written:
        console.say(f"wrote {', '.join(written)}")
    if left:
        raise DiagnosticError(*left)


def _left(sweep: Sweep, found: tuple[CellOutcome, ...], folder: Path) -> list[Diagnostic]:
    """What is not done, with an example of every kind of mistake that the lines of the runs have told in short."""
    from swc.diagnostics.catalogue.sweeps import CellsElsewhere, CellsFailed

    failed = [done for done in found if done.row is None and not done.is_elsewhere]
    elsewhere = sum(done.is_elsewhere for done in found)
    noun = "rows" if sweep.storage else "runs"
    left = list({fault.code: fault for done in reversed(found) for fault in done.faults}.values())[::-1]
    if failed:
        in_logs = sum(not done.faults for done in failed)
        left.append(CellsFailed(failed=len(failed), in_logs=in_logs, cells=len(found), folder=str(folder), noun=noun))
    if elsewhere:
        left.append(CellsElsewhere(elsewhere=elsewhere, cells=len(found), noun=noun))
    return left

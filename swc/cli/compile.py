"""`swc compile SPEC`: the exact budget, the allocation and the sharing graph, before anything trains."""

from __future__ import annotations

from pathlib import Path

import click

from swc.cli import consent, console


@click.command("compile")
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--ensemble", metavar="NAME", help="Which ensemble, where the file has several.")
@click.option("--set", "settings", metavar="NAME=VALUE", multiple=True, help="Give a param another value; repeatable.")
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="The folder of a table or of arrays.")
@click.option("--root", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Where build/ lies.")
@click.option("--quiet", is_flag=True, help="Print warnings, errors and whose code runs only.")
@console.format_option
def command(
    spec: Path,
    ensemble: str | None,
    settings: tuple[str, ...],
    data: Path | None,
    root: Path,
    quiet: bool,
    form: console.Format,
) -> None:
    """Compile SPEC into build/<ensemble>/ and print what it will store, bank by bank.

    To name SPEC is to consent to the code of its `python(...)` members: what will run is printed first.
    With `--format json` the output is the diagnostics; `swc show --format json` then has the counts.
    """
    overrides = console.overrides(settings)
    with console.reporting(form) as sink, consent.by_naming(sink) as announce:
        from swc.cli.rendering import give
        from swc.compiler.driver import compile_file
        from swc.compiler.ir.counts import count
        from swc.folders.store import write_build
        from swc.language.semantics.origin import origin_of
        from swc.show.summary import compile_summary

        compiled = compile_file(spec, overrides, ensemble, announce, data)
        for warning in compiled.warnings:
            sink.report(warning)
        folder = write_build(compiled, root, origin_of(spec, overrides, ensemble))
        if not quiet and form == "text":
            give(compile_summary(compiled.graph, count(compiled.graph), compiled.spec, compiled.notes))
        if not quiet:
            console.say(f"compiled to {folder}; next: swc {'train' if compiled.spec.training else 'show'}")

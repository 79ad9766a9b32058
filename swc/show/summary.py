"""What `swc compile` prints before anything trains: every bank, both totals, and what the compiler decided.

Takes a graph, its counts and the spec, gives a rich renderable. Guarantees: every number is exact, and the totals are
those of `swc.compiler.ir.counts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from swc.compiler.ir.counts import Counts, Row, rows
from swc.compiler.ir.graph import Graph, Private
from swc.program.expressions import num_scalars
from swc.program.spec import Spec
from swc.program.vocabulary import Initialisation
from swc.show.index import grouped, index_of
from swc.show.plain import table
from swc.show.wording import budget_limit, budget_text, decimal, exact, gain_text, several, share_of

STARTS: dict[Initialisation, str] = {
    "scaled": "the coefficients' start values give each layer its own variance",
    "kaiming": "each bank starts at the variance of its largest layer, smaller layers too small",
    "release": "the larger start of the paper's code",
}  # other than gains, which have numbers


def compile_summary(graph: Graph, counts: Counts, spec: Spec, notes: Sequence[str] = ()) -> RenderableType:
    """The whole report: title, banks, totals, decisions and defaults."""
    title = f"{graph.ensemble}, revision {graph.revision}" + (f" ({graph.phase})" if graph.phase else "")
    size = ", ".join(
        (
            several(len(graph.members), "member"),
            several(len(graph.layers), "shared layer"),
            several(len(graph.clusters), "cluster"),
            several(len(graph.slots), "slot"),
        )
    )
    parts: list[RenderableType] = [Text(title, style="bold"), Text(size)]
    if graph.banks:
        parts += [Text(), bank_table(graph), *start_lines(graph, spec)]
    return Group(*parts, Text(), totals_table(graph, counts, spec), *remarks("decisions", notes), *defaults(spec))


def bank_table(graph: Graph) -> Table:
    """One row for each level: its bank, its slots and coefficients, and the scalars of both."""
    numbers = (">level", ">template\nsize", ">templates", ">scalars", ">slots", ">alpha\nvectors", ">alpha\nscalars")
    made = table("cluster", *numbers)
    for cluster, levels in grouped(rows(graph), lambda row: row.cluster).items():
        for place, row in enumerate(levels):
            made.add_row(f"{cluster}  {row.label}" if place == 0 else "", *_bank_cells(row))
    return made


def start_lines(graph: Graph, spec: Spec) -> list[Text]:
    """How shared layers start: the least and the largest gain of the slots, where any is not 1, and other starts."""
    chosen = {spec.shares[cluster.share].initialisation for cluster in graph.clusters}
    lines = [f"{name}: {words}" for name, words in STARTS.items() if name in chosen]
    if index_of(graph).has_gains:
        numbers = gain_text(*(slot.gain for slot in graph.slots))
        lines.insert(0, f"gains {numbers}: each layer starts at its own variance")
    return [Text(line) for line in lines]


def _bank_cells(row: Row) -> tuple[str, ...]:
    numbers = (
        row.level,
        row.template_size,
        row.num_templates,
        row.template_scalars,
        row.num_slots,
        row.num_coefficients,
        row.coefficient_scalars,
    )
    return tuple(exact(number) for number in numbers)


def totals_table(graph: Graph, counts: Counts, spec: Spec) -> Table:
    """The totals in both counts beside the budget, and what is made of them."""
    made = table("scalars", ">number", "")
    for name, number, remark in totals(graph, counts, spec):
        made.add_row(name, exact(number), remark)
    return made


def totals(graph: Graph, counts: Counts, spec: Spec) -> Iterable[tuple[str, int, str]]:
    """The lines of the totals: what is counted, how many scalars, and a remark."""
    in_budget = _of_budget(counts, spec, in_parameters=False)
    yield "templates", counts.template_scalars, "" if counts.tensor_scalars else in_budget
    if counts.tensor_scalars:
        yield "stored tensors", counts.tensor_scalars, ""
        yield "both", counts.template_scalars + counts.tensor_scalars, in_budget
    yield "coefficients", counts.coefficient_scalars, ""
    for reason, found in grouped(graph.private, lambda private: private.reason).items():
        yield reason, sum(num_scalars(one.shape) for one in found), f"private, {_private_text(found)}"
    yield "all parameters", counts.parameter_scalars, _of_budget(counts, spec, in_parameters=True)
    yield "native", counts.native_scalars, _sharing(counts)
    if counts.generated_scalars:
        yield "generated", counts.generated_scalars, "one SuperWeight for each slot"
        yield "discarded", counts.discarded_scalars, _cropped(counts)


def _private_text(private: Sequence[Private]) -> str:
    alike = sum(bool(one.like) for one in private)
    beginning = f", of which {alike:,} begin like another member's" if alike else ""
    return f"{several(len(private), 'parameter')}{beginning}"


def _of_budget(counts: Counts, spec: Spec, *, in_parameters: bool) -> str:
    limit = budget_limit(spec.budget, counts.native_scalars)
    if (spec.budget.kind == "parameters") != in_parameters:
        return ""
    if limit is None:
        return "budget: unlimited"
    used = counts.parameter_scalars if in_parameters else counts.template_scalars + counts.tensor_scalars
    return f"{share_of(used, limit)} of the budget, {budget_text(spec.budget)}"


def _sharing(counts: Counts) -> str:
    stored = counts.template_scalars + counts.tensor_scalars
    ratio = f", {decimal(counts.native_scalars / stored, 2)} for each that is stored" if stored else ""
    return f"what the shared layers would own unshared{ratio}"


def _cropped(counts: Counts) -> str:
    return f"{share_of(counts.discarded_scalars, counts.generated_scalars)} of what is generated, cut off by crops"


def remarks(title: str, lines: Sequence[str]) -> list[RenderableType]:
    """A titled list; nothing where there are no lines."""
    if not lines:
        return []
    made = table("", "")
    made.show_header = False
    for line in lines:
        made.add_row(" -", line)
    return [Text(), Text(title, style="bold"), made]


def defaults(spec: Spec) -> list[RenderableType]:
    """What the author left open, and what was chosen."""
    return remarks("defaults", spec.defaults)

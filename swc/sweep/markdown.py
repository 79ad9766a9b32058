"""The tables of a sweep as Markdown, for a page of results.

Takes summaries and paired differences, gives text. Guarantees: what is in a cell cannot end it; errors and intervals
are named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from swc.diagnostics.printable import on_one_line
from swc.show.plain import table
from swc.show.wording import scale_text
from swc.sweep.columns import FRACTIONS, HEADINGS
from swc.sweep.pairs import PairedDifference
from swc.sweep.plan import Setting, Sweep
from swc.sweep.seeds import num_seeds
from swc.sweep.summary import (
    Summary,
    best_of,
    choice_of,
    columns_in,
    headings_of,
    lowest_text,
    mark_of,
    summary_cell,
)

if TYPE_CHECKING:
    from rich.console import RenderableType


def as_markdown(
    sweep: Sweep, found: Sequence[Summary], paired: Sequence[PairedDifference], example: str = "image"
) -> str:
    """A table of settings, and one of differences where the sweep asks for any.

    `example` is what one of the images is called (`DataFacts.example`).
    """
    return "\n".join((*_settings(sweep, found, example), *(_differences(paired, example) if paired else ()), ""))


def _settings(sweep: Sweep, found: Sequence[Summary], example: str) -> Iterator[str]:
    names, measured = [name for name, _ in sweep.columns], columns_in(sweep, found)
    choice = choice_of(found)
    are_test = any(choice in dict(one.values) for one in found)
    images = f"test {example}s, where a column does not say validation" if are_test else f"held-out {example}s"
    yield f"Mean and standard error over seeds{scale_text(sweep.epochs_scale)}; scores of {images}."
    yield ""
    yield _line((*names, "seeds", *headings_of(measured)))
    yield _line((*("---" for _ in names), *("---:" for _ in range(len(measured) + 1))))
    best = best_of(found)
    for one in found:
        ended = f"{one.num_seeds} of {num_seeds(sweep.seeds)}"
        cells = (summary_cell(one, name) + mark_of(one, name, best) for name in measured)
        yield _line((*(value for _, value in one.setting), ended, *cells))
    if best is not None:
        yield ""
        mark = "\\* lowest" if choice in measured else "Lowest"
        yield f"{lowest_text(choice, best, mark)}."


def _differences(paired: Sequence[PairedDifference], example: str) -> Iterator[str]:
    yield ""
    metrics = _metrics(paired)
    units = "top-1 in points, NLL in nats (less is better)" if "top1" in metrics else _units(metrics)
    yield f"Differences by seed, on the test {example}s: mean with 95% t-interval; {units}."
    yield ""
    yield _line(("of", "against", "seeds", *(HEADINGS.get(metric, metric) for metric in metrics)))
    yield _line(("---", "---", "---:", *("---:" for _ in metrics)))
    for row in difference_rows(paired):
        yield _line(row)


def _metrics(paired: Sequence[PairedDifference]) -> tuple[str, ...]:
    """The numbers that are compared, in their order."""
    return tuple(dict.fromkeys(one.metric for one in paired))


def _units(metrics: Sequence[str]) -> str:
    """In what differences are, of another task than classification."""
    points = [HEADINGS.get(name, name) for name in metrics if name in FRACTIONS]
    plain = [HEADINGS.get(name, name) for name in metrics if name not in FRACTIONS]
    said = ([f"{', '.join(points)} in points"] if points else []) + (
        [f"{', '.join(plain)} as they are (less is better)"] if plain else []
    )
    return ", ".join(said)


def differences_shown(paired: Sequence[PairedDifference], images: str = "test images") -> RenderableType:
    """The same as a table for a terminal; `images` says which are scored."""
    from rich.console import Group
    from rich.text import Text

    made = table("of", "against", ">seeds", *(f">{HEADINGS.get(metric, metric)}" for metric in _metrics(paired)))
    for row in difference_rows(paired):
        made.add_row(*row)
    unit = "top-1 in points" if "top1" in _metrics(paired) else _units(_metrics(paired))
    title = Text(f"differences by seed, on the {images}: mean with 95% t-interval, {unit}", style="bold")
    return Group(Text(), title, Text(), made)


def difference_rows(paired: Sequence[PairedDifference]) -> list[tuple[str, ...]]:
    """For each pair of settings their names, the number of seeds, and the differences by metric in words."""
    pairs = dict.fromkeys((one.of, one.against) for one in paired)
    rows: list[tuple[str, ...]] = []
    for of, against in pairs:
        both = [one for one in paired if (one.of, one.against) == (of, against)]
        alike = set(of) & set(against)
        named = [_setting_text(setting, () if setting is of else alike) for setting in (of, against)]
        rows.append((*named, str(both[0].num_seeds), *map(difference_text, both)))
    return rows


def difference_text(one: PairedDifference) -> str:
    """A difference with its interval and the verdict; top-1 in points."""
    if not one.num_seeds:
        return one.verdict
    factor, digits = (100, 2) if one.metric in FRACTIONS else (1, 4)
    interval = "" if one.half_width is None else f" ± {factor * one.half_width:.{digits}f}"
    return f"{factor * one.mean:+.{digits}f}{interval}, {one.verdict}"


def _setting_text(setting: Setting, without: Iterable[tuple[str, str]]) -> str:
    """The values of a setting but for some; the name stands only beside values that do not speak for themselves."""
    left = [part for part in setting if part not in without]
    return ", ".join(value if name in ("spec", "ensemble") else f"{name} {value}" for name, value in left)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(on_one_line(cell).replace('|', chr(92) + '|') for cell in cells)} |"

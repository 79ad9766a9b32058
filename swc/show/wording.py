"""How numbers, shapes, budgets and runs of layers are written; one wording for every view."""

from __future__ import annotations

from collections.abc import Iterable
from math import isnan

from swc.diagnostics.numbers import in_full
from swc.files.scores import ScoredPart
from swc.program.expressions import Shape
from swc.program.spec import Budget
from swc.registry.tasks import ScoreRow

SMALL = 0.0005  # four digits behind the point show nothing of less


def exact(number: int) -> str:
    """Every digit, in groups of three."""
    return f"{number:,}"


def short(number: float) -> str:
    """Three or four significant digits with k, M or G: 18.00M."""
    for unit, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(number) >= scale:
            return f"{number / scale:.2f}{unit}"
    return f"{number:g}"


def decimal(number: float, digits: int = 4) -> str:
    """A number with so many digits behind the point; what rounds to nothing has no sign."""
    return f"{number:z.{digits}f}"


def gain_text(*gains: float) -> str:
    """A gain with four significant digits, or the range of several: 1 to 2.828."""
    least, most = f"{min(gains):.4g}", f"{max(gains):.4g}"
    return least if least == most else f"{least} to {most}"


def per_cent(part: float, digits: int = 2) -> str:
    """A fraction in per cent, with so many digits behind the point."""
    return f"{part:z.{digits}%}"


def score_text(row: ScoreRow, value: float, digits: int | None = None) -> str:
    """A score as its row says: in per cent, or as a number; a dash where it is not known."""
    if isnan(value):
        return "-"
    if row.form == "share":
        return per_cent(value, 2 if digits is None else digits)
    return f"{value:.2e}" if 0 < abs(value) < SMALL else decimal(value)


def share_of(part: float, whole: float) -> str:
    """A part in per cent of a whole; a dash where the whole is nothing."""
    return f"{100 * part / whole:.2f}%" if whole else "-"


def shape_text(shape: Shape) -> str:
    """A shape as its sizes joined by x: 64x16x3x3."""
    return "x".join(str(size) for size in shape)


def several(number: int, noun: str) -> str:
    """A count with its noun: 1 layer, 2 layers."""
    return f"{exact(number)} {noun if number == 1 else noun + 's'}"


def images_of(number: int, part: ScoredPart, example: str = "image") -> str:
    """A count of the images that scores are of: 360 held-out images, and where some choose, 90 validation images.

    `example` is what one of them is called (`DataFacts.example`).
    """
    return several(number, f"{held_out(part)} {example}")


def held_out(part: ScoredPart) -> str:
    """What the images of a part are called."""
    return part or "held-out"


def part_text(part: ScoredPart, example: str = "image") -> str:
    """What follows the data in a title: `, test images` where others choose; nothing where there is one part."""
    return f", {part} {example}s" if part else ""


def budget_text(budget: Budget) -> str:
    """The budget as the spec states it."""
    match budget.kind:
        case "unlimited":
            return "unlimited"
        case "native":
            return f"{100 * budget.amount:g}% of native"
        case _:
            return f"{exact(round(budget.amount))} {budget.kind}"


def budget_limit(budget: Budget, native_scalars: int) -> float | None:
    """How many scalars the budget allows, in its own count; None where it is unlimited."""
    match budget.kind:
        case "unlimited":
            return None
        case "native":
            return budget.amount * native_scalars
        case _:
            return budget.amount


def runs(numbers: Iterable[int]) -> str:
    """Whole numbers with neighbours joined: 0-3, 5."""
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in found)


def scale_text(factor: float) -> str:
    """How a run with scaled epochs is marked, behind what it is called; nothing where they are as in the spec."""
    return "" if factor == 1 else f", epochs scaled by {in_full(factor)}"


def traffic_text(reduced: int, composed: int) -> str:
    """What several processes add up in each step, in bytes, beside what the gradients of composed weights would be."""
    return f"each step adds up {short(reduced)}B of gradients; those of composed weights would be {short(composed)}B"

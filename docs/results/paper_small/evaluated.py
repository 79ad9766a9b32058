"""What `swc eval` found of a sweep's runs that its table does not hold, with differences by seed.

Takes an ensemble to compare with, and runs that were evaluated, such as `build/sweeps/table_2/*/run`; prints a Markdown
table: diversity, the drop of accuracy between members, scores on corrupted images; of each the mean over seeds, and the
mean difference to the other ensemble with the same seeds, with a 95% t-interval.
"""

import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from statistics import mean

from swc.evaluate.merge import read_evaluation
from swc.files.evaluation import Corruptions, Evaluation
from swc.folders.store import read_spec
from swc.sweep.pairs import half_width

NUMBERS = {
    "diversity": ("disagreement over error", 1),
    "drop": ("drop between members, points", 100),
    "top1": ("corrupted top-1, %", 100),
    "nll": ("corrupted NLL", 1),
    "ece": ("corrupted ECE, %", 100),
}


def numbers_of(found: Evaluation) -> dict[str, float]:
    """What was measured, by the names of NUMBERS."""
    numbers = {"diversity": found.mean_diversity} if len(found.diversity) > 1 else {}
    if found.interpolations:
        lines = [one.top1 for one in found.interpolations]
        numbers["drop"] = mean((line[0] + line[-1]) / 2 - min(line) for line in lines)
    return numbers if found.corruptions is None else numbers | corrupted(found.corruptions)


def corrupted(found: Corruptions) -> dict[str, float]:
    """The ensemble's scores: means over the standard types in the severities that are there."""
    rows = [row for row, name in enumerate(found.types) if name in found.standard]
    whole = found.predictors[-1]
    matrices = {"top1": whole.top1, "nll": whole.nll, "ece": whole.ece}
    return {score: mean(value for row in rows for value in matrix[row]) for score, matrix in matrices.items()}


def cell(ours: Mapping[int, float], theirs: Mapping[int, float], unit: int) -> str:
    """The mean, and the difference by seed where there is one."""
    value = f"{unit * mean(ours.values()):.3f}"
    gaps = [unit * (ours[seed] - theirs[seed]) for seed in ours.keys() & theirs.keys()]
    width = half_width(gaps)
    if ours is theirs or not gaps:
        return value
    return f"{value} ({mean(gaps):+.3f}{', one seed' if width is None else f' ± {width:.3f}'})"


reference, *places = sys.argv[1:]
table: dict[str, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
for place in map(Path, places):
    evaluation = read_evaluation(place / "eval" / "evaluation.json")
    training = read_spec(place)[0].training
    assert evaluation is not None and training is not None, f"{place} was not evaluated"
    for name, number in numbers_of(evaluation).items():
        table[evaluation.ensemble][name][training.recipe.seed] = number
if reference not in table:
    sys.exit(f"no run of {reference} was named")

names = [name for name in NUMBERS if any(name in found for found in table.values())]
print(f"Means over seeds, and in brackets the difference to `{reference}` by seed, with a 95% t-interval.\n")
print(f"| ensemble | seeds | {' | '.join(NUMBERS[name][0] for name in names)} |")
print(f"| --- | ---: |{' ---: |' * len(names)}")
for ensemble, found in table.items():
    cells = [cell(found[name], table[reference][name], NUMBERS[name][1]) if found[name] else "" for name in names]
    print(f"| {ensemble} | {len(next(iter(found.values())))} | {' | '.join(cells)} |")

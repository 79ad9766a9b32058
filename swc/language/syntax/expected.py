"""What may stand at a place, in the language's own words.

Takes the terminals a parser state accepts, gives phrases. Guarantees: no token name reaches an author; the answer
does not depend on the order of the set.
"""

from __future__ import annotations

from functools import cache

from swc.language.syntax.tables import tables

# A group is named as a whole where all of it is accepted; the first group that fits takes its terminals.
GROUPS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"IMPORT", "ENSEMBLE", "RECIPE", "POLICY"}), "an import, ensemble, recipe or policy"),
    (
        frozenset({"DATA", "TASK", "PARAM", "MEMBER", "STEP", "BUDGET", "SHARE", "TRAIN"}),
        "a data, task, param, member, step, budget, share or train item",
    ),
    (
        frozenset({"CLUSTERS", "COEFFICIENTS", "TEMPLATES", "BLOCKS", "INITIALISATION"}),
        "a clusters, coefficients, templates, blocks or initialisation item",
    ),
    (
        frozenset(
            [
                "BATCH",
                "OPTIMISER",
                "NO_DECAY",
                "SCHEDULE",
                "AUGMENT",
                "LOSS",
                "LABEL_SMOOTHING",
                "NORM_BATCH",
                "CLIP_GRADIENTS",
                "WEIGHT_AVERAGE",
                "PRECISION",
                "SEED",
            ],
        ),
        "a recipe item (batch, optimiser, no_decay, schedule, augment, loss, label_smoothing, norm_batch, "
        "clip_gradients, weight_average, precision or seed)",
    ),
    (frozenset({"NUMBER", "TEXT", "NAME", "LSQB"}), "a value"),
)
WORDS = {"NAME": "a name", "TEXT": "a text in quotes", "NUMBER": "a number", "$END": "the end of the file"}


@cache
def phrases(accepted: frozenset[str]) -> tuple[str, ...]:
    """The phrases for a set of terminals: single words first, then whole groups, then signs."""
    rest = set(accepted)
    groups = []
    for members, phrase in GROUPS:
        if members <= rest:
            rest -= members
            groups.append(phrase)
    shown = {name: WORDS.get(name) or f"`{_text(name)}`" for name in sorted(rest)}
    words = [shown[name] for name in shown if _is_word(name)]
    signs = [shown[name] for name in shown if not _is_word(name) and name != "$END"]
    return (*words, *groups, *signs, *([WORDS["$END"]] if "$END" in rest else []))


def _text(name: str) -> str:
    return tables().terminals[name]


def _is_word(name: str) -> bool:
    return name in {"NAME", "TEXT", "NUMBER"} or (name != "$END" and _text(name).isidentifier())

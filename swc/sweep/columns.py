"""The numbers of a run that tables of a sweep have, by name, and what their columns are called.

Guarantees: the order here is that of tables; a table of an earlier version may lack the later ones.
"""

from __future__ import annotations

SCORES = ("top1", "nll", "ece")  # of the ensemble, on the test images
VALIDATION_NLL = "validation_nll"  # by which a setting is chosen
MEMBERS = ("mean_member_top1", "best_member_top1", "chosen_member_top1", "chosen_member_nll")  # on the test images
METRICS = ("validation_top1", VALIDATION_NLL, "validation_ece", *SCORES, *MEMBERS)
COSTS = ("stored", "stored_bytes", "templates", "multiply_adds", "train_seconds")
BANKS = "templates_per_bank"  # no number: the smallest, the median and the largest
FRACTIONS = frozenset(METRICS) - {"nll", VALIDATION_NLL, "chosen_member_nll"}  # of images, and ECE
PLAIN = ("nll", VALIDATION_NLL, "chosen_member_nll", "diversity")  # that are not fractions of images
HEADINGS = {
    "validation_top1": "validation top-1",
    VALIDATION_NLL: "validation NLL",
    "validation_ece": "validation ECE",
    "top1": "ensemble top-1",
    "nll": "NLL",
    "ece": "ECE",
    "mean_member_top1": "mean member",
    "best_member_top1": "best member",
    "chosen_member_top1": "chosen member",
    "chosen_member_nll": "chosen member NLL",
    "stored": "stored",
    "stored_bytes": "stored bytes",
    "templates": "in templates",
    "multiply_adds": "multiply-adds",
    "train_seconds": "seconds",
    BANKS: "per bank",
}


def fault_of(name: str, number: float) -> str:
    """What is wrong with a number of a column, which nothing that is measured can be; "" where nothing is."""
    if number < 0:
        return f"a `{name}` of {number:g} is below 0"
    return f"a `{name}` of {number:g} is above 1, and it is a fraction" if name in FRACTIONS and number > 1 else ""

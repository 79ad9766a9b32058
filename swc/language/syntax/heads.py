"""The words of the language that items and definitions begin with.

Guarantees: `WORDS` has one for every kind that there may be one of in a block, and for every definition.
"""

from __future__ import annotations

from swc.language.syntax.tree import (
    BlocksItem,
    BudgetItem,
    ClustersItem,
    CoefficientsItem,
    DataItem,
    EnsembleDefinition,
    InitialisationItem,
    PolicyDefinition,
    RecipeDefinition,
    StepItem,
    TaskItem,
    TemplatesItem,
    TrainBlock,
)

WORDS: dict[type, str] = {
    EnsembleDefinition: "ensemble", RecipeDefinition: "recipe", PolicyDefinition: "policy",
    DataItem: "data", TaskItem: "task", StepItem: "step", BudgetItem: "budget", TrainBlock: "train",
    ClustersItem: "clusters", CoefficientsItem: "coefficients", TemplatesItem: "templates", BlocksItem: "blocks",
    InitialisationItem: "initialisation",
}  # fmt: skip

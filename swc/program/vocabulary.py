"""The names a spec may use that no registry of `swc.registry` holds; tests hold them against the implementations."""

from __future__ import annotations

from typing import Literal, get_args

from swc.registry.row import ArgumentRow

Initialisation = Literal["kaiming", "release", "gains", "scaled"]
INITIALISATION: Initialisation = "gains"  # of share blocks that name none
SILENT_INITIALISATION: Initialisation = "kaiming"  # what a file means that says nothing, and a policy without banks

STEPS: dict[str, tuple[ArgumentRow, ...]] = {
    "independent": (
        ArgumentRow("average", "yes or no", default=False),
        ArgumentRow("batches", "text", words=("own", "shared"), default=""),
    ),
    "split": (),
    "sandwich": (
        ArgumentRow("random", "whole number", least=0, most=1_000, default=2),
        ArgumentRow("distil", "yes or no", default=True),
    ),
    "joint": (
        ArgumentRow("input_repetition", "number", least=0, most=1, default=0),
        ArgumentRow("batch_repetition", "whole number", least=1, most=1_000, default=1),
    ),
    "distilled": (
        ArgumentRow("weight", "number", least=0, most=1, default=0.5),
        ArgumentRow("temperature", "number", least=0.01, most=1_000, default=2),
    ),
    "taught": (
        ArgumentRow("by", "text"),
        ArgumentRow("weight", "number", least=0, most=1, default=0.5),
        ArgumentRow("temperature", "number", least=0.01, most=1_000, default=2),
    ),
}
STEP_FAMILIES: dict[str, str] = {"joint": "mimo", "distilled": "hne"}  # whose members a strategy is for
# strategies that soften probabilities of classes; all others are for any task
STEP_TASKS: dict[str, tuple[str, ...]] = {"distilled": ("classification",), "taught": ("classification",)}
OWN_LOSS_STEPS: tuple[str, ...] = ("distilled",)  # whose loss is made of cross-entropies, whatever a recipe says
PARTED_STEPS: tuple[str, ...] = ("split", "sandwich", "joint")  # whose batches no norm sees in parts
SAME_PROCESS_STEPS: tuple[str, ...] = ("sandwich",)  # whose networks run in one process
SPLIT_STEPS: tuple[str, ...] = ("split",)  # which show an image to one network alone
UNMIXED_STEPS: tuple[str, ...] = ("distilled", "joint")  # which ask for the label of an image, and not for two

COEFFICIENTS: tuple[str, ...] = ("level", "partner", "slot")
BLOCKS: tuple[str, ...] = ("chain", "grid")
OBJECTIVES: tuple[str, ...] = ("coverage", "profiled")
LINKAGES: tuple[str, ...] = ("union", "average", "release")
ACROSS: tuple[str, ...] = ("members", "reference")
INITIALISATIONS: tuple[str, ...] = get_args(Initialisation)
SELECTORS: tuple[str, ...] = ("conv", "linear", "attention", "embeddings", "all", "norms", "heads", "biases")
ROLE_SELECTORS: tuple[str, ...] = ("norms", "heads", "biases")  # of parameters that only some policies share
WEIGHTS: tuple[str, ...] = (".safetensors", ".pt", ".pth")  # the ends of names of files of weights
PRECISIONS: tuple[str, ...] = ("auto", "float32", "bfloat16")
NO_DECAY: tuple[str, ...] = ("biases", "coefficients", "fast_weights", "norms")

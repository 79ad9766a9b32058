"""The names a spec may use, one literal registry per kind; tests hold them against the implementations."""

from __future__ import annotations

from swc.registry.row import ArgumentRow

WRN = (
    ArgumentRow("depth", "whole number", least=10, most=9_994, every=6),
    ArgumentRow("width", "number", least=0.25, most=1_000),
)
FAMILIES: dict[str, tuple[ArgumentRow, ...]] = {
    "wrn": (*WRN, ArgumentRow("channels", "text", default="")),
    "resnet": (
        ArgumentRow("depth", "whole number", among=(26, 38, 50, 101, 152)),
        ArgumentRow("width", "number", least=0.25, most=1_000, default=1),
    ),
    "mobilenet_v2": (ArgumentRow("width", "number", least=0.1, most=1_000, default=1),),
    "mimo": WRN,
    "packed": (
        *WRN,
        ArgumentRow("alpha", "number", least=0.25, most=1_000, default=2),
        ArgumentRow("gamma", "whole number", least=1, most=1_000, default=1),
    ),
    "msdnet": (
        ArgumentRow("growth", "whole number", least=1, most=1_000, default=12),
        ArgumentRow("channels", "whole number", least=1, most=1_000, default=16),
        ArgumentRow("base", "whole number", least=1, most=1_000, default=4),
        ArgumentRow("step", "whole number", least=1, most=1_000, default=2),
    ),
    "hne": (
        ArgumentRow("depth", "whole number", among=(26, 38, 50, 101, 152), default=50),
        ArgumentRow("width", "number", least=0.25, most=1_000, default=1),
        ArgumentRow("narrowing", "number", least=1, most=4, default=2),
    ),
}
JOINT_FAMILIES: tuple[str, ...] = (
    "mimo",
    "packed",
    "msdnet",
    "hne",
)  # one network that gives the predictions of all members of an array

STEPS: dict[str, tuple[ArgumentRow, ...]] = {
    "independent": (ArgumentRow("average", "yes or no", default=False),),
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
}
STEPS_NEEDED: dict[str, str] = {"mimo": "joint"}  # without which the members of a family learn nothing of their own
STEP_FAMILIES: dict[str, str] = {"joint": "mimo", "distilled": "hne"}  # whose members a strategy is for

UPSAMPLINGS: tuple[str, ...] = ("bilinear", "repeat", "mask", "average")
SHARE_ITEMS: tuple[str, ...] = ("clusters", "coefficients", "templates", "blocks", "initialisation")
POLICY_ITEMS: dict[str, tuple[str, ...]] = {
    "superweights": SHARE_ITEMS,
    "none": (),
    "hard": (),
    "rank_one": (),
    "slices": (),
    "shapeshifter": ("clusters",),
}
POLICY_ARGUMENTS: dict[str, tuple[ArgumentRow, ...]] = {
    "rank_one": (ArgumentRow("rate", "number", least=0, most=1_000, default=1),),
    "shapeshifter": (ArgumentRow("upsample", "text", default="bilinear", words=UPSAMPLINGS),),
}
POLICY_SELECTORS: dict[str, tuple[str, ...]] = {
    "hard": ("norms", "heads"),
    "rank_one": ("heads",),
    "slices": ("norms", "heads"),
}
POLICIES: tuple[str, ...] = tuple(POLICY_ITEMS)
COEFFICIENTS: tuple[str, ...] = ("level", "partner", "slot")
BLOCKS: tuple[str, ...] = ("chain", "grid")
OBJECTIVES: tuple[str, ...] = ("coverage", "profiled")
LINKAGES: tuple[str, ...] = ("union", "average", "release")
ACROSS: tuple[str, ...] = ("members", "reference")
INITIALISATIONS: tuple[str, ...] = ("kaiming", "release")
SELECTORS: tuple[str, ...] = ("conv", "linear", "attention", "embeddings", "all", "norms", "heads")
PRECISIONS: tuple[str, ...] = ("auto", "float32", "bfloat16")
NO_DECAY: tuple[str, ...] = ("biases", "coefficients", "fast_weights", "norms")

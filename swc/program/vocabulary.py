"""The names a spec may use, one literal registry per kind; tests hold them against the implementations."""

from __future__ import annotations

from attrs import frozen


@frozen
class Argument:
    """A named argument: its type in the language's words, its range, and its default (None: it must be given).

    `among` are the only values there are, `words` the only texts; with `every` the values go from `least` to `most` in
    such steps. An argument whose default is the empty text is left out where it is not given.
    """

    name: str
    type: str  # "whole number" | "number" | "text" | "yes or no"
    least: float | None = None
    most: float | None = None
    default: int | float | str | bool | None = None
    among: tuple[int, ...] = ()
    every: int | None = None
    words: tuple[str, ...] = ()


WRN = (
    Argument("depth", "whole number", least=10, most=9_994, every=6),
    Argument("width", "number", least=0.25, most=1_000),
)
FAMILIES: dict[str, tuple[Argument, ...]] = {
    "wrn": (*WRN, Argument("channels", "text", default="")),
    "resnet": (
        Argument("depth", "whole number", among=(26, 38, 50, 101, 152)),
        Argument("width", "number", least=0.25, most=1_000, default=1),
    ),
    "mobilenet_v2": (Argument("width", "number", least=0.1, most=1_000, default=1),),
    "mimo": WRN,
    "packed": (
        *WRN,
        Argument("alpha", "number", least=0.25, most=1_000, default=2),
        Argument("gamma", "whole number", least=1, most=1_000, default=1),
    ),
    "msdnet": (
        Argument("growth", "whole number", least=1, most=1_000, default=12),
        Argument("channels", "whole number", least=1, most=1_000, default=16),
        Argument("base", "whole number", least=1, most=1_000, default=4),
        Argument("step", "whole number", least=1, most=1_000, default=2),
    ),
    "hne": (
        Argument("depth", "whole number", among=(26, 38, 50, 101, 152), default=50),
        Argument("width", "number", least=0.25, most=1_000, default=1),
        Argument("narrowing", "number", least=1, most=4, default=2),
    ),
}
JOINT_FAMILIES: tuple[str, ...] = (
    "mimo",
    "packed",
    "msdnet",
    "hne",
)  # one network that gives the predictions of all members of an array

STEPS: dict[str, tuple[Argument, ...]] = {
    "independent": (Argument("average", "yes or no", default=False),),
    "split": (),
    "sandwich": (
        Argument("random", "whole number", least=0, most=1_000, default=2),
        Argument("distil", "yes or no", default=True),
    ),
    "joint": (
        Argument("input_repetition", "number", least=0, most=1, default=0),
        Argument("batch_repetition", "whole number", least=1, most=1_000, default=1),
    ),
    "distilled": (
        Argument("weight", "number", least=0, most=1, default=0.5),
        Argument("temperature", "number", least=0.01, most=1_000, default=2),
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
POLICY_ARGUMENTS: dict[str, tuple[Argument, ...]] = {
    "rank_one": (Argument("rate", "number", least=0, most=1_000, default=1),),
    "shapeshifter": (Argument("upsample", "text", default="bilinear", words=UPSAMPLINGS),),
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
SELECTORS: tuple[str, ...] = ("conv", "linear", "all", "norms", "heads")
PRECISIONS: tuple[str, ...] = ("auto", "float32", "bfloat16")
NO_DECAY: tuple[str, ...] = ("biases", "coefficients", "fast_weights", "norms")

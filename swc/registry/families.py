"""The families of members: one row for each."""

from __future__ import annotations

from attrs import frozen

from swc.registry.registry import Registry
from swc.registry.row import ArgumentRow, RegistryRow


@frozen(kw_only=True)
class FamilyRow(RegistryRow):
    """A family of members. `implementation` gives a torch module that maps inputs [B, ...] to logits [B, classes].

    It is called with the number of classes, the shape of its one input without the batch, which of an image is
    (channels, height, width), and the arguments by name. `takes` are the kinds of inputs that it is for: `images`,
    `features` (float32 [F]), `tokens` (int64 [L]).
    The network of a joint family (`is_joint`) gives the predictions of all members of an array, logits [M, B, classes],
    and takes their number as `outputs` too. `step` names the step strategy without which its members learn nothing of
    their own ("": any will do).
    """

    takes: tuple[str, ...] = ("images",)
    is_joint: bool = False
    step: str = ""


WRN = (
    ArgumentRow("depth", "whole number", least=10, most=9_994, every=6),
    ArgumentRow("width", "number", least=0.25, most=1_000),
)
EMBEDDINGS = ("none", "piecewise_linear", "periodic")
DEPTHS = (26, 38, 50, 101, 152)
DROPOUT = ArgumentRow("dropout", "number", least=0, below=1, default=0)
WIDTH = ArgumentRow("width", "number", least=0.25, most=1_000, default=1)


def _size(name: str, default: int) -> ArgumentRow:
    return ArgumentRow(name, "whole number", least=1, most=1_000, default=default)


FAMILIES: Registry[FamilyRow] = Registry(
    "family",
    "swc.families",
    FamilyRow,
    (
        FamilyRow(
            name="wrn",
            words="wide residual networks (Zagoruyko and Komodakis, 2016)",
            implementation="swc_runtime.models.wrn:wrn",
            arguments=(
                *WRN,
                ArgumentRow("channels", "text", default=""),
                ArgumentRow("dropout", "number", least=0, below=1, default=""),
            ),
        ),
        FamilyRow(
            name="resnet",
            words="residual networks of bottleneck blocks (He et al., 2016)",
            implementation="swc_runtime.models.resnet:resnet",
            arguments=(ArgumentRow("depth", "whole number", among=DEPTHS), WIDTH),
        ),
        FamilyRow(
            name="mobilenet_v2",
            words="inverted residuals of depthwise convolutions (Sandler et al., 2018)",
            implementation="swc_runtime.models.mobilenet:mobilenet_v2",
            arguments=(ArgumentRow("width", "number", least=0.1, most=1_000, default=1),),
        ),
        FamilyRow(
            name="mlp",
            words="multilayer perceptrons, with embeddings of numbers (Gorishniy et al., 2022)",
            implementation="swc_runtime.models.mlp:mlp",
            takes=("images", "features"),
            arguments=(
                ArgumentRow("depth", "whole number", least=1, most=1_000),
                ArgumentRow("width", "whole number", least=1, most=100_000),
                DROPOUT,
                ArgumentRow("embeddings", "text", words=EMBEDDINGS, default="none", what="embeddings"),
                ArgumentRow("size", "whole number", least=1, most=10_000, default=""),
                ArgumentRow("bins", "whole number", least=2, most=10_000, default=""),
                ArgumentRow("frequencies", "whole number", least=1, most=10_000, default=""),
                ArgumentRow("scale", "number", above=0, most=1_000, default=""),
                ArgumentRow("lite", "yes or no", default=""),
            ),
        ),
        FamilyRow(
            name="vit",
            words="vision transformers (Dosovitskiy et al., 2021)",
            implementation="swc_runtime.models.vit:vit",
            arguments=(
                ArgumentRow("patch", "whole number", least=1, most=1_000),
                ArgumentRow("depth", "whole number", least=1, most=1_000),
                ArgumentRow("width", "whole number", least=1, most=100_000),
                ArgumentRow("heads", "whole number", least=1, most=1_000),
                ArgumentRow("mlp_ratio", "number", least=0.01, most=1_000, default=4),
                DROPOUT,
                ArgumentRow("stochastic_depth", "number", least=0, below=1, default=0),
            ),
        ),
        FamilyRow(
            name="mimo",
            words="one wide residual network with several inputs and outputs (Havasi et al., 2021)",
            implementation="swc_runtime.models.mimo:mimo",
            arguments=WRN,
            is_joint=True,
            step="joint",
        ),
        FamilyRow(
            name="packed",
            words="a wide residual network of groups (Laurent et al., 2023)",
            implementation="swc_runtime.models.packed:packed",
            arguments=(*WRN, ArgumentRow("alpha", "number", least=0.25, most=1_000, default=2), _size("gamma", 1)),
            is_joint=True,
        ),
        FamilyRow(
            name="msdnet",
            words="early exits of a multi-scale dense network (Huang et al., 2018)",
            implementation="swc_runtime.models.msdnet:msdnet",
            arguments=(_size("growth", 12), _size("channels", 16), _size("base", 4), _size("step", 2)),
            is_joint=True,
        ),
        FamilyRow(
            name="hne",
            words="a hierarchical ensemble of residual networks (Ruiz and Verbeek, 2021)",
            implementation="swc_runtime.models.hne:hne",
            arguments=(
                ArgumentRow("depth", "whole number", among=DEPTHS, default=50),
                WIDTH,
                ArgumentRow("narrowing", "number", least=1, most=4, default=2),
            ),
            is_joint=True,
        ),
    ),
)

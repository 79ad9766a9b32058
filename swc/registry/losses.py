"""The losses of a member against the labels: one row for each."""

from __future__ import annotations

from attrs import frozen

from swc.registry.registry import Registry
from swc.registry.row import ArgumentRow, RegistryRow


@frozen(kw_only=True)
class LossRow(RegistryRow):
    """A loss for one `task`. `implementation` is called with outputs [B, C], targets and the arguments by name.

    Targets are classes [B], for other tasks numbers or labels [B, C]. It gives one number, the sum over the B examples,
    so that it does not matter how a batch is cut into parts; the trainer divides it by their number. Outputs are in
    float32 at least. See `swc_runtime.training.losses`. One that `takes_mixed` is given probabilities [B, C] for labels
    too, those of images that were mixed.
    """

    takes_mixed: bool = False
    task: str = "classification"


CROSS_ENTROPY = LossRow(
    name="cross_entropy",
    words="cross-entropy with the labels, of which `label_smoothing` is spread over all classes",
    implementation="swc_runtime.training.losses:cross_entropy",
    arguments=(ArgumentRow("label_smoothing", "number", least=0, below=1, default=0.0, what="label smoothing"),),
    takes_mixed=True,
)
FOCAL = LossRow(
    name="focal",
    words="cross-entropy times (1 - p)^`gamma`, p being the label's probability (Lin et al., 2017)",
    implementation="swc_runtime.training.losses:focal",
    arguments=(ArgumentRow("gamma", "number", least=0, most=100, default=2.0),),
)

MSE = LossRow(
    name="mse",
    words="the squared error in deviations of the target, a mean over targets",
    implementation="swc_runtime.training.losses:mse",
    task="regression",
)
MAE = LossRow(
    name="mae",
    words="the absolute error in deviations of the target, a mean over targets",
    implementation="swc_runtime.training.losses:mae",
    task="regression",
)
HUBER = LossRow(
    name="huber",
    words="squared up to `delta` deviations of the target, linear beyond (Huber, 1964)",
    implementation="swc_runtime.training.losses:huber",
    arguments=(ArgumentRow("delta", "number", above=0, default=1.0),),
    task="regression",
)
BINARY_CROSS_ENTROPY = LossRow(
    name="binary_cross_entropy",
    words="cross-entropy of each label with its output's sigmoid, a mean over labels",
    implementation="swc_runtime.training.losses:binary_cross_entropy",
    task="multilabel",
)

LOSSES: Registry[LossRow] = Registry(
    "loss", "swc.losses", LossRow, (BINARY_CROSS_ENTROPY, CROSS_ENTROPY, FOCAL, HUBER, MAE, MSE)
)

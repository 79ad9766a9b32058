"""The losses of a member against the labels: one row for each."""

from __future__ import annotations

from attrs import frozen

from swc.registry.registry import Registry
from swc.registry.row import ArgumentRow, RegistryRow


@frozen(kw_only=True)
class LossRow(RegistryRow):
    """A loss. `implementation` is called with logits [B, C], labels [B] and the arguments by name.

    It gives one number, the sum over the B images, so that it does not matter how a batch is cut into parts; the
    trainer divides it by the number of images. Logits are in float32 at least. See `swc_runtime.training.losses`.
    One that `takes_mixed` is given probabilities [B, C] for labels too, those of images that were mixed.
    """

    takes_mixed: bool = False


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

LOSSES: Registry[LossRow] = Registry("loss", "swc.losses", LossRow, (CROSS_ENTROPY, FOCAL))

"""The images that temperatures and noise are fitted on, and those that are scored with them.

Takes what the members predicted; gives `CalibrationImages`. Guarantees: no image is fitted on and scored; which are set
aside depends on their number alone.

Suffixes: M members, N images, C classes.
"""

from __future__ import annotations

import torch
from attrs import frozen
from torch import Tensor

from swc.files.scores import ScoredPart
from swc_runtime.evaluate.subsets import Subset, together
from swc_runtime.evaluate.temperature import Temperature, choose_temperature
from swc_runtime.tasks.rules import Calibration

SET_ASIDE = 5  # one in so many


@frozen(eq=False)
class CalibrationImages:
    """Probabilities [M, N, C] and labels [N] to fit temperatures on, and the numbers of the images that are scored.

    `part` says where the former are from; "" is a part of the images that would be scored otherwise. `is_scored` says
    that they are the scored images themselves, of which each half is then fitted for the other.
    """

    scored: Tensor
    probabilities: Tensor
    labels: Tensor
    part: ScoredPart = ""
    is_scored: bool = False

    def temperature(self, subset: Subset) -> Temperature:
        """The temperature of some members together, or why there is none."""
        return choose_temperature(together(self.probabilities, subset), self.labels)

    def of(self, subset: Subset) -> Calibration | None:
        """What some members predicted for the images to fit on; None where there are none."""
        if len(self.labels) == 0:
            return None
        return Calibration(self.probabilities[list(subset)], self.labels, self.is_scored)


def without_calibration(probabilities: Tensor, labels: Tensor) -> CalibrationImages:
    """All images are scored, and nothing is fitted."""
    return CalibrationImages(torch.arange(len(labels)), probabilities[:, :0], labels[:0])


def set_aside(probabilities: Tensor, labels: Tensor) -> CalibrationImages:
    """A fifth of the images to fit on, and the others to score; of fewer than five all are scored."""
    if len(labels) < SET_ASIDE:
        return without_calibration(probabilities, labels)
    fitted, scored = divided(len(labels))
    return CalibrationImages(scored, probabilities[:, fitted], labels[fitted])


def divided(num_images: int) -> tuple[Tensor, Tensor]:
    """The numbers of the images to fit on, every fifth of a settled shuffle, and of the others."""
    order = torch.randperm(num_images, generator=torch.Generator().manual_seed(0))
    is_fitted = torch.arange(num_images) % SET_ASIDE == 0
    return order[is_fitted].sort().values, order[~is_fitted].sort().values

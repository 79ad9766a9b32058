"""What an evaluation warns of.

Takes what was measured; reports to a sink. Guarantees: a number that too few images speak of is not
shown without a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swc.diagnostics import Sink
from swc.diagnostics.catalogue.evaluation import FewImages, TemperatureNotUsed
from swc.registry.tasks import TASKS

if TYPE_CHECKING:
    from swc.files.evaluation import Evaluation

FEW = 150  # images, ten for each bin of the ECE: with less its value is mostly chance
FEW_OUTLIERS = 20  # images: of less, 95% are all of them


def _about(found: Evaluation) -> str:
    """Which scores need many images."""
    row = TASKS[found.task]
    return "ECE in 15 bins and top-1" if row.targets == "class" else f"{row.chosen.title} and other scores"


def tell_numbers(found: Evaluation, sink: Sink, example: str = "image") -> None:
    """Warn of what was not fitted, and of numbers that too few images speak of; `example` is what one is called."""
    reasons = dict.fromkeys(one.uncalibrated for one in found.predictors if one.uncalibrated)
    for reason in reasons:
        named = tuple(" + ".join(one.members) for one in found.predictors if one.uncalibrated == reason)
        sink.report(TemperatureNotUsed(predictors=named, reason=reason, example=example))
    if found.num_images < FEW:
        about = _about(found)
        sink.report(FewImages(data=found.data, num_images=found.num_images, few=FEW, about=about, example=example))
    for other in found.outliers:
        if other.num_images < FEW_OUTLIERS:
            told = FewImages(data=other.data, num_images=other.num_images, few=FEW_OUTLIERS, about="FPR95")
            sink.report(told)

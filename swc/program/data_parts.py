"""Which images of a data set are trained on and which validate, as a spec says it.

Guarantees: plain frozen data; nothing is drawn here (`swc_runtime.data.parts` draws).
"""

from __future__ import annotations

from attrs import frozen

GIVEN = "given"  # what a spec says of a part that the data set has of its own


@frozen
class Portion:
    """How many images: `count`, or, where that is 0, the share `share` (above 0, at most 1) of those there are.

    With `is_given` none are drawn: the data set has such a part of its own.
    """

    count: int = 0
    share: float = 0.0
    is_given: bool = False

    def __str__(self) -> str:
        """As a spec has it: `360`, `12.5%`, `given`; what is read back is the same."""
        if self.is_given:
            return GIVEN
        if self.count:
            return str(self.count)
        short = f"{100 * self.share:g}"
        return f"{short if float(short) / 100 == self.share else repr(100 * self.share)}%"

    def of(self, total: int) -> int:
        """The number of images, of `total`: a share is rounded to the nearest, 10% of 1,437 is 144."""
        return self.count or int(self.share * total + 0.5)


def portion_of(text: str) -> Portion | None:
    """The portion that a text says, `20%` or `500`; None for any other text."""
    if text.isdecimal() and int(text):
        return Portion(count=int(text))
    share = text.removesuffix("%")
    is_share = text.endswith("%") and share.replace(".", "", 1).isdecimal() and 0 < float(share) < 100
    return Portion(share=float(share) / 100) if is_share else None


@frozen
class DataParts:
    """Parts that are drawn from the images of a data set: classes in proportion, by `seed`, none in two of them.

    `train` are trained on (None: all that are left), with `validation` settings are chosen (None: there is no such
    part). `num_train` and `num_test` are those of the whole set; they and `num_validation` are 0 where only the opened
    data tell.
    """

    train: Portion | None = None
    validation: Portion | None = None
    num_train: int = 0
    num_test: int = 0
    num_validation: int = 0
    seed: int = 0

    @property
    def are_drawn(self) -> bool:
        """Whether there is anything to draw: a validation part that is given leaves nothing to chance."""
        return self.train is not None or (self.validation is not None and not self.validation.is_given)

    def counts(self, total: int) -> tuple[int, int]:
        """How many of `total` images are trained on, and with how many settings are chosen.

        A worked example: of 1,437 images `validation: 10%` are 144, and 1,293 are left to train on.
        """
        num_validation = self.validation.of(total) if self.validation is not None else 0
        return (self.train.of(total) if self.train is not None else total - num_validation), num_validation

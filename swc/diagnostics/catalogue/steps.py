"""Diagnostics about step strategies and what they are for (SW145, SW147 to SW149, SW217).

Guarantees: `STEPS` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.catalogue.names import offer
from swc.diagnostics.diagnostic import Diagnostic


@frozen(kw_only=True)
class UnknownStep(Diagnostic):
    """A `step` names a strategy that does not exist.

    `independent` runs the members one after another, each on all images; `split` gives each member its own part of a
    batch; `sandwich` runs the largest and the smallest member and some others. Without a `step` members are
    independent.
    """

    code: ClassVar[str] = "SW145"
    name: str
    steps: tuple[str, ...]

    def message(self) -> str:
        return f"there is no step strategy `{self.name}`"

    def help(self) -> str:
        return offer(self.name, self.steps)


@frozen(kw_only=True)
class StepWithoutMembers(Diagnostic):
    """A step strategy is stated that none of the members can be trained by.

    `joint` shows each member of a `mimo` network an image of its own, and `distilled` teaches the parts of the tree
    that an `hne` network is. Members of other families take one image and share no tree, so neither would do anything.
    """

    code: ClassVar[str] = "SW147"
    step: str
    family: str

    def message(self) -> str:
        return f"the step `{self.step}` is for members of the family `{self.family}`, and there are none"

    def help(self) -> str:
        return f"write a member `{self.family}(...)`, or take `step {self.step}` away"


@frozen(kw_only=True)
class MembersWithoutStep(Diagnostic):
    """Members are trained by a step strategy under which they are not what their family is for.

    A `mimo` network has an input and an output for each member. Only `step joint` shows each an image of its own;
    under any other strategy all see the same one, and nothing makes them differ.
    """

    code: ClassVar[str] = "SW148"
    family: str
    step: str

    def message(self) -> str:
        return f"members of the family `{self.family}` are trained by `step {self.step}`, and by no other"

    def help(self) -> str:
        return f"write `step {self.step}`"


@frozen(kw_only=True)
class BatchTooSmallToSplit(Diagnostic):
    """A batch has fewer than two images for each of the networks that it is parted among.

    `step split` shows every image of a batch to one network, and BatchNorm takes the variance of two images at least.
    With fewer some networks would see none, and learn nothing. Give a larger `batch`, or let every member see every
    image (`step independent`). So small a training part is refused too, once its size is known; only the last batch of
    several may be so small.
    """

    code: ClassVar[str] = "SW149"
    batch: int
    networks: int
    is_whole: bool = False  # whether the batch is all there is to train on

    @property
    def least(self) -> int:
        """How many images are enough."""
        return 2 * self.networks

    def message(self) -> str:
        parted = f"all {self.batch} training images" if self.is_whole else f"batches of {self.batch} images"
        return f"`step split` parts {parted} among {self.networks} networks: each needs two"

    def help(self) -> str:
        more = f"train on {self.least} images or more" if self.is_whole else f"write `batch {self.least}` or more"
        return f"{more}, or `step independent`"


@frozen(kw_only=True)
class NormBatchOfStep(Diagnostic):
    """A recipe parts batches for BatchNorm, and the step strategy deals their images out itself.

    `norm_batch N` shows a batch to BatchNorm in parts of N images. `step split`, `step sandwich` and `step joint` show
    a network what is its own at once, so that `norm_batch` would do nothing, on one process or on several.
    """

    code: ClassVar[str] = "SW217"
    step: str
    size: int

    def message(self) -> str:
        return f"`norm_batch {self.size}` does nothing under `step {self.step}`"

    def help(self) -> str:
        return f"write `norm_batch none`, or leave `step {self.step}` out"


STEPS = (UnknownStep, StepWithoutMembers, MembersWithoutStep, BatchTooSmallToSplit, NormBatchOfStep)

"""What the compiler and the runtime must both know about a data set, as a spec names it.

Guarantees: plain frozen data; which data sets there are, `swc.program.datasets` says.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve, frozen

from swc.program.data_parts import DataParts
from swc.program.inputs import InputFacts
from swc.program.model_source import Argument, ModelSource
from swc.program.task import Task

NO_IMAGE = (0, 0, 0)  # the shape of an image where members take none
NUMBERS = 100_000_000  # of an input, at most
HALF = 0.5  # mean and deviation of a channel that nobody has measured: pixels come to lie in [-1, 1]


@frozen
class DataFacts:
    """A data set as a spec names it.

    `image_shape` is (channels, height, width) in pixels as the members see it; `mean` and `deviation` are per
    channel, for pixels in [0, 1]. Where members take something else than one image, `inputs` says what, and
    `image_shape` is `NO_IMAGE`. `num_train` and `num_test` are 0 where only the opened data tell.
    `function` is a "package.module:function" of the user's own that gives the images; `arguments` is what the source is
    given beside what the other fields say, sorted by name. `variant` says which images of a published set these are
    (`labels: coarse, size: 8`; "": as they were published). Where `parts` are drawn, the numbers are those of them.
    `task` says what targets are; `num_classes` is how many outputs a member has: classes, numbers or labels.
    """

    name: str
    num_classes: int
    image_shape: tuple[int, int, int]
    num_train: int
    num_test: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    folder: str | None = None  # for `folder("path", ...)`: an ImageNet-style tree with train/ and val/
    function: str = ""
    arguments: tuple[tuple[str, Argument], ...] = ()
    variant: str = ""
    parts: DataParts | None = None
    inputs: tuple[InputFacts, ...] = ()
    task: Task = Task()

    @property
    def is_settled(self) -> bool:
        """Whether it is known what members take; else the opened data tell."""
        return bool(self.inputs) or self.image_shape != NO_IMAGE

    def told_by(self, opened: DataFacts) -> DataFacts:
        """These facts with what only the opened data tell, as somebody has found it; the same where all is known."""
        told = ("num_classes", "image_shape", "mean", "deviation", "inputs")
        return self if self.is_settled else evolve(self, **{name: getattr(opened, name) for name in told})

    @property
    def are_images(self) -> bool:
        """Whether members take one image, which is normalised and may be augmented."""
        return not self.inputs and self.is_settled

    @property
    def example(self) -> str:
        """What one of them is called: `image`, or where members take something else `example`."""
        return "image" if self.are_images else "example"

    @property
    def kind(self) -> str:
        """`images`; `features`, one row of numbers; `tokens`, one row of whole numbers; `tensors`, anything else."""
        if self.are_images:
            return "images"
        is_row = len(self.inputs) == 1 and len(self.inputs[0].shape) == 1
        return {"float32": "features", "int64": "tokens"}[self.inputs[0].dtype] if is_row else "tensors"

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of each input of a member, without the batch."""
        return tuple(one.shape for one in self.inputs) or (self.image_shape,)

    @property
    def shape(self) -> tuple[int, ...] | tuple[tuple[int, ...], ...]:
        """The shape of the one input, or those of all where there are several."""
        return self.shapes[0] if len(self.shapes) == 1 else self.shapes

    @property
    def inputs_text(self) -> str:
        """What a member takes, in words: `images of 3 x 32 x 32`, `float32 [14]`, `float32 [14], int64 [8]`."""
        if self.are_images:
            return f"images of {' x '.join(map(str, self.image_shape))}"
        return ", ".join(map(str, self.inputs))

    @property
    def title(self) -> str:
        """What people call it: its name, or that of the function of one's own; equal titles have equal test images."""
        return self.function or (f"{self.name}({self.variant})" if self.variant else self.name)

    @property
    def has_validation(self) -> bool:
        """Whether some images are neither trained nor tested on, so that settings can be chosen with them."""
        return self.parts is not None and self.parts.validation is not None

    @property
    def undivided(self) -> DataFacts:
        """The facts of the whole set, before parts are drawn."""
        if self.parts is None:
            return self
        return evolve(self, num_train=self.parts.num_train, num_test=self.parts.num_test, parts=None)

    def drawn_by(self, seed: int) -> DataFacts:
        """The facts with the parts that this seed draws; the same where nothing is drawn."""
        return self if self.parts is None else evolve(self, parts=evolve(self.parts, seed=seed))

    @property
    def code(self) -> ModelSource | None:
        """The code of the user's own that gives the images; None where it is ours."""
        return ModelSource("python", self.function, self.arguments) if self.function else None

    def given(self) -> dict[str, Any]:
        """The further arguments as a reader is given them: lists are new ones, which it may keep and change."""
        return ModelSource("python", self.name, self.arguments).given()

"""The test images of a data set as a source of corrupted ones.

Takes a split of the runtime, gives numpy arrays. Guarantees: images in files are decoded when they are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from swc.corrupt.filters import Bytes

if TYPE_CHECKING:
    from swc_runtime.data import Split


@frozen(eq=False)
class SplitSource:
    """Clean images as members would see them, channels last."""

    split: Split

    @property
    def data(self) -> str:
        """The data set's name."""
        return self.split.facts.title

    @property
    def labels(self) -> NDArray[np.int64]:
        """The classes [N]."""
        self.split.facts.task.check_classes("making corrupted images")
        found: NDArray[np.int64] = self.split.labels.cpu().numpy()
        return found

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """[H, W, C]."""
        channels, high, wide = self.split.facts.image_shape
        return high, wide, channels

    def images(self, start: int, stop: int) -> Bytes:
        """Some of the images [N, H, W, C]; floats that a function of the user's own gave are rounded to bytes."""
        found: Any = self.split.fetch(np.arange(start, stop), None)  # one tensor, as they are images
        images = found.permute(0, 2, 3, 1).contiguous().cpu().numpy()
        whole: Bytes = images if images.dtype == np.uint8 else np.rint(images).astype(np.uint8)
        return whole

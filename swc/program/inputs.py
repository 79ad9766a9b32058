"""What the members of an ensemble take for one example, where that is not one image.

Guarantees: plain data; the shape is that of one example, without the batch.
"""

from __future__ import annotations

from typing import Literal, get_args

from attrs import frozen

Dtype = Literal["float32", "int64"]
DTYPES: tuple[Dtype, ...] = get_args(Dtype)


@frozen
class InputFacts:
    """A tensor that members take for an example: its `shape`, and what its numbers are.

    `float32 [14]` are 14 measurements, `int64 [128]` the numbers of 128 tokens. Members of several inputs are called
    with all of them, in order.
    """

    shape: tuple[int, ...]
    dtype: Dtype = "float32"

    def __str__(self) -> str:
        return f"{self.dtype} {list(self.shape)}"

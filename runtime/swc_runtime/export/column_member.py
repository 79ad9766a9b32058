"""A member that takes the raw columns of a table.

Takes a member and what makes features of columns; gives a module. Guarantees: it computes what both do one after the
other.
"""

from __future__ import annotations

from torch import Tensor, nn

from swc_runtime.export.features import ColumnFeatures


class ColumnMember(nn.Module):
    """A member that takes the raw columns of a table, of which `features` makes what it takes."""

    def __init__(self, features: ColumnFeatures, member: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.member = member

    def forward(self, numbers: Tensor, codes: Tensor) -> Tensor:
        """The member's outputs for numbers float64 [N, R] and codes int64 [N, K]."""
        made: Tensor = self.member(self.features(numbers, codes))
        return made

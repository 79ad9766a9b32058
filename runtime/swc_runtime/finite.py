"""Numbers that are not finite: found where they do harm, and reported by name.

Takes an ensemble's state, or what its members predict; gives names, or raises. Guarantees: parameters and what training
changes are watched, and constants are not: a buffer that holds infinities when training begins may hold them on
purpose, as attention masks do.

Suffixes: M members, N images, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.disturbing import NonFiniteGradients, NonFinitePredictions
from torch import Tensor

Test = Callable[[Tensor], Tensor]


class Watch:
    """Which of the tensors that may be constants held infinities, or what is not a number, when training began."""

    def __init__(self, constants: Mapping[str, Tensor]) -> None:
        self._infinite = named_where(constants, lambda tensor: ~tensor.isfinite())
        self._undefined = named_where(constants, torch.isnan)

    def broken(self, state: Mapping[str, Tensor]) -> tuple[str, ...]:
        """The names of tensors that hold a number which they should not, in the order of the state."""
        infinite = named_where(state, lambda tensor: ~tensor.isfinite()) - self._infinite
        constants = {name: state[name] for name in self._infinite - self._undefined if name in state}
        undefined = named_where(constants, torch.isnan)
        return tuple(name for name in state if name in infinite | undefined)


def named_where(tensors: Mapping[str, Tensor], test: Test) -> frozenset[str]:
    """The tensors with an entry that passes a test; waits for the device once."""
    checked = {name: tensor for name, tensor in tensors.items() if tensor.is_floating_point() or tensor.is_complex()}
    if not checked:
        return frozenset()
    found = torch.stack([test(_wide(tensor)).any() for tensor in checked.values()]).tolist()
    return frozenset(name for name, is_found in zip(checked, found, strict=True) if is_found)


def _wide(tensor: Tensor) -> Tensor:
    """Types of one byte know neither test."""
    return tensor.float() if tensor.is_floating_point() and tensor.itemsize == 1 else tensor


def check_predictions(probabilities_MNC: Tensor, members: Sequence[str], example: str = "image") -> None:
    """DiagnosticError with the names of members whose probabilities are not finite, and for how many images.

    `example` is what one of these is called (`DataFacts.example`).
    """
    broken_M = (~probabilities_MNC.isfinite()).any(-1).sum(-1).tolist()
    if any(broken_M):
        named = [(name, count) for name, count in zip(members, broken_M, strict=True) if count]
        told = NonFinitePredictions(
            members=tuple(name for name, _ in named),
            num_images=tuple(count for _, count in named),
            total=probabilities_MNC.shape[1],
            example=example,
        )
        raise DiagnosticError(told)


def check_gradients(sums: Mapping[str, Tensor]) -> None:
    """DiagnosticError with the names, of layers or slots, whose summed gradients are not finite."""
    broken = named_where(sums, lambda tensor: ~tensor.isfinite())
    if broken:
        raise DiagnosticError(NonFiniteGradients(layers=tuple(name for name in sums if name in broken)))

"""What an optimiser's row declares beside its arguments: the state it keeps, and how that crosses a recompile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from attrs import frozen

from swc.registry.row import NAME, RegistryRow

TAKEN = ("state", "tally", "best", "average", "best_average")  # what checkpoints call other tensors


@frozen(kw_only=True)
class StateRow:
    """A tensor that an optimiser keeps for every parameter.

    `name` is what checkpoints call it, `key` what the optimiser's own `state[parameter]` does. `shape` is the
    parameter's, or a single number (a count of steps, say). With `unless_zero` it is kept only where that argument is
    not zero.

    `untie` says what it begins with for a coefficient vector that is untied from another: a `copy` of that one's, or
    `zero`. A single number belongs to a whole parameter, of which the vectors are rows, and stays as it is.

    `fit` says what becomes of it where weights are fitted to other banks (`then continue`). A `velocity` is a direction
    of the parameters, which can be carried from one basis of templates to another as weights are. Anything else has no
    meaning in another basis and is `reset`: the mean of the squares of x does not tell that of the squares of R x.
    Parameters that are not fitted keep their state. A restart keeps nothing, whatever stands here.
    """

    name: str
    key: str
    shape: Literal["parameter", "number"] = "parameter"
    untie: Literal["copy", "zero"] = "copy"
    fit: Literal["velocity", "reset"] = "reset"
    unless_zero: str = ""


@frozen(kw_only=True)
class OptimiserRow(RegistryRow):
    """An optimiser. `implementation` is a subclass of `torch.optim.Optimizer`, called with groups and the arguments.

    An argument `lr` it has always; if it has `weight_decay`, that is set to zero in groups which `no_decay` spares.
    `takes_foreach` and `takes_fused` say whether it has torch's options of that name: `fused` is used on CUDA, where
    there is one, `foreach` otherwise.
    """

    state: tuple[StateRow, ...]
    takes_foreach: bool = False
    takes_fused: bool = False

    def faults(self) -> Iterator[str]:
        """Those of any row, and of its state."""
        yield from super().faults()
        names = [one.name for one in self.state]
        yield "" if any(one.name == "lr" and one.type == "number" for one in self.arguments) else "it has no `lr`"
        yield "" if len(set(names)) == len(names) else "two tensors of its state have one name"
        yield "" if all(map(NAME.fullmatch, names)) else "a tensor of its state has no plain name"
        yield next((f"its state may not be called `{name}`" for name in names if name in TAKEN), "")
        fits = {one.fit for one in self.state}
        # An optimiser makes its state for a parameter all at once: a part of it can't be carried without the rest.
        yield "" if len(fits) < 2 else "one tensor of its state is carried and another reset"
        yield (
            ""
            if all(one.shape == "parameter" for one in self.state if one.fit == "velocity")
            else ("a single number is no velocity")
        )

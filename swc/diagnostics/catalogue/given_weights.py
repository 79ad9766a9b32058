"""Diagnostics of weights that members are given to begin with: SW330 to SW335, SW337."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic, Severity

SHOWN = 3  # names that a message lists


@frozen(kw_only=True)
class NoFileOfWeights(Diagnostic):
    """What a member is to begin with is no file of weights by its name.

    `member a = resnet(depth: 50) from "weights.safetensors"` takes files of safetensors, and `.pt` or `.pth` files that
    `torch.save` wrote of a state dictionary. The end of the name says which of the two it is. Other files would have to
    be guessed at, so they are refused.
    """

    code: ClassVar[str] = "SW330"
    found: str

    def message(self) -> str:
        return f'"{self.found}" is no file of weights'

    def help(self) -> str:
        return "give a file whose name ends in .safetensors, .pt or .pth"


@frozen(kw_only=True)
class WeightsNotFound(Diagnostic):
    """The file of the weights that a member begins with is nowhere.

    It is looked for beside the spec, and then in the current folder. It is read when the spec is compiled, to see that
    it fits, and when training begins, or begins again after a restart. So it must stay where it is until then.
    """

    code: ClassVar[str] = "SW331"
    file: str

    def message(self) -> str:
        return f'there is no "{self.file}" beside the spec, nor in the current folder'

    def help(self) -> str:
        return "put the file there, or give the member another one"


@frozen(kw_only=True)
class WeightsUnreadable(Diagnostic):
    """A file of weights cannot be read, or holds something else than tensors by name.

    Files of torch are read by its weights-only loader, which takes tensors and plain containers and runs no code:
    pickled modules and objects of any other class are refused, and so are numbers that are not finite. Save the state
    alone, `torch.save(model.state_dict(), "weights.pt")`, or better as safetensors.
    """

    code: ClassVar[str] = "SW332"
    file: str
    reason: str

    def message(self) -> str:
        return f'"{self.file}" cannot be read as weights: {self.reason}'

    def help(self) -> str:
        return "save the state of the network alone, by `safetensors.torch.save_file(model.state_dict(), ...)`"


@frozen(kw_only=True)
class WeightsUnfit(Diagnostic):
    """The weights that a member is to begin with are those of another network.

    A file must hold every parameter and buffer of the member by torch's names and in its shapes, and no others. Only
    the classifier may be for other classes: it then begins afresh. Nothing is left out or cut in silence, for a network
    with half of its weights would train, and nobody would know.
    """

    code: ClassVar[str] = "SW333"
    member: str
    file: str
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()

    def message(self) -> str:
        said = [f"{_listed(names)} {what}" for names, what in self._parts if names]
        return f'"{self.file}" does not fit `{self.member}`: {"; ".join(said)}'

    @property
    def _parts(self) -> tuple[tuple[tuple[str, ...], str], ...]:
        missing, unknown = (tuple(f"`{name}`" for name in names) for names in (self.missing, self.unknown))
        verb = "is" if len(missing) == 1 else "are"
        other = "is not one of its own" if len(unknown) == 1 else "are not of its own"
        return (missing, f"{verb} missing"), (unknown, other), (self.shapes, "in another shape")

    def help(self) -> str:
        return "give the weights of a network of the same family and sizes"


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


@frozen(kw_only=True)
class WeightsFileChanged(Diagnostic):
    """A file of weights is not the one that a run was begun with.

    A run that restarts from given weights reads them again; with others it would no longer be the run that it was. The
    digest of what it was begun with is in its `machine.json`.
    """

    code: ClassVar[str] = "SW334"
    files: tuple[str, ...]

    def message(self) -> str:
        return f"the weights in {_listed(tuple(map(repr, self.files)))} are others than when the run was begun"

    def help(self) -> str:
        return "put the file of then back, or begin another run with `--fresh`"


@frozen(kw_only=True)
class WeightsNotForPolicy(Diagnostic):
    """A member that is given weights shares layers by a policy to which they cannot be fitted.

    Templates, stored tensors, rank-one modulations and differences of low rank are fitted to given weights. The banks
    of `shapeshifter` are mixed and resized, and what comes closest to a weight is not known in closed form.
    """

    code: ClassVar[str] = "SW335"
    policy: str
    layer: str

    def message(self) -> str:
        return f"the policy `{self.policy}`, by which `{self.layer}` is shared, cannot be fitted to given weights"

    def help(self) -> str:
        return "share by another policy, or let the members begin afresh, without `from`"


@frozen(kw_only=True)
class FrozenAtRandom(Diagnostic):
    """Weights are frozen as they begin, and they begin at random.

    `low_rank(frozen: yes)` trains each member's own difference from a stored weight, and never that weight. This is how
    a trained network is adapted, which members are given by `from`. Where none of them is, the stored weights stay the
    random numbers that they were drawn as, and the differences, of low rank, have to do everything.
    """

    code: ClassVar[str] = "SW337"
    severity: ClassVar[Severity] = Severity.WARNING
    policy: str

    def message(self) -> str:
        return f"`{self.policy}` freezes weights that begin at random: no member is given weights to begin with"

    def help(self) -> str:
        return 'give members weights, as in `member a = ... from "weights.safetensors"`, or leave `frozen` out'


GIVEN_WEIGHTS = (
    NoFileOfWeights,
    WeightsNotFound,
    WeightsUnreadable,
    WeightsUnfit,
    WeightsFileChanged,
    WeightsNotForPolicy,
    FrozenAtRandom,
)

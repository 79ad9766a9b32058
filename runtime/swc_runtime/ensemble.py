"""An ensemble as a torch module: banks, coefficients, stored tensors and members.

Takes a `Program`; gives `Ensemble`, which works in any torch loop, and the state by stable ids. Guarantees: its
parameters are exactly the program's scalars, each owned once; composed weights are not parameters of the members.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial

import torch
from attrs import frozen
from swc.program.model_source import ModelSource
from swc.program.program import Program
from swc.registry.families import FAMILIES
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from swc_runtime.finite import Watch
from swc_runtime.inputs import Inputs, device_of, size_of, together
from swc_runtime.members.in_place import Readers
from swc_runtime.members.logits import check_logits
from swc_runtime.members.noise import Noise
from swc_runtime.weights.bank import Parts, initial_parts
from swc_runtime.weights.compose import StoredBanks, gains_of
from swc_runtime.weights.expressions.evaluate import weight_of
from swc_runtime.weights.kernels.reference import Kernels, TorchKernels
from swc_runtime.weights.layout import guarded_calls, in_order, lay_weights, protect
from swc_runtime.weights.plan import plan_composition
from swc_runtime.weights.step_weights import Sources, StepWeights


@frozen
class Network:
    """A torch module that runs as a whole: the number of the member that holds it, and of those it serves.

    A joint one gives logits [members, B, classes], any other [B, classes] for its one member.
    """

    host: int
    members: tuple[int, ...]
    is_joint: bool = False


def networks_of(program: Program) -> tuple[Network, ...]:
    """The networks of all members, in order."""
    names = [member.name for member in program.members]
    served: dict[str, list[int]] = {}
    for number, member in enumerate(program.members):
        served.setdefault(member.host or member.name, []).append(number)
    return tuple(
        Network(names.index(host), tuple(numbers), _is_joint(program.members[numbers[0]].source))
        for host, numbers in served.items()
    )


def host_of(program: Program, name: str) -> str:
    """The member whose module gives a member's predictions; itself for most."""
    return next(member.host or name for member in program.members if member.name == name)


def _is_joint(source: ModelSource) -> bool:
    return source.kind == "family" and FAMILIES[source.name].is_joint


ROUNDED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)  # what autocast rounds the weights of


class Ensemble(nn.Module):
    """The members of a program over shared templates.

    `banks[b]` are templates [K, T], `coefficients[b]` the table [N, K] of bank b, `tensors` the stored tensors and
    `members` the torch modules, all in the program's order. Of the members, those numbered in `own` run here (None:
    all); `weights` are the plans of theirs, and no others are composed. `kernels` make the weights: torch's, until
    others are set.
    """

    def __init__(self, program: Program, parts: Parts, own: Sequence[int] | None = None) -> None:
        super().__init__()
        self.program = program
        self.own = tuple(range(len(program.members)) if own is None else own)
        names = {program.members[number].name for number in self.own}
        self.weights = tuple(weight for weight in program.weights if weight.member in names)
        self.plan = plan_composition(program, self.weights)
        self.kernels: Kernels = TorchKernels(self.plan)
        self.banks = nn.ParameterList(nn.Parameter(t) for t in parts.banks)
        self.coefficients = nn.ParameterList(nn.Parameter(t) for t in parts.tables)
        self.tensors = nn.ParameterList(nn.Parameter(t) for t in parts.tensors)
        self.members = nn.ModuleList(parts.members)
        self.noise = Noise()
        self.watch = Watch({})
        self._readers = Readers()
        for member in self.members:
            protect(member)
        for number, bank in enumerate(self.plan.banks):
            self.register_buffer(f"index_{number}", torch.tensor(bank.index), persistent=False)
            self.register_buffer(f"gains_{number}", gains_of(bank), persistent=False)
        self._installed = False
        self._step: StepWeights | None = None
        self._ended: set[int] = set()

    def forward(self, *inputs: Tensor) -> Tensor:
        """Logits [own members, B, classes] for images [B, C, H, W], or for what else the members take, in order.

        Composes unless inside `composed()`.
        """
        with self.composed(), self.noise.apart(inputs[0].device):
            return torch.cat([self.run(network, together(inputs)) for network in self.networks])

    def run(self, network: Network, inputs: Inputs, until: int | None = None) -> Tensor:
        """Logits [members, B, classes] of the members that a network serves; their weights must be composed.

        A network with exits runs no further than its member number `until`, where that is given. What the network
        draws is its own, and so are the inputs where it changes them; DiagnosticError where it changes shared weights.
        """
        module, plan = self.members[network.host], self.program.members[network.host]
        stops = until is not None and getattr(module, "has_exits", False)
        run = partial(module, until=until) if stops else module
        own_code = plan.source.kind == "python"
        device, read = device_of(inputs), self._read_by(network.host)
        with self.noise.of(plan.name, device, own_code), guarded_calls(device, has_own_code=own_code):
            made: object = self._readers.run((plan.name, module.training), run, inputs, read)
        if network.is_joint:  # a family of ours
            assert isinstance(made, Tensor)
            return made
        mode = "training" if module.training else "eval"
        return check_logits(made, plan.source, size_of(inputs), self.program.data.num_classes, mode=mode)[None]

    def _read_by(self, host: int) -> dict[str, Tensor]:
        """The composed weights that a member holds, by layer."""
        places = ((self.weights[n].path, *self._places[n]) for n in self._numbers[host])
        return {path: module.__dict__[name] for path, module, name in places if name in module.__dict__}

    @cached_property
    def networks(self) -> tuple[Network, ...]:
        """The networks that run here, in the order of the members they serve."""
        return tuple(network for network in networks_of(self.program) if network.host in self.own)

    def compose(self, dtype: torch.dtype | None = None) -> tuple[Tensor, ...]:
        """All composed weights in the order of `weights`, differentiable.

        They are rounded to `dtype` where template blocks alone make them (None: the templates' dtype).
        """
        return self._evaluated(self.kernels.compose, None if self.plan.rows else dtype)

    def _evaluated(self, compose: Callable[..., tuple[Tensor, ...]], dtype: torch.dtype | None) -> tuple[Tensor, ...]:
        sources = self.sources()
        made = compose(sources.stored, dtype) if self.plan.outputs else ()
        direct = dict(zip(self.plan.direct, made, strict=False))
        rows = dict(zip(self.plan.rows, made[len(direct) :], strict=True))
        return tuple(
            direct[n] if n in direct else weight_of(weight.expression, rows, sources.tensors)
            for n, weight in enumerate(self.weights)
        )

    def sources(self) -> Sources:
        """What the weights are made of."""
        numbers = range(len(self.banks))
        indices = tuple(self.get_buffer(f"index_{number}") for number in numbers)
        gains = tuple(self._buffers[f"gains_{number}"] for number in numbers)
        return Sources(
            StoredBanks(indices, tuple(self.banks), tuple(self.coefficients), gains),
            {plan.id: tensor for plan, tensor in zip(self.program.tensors, self.tensors, strict=True)},
        )

    def install(self, weights: Sequence[Tensor]) -> None:
        """Put composed weights into the members as plain attributes, until `uninstall`."""
        for (module, name), weight in zip(self._places, weights, strict=True):
            # past nn.Module, which would register a Parameter
            object.__setattr__(module, name, weight if isinstance(module, _ConvNd) else in_order(weight))
        self._installed = True

    def uninstall(self) -> None:
        """Take the composed weights out of the members again."""
        self._remove(range(len(self.weights)))
        self._installed = False

    def _remove(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            module, name = self._places[number]
            module.__dict__.pop(name, None)

    @property
    def is_composed(self) -> bool:
        """Whether the members hold composed weights now."""
        return self._installed

    @cached_property
    def _is_plain(self) -> bool:
        """Whether nothing but torch's own layers reads composed weights, and nothing but what autocast rounds.

        A factory's code may read a layer's weight by itself, or switch autocast off, which cannot be seen from here.
        """
        known = all(member.source.kind != "python" for member in self.program.members)
        return known and all(type(module) in ROUNDED for module, _ in self._places)

    @cached_property
    def _places(self) -> tuple[tuple[nn.Module, str], ...]:
        """Per weight the module that reads it, and under which name; looked up once, as every step asks."""
        members = dict(zip((member.name for member in self.program.members), self.members, strict=True))
        parted = ((weight.member, weight.path.rpartition(".")) for weight in self.weights)
        return tuple((members[member].get_submodule(owner), name) for member, (owner, _, name) in parted)

    @cached_property
    def _numbers(self) -> tuple[tuple[int, ...], ...]:
        """Per member the numbers of its weights."""
        names = [member.name for member in self.program.members]
        return tuple(tuple(n for n, weight in enumerate(self.weights) if weight.member == name) for name in names)

    @contextmanager
    def composed(self) -> Iterator[None]:
        """Inside, the members hold composed weights: composed once, however often they run.

        Where no gradients are taken the weights are good until the next composition, which uses the same memory.
        """
        if self._installed:
            if self._ended:
                raise ValueError("members have ended in the step under way: end_step or abandon_step comes first")
            yield
            return
        self.install(self.compose() if torch.is_grad_enabled() else self._evaluated(self.kernels.make, None))
        try:
            yield
        finally:
            self.uninstall()

    def begin_step(self, dtype: torch.dtype | None = None) -> None:
        """Compose once and give the members leaves, so that they can run forward and backward one by one.

        With `dtype` weights and their gradients are kept in it, where autocast would round them to it all the same. The
        memory of the weights is that of the step before.
        """
        if self._step is not None:
            raise ValueError("begin_step was called twice without end_step")
        dtype = dtype if self._is_plain and not self.plan.rows else None
        self._step = StepWeights(self.weights, self.plan, self.kernels, self.sources(), dtype)
        self.install(self._step.leaves)

    def end_member(self, number: int) -> None:
        """Say that a member has run backward for the last time in this step, so that memory can be reused.

        Its gradients take the place of its weights, which it holds no more. Members that are not named so end with the
        step.
        """
        if self._step is None:
            raise ValueError("end_member was called without begin_step")
        self._ended.add(number)
        self._remove(self._numbers[number])
        self._step.settle(self._numbers[number])

    def end_step(self) -> None:
        """Push what the members' backward passes left on the leaves through the banks, once."""
        if self._step is None:
            raise ValueError("end_step was called without begin_step")
        step = self._step
        self.abandon_step()
        step.finish()

    def abandon_step(self) -> None:
        """Drop a step that was begun, without gradients for the banks."""
        self._step = None
        self._ended.clear()
        self.uninstall()

    @contextmanager
    def step(self, dtype: torch.dtype | None = None) -> Iterator[None]:
        """Inside is a step, from `begin_step` to `end_step`; an exception abandons it.

        Networks that `run` inside draw from random state of their own.
        """
        self.begin_step(dtype)
        try:
            with self.noise.apart(next(self.parameters()).device):
                yield
            self.end_step()
        finally:
            if self._step is not None:
                self.abandon_step()

    def watch_buffers(self) -> None:
        """Note which buffers and frozen parameters hold infinities before training goes on: no others may."""
        trained = {name for name, parameter in state_parameters(self).items() if parameter.requires_grad}
        self.watch = Watch({name: tensor for name, tensor in state_tensors(self).items() if name not in trained})

    def release(self) -> None:
        """Give up the memory that composed weights have between steps; ValueError during a step."""
        if self._step is not None:
            raise ValueError("release was called during a step")
        self.kernels.release()


def build(
    program: Program,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    own: Sequence[int] | None = None,
) -> Ensemble:
    """A fresh ensemble for a program, initialised by its seed; ValueError where a member does not fit it.

    `own` numbers the members that run in this process (None: all).
    """
    return placed(Ensemble(program, initial_parts(program), own), device, dtype)


def placed(ensemble: Ensemble, device: torch.device | str, dtype: torch.dtype | None = None) -> Ensemble:
    """Bring an ensemble to a device and dtype, the members' own convolutions channels-last where that is safe."""
    ensemble.to(device=device, dtype=dtype)
    for member in ensemble.members:
        lay_weights(member)
    return ensemble


def state_parameters(ensemble: Ensemble) -> dict[str, nn.Parameter]:
    """Every parameter by its stable id.

    `bank/ID`, `coefficient/BANK` (the bank's table), `tensor/ID`, `member/NAME/PATH`; in this order.
    """
    program = ensemble.program
    named = {f"bank/{plan.id}": p for plan, p in zip(program.banks, ensemble.banks, strict=True)}
    named |= {f"coefficient/{plan.id}": p for plan, p in zip(program.banks, ensemble.coefficients, strict=True)}
    named |= {f"tensor/{plan.id}": p for plan, p in zip(program.tensors, ensemble.tensors, strict=True)}
    for plan, member in zip(program.members, ensemble.members, strict=True):
        named |= {f"member/{plan.name}/{path}": p for path, p in member.named_parameters()}
    return named


def state_tensors(ensemble: Ensemble) -> dict[str, Tensor]:
    """Everything that must be kept, by stable id: the parameters, then the members' buffers; no copies."""
    state = {name: parameter.detach() for name, parameter in state_parameters(ensemble).items()}
    for plan, member in zip(ensemble.program.members, ensemble.members, strict=True):
        state |= {f"member/{plan.name}/{path}": t.detach() for path, t in member.state_dict().items()}
    return state


def load_state_tensors(ensemble: Ensemble, state: Mapping[str, Tensor]) -> None:
    """Copy a state into an ensemble; ValueError, before anything is changed, naming what does not fit."""
    own = state_tensors(ensemble)
    wrong = sorted(name for name in own.keys() | state.keys() if _misfit(own.get(name), state.get(name)))
    if wrong:
        raise ValueError(f"the state does not fit the program: {', '.join(f'`{name}`' for name in wrong)}")
    for name, tensor in own.items():
        tensor.copy_(state[name])


def _misfit(own: Tensor | None, given: Tensor | None) -> bool:
    return own is None or given is None or own.shape != given.shape or own.dtype != given.dtype

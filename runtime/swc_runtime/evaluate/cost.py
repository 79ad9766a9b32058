"""What a prediction costs: multiply-adds, time, and the scalars that must be stored for it.

Takes an ensemble whose weights are composed, or its program; gives `Cost`s. Guarantees: weights are composed before
and count for nothing here; times are medians after a burn-in, with their quartiles, members run one after another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from math import prod
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import torch
from attrs import frozen
from swc.program.expressions import Shape, num_scalars, slots_of, tensors_of
from swc.program.program import Program
from torch import Tensor

from swc_runtime.ensemble import Ensemble, Network, networks_of
from swc_runtime.evaluate.chance import chance_kept
from swc_runtime.evaluate.predict import evaluating
from swc_runtime.inputs import Inputs, blank, copied, device_of, rows, size_of
from swc_runtime.inputs import tensors_of as given_to  # another `tensors_of` is that of expressions
from swc_runtime.models.exits import runs_until
from swc_runtime.precision import Arithmetic, laid_out
from swc_runtime.weights.bank import empty_parts

Runs = Callable[..., Tensor]  # takes the inputs in order

BURN_IN = 3  # runs that are not timed
LEAST_RUNS = 5
LEAST_SECONDS = 0.5
PAIR = 2  # images


@frozen
class Cost:
    """Of one image: `multiply_adds`, and `milliseconds` in the batches that were timed (None: not timed).

    `milliseconds` is the median of the timed runs, `quartiles` are the lower and the upper one of them.
    """

    multiply_adds: int
    milliseconds: float | None
    quartiles: tuple[float, float] | None = None


def member_costs(
    ensemble: Ensemble,
    inputs: Inputs,
    arithmetic: Arithmetic,
    *,
    timed: bool = True,
    time_batch: int | None = None,
) -> tuple[Cost, ...]:
    """What each member takes for a batch of inputs, in eval mode; nothing of the ensemble changes.

    Times are those of a batch of the first `time_batch` of them (None: of all).
    """
    batch = rows(inputs, slice(time_batch if timed else 0))
    with torch.no_grad(), chance_kept(), evaluating(ensemble), ensemble.composed():
        return tuple(
            cost
            for network in ensemble.networks
            for cost in _network_costs(ensemble, network, inputs, batch, arithmetic)
        )


def _network_costs(
    ensemble: Ensemble, network: Network, inputs: Inputs, batch: Inputs, arithmetic: Arithmetic
) -> list[Cost]:
    """Per member that a network serves what it takes to have its answer, and with it those before it."""
    module = ensemble.members[network.host]
    has_exits = getattr(module, "has_exits", False)
    runs = [partial(module, until=last) if has_exits else module for last in range(len(network.members))]
    ends = runs if has_exits else runs[:1]
    found = [
        # copies, as a member may work on its inputs in place
        Cost(
            _multiply_adds(run, copied(inputs)),
            *(milliseconds(run, copied(batch), arithmetic) if size_of(batch) else (None, None)),
        )
        for run in ends
    ]
    return found if has_exits else found * len(network.members)


def subset_cost(program: Program, subset: Collection[int], costs: Sequence[Cost]) -> Cost:
    """What some members cost together: of one network only the dearest counts, as its run gives them all."""
    dearest = [
        max((costs[number] for number in network.members if number in subset), key=lambda cost: cost.multiply_adds)
        for network in networks_of(program)
        if any(number in subset for number in network.members)
    ]
    return costs_together(dearest)


def planned_costs(program: Program) -> tuple[Cost, ...]:
    """What each member of a program will take for an image, before anything is trained; times are not known.

    Counted on the meta device, without memory or arithmetic, unless a model's own code asks for numbers. ValueError
    where a member does not fit the program.
    """
    try:
        return _planned_on("meta", program)
    except RuntimeError:  # the model's own code asks for what the meta device has not
        return _planned_on("cpu", program)


def _planned_on(device: str, program: Program) -> tuple[Cost, ...]:
    with torch.device(device):
        ensemble = Ensemble(program, empty_parts(program))
        ensemble.install([torch.zeros(plan.shape) for plan in ensemble.weights])
        return member_costs(
            ensemble, blank(program.data, PAIR), Arithmetic(device, torch.float32, "nothing is computed"), timed=False
        )


def costs_together(costs: Sequence[Cost]) -> Cost:
    """What several members take that run one after another; their time is not known where one's is not.

    Quartiles are added up too, as if all were slow at once: what the machine does beside is the same for all.
    """
    times = [cost.milliseconds for cost in costs]
    known = [time for time in times if time is not None]
    ends = [cost.quartiles for cost in costs if cost.quartiles is not None]
    return Cost(
        sum(cost.multiply_adds for cost in costs),
        sum(known) if len(known) == len(times) else None,
        (sum(low for low, _ in ends), sum(high for _, high in ends)) if len(ends) == len(costs) else None,
    )


def milliseconds(member: Runs, inputs: Inputs, arithmetic: Arithmetic) -> tuple[float, tuple[float, float]]:
    """The median time for one image of a batch, once it has run a few times, and the quartiles of the runs."""

    def run() -> None:
        with arithmetic.autocast():
            member(*given_to(laid_out(inputs)))
        if device_of(inputs).type == "cuda":
            torch.cuda.synchronize(device_of(inputs))

    times = seconds(run)
    low, _, high = quantiles(times, n=4, method="inclusive")
    scale = 1e3 / size_of(inputs)
    return 1e3 * median(times) / size_of(inputs), (scale * low, scale * high)


def _multiply_adds(member: Runs, inputs: Inputs) -> int:
    """Of the first image; where a member takes no single one, as it needs a batch's statistics, half of two's."""
    try:
        return multiply_adds(member, rows(inputs, slice(1)))
    except (RuntimeError, ValueError):  # what torch's norms raise of one value per channel
        if size_of(inputs) < PAIR:
            raise
        return multiply_adds(member, rows(inputs, slice(PAIR))) // PAIR


def multiply_adds(member: Runs, inputs: Inputs) -> int:
    """The multiply-adds of convolutions and matrix products, as papers count them; norms and activations are left out.

    torch counts a multiply-add as two operations. Attention is counted by its products, softmax left out; the count is
    the same on every device.
    """
    from torch.utils.flop_counter import FlopCounterMode

    with _unfused(), FlopCounterMode(display=False, custom_mapping=_products()) as counter:
        member(*given_to(inputs))
    return int(counter.get_total_flops()) // 2


def _products() -> dict[Any, Callable[..., int]]:
    """The operations of products that torch's counter does not know, from the shapes of what they take and give."""
    aten = torch.ops.aten
    return {
        aten.mv: lambda matrix, vector, **_: 2 * prod(matrix),
        aten.addmv: lambda added, matrix, vector, **_: 2 * prod(matrix),
        aten.dot: lambda one, other, **_: 2 * prod(one),
        aten.vdot: lambda one, other, **_: 2 * prod(one),
        aten.addbmm: lambda added, left, right, **_: 2 * prod(left) * right[-1],
        # two inputs [B, I] and [B, J] with a weight [O, I, J], which torch has with axes put between them
        aten._trilinear: lambda left, weight, right, *_, **__: 2 * max(left[0], 1) * prod(weight),
    }


@contextmanager
def _unfused() -> Iterator[None]:
    """Let torch compute attention and recurrent layers by matrix products, as the meta device does.

    In eval mode it has one operation for a whole encoder layer, one for the scaled dot product, and those of oneDNN and
    cuDNN for an LSTM. Its counter knows none of them on the CPU, and takes what happens inside for nothing.
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel

    backends = torch.backends
    before = backends.mha.get_fastpath_enabled(), backends.cudnn.enabled, bool(backends.mkldnn.enabled)
    _fuse(encoders=False, cudnn=False, onednn=False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        encoders, cudnn, onednn = before
        _fuse(encoders=encoders, cudnn=cudnn, onednn=onednn)


def _fuse(*, encoders: bool, cudnn: bool, onednn: bool) -> None:
    torch.backends.mha.set_fastpath_enabled(encoders)
    torch.backends.cudnn.enabled = cudnn
    torch.backends.mkldnn.enabled = onednn  # type: ignore[assignment]  # a property of the module


def seconds(run: Callable[[], None]) -> list[float]:
    """The times of some runs, after others that are not timed."""
    for _ in range(BURN_IN):
        run()
    times: list[float] = []
    while len(times) < LEAST_RUNS or sum(times) < LEAST_SECONDS:
        started = perf_counter()
        run()
        times.append(perf_counter() - started)
    return times


def stored_shapes(ensemble: Ensemble, members: Collection[str]) -> dict[str, Shape]:
    """The shapes of the parameters that must be there to run these members, by the ids of the ensemble's state.

    What they share counts once, what others use does not; of a table there are the rows that are used, and of a network
    with exits what runs for the last one that is asked for.
    """
    program, is_needed = ensemble.program, _needed(ensemble, members)
    weights = [weight for weight in program.weights if is_needed(weight.member, weight.path)]
    used = {slot for weight in weights for slot in slots_of(weight.expression)}
    tensors = {tensor for weight in weights for tensor in tensors_of(weight.expression)}
    slots = [slot for slot in program.slots if slot.id in used]
    vectors = Counter(bank for bank, _ in {(slot.bank, slot.coefficient) for slot in slots})
    banks = [bank for bank in program.banks if bank.id in vectors]
    return (
        {f"bank/{bank.id}": (bank.num_templates, bank.template_size) for bank in banks}
        | {f"coefficient/{bank.id}": (vectors[bank.id], bank.num_templates) for bank in banks}
        | {f"tensor/{plan.id}": plan.shape for plan in program.tensors if plan.id in tensors}
        | {
            f"member/{plan.member}/{plan.path}": plan.shape
            for plan in program.private
            if is_needed(plan.member, plan.path)
        }
    )


def stored_scalars(shapes: Mapping[str, Shape]) -> int:
    """How many numbers parameters of these shapes hold."""
    return sum(num_scalars(shape) for shape in shapes.values())


def _needed(ensemble: Ensemble, members: Collection[str]) -> Callable[[str, str], bool]:
    """Whether what lies at a path of the module of a member, which may serve others too, runs for these members."""
    numbers = {member.name: number for number, member in enumerate(ensemble.program.members)}
    asked = {numbers[name] for name in members}
    last = {
        ensemble.program.members[network.host].name: max(n for n, one in enumerate(network.members) if one in asked)
        for network in networks_of(ensemble.program)
        if asked.intersection(network.members)
    }
    return lambda host, path: host in last and runs_until(ensemble.members[numbers[host]], path, last[host])

"""Given weights, folded into what an ensemble stores: banks, coefficients and stored tensors that come closest to them.

Takes a fresh ensemble and the state of some of its members; changes the ensemble. Guarantees: private parameters and
buffers of those members are the given ones to the bit; where the budget bears it the composed weights are too, to
rounding; what no given weight has a part in stays as it began. Sums of squares are least where a bank crops nothing
(`swc_runtime.carry.fit`), and for differences of low rank given their common weight; for rank-one modulations
they are made smaller by turns.

Tensor names: O outputs, I inputs of a weight as a matrix with its kernel behind.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from attrs import frozen
from swc.program.expressions import Expression, Product, Scale, Slice, Stored, Sum
from swc.program.program import WeightPlan
from torch import Tensor

from swc_runtime.carry.fit import balanced, fit, padded, targets_of
from swc_runtime.ensemble import Ensemble
from swc_runtime.weights.bank import Parts, copy_alike
from swc_runtime.weights.compose import gains_of, gather_rows
from swc_runtime.weights.plan import CompositionPlan, is_blocks, plan_composition

ROUNDS = 20  # of rank-one modulations: by then another changes nothing that training would not

WeightsByMember = Mapping[str, Mapping[str, Tensor]]  # by member, then by torch's name
_Sides = tuple[Tensor, Tensor]  # a vector of the outputs and one of the inputs, shaped to scale the weight
_Wanted = list[tuple[WeightPlan, Tensor]]


@frozen
class KeptEnergy:
    """What a composed weight keeps of the given one.

    `share` of its sum of squares: 1 - |kept - given|^2 / |given|^2; `energy` is the sum of squares of the given one.
    """

    layer: str
    share: float
    energy: float


@torch.no_grad()
def fold(ensemble: Ensemble, given: WeightsByMember) -> tuple[KeptEnergy, ...]:
    """Let members begin with given weights; gives what their composed weights keep, whichever process runs them.

    `given` holds every private parameter and buffer that is to begin so, and the weights. ValueError where a weight is
    made in a way that cannot be fitted.
    """
    _give_private(ensemble, given)
    wanted = [(plan, given[plan.member][plan.path]) for plan in ensemble.program.weights if _is_given(plan, given)]
    _fold_banks(ensemble, {(plan.member, plan.path): weight for plan, weight in wanted})
    tensors = {plan.id: tensor.data for plan, tensor in zip(ensemble.program.tensors, ensemble.tensors, strict=True)}
    for base, readers in _by_base(wanted).items():
        _fold_tensor(tensors, base, readers)
    return _kept(ensemble, given)


def _is_given(plan: WeightPlan, given: WeightsByMember) -> bool:
    return plan.path in given.get(plan.member, {})


def _give_private(ensemble: Ensemble, given: WeightsByMember) -> None:
    modules = dict(zip((plan.name for plan in ensemble.program.members), ensemble.members, strict=True))
    for plan, module in zip(ensemble.program.members, ensemble.members, strict=True):
        for name, tensor in module.state_dict(keep_vars=True).items():
            if name in given.get(plan.name, {}):
                tensor.data.copy_(given[plan.name][name])
    # `start: alike`: like what the other member begins with, given or not
    copy_alike(ensemble.program, modules, given)


# --- banks ------------------------------------------------------------------------------------------------------------


def _fold_banks(ensemble: Ensemble, wanted: Mapping[tuple[str, str], Tensor]) -> None:
    plan, weights = plan_composition(ensemble.program), ensemble.program.weights
    if plan.rows:
        raise ValueError("templates inside another expression cannot be fitted")
    if not plan.outputs:
        return
    device = next(ensemble.parameters()).device
    direct = [weights[number] for number in plan.direct]
    values = [wanted.get((one.member, one.path), torch.zeros(one.shape)).to(device).double() for one in direct]
    seen = [torch.full_like(v, (one.member, one.path) in wanted) for one, v in zip(direct, values, strict=True)]
    rows, counts = (gather_rows(plan, found, values[0]) for found in (values, seen))
    for number in range(len(plan.banks)):
        if counts[number].any():
            _fold_bank(ensemble, plan, number, rows[number], counts[number])


def _fold_bank(ensemble: Ensemble, plan: CompositionPlan, number: int, rows_ST: Tensor, seen_ST: Tensor) -> None:
    bank, templates, table = plan.banks[number], ensemble.banks[number].data, ensemble.coefficients[number].data
    is_given_S = seen_ST.any(dim=1)
    # Only slots of members with given weights count; a vector that none of them uses keeps what it began with. Slots on
    # vectors 3, 3 and 5 are on the first, first and second of those that are fitted.
    used, index_S = torch.unique(torch.tensor(bank.index, device=rows_ST.device)[is_given_S], return_inverse=True)
    gains_S = gains_of(bank, rows_ST.device)
    gains_S = gains_S if gains_S is None else gains_S[is_given_S]
    targets = targets_of(rows_ST[is_given_S], seen_ST[is_given_S], index_S, len(used), gains_S)
    fitted = padded(balanced(fit(targets, len(templates))), templates.double())
    table[used] = fitted.table.to(table)
    templates.copy_(fitted.templates)


# --- stored tensors ---------------------------------------------------------------------------------------------------


def _base_of(expression: Expression) -> str:
    """The stored weight that an expression reads, modulates, or adds to; "-" for blocks of templates, "" for others."""
    match expression:
        case Stored(tensor) | Slice(Stored(tensor)) | Scale(Stored(tensor)) | Sum((Stored(tensor), Product())):
            return tensor
        case _:
            return "-" if is_blocks(expression) else ""


def _by_base(wanted: _Wanted) -> dict[str, _Wanted]:
    found: dict[str, _Wanted] = {}
    for plan, weight in wanted:
        base = _base_of(plan.expression)
        if not base:
            raise ValueError(f"`{plan.layer}` is mixed or resized, and cannot be fitted")
        if base != "-":
            found.setdefault(base, []).append((plan, weight))
    return found


def _fold_tensor(tensors: dict[str, Tensor], base: str, readers: _Wanted) -> None:
    weights = [weight.to(tensors[base]).double() for _, weight in readers]
    expressions = [plan.expression for plan, _ in readers]
    tensors[base].copy_(_mean_of_leading(weights, tensors[base].double()))
    scales = [(one, weight) for one, weight in zip(expressions, weights, strict=True) if isinstance(one, Scale)]
    if scales:
        _fold_scales(tensors, base, scales)
    for expression, weight in zip(expressions, weights, strict=True):
        if isinstance(expression, Sum):
            _fold_difference(tensors, base, expression, weight)


def _mean_of_leading(weights: list[Tensor], fresh: Tensor) -> Tensor:
    """The mean of the weights that reach an entry; where none does, what was there."""
    total, count = torch.zeros_like(fresh), torch.zeros_like(fresh)
    for weight in weights:
        leading = tuple(slice(size) for size in weight.shape)
        total[leading] += weight
        count[leading] += 1
    return torch.where(count > 0, total / count.clamp(min=1), fresh)


def _fold_difference(tensors: dict[str, Tensor], base: str, expression: Sum, weight: Tensor) -> None:
    """The closest product of the two matrices to what a weight differs by: its first singular directions."""
    _, product = expression.parts
    assert isinstance(product, Product)
    assert isinstance(product.left, Stored)
    assert isinstance(product.right, Stored)
    left, right = tensors[product.left.tensor], tensors[product.right.tensor]
    gap_OI = ((weight - tensors[base].double()) / product.factor).reshape(left.shape[0], right.shape[1])
    if not gap_OI.any():
        return  # it begins as a fresh one does: the first matrix zero, the second random, so that it can learn
    vectors, values, others = torch.linalg.svd(gap_OI, full_matrices=False)
    rank, roots = left.shape[1], values.sqrt()
    left.copy_(vectors[:, :rank] * roots[:rank])
    right.copy_(roots[:rank, None] * others[:rank])


def _fold_scales(tensors: dict[str, Tensor], base: str, readers: list[tuple[Scale, Tensor]]) -> None:
    """One weight and the vectors of each reader, by turns: each is the least-squares answer to the others."""
    common = tensors[base].double()
    sides = [_ones(common) for _ in readers]
    for _ in range(ROUNDS):
        sides = [_best_sides(one, common, weight, found) for (one, weight), found in zip(readers, sides, strict=True)]
        spread = [outputs * inputs for outputs, inputs in sides]
        total = torch.stack([weight * by for (_, weight), by in zip(readers, spread, strict=True)]).sum(0)
        squares = torch.stack([by.square().expand_as(common) for by in spread]).sum(0)
        common = torch.where(squares > 0, total / squares.clamp(min=torch.finfo(squares.dtype).tiny), common)
    tensors[base].copy_(common)
    for (one, _), (outputs, inputs) in zip(readers, sides, strict=True):
        for name, vector in ((one.outputs, outputs), (one.inputs, inputs)):
            if name:
                tensors[name].copy_(vector.flatten())


def _ones(weight: Tensor) -> _Sides:
    kernel = (1,) * (weight.dim() - 2)
    return weight.new_ones(weight.shape[0], 1, *kernel), weight.new_ones(1, weight.shape[1], *kernel)


def _best_sides(
    expression: Scale, common: Tensor, weight: Tensor, sides: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """The vector of the outputs for that of the inputs, then the other way; one that is not there stays at one."""
    outputs, inputs = sides
    if expression.outputs:
        outputs = _ratio(weight, common * inputs, outputs, axis=0)
    if expression.inputs:
        inputs = _ratio(weight, common * outputs, inputs, axis=1)
    return outputs, inputs


def _ratio(weight: Tensor, by: Tensor, before: Tensor, axis: int) -> Tensor:
    """The factors along an axis with which `by` comes closest to a weight; as before where it is all zero."""
    others = [number for number in range(weight.dim()) if number != axis]
    squares = by.square().sum(others, keepdim=True)
    return torch.where(squares > 0, (weight * by).sum(others, keepdim=True) / squares.clamp(min=1e-300), before)


# --- what is kept -----------------------------------------------------------------------------------------------------


def _kept(ensemble: Ensemble, given: WeightsByMember) -> tuple[KeptEnergy, ...]:
    whole = _of_all_members(ensemble)
    made = zip(whole.weights, whole.compose(), strict=True)
    pairs = [(plan, weight, given[plan.member][plan.path]) for plan, weight in made if _is_given(plan, given)]
    return tuple(_energy(plan.layer, weight.double(), wanted.to(weight).double()) for plan, weight, wanted in pairs)


def _of_all_members(ensemble: Ensemble) -> Ensemble:
    """The same parts, none of them copied, with the weights of all members: every process says the same of them."""
    if len(ensemble.own) == len(ensemble.members):
        return ensemble
    stored = (ensemble.banks, ensemble.coefficients, ensemble.tensors)
    banks, tables, tensors = (tuple(parameter.detach() for parameter in parameters) for parameters in stored)
    whole = Ensemble(ensemble.program, Parts(banks, tables, tensors, tuple(ensemble.members)))
    return whole.to(next(ensemble.parameters()).device)


def _energy(layer: str, made: Tensor, wanted: Tensor) -> KeptEnergy:
    energy = float(wanted.square().sum())
    lost = float((made - wanted).square().sum())
    return KeptEnergy(layer, 1 - lost / energy if energy else 1.0, energy)

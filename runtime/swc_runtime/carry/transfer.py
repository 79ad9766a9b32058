"""Weights and the optimiser's state across a recompile.

Takes a trained ensemble, its optimiser's state, and the next program; gives the next ensemble and state. The
old ensemble stays as it is. Guarantees: `untie` keeps every output to the bit; `carry_weights` keeps the members' own
parameters and buffers to the bit and fits the composed weights as closely as the new banks allow.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from attrs import frozen
from swc.program.expressions import Combine, Concat, Expression, Slice, Stored, combines_of, tensors_of
from swc.program.program import Program, WeightPlan
from swc.registry.optimisers import StateRow
from torch import Tensor, nn

from swc_runtime.carry.fit import Factors, balanced, fit, fit_momentum, padded, targets_of
from swc_runtime.carry.rebuild import rebuilt_member
from swc_runtime.ensemble import Ensemble
from swc_runtime.members.seeds import seed_of
from swc_runtime.training.optimiser_state import OptimiserState
from swc_runtime.weights.bank import Parts
from swc_runtime.weights.compose import amplified, gains_of, gather_rows, place_blocks
from swc_runtime.weights.expressions.evaluate import evaluate
from swc_runtime.weights.init import initial_templates, initial_tensor
from swc_runtime.weights.plan import BankRows, CompositionPlan, plan_composition


@frozen
class Residual:
    """How far a new bank stays from what it should make: relative Frobenius norm over the entries that are seen."""

    bank: str
    relative: float
    num_seen: int


@frozen(eq=False)
class TransferResult:
    """An ensemble of the next program, its optimiser's state, and per bank what the fit could not keep."""

    ensemble: Ensemble
    state: OptimiserState
    residuals: tuple[Residual, ...]


def untie(ensemble: Ensemble, state: OptimiserState, program: Program) -> tuple[Ensemble, OptimiserState]:
    """Give each new coefficient vector a copy of the values its slots used so far.

    Everything else stays, the optimiser's state too; that of a new vector is a copy or zero, as its row declares.
    ValueError where the program differs in more than in how its slots share coefficients.
    """
    _check_untied(ensemble.program, program)
    sources = _sources(ensemble.program, program)
    tables = tuple(table.detach()[rows] for table, rows in zip(ensemble.coefficients, sources, strict=True))
    parts = Parts(_copies(ensemble.banks), tables, _copies(ensemble.tensors), _members(ensemble, program))
    made = Ensemble(program, parts, ensemble.own).to(_device(ensemble))
    made.train(ensemble.training)
    return made, _untied_state(ensemble, state, program, sources)


def _check_untied(old: Program, new: Program) -> None:
    for name in ("members", "banks", "tensors", "weights", "private"):
        if getattr(old, name) != getattr(new, name):
            raise ValueError(f"untying changes coefficients alone, but the {name} differ")
    if [(s.id, s.bank, s.gain) for s in old.slots] != [(s.id, s.bank, s.gain) for s in new.slots]:
        raise ValueError("untying changes coefficients alone, but the slots differ")


def _sources(old: Program, new: Program) -> list[list[int]]:
    """Per bank, for each new coefficient vector the row of the old one that its slots used."""
    used = {slot.id: slot.coefficient for slot in old.slots}
    source: dict[str, str] = {}
    for slot in new.slots:
        if source.setdefault(slot.coefficient, used[slot.id]) != used[slot.id]:
            raise ValueError(f"coefficient `{slot.coefficient}` joins slots that were not tied")
    plans = zip(plan_composition(old).banks, plan_composition(new).banks, strict=True)
    return [[was.coefficients.index(source[name]) for name in now.coefficients] for was, now in plans]


def _untied_state(
    ensemble: Ensemble, state: OptimiserState, program: Program, sources: list[list[int]]
) -> OptimiserState:
    tensors = {row.name: {name: t.clone() for name, t in state.of(row).items()} for row in state.rows}
    plans = tuple(zip(ensemble.plan.banks, plan_composition(program).banks, sources, strict=True))
    for row in state.rows:
        for was, now, rows in plans if row.shape == "parameter" else ():
            table = tensors[row.name].get(f"coefficient/{now.id}")
            if table is None:
                continue
            # Slots a, b, c on vector `a`; b leaves: `a` keeps its velocity, `b` starts with the value of `a` and none
            # of its own, or, of a state that is copied, with that of `a`.
            copied, known = table[rows], [c in was.coefficients for c in now.coefficients]
            is_kept = torch.tensor(known, device=table.device)[:, None] | (row.untie == "copy")
            tensors[row.name][f"coefficient/{now.id}"] = torch.where(is_kept, copied, 0)
    return OptimiserState(state.rows, tensors)


def _copies(parameters: nn.ParameterList) -> tuple[Tensor, ...]:
    return tuple(parameter.detach().clone() for parameter in parameters)


def _members(ensemble: Ensemble, program: Program) -> tuple[nn.Module, ...]:
    if ensemble.is_composed:
        raise ValueError("weights are carried between steps, not while the members hold composed weights")
    return tuple(rebuilt_member(ensemble, number, program) for number in range(len(ensemble.members)))


def _device(ensemble: Ensemble) -> torch.device:
    return next(ensemble.parameters()).device


def carry_weights(ensemble: Ensemble, state: OptimiserState, program: Program) -> TransferResult:
    """Fit what every layer weighs and how it moves into the banks of another sharing graph.

    Velocities are lifted to the weights as A m_T + m_A T before they are fitted; other state of what is fitted begins
    afresh, and that of what stays is kept (`swc.registry.optimisers.row.StateRow`). Slots that the new graph ties want
    one coefficient vector to make several rows: the fit is then to their mean, weighted by how many they are, which
    has the same optimum. Stored tensors that nothing changed about stay as they are, whatever is made of them.
    ValueError where the programs' members or shared layers differ.
    """
    _check_carried(ensemble.program, program)
    members = _members(ensemble, program)
    plan = plan_composition(program)
    weights = _wanted(ensemble, program, _rows(ensemble), list(ensemble.tensors))
    fits = _fit_banks(plan, program, weights)
    tensors = _fit_tensors(program, weights) | _kept(ensemble.program, program, list(ensemble.tensors))
    made = _assembled(ensemble, program, members, [f.now for f in fits], tensors)
    carried = {row.name: _carried_row(row, ensemble, state, made, fits) for row in state.rows}
    return TransferResult(made, OptimiserState(state.rows, carried), tuple(f.residual for f in fits))


def _carried_row(
    row: StateRow, ensemble: Ensemble, state: OptimiserState, made: Ensemble, fits: list[_Fit]
) -> dict[str, Tensor]:
    tensors = state.of(row)
    if row.fit == "velocity" and tensors:
        return _carried_velocities(ensemble, tensors, made, fits)
    stays = {f"tensor/{name}" for name in _unchanged(ensemble.program, made.program)}
    return {name: t.clone() for name, t in tensors.items() if name in stays or name.startswith("member/")}


def _check_carried(old: Program, new: Program) -> None:
    if old.members != new.members or old.private != new.private:
        raise ValueError("weights can be carried between programs of the same members and private parameters alone")
    if {(w.member, w.path, w.shape) for w in old.weights} != {(w.member, w.path, w.shape) for w in new.weights}:
        raise ValueError("weights can be carried between programs that share the same layers alone")
    kept = _unchanged(old, new)
    for weight in (*old.weights, *new.weights):
        if not _is_linear(weight.expression) and not _reads_only(weight.expression, kept):
            raise ValueError(f"`{weight.member}.{weight.path}` is modulated, mixed or resized and cannot be carried")


def _unchanged(old: Program, new: Program) -> frozenset[str]:
    """The stored tensors that both programs have and that are read in the same ways."""
    before, after = _readers(old), _readers(new)
    return frozenset(t.id for t in set(old.tensors) & set(new.tensors) if before.get(t.id) == after.get(t.id))


def _readers(program: Program) -> dict[str, list[WeightPlan]]:
    found: dict[str, list[WeightPlan]] = {}
    for weight in program.weights:
        for tensor in tensors_of(weight.expression):
            found.setdefault(tensor, []).append(weight)
    return found


def _reads_only(expression: Expression, kept: frozenset[str]) -> bool:
    return not combines_of(expression) and kept.issuperset(tensors_of(expression))


def _kept(old: Program, new: Program, tensors: list[Tensor]) -> dict[str, Tensor]:
    """Copies of the stored tensors, or of their velocities, that nothing changed about."""
    kept = _unchanged(old, new)
    named = zip(old.tensors, tensors, strict=True)
    return {plan.id: tensor.detach().clone() for plan, tensor in named if plan.id in kept}


def _is_linear(expression: Expression) -> bool:
    match expression:
        case Stored() | Combine():
            return True
        case Slice(of, _):
            return _is_linear(of)
        case Concat(_, parts):
            return all(_is_linear(part) for part in parts)
        case _:
            return False


def _rows(ensemble: Ensemble) -> list[Tensor]:
    tables = zip(ensemble.plan.banks, ensemble.coefficients, ensemble.banks, strict=True)
    return [_row_of_each_slot(table.detach().double() @ bank.detach().double(), plan) for plan, table, bank in tables]


def _row_of_each_slot(products_NT: Tensor, bank: BankRows) -> Tensor:
    """What each slot makes [S, T] of the product of its coefficient vector and the templates: its gain times it."""
    return amplified(products_NT[list(bank.index)], gains_of(bank, products_NT.device))


def _lifted(ensemble: Ensemble, momentum: Mapping[str, Tensor]) -> list[Tensor]:
    rows = []
    for plan, table, bank in zip(ensemble.plan.banks, ensemble.coefficients, ensemble.banks, strict=True):
        moved_table = momentum.get(f"coefficient/{plan.id}", torch.zeros_like(table)).double()
        moved_bank = momentum.get(f"bank/{plan.id}", torch.zeros_like(bank)).double()
        # The first order of (A + m_A)(T + m_T) - A T: how the weights would move, whatever factors make them.
        move = table.detach().double() @ moved_bank + moved_table @ bank.detach().double()
        rows.append(_row_of_each_slot(move, plan))
    return rows


def _tensor_momentum(ensemble: Ensemble, momentum: Mapping[str, Tensor]) -> list[Tensor]:
    named = zip(ensemble.program.tensors, ensemble.tensors, strict=True)
    return [momentum.get(f"tensor/{plan.id}", torch.zeros_like(tensor)) for plan, tensor in named]


def _wanted(ensemble: Ensemble, program: Program, rows: list[Tensor], tensors: list[Tensor]) -> list[Tensor]:
    """What the old rows and stored tensors make of each weight, in the order of the new program's weights."""
    old = ensemble.program
    plan = plan_composition(old)  # of all members, whichever of them run here
    placed = [place_blocks(rows, output) for output in plan.outputs]
    by_slot = dict(zip(plan.rows, placed[len(plan.direct) :], strict=True))
    by_tensor = {t.id: value.detach().double() for t, value in zip(old.tensors, tensors, strict=True)}
    direct = dict(zip(plan.direct, placed, strict=False))
    made = {
        (w.member, w.path): direct[n] if n in direct else evaluate(w.expression, by_slot, by_tensor)
        for n, w in enumerate(old.weights)
    }
    return [made[w.member, w.path] for w in program.weights]


@frozen(eq=False)
class _Fit:
    """A bank's new factors: as they were fitted (`exact`), and with fresh templates for what is left (`now`).

    `index` [S] says which coefficient vector a slot uses, `gains` [S] with what gain (None: all are 1), and `seen`
    [S, T] which scalars of its row are in its weight.
    """

    bank: str
    index: Tensor
    gains: Tensor | None
    seen: Tensor
    exact: Factors
    now: Factors
    residual: Residual


def _fit_banks(plan: CompositionPlan, program: Program, weights: list[Tensor]) -> list[_Fit]:
    if plan.rows:
        raise ValueError("templates inside another expression cannot be fitted")
    if not plan.outputs:
        return []
    # `gather_rows` of ones says how many outputs see each scalar of a row: 0 where it is cropped.
    wanted, seen = (_gathered(plan, values) for values in (weights, [torch.ones_like(w) for w in weights]))
    return [_fit_bank(plan, program, number, wanted[number], seen[number]) for number in range(len(plan.banks))]


def _gathered(plan: CompositionPlan, weights: list[Tensor]) -> list[Tensor]:
    return gather_rows(plan, [weights[n] for n in plan.direct], weights[0])


def _fit_bank(plan: CompositionPlan, program: Program, number: int, rows_ST: Tensor, seen_ST: Tensor) -> _Fit:
    bank = plan.banks[number]
    index_S = torch.tensor(bank.index, device=rows_ST.device)
    fresh = initial_templates(program.banks[number], seed_of(program)).to(rows_ST)
    gains_S = gains_of(bank, rows_ST.device)
    targets = targets_of(rows_ST, seen_ST, index_S, len(bank.coefficients), gains_S)
    exact = balanced(fit(targets, len(fresh)))
    # in the rows' own terms, over what is seen alone: a cropped scalar may come out as it likes
    gap = _row_of_each_slot(exact.table @ exact.templates, bank) - rows_ST
    relative = float((gap * seen_ST).norm() / rows_ST.norm().clamp(min=torch.finfo(torch.float64).tiny))
    residual = Residual(bank.id, relative, int(seen_ST.sum()))
    return _Fit(bank.id, index_S, gains_S, seen_ST, exact, padded(exact, fresh), residual)


def _carried_velocities(
    ensemble: Ensemble, momentum: Mapping[str, Tensor], made: Ensemble, fits: list[_Fit]
) -> dict[str, Tensor]:
    """How the new parameters move, so that the weights move as they did."""
    program = made.program
    moved = _tensor_momentum(ensemble, momentum)
    moves = _wanted(ensemble, program, _lifted(ensemble, momentum), moved)
    tensors = _fit_tensors(program, moves, start_at_zero=True) | _kept(ensemble.program, program, moved)
    dtype = next(made.parameters()).dtype
    kept = {name: velocity.clone() for name, velocity in momentum.items() if name.startswith("member/")}
    for fitted, rows_ST in zip(fits, _gathered(plan_composition(program), moves) if fits else [], strict=True):
        move = _move_of(fitted, rows_ST)
        kept[f"bank/{fitted.bank}"], kept[f"coefficient/{fitted.bank}"] = (
            move.templates.to(dtype),
            move.table.to(dtype),
        )
    return kept | {f"tensor/{name}": velocity.to(dtype) for name, velocity in tensors.items()}


def _move_of(fitted: _Fit, rows_ST: Tensor) -> Factors:
    targets = targets_of(rows_ST, fitted.seen, fitted.index, len(fitted.exact.table), fitted.gains)
    return padded(fit_momentum(targets, fitted.exact), torch.zeros_like(fitted.now.templates))


def _fit_tensors(program: Program, wanted: list[Tensor], *, start_at_zero: bool = False) -> dict[str, Tensor]:
    """Each stored tensor as the mean of the weights that read an entry; what nobody reads starts afresh."""
    made = {}
    for plan in program.tensors:
        readers = [w for w, weight in zip(wanted, program.weights, strict=True) if _reads(weight.expression, plan.id)]
        if not readers:  # a part of other expressions, and so the same as before
            continue
        fresh = torch.zeros(plan.shape) if start_at_zero else initial_tensor(plan, seed_of(program))
        made[plan.id] = _mean_of_leading(readers, fresh.to(readers[0]))
    return made


def _reads(expression: Expression, tensor: str) -> bool:
    match expression:
        case Stored(name, _):
            return name == tensor
        case Slice(of, _):
            return _reads(of, tensor)
        case _:
            return False


def _mean_of_leading(readers: list[Tensor], fresh: Tensor) -> Tensor:
    total, count = torch.zeros_like(fresh), torch.zeros_like(fresh)
    for weight in readers:
        leading = tuple(slice(size) for size in weight.shape)
        total[leading] += weight
        count[leading] += 1
    return torch.where(count > 0, total / count.clamp(min=1), fresh)


def _assembled(
    ensemble: Ensemble,
    program: Program,
    members: tuple[nn.Module, ...],
    fits: list[Factors],
    tensors: dict[str, Tensor],
) -> Ensemble:
    dtype = next(ensemble.parameters()).dtype
    parts = Parts(
        tuple(factors.templates.to(dtype) for factors in fits),
        tuple(factors.table.to(dtype) for factors in fits),
        tuple(tensors[plan.id].to(dtype) for plan in program.tensors),
        members,
    )
    made = Ensemble(program, parts, ensemble.own).to(_device(ensemble))
    made.train(ensemble.training)
    return made

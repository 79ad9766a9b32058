"""From a file to the typed spec of one ensemble.

Takes a path or a text, an ensemble's name and settings of params, gives a `Spec`. Guarantees: every mistake that can
be seen without building a network is reported at once; nothing is left open that a later stage would have to guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from swc.diagnostics import Diagnostic, DiagnosticError, Sink, catalogue
from swc.diagnostics.sources import read_source
from swc.language.semantics.check_training import check_training
from swc.language.semantics.data import INSTEAD, read_data
from swc.language.semantics.inherit import all_items
from swc.language.semantics.inputs import check_augmentation, check_inputs
from swc.language.semantics.library import Library, read_library, warn_unused_imports
from swc.language.semantics.members import read_budget, read_members, read_step
from swc.language.semantics.scope import Scope, scalar, settle_params
from swc.language.semantics.settings import apply_settings
from swc.language.semantics.sharing import check_policy, defaults_of, read_share, warn_frozen
from swc.language.semantics.steps import check_split_batch, check_step
from swc.language.semantics.tasks import check_task, read_task
from swc.language.semantics.training import check_recipe, read_training
from swc.language.semantics.unused import warn_unused_params
from swc.language.syntax import tree
from swc.program.datasets import DataFacts
from swc.program.plug_ins import plug_ins_in
from swc.program.spec import Budget, Member, Share, Spec
from swc.program.stages import keeps_weights
from swc.program.steps import StepPlan
from swc.program.task import Task
from swc.program.training import Action, Phase, PhaseAction, Training, row_of

Item = TypeVar("Item")
Items = tuple[tree.EnsembleItem, ...]


def check_file(
    path: Path | str, ensemble: str | None = None, overrides: Mapping[str, str] | None = None, sink: Sink | None = None
) -> Spec:
    """The spec of an ensemble of a file; `ensemble` may be left out where there is only one.

    `overrides` maps params to source text. Raises `DiagnosticError` with every mistake; warnings go to `sink`.
    """
    return check_text(read_source(Path(path)), str(path), ensemble, overrides, sink)


def check_text(
    text: str,
    file: str,
    ensemble: str | None = None,
    overrides: Mapping[str, str] | None = None,
    sink: Sink | None = None,
) -> Spec:
    """The spec of an ensemble of a text; imports are looked for beside `file`. Raises as `check_file` does."""
    sink = Sink() if sink is None else sink
    library = read_library(text, file, sink)
    if library is None:
        sink.raise_errors()
    assert library is not None, "a text without mistakes of form has a library"
    chosen = _choose(library, file, ensemble, sink)
    spec = _spec(chosen, library, overrides or {}, sink) if chosen is not None else None
    warn_unused_imports(library, sink)
    sink.raise_errors()
    assert spec is not None, "an ensemble that was not found has been reported"
    return spec


def ensembles_in(path: Path | str) -> tuple[str, ...]:
    """The names of a file's own ensembles, in order; raises `DiagnosticError` where it has mistakes of form."""
    from swc.language.syntax.parser import parse_text

    definitions = parse_text(read_source(Path(path)), str(path)).definitions
    return tuple(d.name.text for d in definitions if isinstance(d, tree.EnsembleDefinition))


def _check_definitions(library: Library, sink: Sink) -> None:
    """Check a file's recipes and policies with the defaults of their parameters."""
    for definition in library.root.definitions:
        if isinstance(definition, tree.RecipeDefinition) and _has_defaults(definition):
            check_recipe(definition, _scope_of(definition, library, sink))
        if isinstance(definition, tree.PolicyDefinition) and _has_defaults(definition):
            check_policy(definition, library.policies, _scope_of(definition, library, sink))
    if not library.own_ensembles:
        warn_unused_imports(library, sink)


def _scope_of(definition: tree.RecipeDefinition | tree.PolicyDefinition, library: Library, sink: Sink) -> Scope:
    return Scope(sink, defaults_of(definition.parameters), extent=library.extent)


def check_whole(path: Path | str, overrides: Mapping[str, str], sink: Sink) -> None:
    """Check all that a file defines, and put what is found into the sink; the file and its imports are read once."""
    with collected(sink):
        library = read_library(read_source(Path(path)), str(path), sink)
        if library is None:
            return
        broken = sink.errors[:1]  # beside a mistake of the library, some others are consequences
        _part(broken, sink, partial(_check_definitions, library))
        for one in library.own_ensembles:
            _part(broken, sink, partial(_check_ensemble, one, library, overrides))


def _check_ensemble(one: tree.EnsembleDefinition, library: Library, overrides: Mapping[str, str], sink: Sink) -> None:
    _spec(one, library, overrides, sink)
    warn_unused_imports(library, sink)


def _part(broken: tuple[Diagnostic, ...], sink: Sink, act: Callable[[Sink], None]) -> None:
    """Check one definition with a sink of its own, which begins with what is broken already."""
    inner = Sink()
    for diagnostic in broken:
        inner.report(diagnostic)
    with collected(sink):
        act(inner)
    for diagnostic in inner.diagnostics:
        sink.report(diagnostic)


@contextmanager
def collected(sink: Sink) -> Iterator[None]:
    """Put what is raised inside into a sink."""
    try:
        yield
    except DiagnosticError as found:
        for diagnostic in found.diagnostics:
            sink.report(diagnostic)


def _has_defaults(definition: tree.RecipeDefinition | tree.PolicyDefinition) -> bool:
    return all(parameter.default is not None for parameter in definition.parameters)


def _choose(library: Library, file: str, name: str | None, sink: Sink) -> tree.EnsembleDefinition | None:
    own = {ensemble.name.text: ensemble for ensemble in library.own_ensembles}
    if name is not None and name in own:
        return own[name]
    if name is not None and own:
        sink.report(catalogue.UnknownEnsemble(span=library.root.span, name=name, ensembles=tuple(own)))
    elif not own:
        sink.report(catalogue.NoEnsemble(span=library.root.span, file=file))
    elif len(own) > 1:
        sink.report(catalogue.SeveralEnsembles(span=library.root.span, file=file, ensembles=tuple(own)))
    return next(iter(own.values())) if len(own) == 1 and name is None else None


def _spec(ensemble: tree.EnsembleDefinition, library: Library, settings: Mapping[str, str], sink: Sink) -> Spec:
    items = all_items(ensemble, library.ensembles, sink, library.extent)
    written = {param.name.text: param.value for param in _of(items, tree.ParamItem)}
    scope = settle_params(apply_settings(written, settings, ensemble.name.span, sink), sink, library.extent)
    task = _task(items, scope)
    data = _data(items, scope, ensemble, task)
    is_known = data is not INSTEAD  # what does not fit data that could not be read is no mistake of its own
    members = _members(items, scope, ensemble)
    step = _step(items, scope)
    shares = tuple(read_share(item, library.policies, scope) for item in _of(items, tree.ShareBlock))
    budget = _budget(items, scope, ensemble, bool(shares))
    training = _training(items, library, scope, task)
    data = data.drawn_by(training.recipe.seed) if training is not None else data
    warn_frozen(shares, members, scope)
    check_step(items, step, members, scope)
    _check_together(items, shares, training, scope)
    check_split_batch(items, step, members, training, scope)
    check_training(items, data if is_known else None, step, training, scope)
    check_task(items, task, step, training, scope)
    if is_known:
        check_inputs(items, data, members, scope)
        check_augmentation(items, data, training, scope)
    warn_unused_params(ensemble, library.ensembles, scope)
    train, named = next(iter(_of(items, tree.TrainBlock)), None), next(iter(_of(items, tree.DataItem)), None)
    plug_ins = plug_ins_in((data, members, shares, training))
    scope.defaults.extend(map(str, plug_ins))
    return Spec(
        name=ensemble.name.text,
        data=data,
        members=members,
        budget=budget,
        shares=shares,
        training=training,
        step=step,
        plug_ins=plug_ins,
        params=tuple((name, scalar(value)) for name, value in sorted(scope.values.items())),
        defaults=tuple(dict.fromkeys(scope.defaults)),
        span=ensemble.span,
        train_span=train.span if train is not None else None,
        data_span=named.span if named is not None else None,
    )


def _of(items: Items, kind: type[Item]) -> tuple[Item, ...]:
    return tuple(item for item in items if isinstance(item, kind))


def _missing(ensemble: tree.EnsembleDefinition, what: str, example: str, sink: Sink) -> None:
    if ensemble.base is not None and sink.errors:
        return  # the base that could not be found may have it
    inside = f"ensemble `{ensemble.name.text}`"
    sink.report(catalogue.MissingItem(span=ensemble.name.span, what=what, inside=inside, example=example))


def _task(items: Items, scope: Scope) -> Task:
    found = _of(items, tree.TaskItem)
    return read_task(found[0], scope) if found else Task()


def _data(items: Items, scope: Scope, ensemble: tree.EnsembleDefinition, task: Task) -> DataFacts:
    found = _of(items, tree.DataItem)
    if found:
        return read_data(found[0], scope, task)
    _missing(ensemble, "data", "data cifar100", scope.sink)
    return INSTEAD


def _members(items: Items, scope: Scope, ensemble: tree.EnsembleDefinition) -> tuple[Member, ...]:
    found = _of(items, tree.MemberItem)
    if not found:
        _missing(ensemble, "member", "member wide = wrn(depth: 28, width: 10)", scope.sink)
    return read_members(found, scope)


def _step(items: Items, scope: Scope) -> StepPlan:
    found = _of(items, tree.StepItem)
    return read_step(found[0], scope) if found else StepPlan()


def _budget(items: Items, scope: Scope, ensemble: tree.EnsembleDefinition, shares: bool) -> Budget:
    found = _of(items, tree.BudgetItem)
    if found:
        return read_budget(found[0], scope)
    if shares:
        _missing(ensemble, "budget", "budget 50% of native", scope.sink)
    scope.defaults.append("budget: unlimited, as nothing is shared")
    return Budget("unlimited")


def _training(items: Items, library: Library, scope: Scope, task: Task) -> Training | None:
    found = _of(items, tree.TrainBlock)
    if found:
        return read_training(found[0], library.recipes, scope, task)
    scope.defaults.append("train: there is no train block, so this can be compiled and not trained")
    return None


def _check_together(items: Items, shares: tuple[Share, ...], training: Training | None, scope: Scope) -> None:
    """What concerns sharing and training at once."""
    phases = training.phases if training is not None else ()
    for share in shares:
        if share.templates.is_profiled and not any(phase.is_search for phase in phases):
            scope.sink.report(catalogue.ProfiledWithoutSplit(span=share.templates.span))
    _check_profiles(items, shares, scope)
    _check_groups(items, shares, scope)
    _check_splits(items, shares, scope)
    _check_actions(items, shares, phases, scope)
    tied = any(share.coefficients != "slot" and share.policy == "superweights" for share in shares)
    for phase, clause, _ in () if tied else _clauses_of(items, phases):
        if isinstance(clause, tree.UntieClause) and not phase.is_search:  # a search ties by level, whatever is said
            scope.sink.report(catalogue.NothingToUntie(span=clause.span))


def _check_actions(items: Items, shares: tuple[Share, ...], phases: tuple[Phase, ...], scope: Scope) -> None:
    """Actions need parameters that they are about, and what was frozen is not changed in other ways later.

    Source of what freezing means: `swc.program.stages.frozen_at`.
    """
    policies = {share.policy for share in shares}
    since: dict[str, str] = {}  # the roles that are frozen, and since when
    for phase, clause, action in _clauses_of(items, phases):
        row = row_of(action)
        touched = tuple(role for role in (*row.changes, *row.freezes) if role in since)
        if isinstance(action, PhaseAction) and not policies & set(row.policies):
            scope.sink.report(catalogue.NothingToFreeze(span=clause.span, action=row.spoken, policies=row.policies))
        elif action is phase.split and not keeps_weights(phase):
            since = {}
        elif touched:
            scope.sink.report(
                catalogue.FrozenAlready(span=clause.span, action=row.spoken, roles=touched, since=since[touched[0]])
            )
        if isinstance(action, PhaseAction):
            since |= dict.fromkeys(row.freezes, f"phase {phase.name}, after epoch {action.after}")


def _clauses_of(items: Items, phases: tuple[Phase, ...]) -> Iterator[tuple[Phase, tree.Clause, Action]]:
    """What happens in and after each phase, in order, with the clause that says so; nothing beside a mistake."""
    written = [
        part for train in _of(items, tree.TrainBlock) for part in train.items if isinstance(part, tree.PhaseItem)
    ]
    for item, phase in zip(written, phases, strict=True):
        within = [clause for clause in item.clauses if isinstance(clause, tree.UntieClause | tree.Act)]
        ending = [clause for clause in item.clauses if isinstance(clause, tree.SplitClause | tree.GroupClause)]
        actions: list[Action] = [*phase.within, *([phase.split] if phase.split is not None else [])]
        if len(actions) == len(within) + len(ending):
            yield from ((phase, clause, action) for clause, action in zip((*within, *ending), actions, strict=True))


def _check_splits(items: Items, shares: tuple[Share, ...], scope: Scope) -> None:
    """Clusters are those of `superweights`; other policies have none that could be split."""
    if any(share.policy == "superweights" for share in shares):
        return
    for clause in _clauses(items):
        if isinstance(clause, tree.SplitClause):
            scope.sink.report(catalogue.NothingToSplit(span=clause.span))


def _check_groups(items: Items, shares: tuple[Share, ...], scope: Scope) -> None:
    """Layers are put in groups by what `shapeshifter` learned, or not at all."""
    if any(share.policy == "shapeshifter" for share in shares):
        return
    for clause in _clauses(items):
        if isinstance(clause, tree.GroupClause):
            scope.sink.report(catalogue.NothingToGroup(span=clause.span))


def _check_profiles(items: Items, shares: tuple[Share, ...], scope: Scope) -> None:
    """Profiles are read off the summed gradients themselves, of which a sketch keeps dot products alone."""
    if not any(share.templates.is_profiled for share in shares):
        return
    for clause in _clauses(items):
        if isinstance(clause, tree.SplitClause) and clause.sketch is not None:
            scope.sink.report(catalogue.SketchedProfile(span=clause.sketch.span))


def _clauses(items: Items) -> Iterator[tree.Clause]:
    """What happens in and after the phases."""
    for train in _of(items, tree.TrainBlock):
        for phase in train.items:
            if isinstance(phase, tree.PhaseItem):
                yield from phase.clauses

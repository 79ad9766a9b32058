"""Share blocks: what may be shared, and how.

Takes share blocks, the policies that can be named and a scope, gives `Share`s. Guarantees: every default that the
compiler chose is noted; a bundle's items stand before the block's own, which replace them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import define, field

from swc.diagnostics import Span, catalogue
from swc.language.semantics import values
from swc.language.semantics.calls import Signature, bind, bind_declared, bind_known, row_named, settle_all
from swc.language.semantics.library import Definitions
from swc.language.semantics.scope import Scope
from swc.language.syntax import tree
from swc.language.syntax.heads import WORDS
from swc.program.limits import LEVELS
from swc.program.model_source import Scalar
from swc.program.spec import Clusters, Member, Selector, Share, Templates
from swc.program.vocabulary import (
    BLOCKS,
    COEFFICIENTS,
    INITIALISATION,
    INITIALISATIONS,
    OBJECTIVES,
    ROLE_SELECTORS,
    SELECTORS,
    SILENT_INITIALISATION,
)
from swc.registry.policies import POLICIES

RULES = ("even", "optimal")


@define
class _Stated:
    """The items of a block and of the bundles it names, each with its scope; a later one replaces an earlier."""

    policy: str = "superweights"
    arguments: dict[str, Scalar] = field(factory=dict)
    items: dict[type, tuple[Any, Scope]] = field(factory=dict)


def read_share(item: tree.ShareBlock, policies: Definitions[tree.PolicyDefinition], scope: Scope) -> Share:
    """A share block with everything that its policy brings and everything left open."""
    stated = _Stated()
    if item.policy is not None:
        _add_policy(item.policy, policies, scope, stated, ())
    _add_items(item.items, scope, stated)
    selector = _selector(item.selector, scope)
    return _share(stated, selector, scope, item.span)


def check_policy(item: tree.PolicyDefinition, policies: Definitions[tree.PolicyDefinition], scope: Scope) -> None:
    """Report the mistakes of a policy that no share block uses."""
    stated = _Stated()
    if item.base is not None:
        _add_policy(item.base, policies, scope, stated, (item.name.text,))
    _add_items(item.items, scope, stated)
    _share(stated, Selector("conv"), scope, item.span)


def _add_policy(
    written: tree.Call,
    policies: Definitions[tree.PolicyDefinition],
    scope: Scope,
    stated: _Stated,
    chain: tuple[str, ...],
) -> None:
    call = scope.called(written)
    name = call.name.text
    if name in chain:
        circle = (*chain[chain.index(name) :], name)
        scope.sink.report(catalogue.ExtendsCycle(span=call.span, word="as", chain=circle))
    elif name in policies and len(chain) > LEVELS:
        scope.sink.report(catalogue.TooDeep(span=call.span, what="policies that use others", most=LEVELS))
    elif name in policies:
        _add_bundle(call, policies, scope, stated, chain)
    else:
        _add_row(call, policies, scope, stated)


def _add_row(call: tree.Call, policies: Definitions[tree.PolicyDefinition], scope: Scope, stated: _Stated) -> None:
    """A policy of the language, or of a plug-in where no file defines one of the name."""
    name, span = call.name.text, call.name.span
    row = row_named(name, POLICIES, span, scope, lambda: _unknown_policy(call, policies, scope))
    if row is not None:
        stated.policy = name
        stated.arguments = bind_declared(call, scope, row.arguments, f"share as {name}")


def _unknown_policy(call: tree.Call, policies: Definitions[tree.PolicyDefinition], scope: Scope) -> None:
    known = POLICIES.choices()
    unknown = catalogue.UnknownPolicy(span=call.name.span, name=call.name.text, policies=known, own=policies.names)
    scope.sink.report(unknown)


def _add_bundle(
    call: tree.Call, policies: Definitions[tree.PolicyDefinition], scope: Scope, stated: _Stated, chain: tuple[str, ...]
) -> None:
    policy = policies[call.name.text]
    inner = enter(call, policy.parameters, scope)
    if policy.base is not None:
        _add_policy(policy.base, policies, inner, stated, (*chain, call.name.text))
    _add_items(policy.items, inner, stated)


def enter(call: tree.Call, parameters: tuple[tree.Parameter, ...], scope: Scope) -> Scope:
    """The scope inside a recipe or policy: its parameters, with the call's arguments or their defaults."""
    scope.extent.take(1 + len(parameters) + len(call.arguments), call.span, scope.sink)
    names = tuple(p.name.text for p in parameters)
    required = tuple(p.name.text for p in parameters if p.default is None)
    given = settle_all(bind(call, scope, Signature(names, required)), scope)
    return scope.inner({**defaults_of(parameters), **given})


def defaults_of(parameters: tuple[tree.Parameter, ...]) -> dict[str, tree.Value | tree.Amount]:
    """The parameters with their defaults; one without a default is taken for 2, its absence having been reported."""
    return {p.name.text: p.default or tree.Number("2", 2, p.span) for p in parameters}


def _add_items(items: tuple[tree.ShareItem, ...], scope: Scope, stated: _Stated) -> None:
    seen: dict[type, Span] = {}
    for item in items:
        scope.extent.take(1, item.span, scope.sink)
        kind = type(item)
        if kind in seen:
            what = f"`{WORDS[kind]}`"
            scope.sink.report(catalogue.DuplicateItem(span=item.span, what=what, first=str(seen[kind])))
        seen.setdefault(kind, item.span)
        stated.items[kind] = (item, scope)


def _selector(item: tree.Name | tree.Text, scope: Scope) -> Selector:
    found = scope.settle(item)
    if isinstance(found, tree.Text):
        return Selector("glob", found.value, item.span)
    word = found.text if isinstance(found, tree.Name) else ""
    kinds: dict[str, Any] = {name: name for name in SELECTORS}
    if word not in kinds:
        name = word or values.kind_of(found)
        scope.sink.report(catalogue.UnknownSelector(span=found.span, name=name, selectors=SELECTORS))
    return Selector(kinds.get(word, "all"), span=item.span)


def _share(stated: _Stated, selector: Selector, scope: Scope, span: Span) -> Share:
    _note_defaults(stated, f"share {selector.pattern or selector.kind}", scope)
    _warn_without_effect(stated, scope)
    _check_selector(stated, selector, scope)
    return Share(
        selector=selector,
        policy=stated.policy,
        clusters=_clusters(stated),
        coefficients=_word(stated, tree.CoefficientsItem, "way to share coefficients", COEFFICIENTS, "partner"),
        templates=_templates(stated),
        blocks=_word(stated, tree.BlocksItem, "way to cut blocks", BLOCKS, "chain"),
        initialisation=_initialisation(stated),
        arguments=tuple(sorted(stated.arguments.items())),
        span=span,
    )


def _initialisation(stated: _Stated) -> Any:
    has_banks = _matters(tree.InitialisationItem, stated.policy)
    otherwise = INITIALISATION if has_banks else SILENT_INITIALISATION
    return _word(stated, tree.InitialisationItem, "initialisation", INITIALISATIONS, otherwise)


def _check_selector(stated: _Stated, selector: Selector, scope: Scope) -> None:
    """Norms, heads and biases are not for every policy."""
    if selector.kind in ROLE_SELECTORS and selector.kind not in POLICIES[stated.policy].selectors:
        able = tuple(row.name for row in POLICIES.rows if selector.kind in row.selectors)
        found = catalogue.SelectorNotForPolicy(
            span=selector.span, selector=selector.kind, policy=stated.policy, able=able
        )
        scope.sink.report(found)


def _note_defaults(stated: _Stated, where: str, scope: Scope) -> None:
    left_open = {
        tree.ClustersItem: "clusters by depth in 4 bins",
        tree.CoefficientsItem: "coefficients by partner",
        tree.TemplatesItem: "templates even up to 8",
        tree.BlocksItem: "blocks chain",
        tree.InitialisationItem: f"initialisation {INITIALISATION}",
    }
    scope.defaults.extend(
        f"{where}: {line}"
        for kind, line in left_open.items()
        if kind not in stated.items and _matters(kind, stated.policy)
    )
    if tree.ClustersItem in stated.items and _lacks(stated.items[tree.ClustersItem][0], "depth", "bins"):
        scope.defaults.append(f"{where}: clusters by depth in 4 bins")
    if tree.TemplatesItem in stated.items and stated.items[tree.TemplatesItem][0].cap is None:
        scope.defaults.append(f"{where}: templates up to 8")


def _matters(kind: type, policy: str) -> bool:
    return WORDS[kind] in POLICIES[policy].items


def _warn_without_effect(stated: _Stated, scope: Scope) -> None:
    for kind, (item, _) in stated.items.items():
        if not _matters(kind, stated.policy):
            name = WORDS[kind]
            scope.sink.report(catalogue.ItemWithoutEffect(span=item.span, item=name, policy=stated.policy))


def _lacks(item: Any, kind: str, part: str) -> bool:
    return item.kind == kind and getattr(item, part) is None


def _word(stated: _Stated, kind: type, what: str, choices: tuple[str, ...], default: str) -> Any:
    if kind not in stated.items:
        return default
    item, scope = stated.items[kind]
    return values.choice(item.by, scope, what, choices, fallback=default)


def _clusters(stated: _Stated) -> Clusters:
    if tree.ClustersItem not in stated.items:
        return Clusters()
    item, scope = stated.items[tree.ClustersItem]
    bins = values.whole(item.bins, scope, "a number of bins", values.FEW) if item.bins is not None else 4
    groups = _groups(item.groups, scope) if item.groups is not None else ()
    return Clusters(item.kind, bins, groups, item.span)


def _groups(item: tree.ListOf, scope: Scope) -> tuple[tuple[str, ...], ...]:
    groups = tuple(_group(scope.settle(inner), scope) for inner in values.items(item, scope, "a clustering"))
    if not groups:
        scope.sink.report(catalogue.MalformedGroups(span=item.span, found="an empty list"))
    return groups


def _group(value: tree.Value | tree.Amount, scope: Scope) -> tuple[str, ...]:
    if not isinstance(value, tree.ListOf):
        scope.sink.report(catalogue.MalformedGroups(span=value.span, found=values.kind_of(value)))
        return ()
    if not value.items:
        scope.sink.report(catalogue.MalformedGroups(span=value.span, found="an empty list"))
    return tuple(values.text(item, scope, "a pattern of a cluster") for item in value.items)


def _templates(stated: _Stated) -> Templates:
    if tree.TemplatesItem not in stated.items:
        return Templates()
    item, scope = stated.items[tree.TemplatesItem]
    rule: Any = values.choice(item.rule.name, scope, "rule of allocation", RULES)
    cap = values.whole(item.cap, scope, "a number of templates", values.SOME) if item.cap is not None else 8
    return Templates(rule, _objective(item.rule, rule, scope), cap, item.span)


def _objective(call: tree.Call, rule: str, scope: Scope) -> Any:
    names = ("objective",) if rule == "optimal" else ()
    is_known = values.is_choice(call.name, scope, RULES)
    given = bind_known(call, scope, is_known, Signature(names, num_plain=len(names)))
    if "objective" in given:
        return values.choice(given["objective"], scope, "objective", OBJECTIVES)
    if rule == "optimal":
        scope.defaults.append("templates optimal: objective coverage")
    return "coverage"


def warn_frozen(shares: Sequence[Share], members: Sequence[Member], scope: Scope) -> None:
    """Tell of policies that keep stored weights as they begin, where these are nobody's trained ones."""
    if any(member.weights for member in members):
        return
    for share in shares:
        if dict(share.arguments).get("frozen"):
            scope.sink.report(catalogue.FrozenAtRandom(span=share.span, policy=share.policy))

"""What names and numbers in a file may be: the rules of the grammar, for whatever is decoded.

Takes decoded objects; gives what is wrong with the first that breaks a rule. Guarantees: a text field without a line in
`RULES` must be a plain name, so that a new field can't be forgotten; what the compiler can write, passes: paths inside
a member are torch's, whose module names may hold anything but a dot.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from math import isinf
from typing import Any

import attrs
from attrs import frozen

from swc.program.choice import Choice
from swc.program.datasets import DATA
from swc.program.model_source import ModelSource
from swc.program.vocabulary import NO_DECAY, STEPS
from swc.registry.actions import ROLES
from swc.registry.families import FAMILIES
from swc.registry.policies import POLICIES, UPSAMPLINGS
from swc.registry.registry import Registry
from swc.registry.tasks import TASKS

NAME = re.compile(r"[^\W\d]\w*")
LARGEST = 2**63  # what a count must stay below, to be one everywhere
_MEMBER = re.compile(r"[^\W\d]\w*(\[(0|[1-9]\d*)\])?")
_PATH = re.compile(r"([^.]+(\.[^.]+)*)?", re.DOTALL)
_SCORE = re.compile(r"[^\W\d]\w*(\[(0|[1-9]\d*)\])?")  # `rmse[1]` is that of one of several targets
_HASH = re.compile(r"[0-9a-f]+")
_FACTORY = re.compile(r"""[^\s.:/\\'"]+(\.[^\s.:/\\'"]+)*:[^\W\d]\w*(\.[^\W\d]\w*)*""")
_FILE = re.compile(r"[^/\\]+(/[^/\\]+)*")


@frozen
class Rule:
    """What a text must be, and how that is called: `is_met` takes the text."""

    wanted: str
    is_met: Callable[[str], object]


@frozen
class Pairs:
    """What the names and the texts in a list of names with values must be."""

    names: Rule
    values: Rule


def _among(wanted: str, words: object) -> Rule:
    known = frozenset(words)  # type: ignore[call-overload]
    return Rule(wanted, known.__contains__)


def _is_relative(name: str) -> bool:
    return _FILE.fullmatch(name) is not None and not {".", ".."} & set(name.split("/"))


PLAIN = Rule("a name", NAME.fullmatch)
TEXT = Rule("text", lambda text: True)
WRITTEN = Rule("text of one line without quotes", lambda text: not set('"\n\r') & set(text))  # as a spec has it
ONE_LINE = Rule("text of one line", lambda text: not set("\n\r") & set(text))
ID = Rule("an id", bool)
MEMBER = Rule("the name of a member", _MEMBER.fullmatch)
HOST = Rule("the name of a member", lambda text: text == "" or _MEMBER.fullmatch(text))
PATH = Rule("a path inside a member", _PATH.fullmatch)
HASH = Rule("a hash", _HASH.fullmatch)
FACTORY = Rule("package.module:factory", _FACTORY.fullmatch)
ARGUMENTS = Pairs(PLAIN, WRITTEN)
TASK = Rule("a task", TASKS.find)
FURTHER = Rule("the name of a score", _SCORE.fullmatch)

RULES: dict[str, Rule | Pairs] = {
    "DataFacts.name": Rule("a data set", DATA.find),
    "DataFacts.folder": WRITTEN,
    "DataFacts.function": Rule("package.module:function", lambda text: text == "" or _FACTORY.fullmatch(text)),
    "DataFacts.arguments": ARGUMENTS,
    "DataFacts.variant": WRITTEN,
    "Task.arguments": ARGUMENTS,
    "ModelSource.name": TEXT,  # by its kind: `SOURCES`
    "ModelSource.arguments": ARGUMENTS,
    "Span.file": TEXT,
    "Span.text": TEXT,
    "Member.name": MEMBER,
    "Member.host": HOST,
    "MemberNode.name": MEMBER,
    "MemberNode.host": HOST,
    "Selector.pattern": WRITTEN,
    "Share.policy": Rule("a sharing policy", POLICIES.find),
    "Share.arguments": ARGUMENTS,
    "Clusters.groups": WRITTEN,
    "Recipe.name": Rule("the name of a recipe", lambda text: text == "" or NAME.fullmatch(text)),
    "Optimiser.arguments": ARGUMENTS,
    "Schedule.arguments": ARGUMENTS,
    "Loss.arguments": ARGUMENTS,
    "WeightAverage.arguments": ARGUMENTS,
    "PhaseAction.arguments": ARGUMENTS,
    "AugmentationStep.arguments": ARGUMENTS,
    "PlugIn.kind": TEXT,
    "PlugIn.distribution": WRITTEN,
    "PlugIn.version": WRITTEN,
    "Optimiser.no_decay": _among("what gets no weight decay", NO_DECAY),
    "Spec.params": Pairs(PLAIN, ONE_LINE),  # lists of texts have their quotes
    "Spec.defaults": TEXT,
    "StepPlan.name": _among("a step strategy", STEPS),
    "StepPlan.arguments": ARGUMENTS,
    "Program.frozen": Rule("a role of parameters", ROLES.__contains__),
    "Program.spec_hash": HASH,
    "Program.graph_hash": HASH,
    "Member.weights": WRITTEN,
    "MemberPlan.name": MEMBER,
    "MemberPlan.host": HOST,
    "BankPlan.id": ID,
    "CoefficientPlan.id": ID,
    "CoefficientPlan.bank": ID,
    "SlotPlan.id": ID,
    "SlotPlan.member": MEMBER,
    "SlotPlan.bank": ID,
    "SlotPlan.coefficient": ID,
    "TensorPlan.id": ID,
    "WeightPlan.member": MEMBER,
    "WeightPlan.path": PATH,
    "WeightPlan.layer": ID,
    "PrivatePlan.member": MEMBER,
    "PrivatePlan.path": PATH,
    "PrivatePlan.like": HOST,
    "Stored.tensor": ID,
    "Combine.slot": ID,
    "Mix.by": ID,
    "Resize.mode": _among("a way of resizing", UPSAMPLINGS),
    "Scale.outputs": TEXT,  # an id, or nothing
    "Scale.inputs": TEXT,
    "LayerTable.member": HOST,  # of the cache without a name; a folder's are those of its spec
    "ParameterRow.name": PATH,
    "ParameterRow.owner": PATH,
    "ParameterRow.path": PATH,
    "ParameterRow.obstacle": TEXT,
    "ParameterRow.aside": TEXT,
    "Similarity.first": ID,
    "Similarity.second": ID,
    "ClusterFeedback.silent": ID,
    "CoefficientFeedback.silent": ID,
    "Spectrum.bank": ID,
    "Mixture.layer": ID,
    "Mixture.bank": ID,
    "SourceFile.name": Rule("a file below the spec's folder", _is_relative),
    "SourceFile.text": TEXT,
    "Origin.settings": Pairs(PLAIN, TEXT),
    "Graph.phase": Rule("the name of a phase", lambda text: text == "" or NAME.fullmatch(text)),
    "Layer.id": ID,
    "Layer.member": MEMBER,
    "Layer.path": PATH,
    "Layer.parameter": PATH,
    "Private.member": MEMBER,
    "Private.path": PATH,
    "Private.reason": TEXT,
    "Private.like": HOST,
    "Cluster.id": ID,
    "Cluster.label": TEXT,
    "Cluster.layers": ID,
    "Level.id": ID,
    "Level.cluster": ID,
    "Bank.id": ID,
    "Coefficient.id": ID,
    "Coefficient.bank": ID,
    "Slot.id": ID,
    "Slot.layer": ID,
    "Slot.bank": ID,
    "Slot.coefficient": ID,
    "Tensor.id": ID,
    "Weight.layer": ID,
    "Settings.data": TEXT,
    "Settings.source": HASH,
    "Settings.constants": Pairs(PLAIN, TEXT),
    "Made.name": PLAIN,
    "Made.versions": Pairs(TEXT, TEXT),
    "Generated.note": TEXT,
    "Notes.remarks": TEXT,
    "MachineFacts.facts": Pairs(TEXT, TEXT),
    "ClassNames.classes": TEXT,
    "TableColumns.target": TEXT,
    "TableColumns.scheme": PLAIN,
    "TableColumns.encoding": PLAIN,
    "TableColumns.numbers": TEXT,
    "TableColumns.sha256": HASH,
    "CategoryValues.column": TEXT,
    "CategoryValues.values": TEXT,
    "RunResults.data": WRITTEN,
    "RunResults.budget": TEXT,
    "EpochRow.score": Rule("the name of a score", lambda text: text == "" or NAME.fullmatch(text)),
    "Evaluation.task": TASK,
    "MemberScores.further": FURTHER,
    "MemberScores.name": MEMBER,
    "RunResults.task": TASK,
    "RunsRow.task": TASK,
    "Scores.further": FURTHER,
    "ScoresRow.further": FURTHER,
    "ScoresRow.of": MEMBER,
    "Meta.spec_hash": TEXT,
    "Meta.program_hash": TEXT,
    "Meta.marks": Pairs(TEXT, TEXT),
    "Meta.facts": Pairs(TEXT, TEXT),
    "CheckpointNote.sha256": HASH,
    "PredictionsNote.facts": Pairs(TEXT, TEXT),
    "PredictionsNote.sha256": HASH,
    "Consent.digest": HASH,
    "Consent.factories": TEXT,
    "Consent.files": TEXT,
    "Consent.modules": Pairs(TEXT, TEXT),
    "Evaluation.run": TEXT,
    "Evaluation.data": TEXT,
    "Evaluation.stage": TEXT,
    "Evaluation.machine": TEXT,
    "Evaluation.outputs": TEXT,
    "Predictor.members": MEMBER,
    "Predictor.uncalibrated": TEXT,
    "Outliers.data": TEXT,
    "Interpolation.first": MEMBER,
    "Interpolation.second": MEMBER,
    "Corruptions.folder": TEXT,
    "Corruptions.mean_standard": Pairs(TEXT, TEXT),
    "Corruptions.mean_all": Pairs(TEXT, TEXT),
    "Corrupted.name": MEMBER,
    "SweepTable.sweep": TEXT,
    "SweepTable.specs": TEXT,
    "SettingRow.setting": Pairs(TEXT, TEXT),
    "SettingRow.values": Pairs(TEXT, TEXT),
    "SettingRow.failed": TEXT,
    "SettingRow.elsewhere": TEXT,
    "SettingRow.templates_per_bank": TEXT,
    "DifferenceRow.of": Pairs(TEXT, TEXT),
    "DifferenceRow.against": Pairs(TEXT, TEXT),
    "DifferenceRow.metric": FURTHER,
    "SystemRow.name": TEXT,
    "SystemRow.data": TEXT,
    "SystemRow.budget": TEXT,
    "SystemRow.sharing": TEXT,
    "RunsRow.name": TEXT,
    "RunsRow.stage": TEXT,
    "RunsRow.values": Pairs(TEXT, TEXT),
}
SOURCES: dict[str, Rule] = {
    "family": Rule("a family", FAMILIES.find),
    "timm": PLAIN,
    "torchvision": PLAIN,
    "python": FACTORY,
}


def fault_of(value: Any, rule: Rule | Pairs = PLAIN) -> str | None:
    """Where and what breaks a rule, as in `.members[0].name: "../x" is not the name of a member`; None: nothing."""
    match value:
        case str():
            return _text_fault(value, rule)
        case bool() | None:
            return None
        case int() | float():
            return _number_fault(value)
        case tuple():
            return _first(value, rule)
        case dict():
            return _entry_fault(value, rule)
        case _:
            return _object_fault(value) if attrs.has(type(value)) else None


def _number_fault(number: float) -> str | None:
    """A whole number is a count; nan is one that was undefined when it was measured, in the kinds that have such."""
    if isinstance(number, float):
        return f": {number} is no number" if isinf(number) else None
    return None if 0 <= number < LARGEST else f": {str(number)[:40]} is no count"


def _text_fault(text: str, rule: Rule | Pairs) -> str | None:
    rule = rule.values if isinstance(rule, Pairs) else rule
    if rule.is_met(text) and _is_unicode(text):
        return None
    return f": {text[:60]!a} is not {rule.wanted}"


def _is_unicode(text: str) -> bool:
    """Whether a text can be written at all: JSON may hold halves of characters."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _first(values: tuple[Any, ...], rule: Rule | Pairs) -> str | None:
    for place, value in enumerate(values):
        found = _pair_fault(value, rule) if isinstance(rule, Pairs) else fault_of(value, rule)
        if found is not None:
            return f"[{place}]{found}"
    return None


def _pair_fault(pair: tuple[str, Any], rule: Pairs) -> str | None:
    """A value that is a number is the author's own, and may be any finite one."""
    name, value = pair
    is_own = isinstance(value, int)
    return fault_of(name, rule.names) or (None if is_own else fault_of(value, rule.values))


def _entry_fault(entries: dict[str, Any], rule: Rule | Pairs) -> str | None:
    """Of entries by name: a name is held to the rule of names, what it names to that of values."""
    names = rule.names if isinstance(rule, Pairs) else rule
    for name, value in entries.items():
        found = fault_of(name, names) or fault_of(value, rule)
        if found is not None:
            return f"[{name[:60]!a}]{found}"
    return None


def _object_fault(value: Any) -> str | None:
    cls: Any = type(value)
    for name, rule in _rules_of(cls):
        part = getattr(value, name)
        found = fault_of(part, rule)
        if found is not None:
            return f".{name}{found}"
    if isinstance(value, Choice):
        return _choice_fault(value, value.registry)
    if isinstance(value, ModelSource):
        found = fault_of(value.name, SOURCES[value.kind])
        return None if found is None else f".name{found}"
    return None


def _choice_fault(choice: Choice, registry: Registry[Any]) -> str | None:
    row = registry.find(choice.name)
    if row is None:
        return f".name: {choice.name[:60]!a} is no {registry.kind}"
    fault = row.fault_of(choice.values)
    return f".arguments: {fault}" if fault else None


@cache
def _rules_of(cls: type) -> tuple[tuple[str, Rule | Pairs], ...]:
    """The fields of a class, each with its rule; words of a few are held to them by the decoder."""
    return tuple((part.name, _rule_of(cls, part)) for part in attrs.fields(attrs.resolve_types(cls)))


def _rule_of(cls: Any, part: Any) -> Rule | Pairs:
    is_choice = "Literal[" in str(part.type)
    return RULES.get(f"{cls.__name__}.{part.name}", TEXT if is_choice else PLAIN)

"""From the grammar to its LALR tables, with lark.

Takes the text of the grammar, gives `Tables`. Guarantees: what lark's own parser would build from the tables, nodes
with their places and absent optional parts as None, the parser here builds as well; where the grammar would need
more of lark than that, an assertion says so.
"""

from __future__ import annotations

from typing import Any

from lark import Lark
from lark.parsers.lalr_analysis import Shift

from swc.language.syntax.tables import Rule, Tables


def generate(grammar: str) -> Tables:
    """The tables of a grammar whose start is `start`."""
    made = Lark(grammar, parser="lalr", lexer="basic", maybe_placeholders=True)
    state = made.parse_interactive("").parser_state
    rules = {rule: number for number, rule in enumerate(made.rules)}
    states = _numbered(state.parse_conf.states, state.parse_conf.start_state)
    return Tables(
        terminals={terminal.name: terminal.pattern.value for terminal in made.terminals},
        rules=tuple(map(_rule, made.rules)),
        states=tuple(_actions(state.parse_conf.states[old], states, rules) for old in states),
        start=0,
    )


def _numbered(states: dict[int, dict[str, tuple[Any, Any]]], start: int) -> dict[int, int]:
    """A number for each state that can be reached: lark's own differ from run to run."""
    found = {start: 0}
    waiting = [start]
    for state in waiting:  # grows as it goes
        for _, (action, target) in sorted(states[state].items(), key=lambda row: row[0]):
            if action is Shift and target not in found:
                found[target] = len(found)
                waiting.append(target)
    return found


def _actions(actions: dict[str, tuple[Any, Any]], states: dict[int, int], rules: dict[Any, int]) -> dict[str, int]:
    return {
        name: states[target] if action is Shift else -1 - rules[target]
        for name, (action, target) in sorted(actions.items(), key=lambda row: row[0])
    }


def _rule(rule: Any) -> Rule:
    origin, size = rule.origin.name, len(rule.expansion)
    transparent = bool(rule.options.expand1 and not rule.alias)
    assert not transparent or size == 1, f"`{origin}` is left out of the tree, and its signs with it"
    assert size or origin == "start", f"`{origin}` can be empty, and has no place then"
    kept, absent = _kept(rule)
    return Rule(origin, rule.alias or origin, size, transparent, kept, absent)


def _kept(rule: Any) -> tuple[tuple[tuple[int, bool, int], ...], int]:
    """The values that become children: all but the words and signs that stand in the grammar as such."""
    before = _absent_before(rule)
    kept: list[tuple[int, bool, int]] = []
    absent = 0
    for place, symbol in enumerate(rule.expansion):
        absent += before[place]
        if not (symbol.is_term and symbol.filter_out):
            is_helper = not symbol.is_term and symbol.name.startswith("_")
            kept.append((place, is_helper, absent))
            absent = 0
    return tuple(kept), absent + before[-1]


def _absent_before(rule: Any) -> list[int]:
    """How many optional parts are absent before each symbol, and after the last one."""
    counts = [0]
    for is_absent in rule.options.empty_indices or [False] * len(rule.expansion):
        if is_absent:
            counts[-1] += 1
        else:
            counts.append(0)
    return counts

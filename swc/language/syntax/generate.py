"""From the grammar to its LALR tables, with lark.

Takes the text of the grammar, gives `ParseTables`. Guarantees: what lark's own parser would build from the tables,
nodes with their places and absent optional parts as None, the parser here builds as well; where the grammar would need
more of lark than that, an assertion says so.

States and rules are lark's. What a rule makes of its symbols is not read from lark's rules, whose options are its own
affair: a short text is written for each rule and parsed, and the tree shows which symbols became children.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from attrs import frozen
from lark import Lark, Tree
from lark.parsers.lalr_analysis import Shift

from swc.language.syntax.lalr import GrammarRule, ParseTables

EXAMPLES = {"NUMBER": "1", "TEXT": '"a"', "NAME": "a"}  # a text for each terminal that is a pattern
Texts = dict[str, str]  # a short text for each symbol
Children = tuple[tuple[int, bool, int], ...]


def generate(grammar: str) -> ParseTables:
    """The tables of a grammar whose start is `start`."""
    lark = Lark(grammar, parser="lalr", lexer="basic")
    state = lark.parse_interactive("").parser_state
    rules = {rule: number for number, rule in enumerate(lark.rules)}
    states = _numbered(state.parse_conf.states, state.parse_conf.start_state)
    examples = _Examples.of(grammar, lark)
    return ParseTables(
        terminals={terminal.name: terminal.pattern.value for terminal in lark.terminals},
        rules=tuple(map(examples.rule, lark.rules)),
        states=tuple(_actions(state.parse_conf.states[old], states, rules) for old in states),
        start=0,
    )


def _numbered(states: dict[int, dict[str, tuple[Any, Any]]], start: int) -> dict[int, int]:
    """A number for each state that can be reached: lark's own differ from run to run."""
    numbers = {start: 0}
    waiting = [start]
    for state in waiting:  # grows as it goes
        for _, (action, target) in sorted(states[state].items(), key=lambda row: row[0]):
            if action is Shift and target not in numbers:
                numbers[target] = len(numbers)
                waiting.append(target)
    return numbers


def _actions(actions: dict[str, tuple[Any, Any]], states: dict[int, int], rules: dict[Any, int]) -> dict[str, int]:
    return {
        name: states[target] if action is Shift else -1 - rules[target]
        for name, (action, target) in sorted(actions.items(), key=lambda row: row[0])
    }


@frozen
class _Examples:
    """A short text for each symbol, and a parser of lark's that may start with any rule of the grammar."""

    parser: Lark
    texts: Texts

    @classmethod
    def of(cls, grammar: str, lark: Lark) -> _Examples:
        starts = sorted({rule.origin.name for rule in lark.rules if not _is_repetition(rule)})
        parser = Lark(
            grammar, parser="lalr", lexer="basic", start=starts, propagate_positions=True, maybe_placeholders=True
        )
        return cls(parser, _short_texts(lark))

    def rule(self, rule: Any) -> GrammarRule:
        """What lark makes of the values that a rule takes."""
        origin, size = rule.origin.name, len(rule.expansion)
        assert size or origin == "start", f"`{origin}` can be empty, and has no place then"
        if _is_repetition(rule):  # lark's own rule for `(...)*`, in which nothing is optional
            return GrammarRule(origin, origin, size, False, _repeated(rule), 0)
        texts = [self.texts[symbol.name] for symbol in rule.expansion]
        tree = self.parser.parse(" ".join(texts), start=origin)
        kind = rule.alias or origin
        if not isinstance(tree, Tree) or tree.data != kind:
            assert size == 1, f"`{origin}` is left out of the tree, and its signs with it"
            return GrammarRule(origin, kind, size, True, ((0, _is_helper(rule.expansion[0]), 0),), 0)
        children, absent = _children(rule, tree, texts)
        has_gaps = absent or any(before for _, _, before in children)
        assert not (has_gaps and origin.startswith("_")), f"`{origin}` has optional parts, and is spliced"
        return GrammarRule(origin, kind, size, False, children, absent)


def _children(rule: Any, tree: Tree[Any], texts: list[str]) -> tuple[Children, int]:
    """Which symbols became the children of a tree, by where they stand in its text, and the parts absent between them.

    `share conv` is `"share"` from 0 and `name` from 6: the tree's children start at 6, then None, None for `as` and a
    block. So the word is dropped, the name is kept, and two parts are absent after it.
    """
    starts = [sum(len(text) + 1 for text in texts[:place]) for place in range(len(texts))]
    children: list[tuple[int, bool, int]] = []
    absent = 0
    for child in tree.children:
        if child is None:
            absent += 1
            continue
        start = child.meta.start_pos if isinstance(child, Tree) else child.start_pos
        place = bisect_right(starts, start) - 1
        if not (children and children[-1][0] == place):  # a helper may give several
            children.append((place, _is_helper(rule.expansion[place]), absent))
            absent = 0
    return tuple(children), absent


def _repeated(rule: Any) -> Children:
    """All symbols of a rule but its commas."""
    symbols = enumerate(rule.expansion)
    return tuple((n, _is_helper(symbol), 0) for n, symbol in symbols if not symbol.is_term or symbol.name in EXAMPLES)


def _is_helper(symbol: Any) -> bool:
    return not symbol.is_term and symbol.name.startswith("_")


def _is_repetition(rule: Any) -> bool:
    return bool(rule.origin.name.startswith("__"))


def _short_texts(lark: Lark) -> Texts:
    """A text for each symbol: of a rule, that of its first alternative all of whose symbols have one."""
    texts: Texts = {terminal.name: EXAMPLES.get(terminal.name, terminal.pattern.value) for terminal in lark.terminals}
    todo = {rule.origin.name for rule in lark.rules}
    while todo:
        ready = [rule for rule in lark.rules if rule.origin.name in todo and _is_ready(rule, texts)]
        assert ready, f"no text is of the form {', '.join(sorted(todo))}"
        for rule in ready:
            texts.setdefault(rule.origin.name, " ".join(texts[symbol.name] for symbol in rule.expansion))
        todo -= texts.keys()
    return texts


def _is_ready(rule: Any, texts: Texts) -> bool:
    """Whether each symbol of a rule has a text; of nothing, only the start is made."""
    is_empty = not rule.expansion
    return all(symbol.name in texts for symbol in rule.expansion) and (not is_empty or rule.origin.name == "start")

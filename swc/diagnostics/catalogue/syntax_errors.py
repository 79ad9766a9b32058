"""Diagnostics about the form of a `.sw` text (SW0xx).

Guarantees: `SYNTAX_ERRORS` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic

QUOTES = frozenset("'`\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb")
EXAMPLES = {  # by the word that opens a block: how its inside looks
    "": 'at the top of a file stand items like `import "cifar.sw"` and `ensemble NAME { ... }`',
    "ensemble": "an ensemble holds items like `member wide = wrn(depth: 28, width: 10)` and `budget 50% of native`",
    "share": "a share block holds items like `clusters by depth in 4 bins` and `templates even up to 8`",
    "policy": "a policy holds items like `clusters by depth in 4 bins` and `templates even up to 8`",
    "recipe": "a recipe holds items like `batch 128` and `optimiser sgd(lr: 0.1, momentum: 0.9)`",
    "train": "a train block holds items like `phase main: 200 epochs` and `batch 128`",
}


@frozen(kw_only=True)
class UnexpectedWord(Diagnostic):
    """A word, number or sign stands where the language has no place for it.

    The message lists what may stand there. Often an item's first word is misspelt, a comma or a colon is missing
    between two arguments, or an item stands in the wrong block: `phase` belongs inside `train { ... }`, `clusters`
    inside `share ... { ... }`. Reading goes on with the next item, so that several such mistakes are shown at once.
    """

    code: ClassVar[str] = "SW001"
    found: str
    expected: tuple[str, ...]
    inside: str = ""
    meant: str | None = None
    advice: str = ""

    def message(self) -> str:
        where = f" in the `{self.inside}` block" if self.inside else ""
        return f"expected {either(self.expected)}{where}, found {self.found}"

    def help(self) -> str:
        if self.meant:
            return f"did you mean `{self.meant}`?"
        return self.advice or EXAMPLES[self.inside]


@frozen(kw_only=True)
class UnclosedBlock(Diagnostic):
    """A `{` has no `}` that belongs to it.

    Every ensemble, share, train, recipe and policy block ends with a `}` of its own. Close the block where its last
    item ends; `swc fmt` then shows by the indentation what lies inside what.
    """

    code: ClassVar[str] = "SW002"
    inside: str

    def message(self) -> str:
        return f"the `{self.inside}` block that opens here is never closed"

    def help(self) -> str:
        return f"end the `{self.inside}` block with `}}`"


@frozen(kw_only=True)
class StrayCharacter(Diagnostic):
    """A character that the language does not use.

    Names are letters, digits and underscores, and do not begin with a digit; texts stand in double quotes; comments
    begin with `#`. A `;` is not needed: every item ends where the next begins. Write `deep_wide`, not `deep-wide`.
    """

    code: ClassVar[str] = "SW003"
    found: str

    def message(self) -> str:
        return f"`{self.found}` means nothing in this language"

    def help(self) -> str:
        if "-" in self.found:
            return "a name joins its words with underscores: `deep_wide`"
        if "%" in self.found:
            return "the per cent sign stands directly behind its number: `50%`"
        return 'texts stand in straight double quotes: `"..."`' if QUOTES & set(self.found) else "leave it out"


@frozen(kw_only=True)
class MalformedNumber(Diagnostic):
    """Something begins like a number and does not go on like one.

    Numbers are written `200`, `0.1`, `5e-4` or `36_500_000`, and may end in one of `k` (thousand), `M` (million),
    `G` (thousand million) or `%`. The suffix is part of the number: write `18M templates`, not `18MB` or `18m`. Numbers
    have at most 40 characters and lie between 1e-18 and 1e18.
    """

    code: ClassVar[str] = "SW004"
    found: str
    is_too_long: bool = False  # well-formed, and larger, smaller or longer than what is taken

    def message(self) -> str:
        return f"`{self.found}` is {'beyond the numbers' if self.is_too_long else 'not a number'} of the language"

    def help(self) -> str:
        form = "write it like `200`, `0.1`, `5e-4`, `18M` or `50%`; the suffixes are k, M, G and %"
        return f"{form}; numbers lie between 1e-18 and 1e18" if self.is_too_long else form


@frozen(kw_only=True)
class UnclosedText(Diagnostic):
    """A text begins with `"` and its line ends before the text does.

    A text stands between two double quotes on one line, for example `import "cifar.sw"`. Put the second quote where
    the text ends.
    """

    code: ClassVar[str] = "SW005"

    def message(self) -> str:
        return "this text has no closing quote on its line"

    def help(self) -> str:
        return 'end the text with `"`'


def either(choices: tuple[str, ...]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    *most, last = choices
    return f"{', '.join(most)} or {last}" if most else last


@frozen(kw_only=True)
class TooDeep(Diagnostic):
    """Lists stand in lists, or files, ensembles or policies use others, many more levels deep than any spec needs.

    A list holds at most lists of plain values, and an import rarely leads further than to a recipe; the same holds for
    `extends` and for policies that are built on others. So more than a hundred levels are taken for a mistake, such as
    a file that a program wrote.
    """

    code: ClassVar[str] = "SW006"
    what: str
    most: int

    def message(self) -> str:
        return f"{self.what} go more than {self.most} levels deep"

    def help(self) -> str:
        return "take levels out"


@frozen(kw_only=True)
class TextTooLong(Diagnostic):
    """A text is longer than any that a person writes.

    A spec, with all that it imports, and a sweep file have at most two million bytes. A larger one is another file
    that was named by mistake, or the output of a program. Name the right file, or split the spec.
    """

    code: ClassVar[str] = "SW007"
    path: str
    most: int

    def message(self) -> str:
        return f"`{self.path}`, with all that it imports, has more than {self.most:,} bytes"

    def help(self) -> str:
        return "name another file, or split this one"


@frozen(kw_only=True)
class TooManyMistakes(Diagnostic):
    """A text has so many mistakes of form that reading stops.

    It is most likely no spec, or a spec that another program has spoilt.
    Mend the first mistakes, or name another file.
    """

    code: ClassVar[str] = "SW008"
    most: int

    def message(self) -> str:
        return f"there are more than {self.most:,} mistakes: reading stops here"

    def help(self) -> str:
        return "mend the first mistakes, or name another file"


SYNTAX_ERRORS = (
    UnexpectedWord,
    UnclosedBlock,
    StrayCharacter,
    MalformedNumber,
    UnclosedText,
    TooDeep,
    TextTooLong,
    TooManyMistakes,
)

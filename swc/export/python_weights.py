"""Weight expressions as Python code.

Takes expressions of a program; gives calls, laid out in lines. Guarantees: the code does what
`swc_runtime.weights.expressions.evaluate` does; it is laid out as formatters lay it out, in lines of up to
120 characters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import define, field, frozen

from swc.export.python_names import Names
from swc.program.expressions import (
    Combine,
    Concat,
    Expression,
    Mix,
    Product,
    Resize,
    Scale,
    Shape,
    Slice,
    Stored,
    Sum,
)
from swc.show.wording import shape_text

WIDTH = 120
INDENT = "    "
MADE = "weight"  # what a function has made so far
ALONG = ("along_outputs", "along_inputs")  # by axis


@frozen
class CodeCall:
    """A call of `name`; arguments are calls or texts."""

    name: str
    arguments: tuple[CodeCall | str, ...]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.arguments))})"


def code_of(expression: Expression, names: Names) -> CodeCall | str:
    """The code that makes a weight of `w`, which holds SuperWeights by bank and stored tensors by name."""
    code: CodeCall | str
    match expression:
        case Stored(tensor, _):
            code = f"w.{names.tensors[tensor]}"
        case Combine(slot, offset, shape):
            bank, row = names.slots[slot]
            code = CodeCall("block", (f"w.{names.banks[bank]}[{row}]", str(offset), tuple_text(shape)))
        case Slice(of, shape):
            code = CodeCall("cropped", (code_of(of, names), tuple_text(shape)))
        case Concat(axis, parts):
            code = CodeCall(ALONG[axis], tuple(code_of(part, names) for part in parts))
        case Scale(of, outputs, inputs):
            vectors = (f"w.{names.tensors[name]}" if name else "None" for name in (outputs, inputs))
            code = CodeCall("scaled", (code_of(of, names), *vectors))
        case Resize(of, shape, mode):
            code = CodeCall("resize", (code_of(of, names), tuple_text(shape), f'"{mode}"'))
        case Mix(of, by, start, shape, softmax):
            vector = f"w.{names.tensors[by]}"
            weights = CodeCall("softmaxed", (vector,)) if softmax else vector
            code = CodeCall("mixed", (code_of(of, names), weights, str(start), tuple_text(shape)))
        case Sum(parts):
            code = CodeCall("added", tuple(code_of(part, names) for part in parts))
        case Product(left, right, shape, factor):
            factors = (code_of(left, names), code_of(right, names))
            code = CodeCall("product", (*factors, tuple_text(shape), str(factor)))
    return code


def tuple_text(shape: Sequence[float]) -> str:
    """A tuple as Python writes it."""
    inner = ", ".join(map(str, shape))
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def called(code: CodeCall | str) -> frozenset[str]:
    """The functions that code calls."""
    if isinstance(code, str):
        return frozenset()
    return frozenset((code.name,)).union(*(called(argument) for argument in code.arguments))


def is_simple(code: CodeCall | str) -> bool:
    """Whether code is a tensor as it is, or one call with nothing inside."""
    return isinstance(code, str) or all(isinstance(argument, str) for argument in code.arguments)


def tensors_in(code: CodeCall | str) -> tuple[str, ...]:
    """The tensors that code reads, each once, in order."""
    if isinstance(code, str):
        return (code,) if code.startswith("w.") else ()
    return tuple(dict.fromkeys(name for argument in code.arguments for name in tensors_in(argument)))


def renamed(code: CodeCall | str, names: Mapping[str, str]) -> CodeCall | str:
    """The same code over other tensors."""
    if isinstance(code, str):
        return names.get(code, code)
    return CodeCall(code.name, tuple(renamed(argument, names) for argument in code.arguments))


@define
class Layouts:
    """How blocks stand together, each way once: weights that differ in their tensors alone call the same function."""

    by_code: dict[CodeCall | str, str] = field(factory=dict)

    def call(self, code: CodeCall | str, shape: Shape) -> CodeCall | str:
        """A weight as a call of the function that lays it out; what is simple stays as it is."""
        if is_simple(code):
            return code
        read = tensors_in(code)
        body = renamed(code, {name: f"r[{number}]" for number, name in enumerate(read)})
        if body not in self.by_code:
            self.by_code[body] = self._name(shape)
        return CodeCall(self.by_code[body], read)

    def _name(self, shape: Shape) -> str:
        name = f"weight_{shape_text(shape)}"
        number = sum(1 for other in self.by_code.values() if other == name or other.startswith(f"{name}_"))
        return f"{name}_{number + 1}" if number else name

    def functions(self) -> str:
        """The code of all functions, in the order in which they were first called."""
        return "".join(_function(name, body) for body, name in self.by_code.items())


def _function(name: str, body: CodeCall | str) -> str:
    """What is joined first stands first: a chain of levels is as deep as it is long, and reads from the inside out."""
    steps = _steps(body)
    lines = [line for step in steps[:-1] for line in laid_out(step, 1, f"{MADE} = ", "")]
    lines += laid_out(steps[-1], 1, "return ", "")
    return f"\n\ndef {name}(*r: Tensor) -> Tensor:\n" + "\n".join(lines) + "\n"


def _steps(code: CodeCall | str) -> list[CodeCall | str]:
    """Code taken apart at first arguments; each step but the first goes on with what the one before made."""
    found: list[CodeCall | str] = []
    while isinstance(code, CodeCall) and isinstance(code.arguments[0], CodeCall):
        found.append(CodeCall(code.name, (MADE, *code.arguments[1:])))
        code = code.arguments[0]
    return [code, *reversed(found)]


def laid_out(code: CodeCall | str, depth: int, before: str = "", after: str = ",") -> list[str]:
    """Lines of code `depth` levels in, with `before` in front and `after` at the end.

    What is too long is broken up at the arguments: all on one line of their own, or else each.
    """
    start = INDENT * depth
    whole = f"{start}{before}{code}{after}"
    if len(whole) <= WIDTH or isinstance(code, str):
        return [whole]
    together = f"{start}{INDENT}{', '.join(map(str, code.arguments))}"
    opened, closed = f"{start}{before}{code.name}(", f"{start}){after}"
    if len(together) <= WIDTH:
        return [opened, together, closed]
    each = [line for argument in code.arguments for line in laid_out(argument, depth + 1)]
    return [opened, *each, closed]

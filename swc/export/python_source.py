"""An ensemble as one readable Python file.

Takes a program, its share graph and the chosen members; gives text. Guarantees: the same program gives the same bytes;
the text names every weight once with what it is made of; it imports nothing of this project.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from swc.compiler.ir.graph import Graph
from swc.export.card import call_of, import_of, inside_docstring, quoted
from swc.export.column_files import features_call
from swc.export.families import families_of, family_code, import_lines, module_code
from swc.export.python_inputs import OF_IMAGES, InputTexts, of_columns
from swc.export.python_names import Names, bank_plans, file_stem, names_of, tensor_plans
from swc.export.python_text import (
    BANK,
    ENSEMBLE,
    FIRST_VECTORS,
    HEAD,
    HELPERS,
    NORMS,
    ROWS,
    ROWS_OF_A_BANK,
    ROWS_TOLD,
    RULE,
    STORED,
    TENSORS,
    TOLD,
)
from swc.export.python_weights import INDENT, WIDTH, CodeCall, Layouts, called, code_of, laid_out, tuple_text
from swc.program.program import BankPlan, MemberPlan, Program
from swc.registry.model_libraries import LIBRARIES
from swc.show.wording import several
from swc_runtime.export import features
from swc_runtime.weights.compose import block_view
from swc_runtime.weights.expressions.evaluate import RESIZING, added, mixed, product, scaled, softmaxed
from swc_runtime.weights.init import RELEASE_FAN_IN
from swc_runtime.weights.layout import NARROW, lies_plainly

if TYPE_CHECKING:
    from swc.files.run import TargetScale
    from swc_runtime.data.preparation import Preparation

FEATURES = Path(features.__file__)
FRESH = "bank.fresh_vectors() for name, bank in BANKS.items()"
OWN_IMPORTS = (
    ("collections.abc", "Callable", ""),
    ("math", "sqrt", ""),
    ("pathlib", "Path", ""),
    ("types", "SimpleNamespace", ""),
    ("typing", "NamedTuple", ""),
    ("torch", "", ""),
    ("safetensors.torch", "load_file", ""),
    ("torch", "Tensor", ""),
    ("torch", "nn", ""),
    ("torch.func", "functional_call", ""),
    ("torch.nn", "functional", "F"),
)


def python_source(
    program: Program,
    graph: Graph,
    members: Sequence[MemberPlan],
    classes: Sequence[str] | None = None,
    preparation: Preparation | None = None,
    scale: TargetScale | None = None,
) -> str:
    """The file's text; of a table with the `preparation` of its columns, and the `scale` of a target in numbers."""
    names = names_of(program, members)
    texts = OF_IMAGES
    if preparation is not None:
        texts = of_columns(program.task.row.targets, program.data.num_classes)
    used = frozenset[str]().union(*(called(code_of(weight.expression, names)) for weight in names.weights))
    parts = [
        _head(program, members, names, used, texts),
        _constants(program, classes) if preparation is None else _of_table(program, classes, preparation, scale),
        _section(
            "what is stored", BANK + _banks(program, graph, names) + _starts(program, names) + _tensors(program, names)
        ),
        _section("how each weight is made", _helpers(used) + _weights(members, names)),
        *_families(members),
        *([] if preparation is None else [_columns()]),
        _section("the ensemble", _ensemble(program, members, names, texts, preparation)),
        _section("training", texts.training),
    ]
    return "".join(parts)


def _section(title: str, body: str) -> str:
    return f"\n\n{RULE}\n# {title}\n{RULE}\n{body}"


def _head(
    program: Program, members: Sequence[MemberPlan], names: Names, used: frozenset[str], texts: InputTexts
) -> str:
    imports = {*OWN_IMPORTS, *((("math", "prod", ""),) if "block" in used else ())}
    for member in members:
        imports |= _imports(member)
    imports |= set() if texts is OF_IMAGES else module_code(FEATURES).imports
    needs = " and ".join((", ".join(("torch", *_libraries(imports))), "safetensors"))
    stem = file_stem(program.ensemble)
    longest = max(len(member.name) for member in members)
    return HEAD.format(
        title=inside_docstring(program.ensemble),
        count=several(len(members), "member"),
        example=texts.example.format(
            stem=stem,
            classes=program.data.num_classes,
            shape=", ".join(map(str, program.data.image_shape)),
        ),
        axes=fill(texts.axes, WIDTH),
        told=fill(TOLD.format(stem=stem, needs=needs), WIDTH, break_on_hyphens=False),
        rows=fill(ROWS_TOLD, WIDTH) + "\n\n" if names.rows else "",
        members="\n".join(f"    {member.name:{longest}}  {inside_docstring(str(member.source))}" for member in members),
        imports=import_lines(imports, sys.stdlib_module_names),
    )


def _imports(member: MemberPlan) -> frozenset[tuple[str, str, str]]:
    if families_of((member.source,)):
        return family_code(member.source.name).imports
    return frozenset((import_of(member.source),))


def _libraries(imports: Iterable[tuple[str, str, str]]) -> list[str]:
    """The libraries of models that are imported from."""
    return [name for name in LIBRARIES if any(module.partition(".")[0] == name for module, _, _ in imports)]


def _constants(program: Program, classes: Sequence[str] | None) -> str:
    facts, stem = program.data, file_stem(program.ensemble)
    return (
        f'\nTRAINED = Path(__file__).with_name("{stem}.safetensors")\n'
        f"NUM_CLASSES = {facts.num_classes}\n"
        f"IMAGE_SHAPE = {tuple_text(facts.image_shape)}\n"
        f"MEAN = {tuple_text(facts.mean)}  # of {inside_docstring(facts.title)}, by channel, for pixels in [0, 1]\n"
        f"DEVIATION = {tuple_text(facts.deviation)}\n"
        f"{_class_names(classes)}"
        "\n"
        "Shape = tuple[int, ...]\n"
    )


def _of_table(
    program: Program, classes: Sequence[str] | None, preparation: Preparation, scale: TargetScale | None
) -> str:
    stem = file_stem(program.ensemble)
    unit = ""
    if scale is not None:
        unit = f"TARGET_MEAN = {tuple_text(scale.mean)}  # of the training part\n"
        unit += f"TARGET_DEVIATION = {tuple_text(scale.deviation)}\n"
    return (
        f'\nTRAINED = Path(__file__).with_name("{stem}.safetensors")\n'
        f"NUM_OUTPUTS = {program.data.num_classes}\n"
        f"NUM_NUMBERS = {len(preparation.numbers)}  # of the columns of {inside_docstring(program.data.title)}\n"
        f"NUM_CATEGORIES = {len(preparation.categories)}\n"
        f"{unit}"
        f"{_class_names(classes)}"
        "\n"
        "Shape = tuple[int, ...]\n"
    )


def _columns() -> str:
    """The code that makes features of raw columns."""
    code = module_code(FEATURES)
    return _section(code.title.rstrip("."), f"\n{code.body}\n")


def _class_names(classes: Sequence[str] | None) -> str:
    """The names of the classes in the order of the outputs, as many on a line as there is room for."""
    if classes is None:
        return ""
    return "CLASSES = (\n" + "".join(f"{INDENT}{_literal(name)},\n" for name in classes) + ")\n"


def _literal(name: str) -> str:
    """A text as Python code of ASCII alone; names of folders may hold anything."""
    return json.dumps(name, ensure_ascii=False).encode("ascii", "backslashreplace").decode()


def _banks(program: Program, graph: Graph, names: Names) -> str:
    """The banks by name, each with the cluster it belongs to."""
    plans = bank_plans(program, names)
    if not plans:
        return "\n\nBANKS: dict[str, Bank] = {}\n"
    lines = [
        _remarked(f'{INDENT}"{names.banks[bank.id]}": {_bank(bank, names)},', _cluster(graph, bank.id))
        for bank in plans
    ]
    return "\n\nBANKS = {\n" + "\n".join(lines) + "\n}\n"


def _starts(program: Program, names: Names) -> str:
    """Where layers of unlike fan-in share a bank: the rows that are read, or the norms that fresh vectors have."""
    made = ""
    if names.rows:
        made += ROWS + _by_bank({names.banks[bank]: rows for bank, rows in names.rows.items()})
    norms = {names.banks[bank]: norms for bank in names.banks if (norms := _norms(program, names, bank))}
    return made + (NORMS + _by_bank(norms) + FIRST_VECTORS if norms else "")


def _norms(program: Program, names: Names, bank: str) -> tuple[float, ...]:
    """The norms that the vectors of a bank begin with; none where all are 1."""
    first = {slot.coefficient: slot.start_scale for slot in reversed(program.slots)}
    found = tuple(first[coefficient] for coefficient in names.vectors[bank])
    return found if any(norm != 1 for norm in found) else ()


def _by_bank(entries: Mapping[str, Sequence[object]]) -> str:
    """The lines of a dictionary of tuples, each entry on a line of its own."""
    lines: list[str] = []
    for bank, values in entries.items():
        lines += [f'{INDENT}"{bank}": (', *(f"{2 * INDENT}{value}," for value in values), f"{INDENT}),"]
    return "\n".join([*lines, "}", ""])


def _remarked(line: str, remark: str) -> str:
    """A line with a remark behind it, or above it where there is no room."""
    remark = inside_docstring(remark)
    whole = f"{line}  # {remark}"
    return whole if len(whole) <= WIDTH else f"{INDENT}# {remark}\n{line}"


def _bank(bank: BankPlan, names: Names) -> str:
    fan_in = RELEASE_FAN_IN if bank.initialisation == "release" else bank.fan_in
    sizes = (bank.num_templates, bank.template_size, len(names.vectors[bank.id]), fan_in)
    return "Bank(templates={}, scalars={}, vectors={}, fan_in={})".format(*sizes)


def _cluster(graph: Graph, bank: str) -> str:
    level = next(level for level in graph.levels if level.id == bank)
    cluster = next(cluster for cluster in graph.clusters if cluster.id == level.cluster)
    return f"{cluster.label}, level {level.index}"


def _tensors(program: Program, names: Names) -> str:
    plans = tensor_plans(program, names)
    if not plans:
        return ""
    lines = [
        f'    "{names.tensors[plan.id]}": Stored({tuple_text(plan.shape)}, {plan.fan_in}, "{plan.start}"),'
        for plan in plans
    ]
    return STORED + "\n\nTENSORS = {\n" + "\n".join(lines) + "\n}\n"


def _helpers(used: frozenset[str]) -> str:
    """The functions that the weights call; those that compute are the runtime's own."""
    own = [text for name, text in HELPERS.items() if name in used]
    if "block" in used:
        own[:0] = [
            _source(lies_plainly).replace("NARROW", str(NARROW)),
            _source(block_view).replace("def block_view(", "def block(", 1),
        ]
    if "scaled" in used:
        own.append(_source(scaled))
    if "softmaxed" in used:
        own.append(_source(softmaxed))
    if "mixed" in used:
        own.append(_source(mixed))
    if "added" in used:
        own.append(_source(added))
    if "product" in used:
        own.append(_source(product))
    if "resize" in used:
        own += [_source(found) for found in RESIZING]
    return "".join(own)


def _source(function: object) -> str:
    return f"\n\n{inspect.getsource(function)}"  # type: ignore[arg-type]


def _weights(members: Sequence[MemberPlan], names: Names) -> str:
    """The ways in which blocks stand together; then for each member a function with one entry for each weight."""
    layouts = Layouts()
    made = "".join(_weights_of(member, names, layouts) for member in members)
    return layouts.functions() + made


def _weights_of(member: MemberPlan, names: Names, layouts: Layouts) -> str:
    own = [weight for weight in names.weights if weight.member == member.name]
    codes = [(weight.path, layouts.call(code_of(weight.expression, names), weight.shape)) for weight in own]
    lines = [line for path, code in codes for line in laid_out(code, 2, f"{quoted(path)}: ")]
    made = f"{INDENT}return {{\n" + "\n".join(lines) + f"\n{INDENT}}}" if lines else f"{INDENT}return {{}}"
    head = f"def weights_of_{names.members[member.name]}(w: SimpleNamespace) -> dict[str, Tensor]:"
    told = f'{INDENT}"""How each shared weight of `{member.name}` is made."""'
    return f"\n\n{head}\n{told}\n{made}\n"


def _families(members: Sequence[MemberPlan]) -> Iterable[str]:
    """The code of each family that is used."""
    for name in families_of(member.source for member in members):
        code = family_code(name)
        yield _section(f"{name}: {code.title}", f"\n{code.body}\n")


def _ensemble(
    program: Program,
    members: Sequence[MemberPlan],
    names: Names,
    texts: InputTexts,
    preparation: Preparation | None,
) -> str:
    made, read = TENSORS if names.tensors else ("", "")
    has_norms = any(_norms(program, names, bank) for bank in names.banks)
    return ENSEMBLE.format(
        members=_members(program, members, names),
        tensors=made,
        stored=read,
        fresh="first_vectors(name) for name in BANKS" if has_norms else FRESH,
        mixing="self.rows(name)" if names.rows else "self.coefficients[name]",
        rows=ROWS_OF_A_BANK if names.rows else "",
        features="" if preparation is None else f"{2 * INDENT}self.features = {features_call(preparation)}\n",
        forward=texts.forward,
        normalised=texts.normalised,
    )


def _members(program: Program, members: Sequence[MemberPlan], names: Names) -> str:
    lines: list[str] = []
    for member in members:
        name = names.members[member.name]
        made = CodeCall("Member", (f"lambda: {call_of(member.source, program)}", f"weights_of_{name}"))
        lines += laid_out(made, 1, f'"{name}": ')
    return "\n".join(lines)

"""Text of any kind of file to its frozen class, and back.

Takes a `FileKind` and its content or text; gives the other. Guarantees: reading and writing agree for every kind; a
newer schema is refused by the kind's name and both numbers; whatever else a text is wrong in is a DiagnosticError of
the kind's, with the first mistake by its place.
"""

from __future__ import annotations

import json
from typing import Any, get_args, get_type_hints

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.formats import NewerFile
from swc.files.codec import decode, encode, structured
from swc.files.converter import converter_of, is_union
from swc.files.kinds import FileKind, Layout
from swc.files.migrations import Document, migrated
from swc.files.names import fault_of
from swc.files.notes import Notes
from swc.files.plain_json import read_json

LAYOUTS: dict[Layout, dict[str, Any]] = {  # as `json.dumps` takes them
    "indented": {"indent": 1, "sort_keys": True},
    "declared": {"indent": 1},
    "line": {"sort_keys": True},
    "compact": {"sort_keys": True, "separators": (",", ":")},
    "row": {},
}
ENDED = ("indented", "declared")  # layouts whose texts end a line


def text_of_kind(kind: FileKind, content: object) -> str:
    """The text of a file of a kind; the same content gives the same text."""
    if kind.layout == "canonical":
        return encode(content)
    if isinstance(content, Notes):
        return "".join(f"{remark}\n" for remark in content.remarks)
    text = laid_out(kind.layout, _document(kind, content))
    return text + "\n" if kind.layout in ENDED else text


def laid_out(layout: Layout, value: object) -> str:
    """Plain data as JSON text; ValueError where a number is not finite."""
    return json.dumps(value, allow_nan=False, **LAYOUTS[layout])


def content_of(kind: FileKind, text: str, origin: str = "") -> Any:
    """What a file of a kind holds; `origin` names it in errors. DiagnosticError where it holds something else."""
    if kind.layout == "canonical":
        return decode(text, kind.content, origin)
    if kind.layout == "text":
        return _notes(kind, text, origin)
    try:
        document = read_json(text, finite=False)
    except ValueError as error:
        raise damaged(kind, origin, str(error)) from error
    return content_of_document(kind, document, origin)


def content_of_document(kind: FileKind, document: object, origin: str = "") -> Any:
    """As `content_of`, of JSON that was read."""
    if not isinstance(document, dict):
        raise damaged(kind, origin, "the file holds no JSON object")
    schema = _schema(kind, document, origin)
    body = migrated({key: value for key, value in document.items() if key != "schema"}, kind.migrations, schema)
    cls = _class_of(kind, body, origin)
    faults, content = structured({kind.field: body} if kind.field else body, cls, undefined=True)
    if faults:
        raise damaged(kind, origin, faults[0])
    fault = fault_of(content)
    if fault is not None:
        raise damaged(kind, origin, f"${fault}")
    return content


def is_stated(kind: FileKind, document: Document) -> bool:
    """Whether JSON says that it is of this kind, in whatever schema; only kinds whose schema has words say so."""
    stated = document.get("schema")
    return isinstance(stated, str) and stated.startswith(kind.words) and stated.removeprefix(kind.words).isdecimal()


def damaged(kind: FileKind, origin: str, detail: str) -> DiagnosticError:
    """What is told of a file that is not of its kind, with what is wrong in it."""
    return DiagnosticError(kind.damaged(origin=origin, detail=f"{kind.fault} ({detail})"))


def _document(kind: FileKind, content: object) -> Document:
    plain: Document = converter_of(undefined=True).unstructure(content)
    body = plain[kind.field] if kind.field else plain
    if kind.schema < kind.numbered:
        return dict(body)
    return {"schema": f"{kind.words}{kind.schema}" if kind.words else kind.schema, **body}


def _class_of(kind: FileKind, body: Document, origin: str) -> Any:
    """The class of what a file holds; rows of several classes say by `kind` which they are of."""
    if not is_union(kind.content):
        return kind.content
    classes = {get_args(get_type_hints(cls)["kind"])[0]: cls for cls in get_args(kind.content)}
    word = body.get("kind")
    if not isinstance(word, str) or word not in classes:
        raise damaged(kind, origin, f"its `kind` is none of {', '.join(classes)}")
    return classes[word]


def _schema(kind: FileKind, document: Document, origin: str) -> int:
    """The number that a file states; where it states none, as the first ones of some kinds, it is 1."""
    stated = document.get("schema", None if kind.words else 1)
    stated = stated.removeprefix(kind.words) if kind.words and isinstance(stated, str) else stated
    number = int(stated) if isinstance(stated, str) and stated.isdecimal() and stated.isascii() else stated
    if type(number) is not int or number < kind.oldest:
        raise damaged(kind, origin, f"`{str(number)[:40]}` is no schema of it")
    if number > kind.schema:
        raise DiagnosticError(NewerFile(origin=origin, kind=kind.name, found=number, known=kind.schema))
    return number


def _notes(kind: FileKind, text: str, origin: str) -> Notes:
    *remarks, rest = text.split("\n")
    if rest:
        raise damaged(kind, origin, f"`{rest[:40]}`")
    return Notes(tuple(remarks))

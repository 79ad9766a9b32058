"""The remarks of a revision: what the compiler decided, a line each."""

from __future__ import annotations

from attrs import frozen


@frozen
class Notes:
    """What the compiler decided where the author left it open, in order; no remark holds a line's end."""

    remarks: tuple[str, ...]

"""How an id is written in text forms: as it is where that is plain, else as a quoted JSON string."""

from __future__ import annotations

import json
import re

PLAIN = r"[A-Za-z_][A-Za-z0-9_.#/\-\[\]]*"
_PLAIN = re.compile(PLAIN)


def word(text: str) -> str:
    """The written form of an id; ids of ordinary modules are written as they are."""
    return text if _PLAIN.fullmatch(text) else json.dumps(text)

"""How one installs what is optional here, in the words of diagnostics."""

from __future__ import annotations


def extra_words(extra: str) -> str:
    """The commands for an extra of this project, which is on no registry: from a checkout, or with a wheel's file."""
    return f"`pip install -e '.[{extra}]'` in the checkout, or `pip install 'WHEEL[{extra}]'` with the wheel's file"

"""What a user has consented to, as a file of the user's own state holds it."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen


@frozen
class Consent:
    """Code that may run: its digest, its factories by name, where those of the user's own lay, and its modules.

    `modules` are hashes by name; a linked package has one hash for all of it.
    """

    digest: str
    factories: tuple[str, ...]
    files: tuple[str, ...]
    modules: Mapping[str, str]

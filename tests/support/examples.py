"""How many examples a property is tried on where one of them is dear: a share of what the profile says.

Takes a percentage; gives hypothesis settings. Guarantees: every property is tried on more in the profile `explore`.
"""

from __future__ import annotations

from hypothesis import settings


def percent(share: int) -> settings:
    """That share of the profile's examples, the command line's profile included: it is chosen before tests are read."""
    return settings(max_examples=max(1, settings.default.max_examples * share // 100))

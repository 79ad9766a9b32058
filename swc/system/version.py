"""The name of the distribution and its version, which need no record of an installer: a checkout has none."""

from __future__ import annotations

DISTRIBUTION = "superweights"
VERSION = "0.1.0"

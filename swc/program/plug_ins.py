"""Where the names in some plain data come from that are not ours.

Takes any of the vocabulary's frozen data, gives `PlugIn`s. Guarantees: each once, sorted; where all names are ours, no
plug-in is looked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from swc.diagnostics import Sink
from swc.program.choice import Choice
from swc.program.datasets import DATA, DataFacts
from swc.program.kinds import KINDS
from swc.program.model_source import ModelSource
from swc.program.spec import Share
from swc.registry.families import FAMILIES
from swc.registry.offers import PlugIn
from swc.registry.policies import POLICIES
from swc.registry.registry import Registry


def plug_ins_in(data: object) -> tuple[PlugIn, ...]:
    """The plug-ins that some data need."""
    found = (registry.origin(name) for registry, name in _names(data))
    return tuple(sorted({origin for origin in found if origin is not None}, key=lambda one: (one.kind, one.name)))


def report_other_plug_ins(noted: tuple[PlugIn, ...], sink: Sink) -> None:
    """Warn of each name that another distribution, or another version of it, offers here than was noted."""
    from swc.diagnostics.catalogue.plugins import OtherPlugIn

    for one in noted:
        here = KINDS[one.kind].origin(one.name)
        if here is not None and here != one:
            before, now = (f"{which.distribution} {which.version}" for which in (one, here))
            requirement = f"{one.distribution}=={one.version}"
            sink.report(OtherPlugIn(kind=one.kind, name=one.name, noted=before, installed=now, requirement=requirement))


def _names(data: object) -> Iterator[tuple[Registry[Any], str]]:
    match data:
        case Choice():
            yield data.registry, data.name
        case ModelSource(kind="family"):
            yield FAMILIES, data.name
        case DataFacts():
            yield DATA, data.name
            yield from _names(data.task)
        case Share():
            yield POLICIES, data.policy
        case tuple():
            yield from (name for part in data for name in _names(part))
        case _ if attrs.has(cls := type(data)):
            yield from (name for part in attrs.fields(cls) for name in _names(getattr(data, part.name)))

"""What goes together with the inputs that a data set gives.

Takes facts of data, sources of members and steps of augmentation; gives a diagnostic without a place, or None.
Guarantees: nothing is built or opened; where only the opened data tell what members take, nothing is wrong yet.
"""

from __future__ import annotations

from swc.diagnostics import Diagnostic, DiagnosticError
from swc.program.datasets import DataFacts
from swc.program.model_source import ModelSource
from swc.program.training import AugmentationStep
from swc.registry.families import FAMILIES

IMAGES = ("images",)


def fault_of_source(source: ModelSource, facts: DataFacts) -> Diagnostic | None:
    """What is wrong with a member for such inputs; code of the user's own is asked when it is built."""
    takes = FAMILIES[source.name].takes if source.kind == "family" else IMAGES
    if source.kind == "python" or not facts.is_settled or facts.kind in takes:
        return None
    from swc.diagnostics.catalogue.inputs import FamilyTakesOthers  # late: most specs have no mistake

    return FamilyTakesOthers(source=source.name, takes=takes, inputs=facts.inputs_text)


def fault_of_augmentation(steps: tuple[AugmentationStep, ...], facts: DataFacts) -> Diagnostic | None:
    """What is wrong with augmenting such inputs."""
    if not steps or facts.are_images or not facts.is_settled:
        return None
    from swc.diagnostics.catalogue.inputs import NothingToAugment

    return NothingToAugment(step=steps[0].name, inputs=facts.inputs_text)


def check_images(facts: DataFacts, what: str) -> None:
    """DiagnosticError where the data are no images, which `what` needs."""
    from swc.diagnostics.catalogue.inputs import NeedsImages

    if not facts.are_images:
        raise DiagnosticError(NeedsImages(what=what, name=facts.title, inputs=facts.inputs_text))

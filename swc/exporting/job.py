"""What an export starts from, and how its files are held against it.

Takes a trained ensemble; gives images and the outputs that every file must give for them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from attrs import define
from torch import Tensor

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.exporting import ExportDiffers
from swc.trained import Kept, restored
from swc_runtime.export.formats import TOLERANCE, difference
from swc_runtime.finite import check_predictions

if TYPE_CHECKING:
    from swc.program.program import MemberPlan, Program
    from swc_runtime.ensemble import Ensemble

BATCHES = (3, 1, 8)  # images that a file is asked for at a time; it was traced with the first


@define(eq=False)
class Job:
    """Members of a trained ensemble, by number; their files are made in `stage` and will be found in `folder`."""

    kept: Kept
    chosen: tuple[int, ...]
    stage: Path
    folder: Path

    @property
    def program(self) -> Program:
        """The program that was trained last."""
        return self.kept.compiled.program

    @property
    def members(self) -> tuple[MemberPlan, ...]:
        """The chosen members."""
        return tuple(self.program.members[number] for number in self.chosen)

    @cached_property
    def ensemble(self) -> Ensemble:
        """All members, trained, in eval mode on the CPU."""
        made = restored(self.kept, "cpu")
        made.eval()
        return made

    @cached_property
    def images(self) -> Tensor:
        """Random images [B, C, H, W], as if they were normalised."""
        shape = (max(BATCHES), *self.program.data.image_shape)
        return torch.randn(shape, generator=torch.Generator().manual_seed(0))

    @cached_property
    def expected(self) -> dict[int, Tensor]:
        """By the number of the member that holds a network its logits: [B, classes], of a joint one [B, M, classes].

        DiagnosticError where a member's predictions are not finite.
        """
        with torch.no_grad(), self.ensemble.composed():
            made = [(network, self.ensemble.run(network, self.images)) for network in self.ensemble.networks]
        for network, logits in made:
            check_predictions(logits.softmax(-1), [self.program.members[number].name for number in network.members])
        return {network.host: logits.transpose(0, 1) if network.is_joint else logits[0] for network, logits in made}

    def notes(self, member: MemberPlan) -> dict[str, str]:
        """What a file says of itself, where its format has a place for that."""
        data = self.program.data
        normalised = {"mean": json.dumps(list(data.mean)), "deviation": json.dumps(list(data.deviation))}
        return {"ensemble": self.program.ensemble, "member": member.name, **normalised}

    def check(self, file: str, number: int, ask: Callable[[Tensor], Tensor]) -> float:
        """How far a file's outputs are from those of member `number`; DiagnosticError where that is too far."""
        expected = self.expected[number]
        is_joint = expected.dim() == 3
        asked = (ask(self.images[:size].clone()) for size in BATCHES)
        found = [logits.transpose(0, 1) if is_joint else logits for logits in asked]
        gaps = [difference(logits, expected[: len(logits)]) for logits in found]
        if not all(gap <= TOLERANCE for gap in gaps):  # so that nan is too far
            told = ExportDiffers(
                path=str(self.folder / file), member=self.program.members[number].name, difference=max(gaps)
            )
            raise DiagnosticError(told)
        return max(gaps)

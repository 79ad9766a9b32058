"""What an export starts from, and how its files are held against it.

Takes a trained ensemble; gives images and the outputs that every file must give for them. Guarantees: a file is asked
for the same images in the same batches as the ensemble, from the same random numbers on; what a member's outputs depend
on beside that is looked for only where a file gives others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cached_property
from math import inf, isnan
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from attrs import define, field
from torch import Tensor

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.exporting import BatchNotKept, BatchRefused, ChanceNotKept, ExportDiffers
from swc.export.column_files import column_notes, features_module
from swc.registry.exporters import states_alone
from swc.running.checkpoints import SavedState
from swc_runtime.carry.plain import plain_member
from swc_runtime.evaluate.chance import Dependence, buffers_kept, chance_kept, dependence, draw_from
from swc_runtime.export.column_member import ColumnMember
from swc_runtime.export.formats import TOLERANCE, difference
from swc_runtime.finite import check_predictions
from swc_runtime.inputs import Inputs, copied, drawn, rows, size_of
from swc_runtime.tasks import rules_of

if TYPE_CHECKING:
    from torch import nn

    from swc.files.run import TargetScale
    from swc.program.program import MemberPlan, Program
    from swc.registry.exporters import ExporterRow
    from swc_runtime.data.preparation import Preparation
    from swc_runtime.ensemble import Ensemble

BATCHES = (3, 1, 8)  # images that a file is asked for at a time; it was traced with the first
SEED = 3  # of the random numbers that files are asked with: another than they were written with

Keeps = Callable[[], bool] | None


@define(eq=False)
class Job:
    """Members of a trained ensemble, by number, to be written in `form`.

    Their files are made in `stage` and will be found in `folder`;
    `classes` are the names of what their outputs stand for (None: they are not known). `preparation` is what makes
    features of the columns of a table.
    """

    saved: SavedState
    chosen: tuple[int, ...]
    stage: Path
    folder: Path
    form: ExporterRow
    classes: tuple[str, ...] | None
    scale: TargetScale | None = None
    preparation: Preparation | None = None
    _expected: dict[tuple[int, int], Tensor | None] = field(factory=dict, init=False)

    @property
    def program(self) -> Program:
        """The program that was trained last."""
        return self.saved.compiled.program

    @property
    def members(self) -> tuple[MemberPlan, ...]:
        """The chosen members."""
        return tuple(self.program.members[number] for number in self.chosen)

    @cached_property
    def ensemble(self) -> Ensemble:
        """All members, trained, in eval mode on the CPU."""
        return self.saved.ensemble("cpu").eval()

    @cached_property
    def inputs(self) -> Inputs:
        """Random inputs; images as if they were normalised, features as they are made of random columns."""
        if self.preparation is None:
            return drawn(self.program.data, max(BATCHES), torch.Generator().manual_seed(0))
        return torch.from_numpy(self.preparation.features_of(*self.preparation.drawn(max(BATCHES))))

    @cached_property
    def columns(self) -> Inputs | None:
        """The raw columns of which `inputs` are made; None for what is no table."""
        if self.preparation is None:
            return None
        return tuple(map(torch.from_numpy, self.preparation.drawn(max(BATCHES))))

    def module(self, number: int, *, takes_columns: bool = False) -> nn.Module:
        """Member `number` as a plain module; where it takes columns, with what makes features of them in front."""
        member = plain_member(self.ensemble, number)
        if self.preparation is None or not takes_columns:
            return member
        return ColumnMember(features_module(self.preparation), member).eval()

    def expected(self, number: int, size: int) -> Tensor | None:
        """Logits [B, classes] of member `number` for the first images, of a joint network [M, B, classes].

        None where the member takes no batch of that size; where it takes none at all, its error passes through.
        DiagnosticError where a member's predictions are not finite.
        """
        if (number, size) not in self._expected:
            self._expected[number, size] = self._asked(number, size)
        return self._expected[number, size]

    def _asked(self, number: int, size: int) -> Tensor | None:
        try:
            with torch.no_grad():
                found = again(lambda inputs: self._run(number, inputs), rows(self.inputs, slice(size)))
        except (RuntimeError, ValueError):  # BatchNorm by the batch's statistics takes no single image, for instance
            if size == BATCHES[0]:
                raise
            return None
        network = next(one for one in self.ensemble.networks if one.host == number)
        names = [self.program.members[member].name for member in network.members]
        rules = rules_of(self.program.data, self.scale)
        check_predictions(rules.predictions(found if network.is_joint else found[None]), names)
        return found

    def _run(self, number: int, inputs: Inputs) -> Tensor:
        network = next(one for one in self.ensemble.networks if one.host == number)
        with self.ensemble.composed(), buffers_kept(self.ensemble):
            logits = self.ensemble.run(network, inputs)
        return logits if network.is_joint else logits[0]

    def dependence(self, number: int) -> Dependence:
        """What the outputs of member `number` depend on beside each image."""
        with torch.no_grad():
            return dependence(lambda inputs: self._run(number, inputs), self.inputs, TOLERANCE)

    def notes(self, member: MemberPlan) -> dict[str, str]:
        """What a file says of itself, where its format has a place for that."""
        data = self.program.data
        named = {} if self.classes is None else {"class_names": json.dumps(list(self.classes), ensure_ascii=False)}
        normalised = {"mean": json.dumps(list(data.mean)), "deviation": json.dumps(list(data.deviation))}
        normalised = normalised if data.are_images else {"inputs": data.inputs_text}
        unit = {}
        if self.scale is not None:
            unit = {f"target_{name}": json.dumps(list(getattr(self.scale, name))) for name in ("mean", "deviation")}
        columns = {} if self.preparation is None else column_notes(self.preparation)
        return {"ensemble": self.program.ensemble, "member": member.name, **normalised, **columns, **named, **unit}

    def check(
        self, file: str, number: int, ask: Callable[[Inputs], Tensor], keeps: Keeps, given: Inputs | None = None
    ) -> float:
        """How far a file's outputs are from those of member `number`; DiagnosticError where that is too far.

        The file is asked for the examples of `inputs`, in the form in which it takes them (`given`; None: the same).
        `keeps` says whether the file holds the member's whole state, in the formats that hold nothing else (None: in
        the others). Such a file is as it should be also where the outputs cannot be had twice.
        """
        name = self.program.members[number].name
        if keeps is None and _is_lost(found := self.dependence(number), self.form):
            raise DiagnosticError(_chance_not_kept(name, self.form, found))
        inputs = self.inputs if given is None else given
        gaps = [self._gap(number, rows(inputs, slice(size)), ask) for size in BATCHES]
        worst = max(gaps, key=lambda gap: inf if isnan(gap) else gap)
        if worst <= TOLERANCE:
            return worst
        found = self.dependence(number)
        if keeps is None and not found.is_by_image:
            raise DiagnosticError(_not_kept(name, self.form, found))
        if keeps is None or not keeps() or (found.is_repeatable and not found.is_random):
            raise DiagnosticError(ExportDiffers(path=str(self.folder / file), member=name, difference=worst))
        return 0.0

    def _gap(self, number: int, inputs: Inputs, ask: Callable[[Inputs], Tensor]) -> float:
        size = size_of(inputs)
        expected = self.expected(number, size)
        if expected is None:
            return 0.0
        try:
            found = again(ask, inputs)
        except (RuntimeError, ValueError, AssertionError) as error:  # what programs raise of sizes they do not take
            raise DiagnosticError(self._batch_refused(number, size, reason_of(error))) from error
        if found.shape != expected.shape:
            return inf
        return difference(found, expected)

    def _batch_refused(self, number: int, size: int, reason: str) -> BatchRefused:
        name, others = self.program.members[number].name, states_alone()
        return BatchRefused(member=name, form=self.form.name, size=size, reason=reason, others=others)


def reason_of(error: BaseException) -> str:
    """What went wrong in the first place, in one plain line; exporters wrap it in advice, and colour that."""
    while error.__cause__ is not None:
        error = error.__cause__
    first = str(error).strip().partition("\n")[0]
    return re.sub(r"\x1b\[[0-9;]*m", "", first) or type(error).__name__


def traits_of(found: Dependence) -> str:
    """What a program may not be able to follow of a member whose outputs are not functions of one image alone."""
    if not found.is_repeatable:
        return "it gives the same images other outputs each time"
    if found.is_random:
        return "it draws random numbers in eval mode"
    return "its outputs depend on the other images of the batch" if found.depends_on_batch else ""


def again(ask: Callable[[Inputs], Tensor], inputs: Inputs) -> Tensor:
    """What something gives for inputs, from the random numbers on that all are asked with."""
    with chance_kept():
        draw_from(SEED)
        return ask(copied(inputs))  # which it may work on in place


def _is_lost(found: Dependence, form: ExporterRow) -> bool:
    """Whether a program cannot draw what a member draws; that would not always show in a few outputs."""
    return not found.is_repeatable or found.is_untraceable or (found.is_random and not form.keeps_draws)


def _not_kept(member: str, form: ExporterRow, found: Dependence) -> ChanceNotKept | BatchNotKept:
    if found.depends_on_batch:
        return BatchNotKept(member=member, form=form.name, others=states_alone())
    return _chance_not_kept(member, form, found)


def _chance_not_kept(member: str, form: ExporterRow, found: Dependence) -> ChanceNotKept:
    return ChanceNotKept(member=member, form=form.name, is_random=found.is_random, others=states_alone())

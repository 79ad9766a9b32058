"""Exports of one file for each member.

Takes a job; writes a file for each chosen member. Guarantees: every file was read back and gave the member's outputs,
or holds its whole state where the format holds nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from attrs import frozen
from torch import Tensor, nn

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.exporting import NotExportable
from swc.export.job import BATCHES, reason_of, traits_of
from swc.registry.exporters import states_alone
from swc_runtime.inputs import Inputs, copied, rows

if TYPE_CHECKING:
    from swc.export.job import Job
    from swc.program.program import MemberPlan


def nothing_beside(job: Job) -> dict[str, float]:
    """No further files."""
    return {}


@frozen
class MemberFiles:
    """A format in which each member is a file with this ending.

    `write(module, path, notes, inputs)` writes one, `reread(module, path, inputs)` asks it, given another build of the
    module. `state` reads the state of a file that holds nothing else; `beside` writes what the files are loaded with.
    Of a table, a file that `takes_columns` is given the raw columns, any other the features that are made of them.
    """

    ending: str
    write: Callable[[nn.Module, Path, Mapping[str, str], Inputs], None]
    reread: Callable[[nn.Module, Path, Inputs], Tensor]
    state: Callable[[Path], Mapping[str, Tensor]] | None = None
    beside: Callable[[Job], dict[str, float]] = nothing_beside
    takes_columns: bool = False

    def export(self, job: Job) -> dict[str, float]:
        """Write each member and ask its file; how far its outputs are off, by file."""
        members = zip(job.chosen, job.members, strict=True)
        return dict(self._member(job, number, member) for number, member in members) | self.beside(job)

    def _member(self, job: Job, number: int, member: MemberPlan) -> tuple[str, float]:
        module = job.module(number, takes_columns=self.takes_columns)
        path, given = job.stage / f"{member.name}{self.ending}", self._given(job)
        self._write(job, member, module, path)
        keeps = partial(_has_state, module, self.state, path) if self.state else None
        another = job.module(number, takes_columns=self.takes_columns)  # its state is overwritten by the file's
        return path.name, job.check(path.name, number, partial(self.reread, another, path), keeps, given)

    def _given(self, job: Job) -> Inputs:
        """What the file of a member takes for the examples that the ensemble is asked for."""
        return job.inputs if job.columns is None or not self.takes_columns else job.columns

    def _write(self, job: Job, member: MemberPlan, module: nn.Module, path: Path) -> None:
        try:
            self.write(module, path, job.notes(member), copied(rows(self._given(job), slice(BATCHES[0]))))
        except (RuntimeError, TypeError, ValueError) as error:  # what torch raises of code it cannot follow
            because = traits_of(job.dependence(job.program.members.index(member)))
            reason, others = reason_of(error), states_alone()
            refused = NotExportable(
                member=member.name, form=job.form.name, reason=reason, because=because, others=others
            )
            raise DiagnosticError(refused) from error


def _has_state(module: nn.Module, read: Callable[[Path], Mapping[str, Tensor]], path: Path) -> bool:
    state, kept = module.state_dict(), read(path)
    return state.keys() == kept.keys() and all(torch.equal(state[name], tensor) for name, tensor in kept.items())

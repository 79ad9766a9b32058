"""A run: what is asked of it, where it lies, and what it computes on.

Takes a build and what the command line says; gives `Run`. Guarantees: a run folder belongs to one spec with one
scaling of its epochs, for good; a run of another one is refused, never overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from swc.compiler.driver import compile_spec
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.steps import BatchTooSmallToSplit
from swc.diagnostics.catalogue.training import NothingToTrain, ScaledAlready
from swc.folders.classes import check_classes, write_classes
from swc.folders.dataset import open_dataset
from swc.folders.preparation import check_preparation, write_preparation
from swc.folders.store import RUN, Build, checkpoint_path, read_machine, spec_hash_of
from swc.folders.target_scale import check_scale, write_scale
from swc.program.spec import Spec
from swc.program.stages import Stage, scale_epochs, stages
from swc.program.training import Phase, Recipe, Training
from swc.program.vocabulary import SPLIT_STEPS
from swc.running.folder import has_begun, prepare
from swc.running.given_weights import FACT as WEIGHTS
from swc.running.given_weights import weights_fact
from swc.running.machine import Machine, installed_versions, settle_machine
from swc.running.options import Options
from swc.running.own_code import code_facts
from swc.running.teacher import FACT, Teacher, check_teacher, open_teacher

if TYPE_CHECKING:
    from torch import Tensor

    from swc.diagnostics import Sink
    from swc_runtime.data import Dataset
    from swc_runtime.data.batches import BatchRead, OwnBatches
    from swc_runtime.inputs import Inputs
    from swc_runtime.tasks import TaskRules

    Batches = Iterator[tuple[Inputs, Tensor]]


@frozen(eq=False, slots=False)
class Run:
    """What was asked and where; it stays as it is while the run goes on."""

    folder: Path
    spec: Spec
    spec_hash: str
    training: Training
    dataset: Dataset
    machine: Machine
    options: Options
    teacher: Teacher | None = None

    @property
    def recipe(self) -> Recipe:
        """The recipe of all phases."""
        return self.training.recipe

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """The stages of all phases, one for each revision."""
        return stages(self.training)

    @cached_property
    def rules(self) -> TaskRules:
        """What the task makes of outputs, in the unit of the targets."""
        from swc_runtime.tasks import rules_of

        return rules_of(self.spec.data, self.dataset.scale)

    @property
    def steps_per_epoch(self) -> int:
        """The optimiser steps of an epoch, and its batches."""
        from swc_runtime.data import num_batches

        return num_batches(len(self.dataset.train), self.recipe.batch)

    @property
    def given_digest(self) -> str:
        """The digest of the weights that members were given when the run was begun; "" where they were given none."""
        return (read_machine(self.folder) or {}).get(WEIGHTS, "")

    @property
    def checkpoint(self) -> Path:
        """Where the run can be taken up."""
        return checkpoint_path(self.folder)

    @property
    def members(self) -> tuple[str, ...]:
        """The names of the members, in order."""
        return tuple(member.name for member in self.spec.members)

    def training_batches(
        self, phase: Phase, epoch: int, step: int, networks: Sequence[str]
    ) -> Batches | Iterator[OwnBatches]:
        """What a step of an epoch trains on: a batch for all, or one for each of the `networks`, by their hosts."""
        from swc_runtime.data.batches import batches_of, own_batches, own_seed

        train = self.dataset.train
        if not self.spec.step.has_own_batches:
            return batches_of(train, self._reads(phase, epoch, step, self.recipe.seed, mixes=True))
        seeds = (own_seed(self.recipe.seed, name) for name in networks)
        return own_batches(train, [self._reads(phase, epoch, step, seed, mixes=True) for seed in seeds])

    def batches(self, phase: Phase, epoch: int, step: int = 0) -> Batches:
        """The batches of an epoch of a phase, from a step on: inputs and labels [B].

        Of several ranks that share images each has its shares, which may be empty. Steps of augmentation that mix
        images are left out.
        """
        from swc_runtime.data.batches import batches_of

        return batches_of(self.dataset.train, self._reads(phase, epoch, step, self.recipe.seed, mixes=False))

    def _reads(self, phase: Phase, epoch: int, step: int, seed: int, *, mixes: bool) -> Iterator[BatchRead]:
        """What the batches of an epoch are made of; `seed` draws the order and what happens to images."""
        from swc_runtime.data import EpochPlan, epoch_reads

        plan = EpochPlan(
            tuple(step for step in self.recipe.augmentation if mixes or step.row.stage != "mixing"),
            self.recipe.batch,
            seed,
            self.training.phases.index(phase),
            epoch,
            start_step=step,
            device=self.machine.device,
            deal=self.machine.deal,
        )
        return epoch_reads(self.dataset.train, plan)

    def plain_batches(self) -> Batches:
        """The training part once, in its own order and without augmentation."""
        from swc_runtime.data import test_batches

        return test_batches(self.dataset.train, self.recipe.batch, device=self.machine.device)


def open_run(build: Build, options: Options, sink: Sink, announce: Callable[[str], None]) -> Run:
    """Open the run of a build, or begin one.

    `announce` is told what people should know at once, such as a download. DiagnosticError where the folder holds the
    run of another spec, or data or device are missing.
    """
    from swc.system import cache
    from swc_runtime.data import look_at, with_workers
    from swc_runtime.data.shares import check_last

    spec = _wanted(build, options.epochs_scale)
    assert spec.training is not None
    folder = run_folder(build, options)
    if not options.fresh:
        has_begun(folder, spec, build.tables)
    before = None if options.fresh else read_machine(folder)
    machine = settle_machine(spec, options, lambda: compile_spec(spec, build.tables).program, before)
    announce(f"training on {machine}")
    teacher = open_teacher(spec, machine)
    check_teacher(teacher, before, spec)
    with machine.ranks.first_ahead():
        dataset = open_dataset(spec, options.data, options.offline, announce, options.workers)
        if machine.ranks.is_first:
            look_at(dataset, cache)
        dataset = dataset.to(machine.device)
        check_last(machine.deal, spec.training.recipe, len(dataset.train))
        _check_parts(spec, len(dataset.train))
        if not options.fresh:
            check_classes(folder, dataset)
            check_scale(folder, dataset)
            check_preparation(folder, dataset)
        if machine.ranks.is_first:
            dataset.report(sink)
            facts = machine.facts() | {"data": dataset.digest()} | ({FACT: teacher.digest} if teacher else {})
            facts |= weights_fact(spec, build.tables, before) | installed_versions(dataset.decoders) | code_facts(spec)
            prepare(folder, spec, build, options, facts, sink, announce)
            write_classes(folder, dataset)
            write_scale(folder, dataset)
            write_preparation(folder, dataset)
    if spec.data.code is not None:  # what a function of the user's own gives may differ from process to process
        machine.ranks.agree("images", dataset.digest().encode())
    dataset = with_workers(dataset, options.workers, machine.device, announce)
    return Run(folder, spec, spec_hash_of(folder), spec.training, dataset, machine, options, teacher)


def _check_parts(spec: Spec, num_images: int) -> None:
    """DiagnosticError where there are too few images for each network to see two; batches were checked before."""
    num_networks = sum(not member.host for member in spec.members)
    told = BatchTooSmallToSplit(batch=num_images, networks=num_networks, is_whole=True)
    if spec.step.name in SPLIT_STEPS and told.batch < told.least:
        raise DiagnosticError(told)


def _wanted(build: Build, scale: float | None) -> Spec:
    """The spec that is to be trained; that of a run which was named itself is scaled already."""
    if not build.is_run or build.spec.training is None:
        return scaled(build.spec, 1.0 if scale is None else scale)
    was = build.spec.training.epochs_scale
    if scale not in (None, was):
        assert scale is not None
        raise DiagnosticError(ScaledAlready(folder=str(build.folder), was=was, now=scale))
    return build.spec


def scaled(spec: Spec, factor: float) -> Spec:
    """The spec with its epochs scaled; DiagnosticError where it has nothing to train."""
    if spec.training is None:
        raise DiagnosticError(NothingToTrain(ensemble=spec.name, span=spec.span))
    return spec if factor == 1.0 else evolve(spec, training=scale_epochs(spec.training, factor))


def run_folder(build: Build, options: Options) -> Path:
    """Where the run of a build lies; a run that was named itself is its own place."""
    return options.run or (build.folder if build.is_run else build.folder / RUN)

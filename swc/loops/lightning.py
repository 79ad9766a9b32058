"""The ensemble in a Lightning `Trainer`: a module that trains all members, and a callback that recompiles.

Takes a compiled ensemble; gives `EnsembleModule` and `RecompileCallback`. Guarantees: the callback measures over the
trainer's own batches after the last epoch of each stage but the last, and what the optimiser keeps is carried over; a
checkpoint of Lightning's is loaded into the revision that it was taken of.

Needs `lightning`: the extra of that name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import accumulate
from math import log
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.nn import functional as F

from swc.compiler.driver import Compiled
from swc.loops.state import LoopState, MakeOptimiser, advance, begin, restored, training_of
from swc.program.stages import stages
from swc.running.observer import Observer

MemberLoss = Callable[[Tensor, Tensor], Tensor]
"""From the logits [B, C] of a member and the labels [B] to one number."""

MakeScheduler = Callable[[torch.optim.Optimizer], torch.optim.lr_scheduler.LRScheduler]
KEPT = "superweights"  # in a checkpoint: which revision it is of


class EnsembleModule(LightningModule):
    """All members of a compiled ensemble, each with its own loss; what is minimised is their sum.

    Batches are pairs of inputs and labels. `make` gives the optimiser of an ensemble (None: the recipe's, at its rate);
    `schedule` its learning rate by epoch, which begins afresh with each phase of the spec and goes on where only
    coefficients are untied. Train it for `num_epochs`, with `RecompileCallback` among the callbacks. ValueError where
    the spec has no train block.
    """

    def __init__(
        self,
        compiled: Compiled,
        make: MakeOptimiser | None = None,
        schedule: MakeScheduler | None = None,
        loss: MemberLoss = F.cross_entropy,
    ) -> None:
        super().__init__()
        self.first = compiled
        self.make, self.schedule, self.loss = make, schedule, loss
        self.take(begin(compiled, make))

    @property
    def num_epochs(self) -> int:
        """The epochs of all stages: `max_epochs` of the trainer."""
        return self.ends[-1]

    @property
    def ends(self) -> tuple[int, ...]:
        """After how many epochs each revision ends."""
        return tuple(accumulate(stage.stop - stage.start for stage in stages(training_of(self.first))))

    def take(self, revision: LoopState) -> None:
        """Train this revision from now on."""
        self.revision, self.ensemble = revision, revision.ensemble

    def forward(self, inputs: Tensor) -> Tensor:
        """The logits [M, B, C] of the members."""
        logits: Tensor = self.ensemble(inputs)
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
        """The sum of the members' losses."""
        inputs, labels = batch
        loss = torch.stack([self.loss(logits, labels) for logits in self(inputs)]).sum()
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], number: int) -> None:
        """Top-1 and NLL of the mean of the members' probabilities; of another task the mean of their losses."""
        inputs, labels = batch
        if not self.ensemble.program.task.is_classification:
            losses = torch.stack([self.loss(outputs, labels) for outputs in self(inputs)])
            self.log("val_loss", losses.mean(), prog_bar=True)
            return
        logs = self(inputs).float().log_softmax(-1)
        mean = logs.logsumexp(0) - log(len(logs))
        self.log("val_top1", (mean.argmax(-1) == labels).float().mean(), prog_bar=True)
        self.log("val_nll", F.nll_loss(mean, labels))

    def configure_optimizers(self) -> Any:
        """The revision's optimiser, made for the parameters as they lie on the device."""
        optimiser = self.revision.optimiser
        return optimiser if self.schedule is None else ([optimiser], [self.schedule(optimiser)])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Note which revision it is."""
        kept = self.revision.state_dict()
        checkpoint[KEPT] = {name: kept[name] for name in ("program", "revision", "feedback")}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go to the revision of the checkpoint, into which Lightning then puts its state."""
        self.take(restored(self.first, checkpoint[KEPT], self.make, self.device, with_state=False))


class RecompileCallback(Callback):
    """Measures, recompiles and carries over, after the last epoch of every stage but the last.

    `observer` hears of it. One process alone: several would measure different images.
    """

    def __init__(self, observer: Observer | None = None) -> None:
        self.observer = observer or Observer()

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """See to it that the trainer's loop is one that this callback can work in. ValueError where it is not."""
        module = _checked(pl_module)
        if trainer.world_size > 1:
            raise ValueError("RecompileCallback works in one process: train with `swc train --nproc` to share the work")
        if trainer.max_epochs != module.num_epochs:
            raise ValueError(
                f"the spec trains {module.num_epochs} epochs, and the trainer {trainer.max_epochs}: "
                "write Trainer(max_epochs=module.num_epochs)"
            )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """RecompileCallback, where the spec says so."""
        module = _checked(pl_module)
        before = module.revision
        if before.is_last or trainer.current_epoch + 1 != module.ends[before.compiled.revision]:
            return
        module.take(advance(before, _batches(trainer), module.make, self.observer))
        module.ensemble.train()
        was = [one.scheduler for one in trainer.lr_scheduler_configs]
        trainer.strategy.setup_optimizers(trainer)
        if module.revision.stage.phase == before.stage.phase:  # its schedule goes on
            for old, new in zip(was, trainer.lr_scheduler_configs, strict=True):
                new.scheduler.load_state_dict(old.state_dict())


def _checked(module: LightningModule) -> EnsembleModule:
    if not isinstance(module, EnsembleModule):
        raise ValueError(f"RecompileCallback is for an EnsembleModule, not for {type(module).__name__}")
    return module


def _batches(trainer: Trainer) -> Iterable[tuple[Tensor, Tensor]]:
    """What the trainer trains on."""
    loader: Iterable[tuple[Tensor, Tensor]] | None = trainer.train_dataloader
    assert loader is not None, "an epoch was trained"
    return loader

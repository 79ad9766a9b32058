"""Runs in MLflow, through its client.

Takes the address of a tracking store; gives a `Tracker`. Guarantees: a run that goes on is the run in MLflow that was
begun for its folder; a name that MLflow refuses has its odd characters replaced; what MLflow raises is a diagnostic; a
run that had nothing left to train is not told of.

Needs `mlflow-skinny` (or `mlflow`): the extra `mlflow`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from attrs import define, field

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.tracking import TrackerFailed, TrackerNotInstalled
from swc.loops.tracking import End

PLACE = "superweights.folder"  # the tag by which a run is found again
ODD = re.compile(r"[^\w\-. /]")  # what names of metrics may not have
ENDS = {"done": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}


@define(eq=False)
class MlflowTracker:
    """Writes into the store at `address`: a server's URL, `file:FOLDER`, or what else MLflow takes.

    The experiment has the ensemble's name. DiagnosticError where MLflow is not installed, or the store cannot be read.
    """

    address: str
    client: Any = field(init=False)
    run: str = field(init=False, default="")  # its id in MLflow

    def __attrs_post_init__(self) -> None:
        if find_spec("mlflow") is None:
            raise DiagnosticError(TrackerNotInstalled(package="mlflow", extra="mlflow"))
        with self._told():
            from mlflow import MlflowClient

            self.client = MlflowClient(tracking_uri=self.address)
            self.client.search_experiments(max_results=1)

    def begin(self, name: str, place: str, is_new: bool) -> bool:
        """Begin a run, or go on with the newest that was begun for this folder; gives whether it is a new one here."""
        with self._told():
            experiment = self.client.get_experiment_by_name(name)
            number = experiment.experiment_id if experiment is not None else self.client.create_experiment(name)
            before = [] if is_new else self.client.search_runs([number], f"tags.`{PLACE}` = '{_quoted(place)}'")
            if before:
                self.run = before[0].info.run_id
                self.client.update_run(self.run, status="RUNNING")
            else:
                self.run = self.client.create_run(number, tags={PLACE: place}).info.run_id
        return not before

    def settings(self, values: Mapping[str, str]) -> None:
        """As parameters."""
        from mlflow.entities import Param

        self._log(params=[Param(_named(name), value) for name, value in values.items()])

    def numbers(self, values: Mapping[str, float], epoch: int) -> None:
        """As metrics, by epoch."""
        from time import time

        from mlflow.entities import Metric

        now = int(1000 * time())  # MLflow counts milliseconds
        self._log(metrics=[Metric(_named(name), value, now, epoch) for name, value in values.items()])

    def text(self, name: str, content: str) -> None:
        """As an artifact."""
        if self.run:
            with self._told():
                self.client.log_text(self.run, content, name)

    def end(self, how: End) -> None:
        """Note how it ended."""
        if self.run:
            with self._told():
                self.client.set_terminated(self.run, ENDS[how])

    def _log(self, **what: Any) -> None:
        if self.run:
            with self._told():
                self.client.log_batch(self.run, **what)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Make a diagnostic of what MLflow, or the library that it talks with, raises."""
        try:
            yield
        except Exception as error:  # of code that is not ours, whose stores raise what they like
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise DiagnosticError(TrackerFailed(tracker="MLflow", where=self.address, reason=reason)) from error


def _named(name: str) -> str:
    """A name that MLflow takes: `a[0]` is `a_0_`."""
    return ODD.sub("_", name)


def _quoted(text: str) -> str:
    return text.replace("'", "\\'")

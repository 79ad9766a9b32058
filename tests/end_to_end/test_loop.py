"""The loop of a run from Python: step by step, observed, and taken up again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from attrs import evolve
from swc.diagnostics import Sink
from swc.registry.actions import ACTIONS
from swc.running.actions import StageAction
from swc.running.disk import observed
from swc.running.loop import next_transition, opened, take_up, train
from swc.running.observer import Observer, Observers
from swc.running.options import Options
from swc.running.run import Run, open_run
from swc.running.state import State

from support.runs import Place, copied, place
from swc_runtime.ranks.ranks import Ranks
from swc_runtime.records.checkpoint import load_checkpoint

ROOT = Path(__file__).parents[2]
METHODS = [name for name in vars(Observer) if not name.startswith("_")]


class Listener(Observer):
    """Notes the names of what it hears of, each once in a row."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def __getattribute__(self, name: str) -> object:
        if name in METHODS and [*self.heard[-1:]] != [name]:
            self.heard.append(name)
        return super().__getattribute__(name)


class Stop(Observer):
    """Ends the run at the nth state that is reached."""

    def __init__(self, nth: int) -> None:
        self.left = nth

    def reached(self, state: State) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return copied(tmp_path_factory)


def run_in(made: Place) -> Run:
    build = made.build() if made.run.exists() else _compiled(made)
    return open_run(build, Options(threads=1, device="cpu"), Sink(), lambda _: None)


def _compiled(made: Place):
    from swc.folders.store import open_build

    return open_build(made.folder / "build/tiny", prefer_run=False)


def check_same(made: Place, expected: Place) -> None:
    (found, _), (wanted, _) = load_checkpoint(made.checkpoint), load_checkpoint(expected.checkpoint)
    assert found.keys() == wanted.keys()
    assert [name for name in wanted if not torch.equal(found[name], wanted[name])] == []
    assert made.metrics() == expected.metrics()
    assert (made.run / "results.json").read_bytes() == (expected.run / "results.json").read_bytes()


def test_step_by_step_as_the_command(tmp_path_factory: pytest.TempPathFactory, undisturbed: Place) -> None:
    made = place(tmp_path_factory)
    run, names = run_in(made), []
    with opened(run) as observer:
        state = take_up(run, observer)
        while (transition := next_transition(run, state)) is not None:
            names.append(transition.__name__)
            state = transition(run, state, observer)
            observer.reached(state)
    stage = ["train_epoch", "score"]
    assert names == [*stage, "next_revision", *stage, "next_revision", *stage]
    assert not (made.run / "results.json").exists()
    train(run)
    check_same(made, undisturbed)


def test_an_observer_hears_of_everything_in_order_and_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, undisturbed: Place
) -> None:
    made, listener = place(tmp_path_factory), Listener()
    train(run_in(made), listener)
    epoch = ["epoch_begins", "step_done", "epoch_done", "reached", "scored", "reached"]
    change = ["measuring", "images_measured", "measured", "revision_begins", "say", "reached"]
    assert listener.heard == ["revision_begins", "begins", *epoch, *change, *epoch, *change, *epoch, "finished"]
    check_same(made, undisturbed)


def test_what_is_reached_is_saved_before_others_hear_of_it(
    tmp_path_factory: pytest.TempPathFactory, undisturbed: Place
) -> None:
    made = place(tmp_path_factory)
    for nth in (1, 2, 1):
        with pytest.raises(KeyboardInterrupt):
            train(run_in(made), Stop(nth))
    assert load_checkpoint(made.checkpoint)[1].position.revision == 1
    train(run_in(made))
    check_same(made, undisturbed)


def test_of_several_processes_only_the_first_writes_and_is_observed(tmp_path_factory: pytest.TempPathFactory) -> None:
    run = run_in(place(tmp_path_factory))
    second = evolve(run, machine=evolve(run.machine, ranks=Ranks(1, 2)))
    with observed(run, Listener()) as first, observed(second, Listener()) as other:
        assert isinstance(first, Observers) and len(first.observers) == 5
        assert other == Observers()


def test_who_is_first_is_asked_in_two_files() -> None:
    """Where a run's folder is made, and where its observers are chosen."""
    asking = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "swc").rglob("*.py"))
        if re.search(r"ranks\.is_first|\brank == 0", path.read_text("utf-8"))
    ]
    assert asking == ["swc/running/disk.py", "swc/running/run.py"]


def test_several_observers_are_told_all_that_one_is() -> None:
    assert [name for name in METHODS if name not in vars(Observers)] == []


def test_every_action_has_its_object() -> None:
    assert {row.name for row in ACTIONS.rows} >= {"split_clusters", "group_layers", "untie_coefficients"}
    assert all(issubclass(ACTIONS.load(row.name), StageAction) for row in ACTIONS.rows)

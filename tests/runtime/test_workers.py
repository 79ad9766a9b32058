"""`--workers N`: the same batches to the bit for any number of processes, and what goes wrong in one is told here."""

from __future__ import annotations

import gc
import multiprocessing
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve
from PIL import Image
from swc.diagnostics import Diagnostic, DiagnosticError
from swc.program.datasets import DataFacts
from swc.program.inputs import InputFacts
from swc.program.training import AugmentationStep, Phase, Recipe
from torch import Tensor
from torch.utils.data import dataloader

from swc_runtime.data import Dataset, EpochPlan, epoch_batches, epoch_reads, own_batches, with_workers
from swc_runtime.data import items as items_module
from swc_runtime.data import test_batches as plain_batches
from swc_runtime.data.checks import PartChecker
from swc_runtime.data.folder import read_folder
from swc_runtime.data.items import ItemSplit, seeds_torch, size_in_memory, split_of_items
from swc_runtime.data.splits import FolderSplit, MemorySplit, Split
from swc_runtime.data.tensors import TensorSplit
from swc_runtime.data.workers import PartReader, Workers
from swc_runtime.inputs import Inputs, tensors_of
from swc_runtime.training.trainer import Epoch, depth_of

FACTS = DataFacts("python", 3, (3, 8, 8), 0, 0, (0.5,) * 3, (0.5,) * 3, function="own:load")
ROWS = evolve(FACTS, image_shape=(0, 0, 0), mean=(), deviation=())
STEPS = (AugmentationStep.of("resized_crop"), AugmentationStep.of("flip"))
COUNT = 11


class Drawing:
    """Items that draw: an image of random bytes, changed by every generator there is, and a label."""

    def __init__(self, count: int = COUNT, broken: int = -1) -> None:
        self.count, self.broken = count, broken

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> tuple[Any, int]:
        if number == self.broken:
            raise OSError("no such scan\nat all")
        image = np.random.randint(0, 200, (3, 8, 8)).astype(np.uint8)
        return torch.from_numpy(image) + random.randrange(20) + int(torch.randint(20, ())), number % 3


class Listed(Drawing):
    """As `Drawing`, with its labels in a list, of which one may be another."""

    def __init__(self, wrong: int = -1) -> None:
        super().__init__()
        self.targets = [2 - number % 3 if number == wrong else number % 3 for number in range(COUNT)]


class Two:
    """Items of two inputs."""

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, number: int) -> tuple[tuple[Tensor, np.ndarray], int]:
        return (torch.randn(4), np.array([number])), 0


def split(part: Any, *, one_by_one: bool = True, facts: DataFacts = FACTS, said: list[str] | None = None) -> Split:
    announce = (said if said is not None else []).append
    return split_of_items(PartChecker(facts), part, "train", one_by_one=one_by_one, announce=announce)


def read_by(count: int | None, train: Split, test: Split | None = None) -> Dataset:
    return with_workers(Dataset(train.facts, train, test or train), count, "cpu", lambda _: None)


def flat(batches: Iterator[tuple[Inputs, Tensor]]) -> list[Tensor]:
    return [tensor for inputs, labels in batches for tensor in (*tensors_of(inputs), labels)]


def equal(first: list[Tensor], second: list[Tensor]) -> bool:
    return len(first) == len(second) and all(map(torch.equal, first, second))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    path, draw = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for number in range(2 * COUNT):
        place = path / ("train", "val")[number % 2] / "abc"[number % 3] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (9 + number, 12, 3), np.uint8)).save(place)
    facts = DataFacts("folder", 3, (3, 8, 8), 0, 0, (0.5,) * 3, (0.5,) * 3, str(path))
    return read_folder(facts, path, lambda _: None)


@pytest.mark.parametrize("kind", ["folder", "items"])
def test_batches_are_the_same_for_any_number_of_workers(folder: Dataset, kind: str) -> None:
    plain = folder if kind == "folder" else read_by(None, split(Drawing()))
    expected = [flat(epoch_batches(plain.train, EpochPlan(STEPS, 3, 7, 0, epoch))) for epoch in (0, 1)]
    tested = flat(plain_batches(plain.test, 4))
    for count in (1, 3):
        dataset = with_workers(plain, count, "cpu", lambda _: None)
        for epoch in (0, 1):
            assert equal(flat(epoch_batches(dataset.train, EpochPlan(STEPS, 3, 7, 0, epoch))), expected[epoch])
            assert equal(flat(plain_batches(dataset.test, 4)), tested)
        assert equal(
            flat(epoch_batches(dataset.train, EpochPlan(STEPS, 3, 7, 0, 1, 2))), expected[1][4:]
        )  # taken up on the way


def test_members_with_batches_of_their_own_are_read_in_one_stream(folder: Dataset) -> None:
    def seen(train: Split) -> list[Tensor]:
        each = [epoch_reads(train, EpochPlan(STEPS, 3, seed, 0, 0)) for seed in (1, 2)]
        return flat(pair for step in own_batches(train, each) for pair in step.by_network)

    assert equal(seen(read_by(2, folder.train).train), seen(folder.train))
    alone = [flat(epoch_batches(folder.train, EpochPlan(STEPS, 3, seed, 0, 0))) for seed in (1, 2)]
    assert equal(seen(folder.train)[:4], [*alone[0][:2], *alone[1][:2]])


def test_items_are_read_in_no_thread_beside_a_step() -> None:
    """What reads them seeds the generators that a step draws from; a worker, another process, does not."""
    single = split(Drawing())
    assert isinstance(single, ItemSplit)
    assert seeds_torch(single) and not seeds_torch(split(Drawing(), one_by_one=False))
    assert not seeds_torch(evolve(single, reader=PartReader(Workers(1, (single,)), 0)))
    recipe, cuda = Recipe("tests"), torch.device("cuda")
    assert depth_of(recipe, Epoch(Phase("main", 1), 0, 1), cuda) > 0
    assert depth_of(recipe, Epoch(Phase("main", 1), 0, 1, seeds_torch=True), cuda) == 0


def test_items_are_the_same_bits_in_memory_and_one_by_one() -> None:
    whole, single = split(Drawing(), one_by_one=False), split(Drawing())
    assert isinstance(whole, MemorySplit) and isinstance(single, ItemSplit)
    assert torch.equal(whole.labels, single.labels)
    order = np.array([5, 0, 9, 5])
    assert torch.equal(whole.images[order], single.fetch(order, None))  # type: ignore[arg-type]
    assert torch.equal(whole.images[[9]], single.take(order).fetch(np.array([2]), None))  # type: ignore[arg-type]
    assert not torch.equal(whole.images[0], whole.images[1]), "each item draws numbers of its own"


def test_several_inputs_are_read_one_by_one() -> None:
    from swc.program.inputs import InputFacts

    facts = evolve(ROWS, inputs=(InputFacts((4,)), InputFacts((1,), "int64")))
    whole, single = (split(Two(), one_by_one=one, facts=facts) for one in (False, True))
    assert isinstance(whole, TensorSplit)
    found = read_by(2, single).train
    assert equal(
        flat(epoch_batches(found, EpochPlan((), 4, 0, 0, 0))), flat(epoch_batches(whole, EpochPlan((), 4, 0, 0, 0)))
    )


def test_random_numbers_and_signals_of_the_process_are_left_alone(folder: Dataset) -> None:
    dataset, handler = read_by(2, split(Drawing())), signal.getsignal(signal.SIGCHLD)
    torch.manual_seed(3)
    np.random.seed(3)
    random.seed(3)
    flat(plain_batches(dataset.test, 4))
    after = float(torch.rand(())), np.random.rand(), random.random()
    torch.manual_seed(3)
    np.random.seed(3)
    random.seed(3)
    assert after == (float(torch.rand(())), np.random.rand(), random.random())
    assert signal.getsignal(signal.SIGCHLD) is handler


def test_what_lies_in_memory_has_nothing_to_read() -> None:
    said: list[str] = []
    whole = split(Drawing(), one_by_one=False)
    dataset = with_workers(Dataset(FACTS, whole, whole), 2, "cpu", said.append)
    assert dataset.train is whole
    assert said == ["--workers 2: own:load lies in memory, and there is nothing for them to read"]


def test_a_large_data_set_is_read_one_by_one_without_being_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    size = size_in_memory(FACTS, COUNT)
    assert size == COUNT * 3 * 8 * 8 * 4
    monkeypatch.setattr(items_module, "MOST_IN_MEMORY", size)
    assert isinstance(split(Drawing(), one_by_one=False, said=said), MemorySplit)
    monkeypatch.setattr(items_module, "MOST_IN_MEMORY", size - 1)
    assert isinstance(split(Drawing(), one_by_one=False, said=said), ItemSplit)
    assert said == ["reading the 11 items of train once, for their labels: it has no list `targets`"]


def test_labels_are_taken_from_a_list_and_held_to_the_items() -> None:
    said: list[str] = []
    found = split(Listed(), said=said)
    assert found.labels.tolist() == [number % 3 for number in range(COUNT)] and said == []
    assert len(flat(plain_batches(found, 4))) == 6
    told = refused(lambda: flat(plain_batches(split(Listed(wrong=6)), 4)))
    assert told.code == "SW512"
    assert "the label of item 6 of train of `own:load` should be 2, as before or in `targets`, not 0" in told.message()


# --- what goes wrong --------------------------------------------------------------------------------------------------


def refused(ask: Any) -> Diagnostic:
    with pytest.raises(DiagnosticError) as caught:
        ask()
    (told,) = caught.value.diagnostics
    return told


@pytest.mark.parametrize("count", [None, 2])
def test_an_item_that_raises_is_told_by_its_number_and_line(count: int | None) -> None:
    part = Drawing()
    dataset = read_by(count, split(part))
    part.broken = 7
    told = refused(lambda: flat(plain_batches(dataset.test, 3)))
    assert told.code == "SW518"
    assert told.message() == "item 7 of train of `own:load` cannot be had: OSError: no such scan"
    assert told.notes()[0].startswith("raised at test_workers.py:")


def test_an_item_that_raises_is_told_when_a_part_is_read_into_memory() -> None:
    assert refused(lambda: split(Drawing(broken=2), one_by_one=False)).message().startswith("item 2 of train")


class Gap(Two):
    """Items of one input, of which one is not a number, another of another shape."""

    def __getitem__(self, number: int) -> tuple[Any, int]:  # type: ignore[override]
        return torch.full((5 if number == 9 else 4,), float("nan") if number == 7 else 0.0), 0


@pytest.mark.parametrize(
    ("chosen", "words"),
    [([5, 6, 7], "not `nan` in example 7 (counted from 0)"), ([8, 9], "not float32 [5] in item 9")],
)
def test_what_does_not_fit_is_told_by_its_number_and_not_by_its_place_in_a_batch(chosen: list[int], words: str) -> None:
    facts = evolve(ROWS, inputs=(InputFacts((4,), "float32"),))
    found = split(Gap(), facts=facts)
    assert words in refused(lambda: found.fetch(np.array(chosen), None)).message()


def test_an_image_that_cannot_be_read_is_told_as_without_workers(folder: Dataset, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    assert isinstance(folder.train, FolderSplit)
    train = evolve(folder.train, files=(*folder.train.files[:-1], str(broken)))
    alone, apart = (
        refused(lambda count=count: flat(plain_batches(read_by(count, train).train, 4)))  # type: ignore[misc]
        for count in (None, 2)
    )
    assert alone == apart and alone.code == "SW501"


class Ending(Drawing):
    """An item kills the process that reads it."""

    def __getitem__(self, number: int) -> tuple[Any, int]:
        if number == self.broken:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(number)


def test_a_worker_that_is_killed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    wait = dataloader._MultiProcessingDataLoaderIter._try_get_data
    monkeypatch.setattr(wait, "__defaults__", (0.2,))  # seconds between looks at whether workers are there
    monkeypatch.setattr(dataloader._utils, "MP_STATUS_CHECK_INTERVAL", 0.2)  # in which the others must end
    part = Ending()

    def read() -> None:
        dataset = read_by(2, split(part))
        part.broken = 7
        flat(plain_batches(dataset.test, 3))

    told = refused(read)
    gc.collect()
    assert told.code == "SW519" and "one of the 2 processes that read examples ended" in told.message()


def failing(error: Exception) -> Iterator[Any]:
    raise error
    yield


@pytest.mark.parametrize(
    "error", [ConnectionResetError(104, "reset"), EOFError(), FileNotFoundError(2, "no socket"), BrokenPipeError()]
)
def test_a_worker_that_is_killed_while_its_batch_is_fetched_is_told(error: Exception) -> None:
    refusal = Workers(2, ())._next(failing(error))
    assert [told.code for told in refusal.diagnostics] == ["SW519"]  # type: ignore[union-attr]


@pytest.mark.parametrize("error", [FileNotFoundError("Caught FileNotFoundError in DataLoader"), RuntimeError("other")])
def test_what_a_workers_code_raises_is_left_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)):
        Workers(2, ())._next(failing(error))


def test_one_stream_is_read_at_a_time() -> None:
    single = split(Drawing())
    assert isinstance(single, ItemSplit)
    workers = Workers(1, (single,))
    asked = [(0, (np.array([0]), None)), (0, (np.array([1]), None))]
    first, second = workers.read(asked), workers.read(asked)
    next(first)
    next(second)
    with pytest.raises(ValueError, match="another has begun"):
        next(first)


def test_workers_end_with_the_last_who_knows_them(folder: Dataset) -> None:
    before = multiprocessing.active_children()  # of tests that failed
    dataset = read_by(2, folder.train)
    batches = plain_batches(dataset.test, 3)
    next(batches)
    processes = [process for process in multiprocessing.active_children() if process not in before]
    assert len(processes) == 2
    gc.disable()  # which could end them, but by force
    try:
        del batches, dataset
        assert not [process for process in processes if process.is_alive()]
    finally:
        gc.enable()
    assert {process.exitcode for process in processes} == {0}

"""Opening data sets: official files only, nothing in their place, and no code out of a file."""

from __future__ import annotations

import os
import pickle
import re
import tarfile
from collections.abc import Iterator
from functools import partial
from hashlib import md5
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from attrs import evolve
from PIL import Image
from swc.diagnostics import DiagnosticError
from swc.program.datasets import DATASETS, DataFacts
from torchvision import datasets as theirs

from swc_runtime.data import cifar, data_folder, digits, open_data
from swc_runtime.data.cifar import ARCHIVES, Archive, ArrayUnpickler


def quiet(_: str) -> None:
    """Say nothing."""


def write_batch(path: Path, archive: Archive, seed: int, count: int = 6) -> str:
    """A file in the official form with random pixels; its MD5 sum."""
    numbers = np.random.default_rng(seed)
    entries = {
        b"data": numbers.integers(0, 256, (count, 3072), dtype=np.uint8),
        archive.labels: numbers.integers(0, 10, count).tolist(),
        b"filenames": [b"a.png"] * count,
        b"coarse_labels": [19] * count,
    }
    path.write_bytes(pickle.dumps(entries, protocol=4))
    return md5(path.read_bytes()).hexdigest()


@pytest.fixture(params=["cifar10", "cifar100"])
def small(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[DataFacts, Path]:
    """A data set of a few images under an official name, with MD5 sums of its own."""
    archive = ARCHIVES[request.param]
    place = tmp_path / archive.folder
    place.mkdir()

    def written(files):
        return tuple((name, write_batch(place / name, archive, seed)) for seed, (name, _) in enumerate(files))

    altered = evolve(archive, train=written(archive.train), test=written(archive.test))
    monkeypatch.setitem(ARCHIVES, request.param, altered)
    return DATASETS[request.param], tmp_path


def refusal(facts: DataFacts, folder: Path, offline: bool = True):
    with pytest.raises(DiagnosticError) as caught:
        open_data(facts, folder, offline, quiet)
    [diagnostic] = caught.value.diagnostics
    return diagnostic


def test_files_in_the_official_form_are_read(small: tuple[DataFacts, Path]) -> None:
    facts, folder = small
    dataset = open_data(facts, folder, True, quiet)
    files = len(ARCHIVES[facts.name].train)
    assert dataset.train.images.shape == (6 * files, 3, 32, 32)
    assert dataset.train.images.dtype == torch.uint8
    assert dataset.train.labels.dtype == torch.int64
    first = np.random.default_rng(0).integers(0, 256, (6, 3072), dtype=np.uint8)
    assert np.array_equal(dataset.train.images[:6].numpy().reshape(6, -1), first)
    assert len(dataset.test) == 6


def test_superclasses_and_small_images_are_read_where_the_facts_say_so(small: tuple[DataFacts, Path]) -> None:
    facts, folder = small
    classes = {"cifar10": 10, "cifar100": 20}[facts.name]
    dataset = open_data(evolve(facts, num_classes=classes, image_shape=(3, 8, 8)), folder, True, quiet)
    whole = open_data(facts, folder, True, quiet)
    assert dataset.test.images.shape == (6, 3, 8, 8)
    assert dataset.test.labels.tolist() == ([19] * 6 if classes == 20 else whole.test.labels.tolist())
    assert dataset.classes[-1] == ("vehicles_2" if classes == 20 else "truck")
    means = whole.test.images.double().view(6, 3, 8, 4, 8, 4).mean((3, 5))
    assert torch.equal(dataset.test.images.double(), means.round())


def test_the_folder_itself_may_be_named(small: tuple[DataFacts, Path]) -> None:
    facts, folder = small
    assert len(open_data(facts, folder / ARCHIVES[facts.name].folder, True, quiet).test) == 6


def test_an_altered_file_is_refused_before_it_is_opened(small: tuple[DataFacts, Path]) -> None:
    facts, folder = small
    name, _ = ARCHIVES[facts.name].test[0]
    path = folder / ARCHIVES[facts.name].folder / name
    path.write_bytes(path.read_bytes()[:-1])
    diagnostic = refusal(facts, folder)
    assert diagnostic.code == "SW501"
    assert str(path) in diagnostic.message()


def test_offline_says_what_to_put_where(tmp_path: Path) -> None:
    diagnostic = refusal(DATASETS["cifar100"], tmp_path)
    assert diagnostic.code == "SW500"
    assert "--offline" in diagnostic.message()
    for word in ("cifar-100-python", "https://", "eb9058c3a382ffc7106e4002c42a8d85", str(tmp_path)):
        assert word in diagnostic.help()


def test_without_a_network_it_says_so_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = evolve(ARCHIVES["cifar10"], url="http://127.0.0.1:9/cifar-10-python.tar.gz")
    monkeypatch.setitem(ARCHIVES, "cifar10", nowhere)
    said: list[str] = []
    with pytest.raises(DiagnosticError) as caught:
        open_data(DATASETS["cifar10"], tmp_path / "data", False, said.append)
    assert caught.value.diagnostics[0].code == "SW500"
    assert "the download failed" in caught.value.diagnostics[0].message()
    assert said == [f"downloading cifar10 from {nowhere.url} to {tmp_path / 'data'}"]
    assert list((tmp_path / "data").iterdir()) == []


@pytest.fixture
def packed(small: tuple[DataFacts, Path], monkeypatch: pytest.MonkeyPatch) -> tuple[DataFacts, Path]:
    """A folder elsewhere with the small data set's archive."""
    facts, folder = small
    archive = ARCHIVES[facts.name]
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    with tarfile.open(elsewhere / archive.file, "w:gz") as tar:
        tar.add(folder / archive.folder, archive.folder)
    digest = md5((elsewhere / archive.file).read_bytes()).hexdigest()
    monkeypatch.setitem(ARCHIVES, facts.name, evolve(archive, md5=digest))
    return facts, elsewhere


def test_an_archive_put_there_by_hand_is_unpacked(packed: tuple[DataFacts, Path]) -> None:
    facts, folder = packed
    said: list[str] = []
    assert len(open_data(facts, folder, True, said.append).test) == 6
    assert said == [f"unpacking {folder / ARCHIVES[facts.name].file}"]
    assert sorted(p.name for p in folder.iterdir()) == sorted([ARCHIVES[facts.name].file, ARCHIVES[facts.name].folder])


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def served(packed: tuple[DataFacts, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[DataFacts, Path]]:
    """The archive behind a server on this machine."""
    facts, folder = packed
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=folder)) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        archive = ARCHIVES[facts.name]
        url = f"http://127.0.0.1:{server.server_port}/{archive.file}"
        monkeypatch.setitem(ARCHIVES, facts.name, evolve(archive, url=url))
        yield facts, folder
        server.shutdown()
        thread.join()


def test_a_download_is_announced_and_unpacked(served: tuple[DataFacts, Path]) -> None:
    facts, folder = served
    said: list[str] = []
    assert len(open_data(facts, folder / "new", False, said.append).test) == 6
    assert said == [f"downloading {facts.name} from {ARCHIVES[facts.name].url} to {folder / 'new'}"]
    said.clear()
    assert len(open_data(facts, folder / "new", False, said.append).test) == 6
    assert said == []


def test_a_download_with_another_sum_is_refused(served: tuple[DataFacts, Path], monkeypatch) -> None:
    facts, folder = served
    monkeypatch.setitem(ARCHIVES, facts.name, evolve(ARCHIVES[facts.name], md5="0" * 32))
    assert refusal(facts, folder / "new", offline=False).code == "SW500"
    assert list((folder / "new").iterdir()) == []


def test_a_wrong_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cifar-100-python.tar.gz").write_bytes(b"no archive")
    assert refusal(DATASETS["cifar100"], tmp_path).code == "SW501"


class Evil:
    def __reduce__(self):
        return os.system, ("true",)


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("payload", [Evil(), {b"data": Evil()}, Path(), np.float64, [getattr]])
def test_a_pickle_can_name_nothing_but_arrays(payload: object, protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(pickle.dumps(payload, protocol=protocol))
    with path.open("rb") as file, pytest.raises(pickle.UnpicklingError, match="asks for"):
        ArrayUnpickler(file).load()


def test_an_evil_file_with_the_right_sum_is_refused_all_the_same(small: tuple[DataFacts, Path], monkeypatch) -> None:
    facts, folder = small
    archive = ARCHIVES[facts.name]
    path = folder / archive.folder / archive.test[0][0]
    path.write_bytes(pickle.dumps({b"data": Evil()}))
    test = ((archive.test[0][0], md5(path.read_bytes()).hexdigest()),)
    monkeypatch.setitem(ARCHIVES, facts.name, evolve(archive, test=test))
    assert "system" in refusal(facts, folder).message()


def test_the_sums_are_torchvisions() -> None:
    for name, dataset in (("cifar10", theirs.CIFAR10), ("cifar100", theirs.CIFAR100)):
        archive = ARCHIVES[name]
        assert (archive.url, archive.md5, archive.folder) == (dataset.url, dataset.tgz_md5, dataset.base_folder)
        assert [list(file) for file in archive.train] == dataset.train_list
        assert [list(file) for file in archive.test] == dataset.test_list


def test_digits_are_split_in_proportion_and_match_their_facts() -> None:
    facts = DATASETS["digits"]
    dataset = open_data(facts, None, True, quiet)
    assert (len(dataset.train), len(dataset.test)) == (facts.num_train, facts.num_test)
    assert dataset.train.images.shape[1:] == facts.image_shape
    assert set(dataset.test.labels.bincount().tolist()) <= {34, 35, 36, 37, 38}
    pixels = dataset.train.images.double() / 255
    assert abs(pixels.mean().item() - facts.mean[0]) < 5e-5
    assert abs(pixels.std().item() - facts.deviation[0]) < 5e-5
    both = torch.cat([dataset.train.images, dataset.test.images]).flatten(1).double().sum()
    from sklearn.datasets import load_digits

    assert both == np.rint(load_digits().images * 255 / 16).sum()


def write_image(path: Path, size: tuple[int, int], colour: tuple[int, int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


@pytest.fixture
def tree(tmp_path: Path) -> tuple[DataFacts, Path]:
    """Two classes, red and blue, in images of several sizes."""
    for part in ("train", "val"):
        for name, colour in (("b_red", (255, 0, 0)), ("c_blue", (0, 0, 255))):
            for number, size in enumerate([(40, 30), (16, 50), (9, 9)]):
                write_image(tmp_path / part / name / f"{number}.png", size, colour)
    facts = DataFacts("folder", 2, (3, 16, 16), 6, 6, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), folder=str(tmp_path))
    return facts, tmp_path


def test_a_folder_of_images_is_decoded_when_asked_for(tree: tuple[DataFacts, Path]) -> None:
    facts, _ = tree
    dataset = open_data(facts, None, True, quiet)
    assert dataset.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    images = dataset.test.fetch(np.arange(6), None)
    assert images.shape == (6, 3, 16, 16)
    assert images.dtype == torch.uint8
    assert images[:3, 0].eq(255).all()
    assert images[3:, :2].eq(0).all()


def test_a_file_that_is_no_image_is_named(tree: tuple[DataFacts, Path]) -> None:
    facts, folder = tree
    (folder / "val" / "b_red" / "1.png").write_text("not an image")
    dataset = open_data(facts, None, True, quiet)
    with pytest.raises(DiagnosticError, match=r"val/b_red/1\.png"):
        dataset.test.fetch(np.arange(6), None)


def test_grey_of_16_bits_is_scaled_and_numbers_without_a_white_are_refused(tree: tuple[DataFacts, Path]) -> None:
    facts, folder = tree
    file = folder / "val" / "b_red" / "0.png"
    Image.fromarray(np.full((16, 16), 128 * 257, dtype=np.uint16)).save(file)
    dataset = open_data(facts, None, True, quiet)
    assert dataset.test.fetch(np.arange(1), None).eq(128).all()
    Image.fromarray(np.full((16, 16), 0.5, dtype=np.float32)).save(file, format="TIFF")
    with pytest.raises(DiagnosticError, match="no known white"):
        dataset.test.fetch(np.arange(1), None)


def test_a_changed_folder_has_another_digest(tree: tuple[DataFacts, Path]) -> None:
    facts, folder = tree
    before = open_data(facts, None, True, quiet).digest()
    assert open_data(facts, None, True, quiet).digest() == before
    (folder / "train" / "b_red" / "1.png").rename(folder / "train" / "b_red" / "9.png")
    assert open_data(facts, None, True, quiet).digest() != before


def test_folders_that_do_not_fit_are_refused(tree: tuple[DataFacts, Path]) -> None:
    facts, folder = tree
    assert refusal(evolve(facts, num_classes=3), None).code == "SW503"
    assert refusal(evolve(facts, folder=str(folder / "nowhere")), None).code == "SW500"
    write_image(folder / "train" / "a_green" / "0.png", (9, 9), (0, 255, 0))
    assert "a_green" in refusal(facts, None).message()
    assert refusal(evolve(facts, folder=str(folder / "train")), None).code == "SW502"


def test_imagenet_is_never_downloaded(tmp_path: Path) -> None:
    diagnostic = refusal(DATASETS["imagenet"], tmp_path, offline=False)
    assert diagnostic.code == "SW500"
    assert "`train` and `val`" in diagnostic.help()


def test_every_named_data_set_has_a_loader(tmp_path: Path) -> None:
    for facts in DATASETS.values():
        try:
            open_data(facts, tmp_path, True, quiet)
        except DiagnosticError as error:
            assert error.diagnostics[0].code == "SW500"
    with pytest.raises(ValueError, match="no data set"):
        open_data(evolve(DATASETS["digits"], name="letters"), tmp_path, True, quiet)


def test_where_data_sets_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWC_DATA", "/d")
    assert data_folder() == Path("/d")
    monkeypatch.delenv("SWC_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert data_folder() == Path("/x/swc/data")


def test_only_the_restricted_unpickler_unpickles() -> None:
    root = Path(cifar.__file__).parents[1]
    users = [path.name for path in sorted(root.rglob("*.py")) if "pickle.load" in path.read_text()]
    assert users == []
    loads = [
        call for path in sorted(root.rglob("*.py")) for call in re.findall(r"torch\.load\([^\n]*", path.read_text())
    ]
    assert loads and all("weights_only=True" in call for call in loads)


@pytest.mark.network
@pytest.mark.skipif("SWC_DATA" not in os.environ, reason="SWC_DATA names no folder with the official CIFAR-100")
def test_the_official_cifar100_matches_its_facts() -> None:
    facts = DATASETS["cifar100"]
    dataset = open_data(facts, None, True, quiet)
    assert (len(dataset.train), len(dataset.test)) == (facts.num_train, facts.num_test)
    assert dataset.train.labels.bincount().tolist() == [500] * 100
    means = [dataset.train.images[:, channel].float().mean().item() / 255 for channel in range(3)]
    assert means == pytest.approx(facts.mean, abs=1e-4)
    official = theirs.CIFAR100(os.environ["SWC_DATA"], train=False)
    assert np.array_equal(dataset.test.images.permute(0, 2, 3, 1).numpy(), official.data)
    assert dataset.test.labels.tolist() == official.targets


def test_digits_are_those_of_scikit_learn_wherever_it_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = digits.read_digits()
    monkeypatch.setattr(digits, "FILE", "moved/elsewhere.csv.gz")
    by_the_library = digits.read_digits()
    for ours, theirs_of_part in zip(quick, by_the_library, strict=True):
        assert all(torch.equal(one, other) for one, other in zip(ours, theirs_of_part, strict=True))
        assert ours[0].stride() == (64, 1, 8, 1), "that of earlier versions, by which results keep their bits"

"""`swc data corrupt`: what is written, how it goes on where it was killed, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from swc.corrupt import make
from swc.corrupt.corrupt import corrupted_images
from swc.corrupt.make import CorruptionRequest, make_arrays
from swc.corrupt.published import SEVERITIES
from swc.diagnostics import DiagnosticError

from support.corrupting import corrupt
from support.runs import Place
from swc_runtime.data.digits import read_digits

QUICK = "impulse_noise,contrast,gaussian_blur"


def same(first: Path, second: Path) -> bool:
    names = sorted(path.name for path in first.glob("*.npy"))
    assert names == sorted(path.name for path in second.glob("*.npy"))
    return all((first / name).read_bytes() == (second / name).read_bytes() for name in names)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("digits"))


def test_the_layout_is_that_of_the_official_arrays(digits: Place) -> None:
    assert corrupt(digits, "digits", "--types", "contrast") == 0
    (_, _), (images, labels) = read_digits()
    folder = digits.folder / "digits-c"
    assert np.array_equal(np.load(folder / "labels.npy"), np.tile(labels.numpy(), 5))
    assert sorted(path.name for path in folder.iterdir()) == ["contrast.npy", "generated.json", "labels.npy", "lock"]
    found = np.load(folder / "contrast.npy")
    assert found.shape == (5 * 360, 8, 8, 1) and found.dtype == np.uint8
    for row, severity in enumerate(SEVERITIES):
        block = found[row * 360 : (row + 1) * 360]
        assert np.array_equal(block, corrupted_images(images.permute(0, 2, 3, 1).numpy(), "contrast", severity, 0, 0))


def test_the_number_of_processes_changes_no_byte(digits: Place, capfd: pytest.CaptureFixture[str]) -> None:
    for jobs in ("1", "2"):
        assert digits.swc("data", "corrupt", "digits", "--jobs", jobs, "--types", QUICK, "-o", f"by{jobs}") == 0
    told = capfd.readouterr().err
    assert "warning[SW685]: images of `digits` have 8x8 pixels" in told and "grey images" in told
    assert "wrote 3 types to by2" in told
    assert same(digits.folder / "by1", digits.folder / "by2")
    assert corrupt(digits, "digits", "--types", QUICK, "--seed", "1", "-o", "other") == 0
    assert not same(digits.folder / "by1", digits.folder / "other")


@pytest.mark.slow
def test_a_killed_command_goes_on_and_comes_to_the_same(digits: Place) -> None:
    """Killed while it writes a type: that one is not there, the one before is kept, and no process stays behind."""
    folder = digits.folder / "killed"
    code = (
        "import os, signal, swc.corrupt.make as make\n"
        "whole = make._write_head\n"
        "def head(file, shape):\n"
        "    whole(file, shape)\n"
        "    if 'gaussian_blur' in file.name: file.flush(); print('now', flush=True); signal.pause()\n"
        "make._write_head = head\n"
        "from swc.cli.main import run\n"
        f"run(['data', 'corrupt', 'digits', '--jobs', '2', '--types', '{QUICK}', '-o', 'killed'])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=digits.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "now\n"
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    process.wait()
    assert (folder / "contrast.npy").is_file() and not (folder / "gaussian_blur.npy").exists()
    kept = (folder / "contrast.npy").stat().st_mtime_ns
    assert children and ended(children)
    assert corrupt(digits, "digits", "--types", QUICK, "-o", "killed") == 0
    assert (folder / "contrast.npy").stat().st_mtime_ns == kept and not list(folder.glob("*.partial"))
    assert corrupt(digits, "digits", "--types", QUICK, "-o", "undisturbed") == 0
    assert same(folder, digits.folder / "undisturbed")


def ended(processes: list[str]) -> bool:
    """Whether they have all ended within some seconds."""
    for _ in range(100):
        if not any(Path(f"/proc/{number}").exists() for number in processes):
            return True
        time.sleep(0.1)
    return False


def test_a_lost_process_and_a_refusal_leave_nothing_half_written(tmp_path: Path) -> None:
    class Few:
        data, image_shape, labels = "few", (8, 8, 1), np.zeros(4, np.int64)

        def images(self, start: int, stop: int) -> np.ndarray:
            return np.zeros((stop - start, 8, 8, 1), np.uint8)

    def kill(name: str, done: int, total: int) -> None:
        raise make.BrokenProcessPool

    for refuse, code in ((kill, "SW689"), (refused, "SW604")):
        with pytest.raises(DiagnosticError) as caught:
            make_arrays(Few(), CorruptionRequest(("contrast",), (1,), 0, 1), tmp_path / code, refuse)
        assert caught.value.diagnostics[0].code == code
        assert sorted(path.name for path in (tmp_path / code).iterdir()) == ["generated.json", "labels.npy", "lock"]


def refused(name: str, done: int, total: int) -> None:
    raise OSError(28, "No space left on device")


def test_two_commands_do_not_write_to_one_folder(digits: Place, capsys: pytest.CaptureFixture[str]) -> None:
    from swc.folders.lock import held

    with held(digits.folder / "busy"):
        assert corrupt(digits, "digits", "--types", "contrast", "-o", "busy") == 1
        assert f"error[SW688]: another process ({os.getpid()}) is writing to `busy`" in capsys.readouterr().err


def test_other_arrays_are_never_mixed(digits: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert corrupt(digits, "digits", "--types", "contrast", "-o", "first") == 0
    for more in (("--seed", "1"), ("--severities", "1,2")):
        assert corrupt(digits, "digits", "--types", "pixelate", "-o", "first", *more) == 1
        told = capsys.readouterr().err
        assert f"error[SW681]: `first` holds other arrays: they differ in {more[0].strip('-')}" in told
    (digits.folder / "unmarked").mkdir()
    np.save(digits.folder / "unmarked" / "fog.npy", np.zeros(3, np.uint8))
    assert corrupt(digits, "digits", "--types", "contrast", "-o", "unmarked") == 1
    assert "they are not marked as generated" in capsys.readouterr().err


def test_wrong_questions_are_told(
    digits: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert corrupt(digits, "digits", "--types", "fogg") == 1
    told = capsys.readouterr().err
    assert "error[SW687]: there is no corruption `fogg`" in told and "did you mean `fog`?" in told
    assert corrupt(digits, "digits", "--severities", "0,1") == 2
    assert digits.swc("data", "corrupt", "digts") == 1
    assert "did you mean `digits`?" in capsys.readouterr().err
    monkeypatch.setattr("swc.corrupt.pictures.find_spec", lambda name: None)
    assert corrupt(digits, "digits", "-o", "without") == 1
    told = capsys.readouterr().err
    assert "error[SW680]: `frost` needs the package imagecorruptions-imaug, `spatter` needs" in told
    assert corrupt(digits, "digits", "--types", "contrast", "-o", "without") == 0


@pytest.mark.network
@pytest.mark.skipif("SWC_DATA" not in os.environ, reason="SWC_DATA names no folder with the official CIFAR-100")
def test_cifar_has_the_shape_of_the_official_arrays(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert place.swc("data", "corrupt", "cifar100", "--types", "contrast", "--offline", "--jobs", "1") == 0
    found = np.load(tmp_path / "cifar100-c/contrast.npy", mmap_mode="r")
    assert found.shape == (50_000, 32, 32, 3) and found.dtype == np.uint8
    spread = [np.std(found[start : start + 1000]) for start in range(0, 50_000, 10_000)]
    assert spread == sorted(spread, reverse=True)

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from attrs import evolve
from safetensors.torch import save_file
from swc.diagnostics import DiagnosticError
from swc.files.checkpoint import Meta, Position
from torch import Tensor

from swc_runtime.records import checkpoint as module
from swc_runtime.records.checkpoint import (
    check_belongs,
    encode_checkpoint,
    load_checkpoint,
    newest_checkpoint,
    previous_of,
    save_checkpoint,
    under_prefix,
    with_prefix,
)

META = Meta(Position(1, 0, 3, 7), "spec", "program", {"metrics.jsonl": 120}, {"precision": "float32", "scaled": False})


def tensors(seed: int = 0) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    shared = torch.randn(4, 5)
    return {
        "b/shared": shared,
        "a/view": shared[1:3],
        "a/same": shared,
        "a/transposed": torch.randn(3, 4).t(),
        "channels_last": torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last),
        "scalar": torch.tensor(41),
        "empty": torch.zeros(0, 3),
        "half": torch.randn(3).bfloat16(),
        "double": torch.randn(3, dtype=torch.float64),
        "nan": torch.tensor([float("nan"), float("inf")]),
        "leaf": torch.randn(2, requires_grad=True),
    }


def same(have: dict[str, Tensor], want: dict[str, Tensor]) -> bool:
    return sorted(have) == sorted(want) and all(
        have[n].dtype == want[n].dtype and torch.equal(have[n].nan_to_num(), want[n].detach().nan_to_num())
        for n in have
    )


def codes(error: pytest.ExceptionInfo[DiagnosticError]) -> list[str]:
    return [d.code for d in error.value.diagnostics]


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "c.safetensors"
    save_checkpoint(path, tensors(), META)
    back, meta = load_checkpoint(path)
    assert same(back, tensors()) and meta == META
    assert [p.name for p in path.parent.iterdir()] == ["c.safetensors"]


def test_equal_content_gives_equal_bytes_in_any_order_and_process() -> None:
    data = encode_checkpoint(tensors(), META)
    assert data == encode_checkpoint(dict(reversed(tensors().items())), META)
    code = (
        "import sys, torch; from swc_runtime.records.checkpoint import *; "
        "from swc.files.checkpoint import Meta, Position; "
        "sys.stdout.buffer.write(encode_checkpoint({'x': torch.ones(2), 'a': torch.zeros(1)}, "
        "Meta(Position(0, 0, 0), 's', 'p', {'b': 1, 'a': 2}, {'z': 1, 'y': 2})))"
    )
    environment = os.environ | {"PYTHONHASHSEED": "1"}
    elsewhere = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=environment).stdout
    meta = Meta(Position(0, 0, 0), "s", "p", {"a": 2, "b": 1}, {"y": 2, "z": 1})
    assert elsewhere == encode_checkpoint({"a": torch.zeros(1), "x": torch.ones(2)}, meta)


def test_the_one_before_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "c"
    for epoch in range(3):
        save_checkpoint(path, tensors(epoch), evolve(META, position=Position(0, 0, epoch)))
    assert load_checkpoint(path)[1].position.epoch == 2
    assert load_checkpoint(previous_of(path))[1].position.epoch == 1


class KilledError(BaseException):
    """Stands for the process ending: nothing catches it."""


def kill_in(monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    """Die in the middle of, or right after, one of the system calls of a save."""
    name, _, when = stage.partition(" ")
    replaces = 0

    def write_half(path: Path, data: bytes) -> None:
        path.write_bytes(data[: len(data) // 2])
        raise KilledError

    def replace(self: Path, target: Path) -> Path:
        nonlocal replaces
        replaces += 1
        if f"{replaces} before" == when:
            raise KilledError
        self.rename(target)
        if f"{replaces} after" == when:
            raise KilledError
        return target

    def dies(*_: object) -> None:
        raise KilledError

    if name == "write":
        monkeypatch.setattr(module, "_write", write_half)
    elif name == "replace":
        monkeypatch.setattr(Path, "replace", replace)
    else:
        monkeypatch.setattr(os, "fsync", dies)


STAGES = ("write", "fsync", "replace 1 before", "replace 1 after", "replace 2 before", "replace 2 after")


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("times", [1, 2])
def test_killed_at_any_stage_a_whole_checkpoint_remains(tmp_path: Path, stage: str, times: int) -> None:
    path = tmp_path / "c"
    for epoch in range(2):
        save_checkpoint(path, tensors(epoch), evolve(META, position=Position(0, 0, epoch)))
    for time in range(times):
        with pytest.MonkeyPatch.context() as patch:
            kill_in(patch, stage)
            # killed once, a save has fewer files to move, and may come through the second time
            with pytest.raises(KilledError) if time == 0 else suppress(KilledError):
                save_checkpoint(path, tensors(2), evolve(META, position=Position(0, 0, 2)))
        newest = newest_checkpoint(path)
        assert newest is not None
        back, meta = load_checkpoint(newest)
        assert meta.position.epoch in (1, 2) and same(back, tensors(meta.position.epoch))
    save_checkpoint(path, tensors(3), evolve(META, position=Position(0, 0, 3)))
    assert load_checkpoint(path)[1].position.epoch == 3
    assert load_checkpoint(previous_of(path))[1].position.epoch in (1, 2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c", "c.previous"]


@pytest.mark.parametrize("stage", ["write", "fsync", "replace 1 before"])
def test_killed_in_the_first_save_there_is_nothing(tmp_path: Path, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kill_in(monkeypatch, stage)
    with pytest.raises(KilledError):
        save_checkpoint(tmp_path / "c", tensors(), META)
    assert newest_checkpoint(tmp_path / "c") is None


def test_a_full_disk_is_told_and_harms_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c"
    save_checkpoint(path, tensors(), META)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiagnosticError, match="No space left") as error:
        save_checkpoint(path, tensors(1), META)
    assert codes(error) == ["SW526"]
    assert same(load_checkpoint(path)[0], tensors())


def test_every_truncation_is_found(tmp_path: Path) -> None:
    data = encode_checkpoint(tensors(), META)
    path = tmp_path / "c"
    for length in (*range(0, 40), *range(40, len(data), 97), len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(DiagnosticError) as error:
            load_checkpoint(path)
        assert codes(error) == ["SW522"], length


def test_every_changed_byte_is_found(tmp_path: Path) -> None:
    data = encode_checkpoint({"x": torch.arange(6.0), "n": torch.tensor(3)}, META)
    path = tmp_path / "c"
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        try:
            back, meta = load_checkpoint(path)
        except DiagnosticError as error:
            assert error.diagnostics[0].code in ("SW522", "SW524")
        else:  # padding, or a spelling of the head that means the same
            assert meta == META and torch.equal(back["x"], torch.arange(6.0)) and int(back["n"]) == 3


def test_files_of_others_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "c"
    save_file({"x": torch.ones(1)}, path)
    with pytest.raises(DiagnosticError) as error:
        load_checkpoint(path)
    assert codes(error) == ["SW524"]
    save_file({"x": torch.ones(1)}, path, {"swc": '{"schema": "swc checkpoint 99"}'})
    with pytest.raises(DiagnosticError, match="swc checkpoint 99") as error:
        load_checkpoint(path)
    assert codes(error) == ["SW524"]
    with pytest.raises(DiagnosticError) as error:
        load_checkpoint(tmp_path / "nowhere")
    assert codes(error) == ["SW525"]
    with pytest.raises(DiagnosticError) as error:
        load_checkpoint(tmp_path)
    assert codes(error) == ["SW522"]


def test_no_pickle_is_read(tmp_path: Path) -> None:
    path = tmp_path / "c"
    torch.save({"x": torch.ones(1)}, path)
    with pytest.raises(DiagnosticError):
        load_checkpoint(path)


@pytest.mark.parametrize(("spec", "program", "word"), [("other", "program", "spec"), ("spec", "other", "program")])
def test_a_foreign_checkpoint_is_refused(spec: str, program: str, word: str) -> None:
    check_belongs(Path("c"), META, spec_hash="spec", program_hash="program")
    with pytest.raises(DiagnosticError, match=f"another {word}") as error:
        check_belongs(Path("c"), META, spec_hash=spec, program_hash=program)
    assert codes(error) == ["SW523"]


def test_prefixes_come_off_as_they_went_on() -> None:
    both = with_prefix("state", tensors()) | with_prefix("statement", {"x": torch.ones(1)})
    assert same(under_prefix("state", both), tensors())
    assert list(under_prefix("statement", both)) == ["x"]

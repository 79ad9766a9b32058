"""`swc export`: what is written runs without this project and gives the members' outputs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from warnings import catch_warnings

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from swc.cli.export import command
from swc.compiler.ir.counts import count
from swc.export import export, formats
from swc.export.member_files import MemberFiles
from swc.registry.exporters import EXPORTERS
from swc.running.checkpoints import open_trained
from torch import nn

from support.parameter_nets import Recurrent
from support.runs import Place, copied, place
from swc_runtime.export.formats import reread_exported, write_exported
from swc_runtime.export.onnx_files import OPSET

ROOT = Path(__file__).parents[2]
ALONE = """
import sys
sys.path.insert(0, {folder!r})
import torch
from members import MEMBERS, load, normalised, predict
images = torch.load({images!r}, weights_only=True)
outputs = {{name: load(name)(images).detach() for name in MEMBERS}}
torch.save({{"predicted": predict(images), **outputs}}, {found!r})
assert normalised(torch.full((1, 1, 8, 8), 0.3057)).abs().max() < 1e-6
assert normalised(torch.ones(1, 1, 8, 8, device="meta")).device.type == "meta"
torch.load = None
predict(images)  # the members were loaded once
assert not [name for name in sys.modules if name.startswith("swc")], "it needs this project"
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return copied(tmp_path_factory)


@pytest.fixture(scope="module")
def outputs(run: Place) -> tuple[torch.Tensor, torch.Tensor]:
    """Images, and the logits of the run's own members."""
    images = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return images, open_trained(run.build()).ensemble("cpu").eval()(images)


@pytest.mark.parametrize(
    ("command", "blocks"),
    [("export --format torch -o full", 64), ("export --format python -o full", 64), ("eval --keep", 16)],
)
def test_a_file_system_that_takes_no_more_is_told_as_that(run: Place, command: str, blocks: int) -> None:
    """And not as a bug, or a fault of a member: libraries that write files themselves do not say it."""
    limited = ["bash", "-c", f"ulimit -f {blocks}; exec {sys.executable} -m swc {command}"]
    ended = subprocess.run(limited, check=False, cwd=run.folder, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert "error[SW604]: cannot write" in ended.stderr and "file too large" in ended.stderr
    assert not (run.folder / "full").exists()


def found_alone(folder: Path, images: torch.Tensor, place: Path) -> dict[str, torch.Tensor]:
    """What the members in a folder give, in a process that has nothing of this project."""
    torch.save(images, place / "images.pt")
    program = ALONE.format(folder=str(folder), images=str(place / "images.pt"), found=str(place / "found.pt"))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=place)
    assert done.returncode == 0, done.stderr
    found: dict[str, torch.Tensor] = torch.load(place / "found.pt", weights_only=True)
    return found


def test_command_and_reference_know_every_format() -> None:
    shown = CliRunner().invoke(command, ["--help"]).output
    reference = (ROOT / "docs/reference/export.md").read_text("utf-8")
    for row in EXPORTERS.rows:
        assert f"{row.name}: {row.words}." in " ".join(shown.split())
        assert f"\n| `{row.name}` | " in reference
        assert hasattr(row.load(), "export")
    assert f"[{'|'.join(EXPORTERS.names)}]" in shown


def test_an_unknown_format_is_told_all_there_are(run: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.swc("export", "--format", "onyx") == 2
    assert "'onyx' is not one of 'torch', 'safetensors', 'torch-export', 'onnx', 'python'." in capsys.readouterr().err


def test_torch_members_load_and_predict_without_this_project(
    run: Place, outputs: tuple[torch.Tensor, torch.Tensor], tmp_path: Path
) -> None:
    images, expected = outputs
    assert run.swc("export") == 0
    folder = run.folder / "tiny_torch"
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "deep.pt",
        "members.py",
        "shallow.pt",
        "wrn.py",
    ]
    found = found_alone(folder, images, tmp_path)
    torch.testing.assert_close(torch.stack([found["deep"], found["shallow"]]), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found["predicted"], expected.softmax(-1).mean(0), rtol=1e-5, atol=1e-5)


JOINT = """
import "digits.sw"

ensemble tiny {
  data digits
  member several[2] = mimo(depth: 10, width: 0.5)
  member one = wrn(depth: 10, width: 0.5)
  step joint(input_repetition: 0.5, batch_repetition: 1)
  budget unlimited
  train digits { batch 256 phase main: 1 epochs }
}
"""


def test_a_network_of_several_members_counts_as_all_of_them(tmp_path: Path) -> None:
    made = Place(tmp_path)
    assert made.compile(JOINT) == 0 and made.train() == 0
    images = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = open_trained(made.build()).ensemble("cpu").eval()(images)
    assert made.swc("export") == 0
    found = found_alone(tmp_path / "tiny_torch", images, tmp_path)
    torch.testing.assert_close(found["several[0]"], expected[:2], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found["predicted"], expected.softmax(-1).mean(0), rtol=1e-5, atol=1e-5)
    card = (tmp_path / "tiny_torch/README.md").read_text("utf-8")
    assert all(f"| {name} |" in card for name in ("several[0]", "several[1]", "one", "ensemble"))


def test_exported_programs_take_batches_of_any_size(run: Place, outputs: tuple[torch.Tensor, torch.Tensor]) -> None:
    images, expected = outputs
    assert run.swc("export", "--format", "torch-export", "--members", "shallow", "-o", "programs") == 0
    folder = run.folder / "programs"
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "shallow.pt2"]
    module = torch.export.load(folder / "shallow.pt2").module()
    torch.testing.assert_close(module(images), expected[1], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(module(images[:2]), expected[1][:2], rtol=1e-5, atol=1e-5)


def test_recurrent_members_are_exported_without_torchs_words_about_its_lists(tmp_path: Path) -> None:
    """And what it says of a member's own tensors is passed on."""
    net, images = Recurrent(4).eval(), torch.randn(2, 1, 8, 8)
    with catch_warnings(action="error"):
        write_exported(net, tmp_path / "plain.pt2", {}, images)
    assert torch.equal(reread_exported(net, tmp_path / "plain.pt2", images), net(images))
    with pytest.warns(UserWarning, match=r"self\.latest.* assigned during export"):
        write_exported(Noting(4).eval(), tmp_path / "noting.pt2", {}, images)


class Noting(Recurrent):
    """It keeps the images that it saw last."""

    latest: torch.Tensor | None = None

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.latest = images * 1
        return super().forward(images)


def test_safetensors_hold_every_weight_of_a_member(run: Place) -> None:
    assert run.swc("export", "build/tiny/run", "--format", "safetensors", "-o", "plain") == 0
    state = load_file(run.folder / "plain" / "deep.safetensors")
    assert state["conv1.weight"].shape == (16, 1, 3, 3) and "bn.running_mean" in state


def test_the_card_tells_data_budget_and_scores(run: Place) -> None:
    assert run.swc("export", "--members", "deep", "-o", "card") == 0
    card = (run.folder / "card" / "README.md").read_text("utf-8")
    for words in (
        "digits, 10 classes",
        "50% of native",
        f"{count(run.build().revisions[-1].graph).parameter_scalars:,} parameters",
        "| deep |",
        "`deep.pt`, `members.py`",
    ):
        assert words in card, card
    assert "| shallow |" not in card and "| ensemble |" not in card, "which are not here"
    assert run.swc("export", "-o", "whole") == 0
    assert "| ensemble |" in (run.folder / "whole" / "README.md").read_text("utf-8")


def test_what_cannot_be_exported_is_told(
    run: Place,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert place(tmp_path_factory).swc("export") == 1
    assert "SW640" in capsys.readouterr().err
    assert run.swc("export", "--members", "depe") == 1
    told = capsys.readouterr().err
    assert "error[SW660]" in told and "did you mean `deep`?" in told

    def fails(*_: object) -> None:
        raise RuntimeError("this way depends on the images\nand more")

    monkeypatch.setattr(formats, "TORCH", MemberFiles(".pt", fails, formats.TORCH.reread))
    assert run.swc("export", "-o", "failed") == 1
    assert "as torch: this way depends on the images" in capsys.readouterr().err  # SW661


def test_a_file_that_gives_other_outputs_is_removed(
    run: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgets(module: nn.Module, path: Path, *rest: object) -> None:
        state = module.state_dict()
        torch.save({**state, "fc.bias": state["fc.bias"] + 1}, path)

    monkeypatch.setattr(formats, "TORCH", MemberFiles(".pt", forgets, formats.TORCH.reread))
    assert run.swc("export", "-o", "wrong") == 1
    assert "error[SW662]" in capsys.readouterr().err
    assert [path.name for path in run.folder.iterdir() if path.name.startswith("wrong")] == []


def test_a_failed_export_leaves_an_older_one_as_it_was(run: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run.swc("export", "--format", "safetensors", "-o", "older") == 0
    before = {path.name: path.read_bytes() for path in (run.folder / "older").iterdir()}

    def forgets(module: nn.Module, path: Path, *rest: object) -> None:
        if "deep" not in path.name:  # so that the first member's file is good
            raise ValueError("no more")
        right.write(module, path, {}, torch.zeros(0))

    right = formats.SAFETENSORS
    monkeypatch.setattr(formats, "SAFETENSORS", MemberFiles(".safetensors", forgets, right.reread))
    assert run.swc("export", "--format", "safetensors", "-o", "older") == 1
    assert {path.name: path.read_bytes() for path in (run.folder / "older").iterdir()} == before


def test_files_that_no_export_wrote_are_kept(run: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "README.md"
    mine.write_text("precious", encoding="utf-8")
    assert run.swc("export", "--format", "safetensors", "-o", str(tmp_path)) == 1
    assert "SW667" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"] and mine.read_text("utf-8") == "precious"
    assert run.swc("export", "--format", "safetensors", "-o", str(tmp_path / "new")) == 0
    assert run.swc("export", "--format", "safetensors", "-o", str(tmp_path / "new")) == 0


def test_onnx_files_say_what_they_are_and_run_in_onnxruntime(
    run: Place, outputs: tuple[torch.Tensor, torch.Tensor]
) -> None:
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    images, expected = outputs
    assert run.swc("export", "--format", "onnx", "-o", "onnx") == 0
    folder = run.folder / "onnx"
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "deep.onnx", "shallow.onnx"]
    for number, name in enumerate(("deep", "shallow")):
        model = onnx.load(folder / f"{name}.onnx")
        onnx.checker.check_model(model, full_check=True)
        assert [(found.domain, found.version) for found in model.opset_import] == [("", OPSET)]
        assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
        assert {found.key for found in model.metadata_props} == {
            *("ensemble", "member", "mean", "deviation", "class_names")
        }
        assert b"/swc" not in model.SerializeToString(), "the file tells where it was written"
        session = runtime.InferenceSession(folder / f"{name}.onnx", providers=["CPUExecutionProvider"])
        assert [found.name for found in session.get_inputs()] == ["images"]
        assert [found.name for found in session.get_outputs()] == ["logits"]
        for size in (1, 2, 3):
            (found,) = session.run(None, {"images": images[:size].numpy()})
            torch.testing.assert_close(torch.from_numpy(found), expected[number, :size], rtol=1e-5, atol=1e-5)


def test_a_format_without_its_packages_names_the_extra(
    run: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "find_spec", lambda name: None if name == "onnxscript" else name)
    assert run.swc("export", "--format", "onnx", "-o", "never") == 1
    told = capsys.readouterr().err
    assert "error[SW663]" in told and "`onnxscript`" in told and "pip install 'WHEEL[onnx]'" in told
    assert not (run.folder / "never").exists()

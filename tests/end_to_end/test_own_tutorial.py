"""The tutorial with a data set and a model of one's own: its files and commands, run as they stand there, in small."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.runs import Place

PAGE = (Path(__file__).parents[2] / "docs/tutorial/own_data_and_model.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("sums")
    data, model, _ = blocks("python")
    (folder / "sums.py").write_text(data + "\n\n" + model, "utf-8")
    (folder / "sums.sw").write_text(blocks("sw")[0], "utf-8")
    return Place(folder)


def test_what_it_shows_of_the_compiler_is_what_is_printed(made: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(blocks("sw")[0].splitlines()) <= 22
    assert made.swc("compile", "sums.sw") == 0
    printed = capsys.readouterr().out
    shown = next(block for block in blocks("text") if "$ swc compile" in block)
    for line in shown.splitlines()[1:]:
        assert line == "..." or line in printed
    text = blocks("sw")[0].replace("[1, 8, 16]", "[1, 8, 12]")
    (made.folder / "wrong.sw").write_text(text, "utf-8")
    assert made.swc("compile", "wrong.sw") == 1
    told = capsys.readouterr().err.replace("wrong.sw", "sums.sw")
    assert blocks("text")[1] in told


def test_its_commands_run_to_predictions_of_the_exported_members(
    made: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    text = blocks("sw")[0].replace("count: 8000", "count: 128").replace("10 epochs", "1 epochs")
    (made.folder / "sums.sw").write_text(text, "utf-8")
    assert made.swc("compile", "sums.sw") == 0
    assert made.train() == 0
    assert "gave 128 training and 1,000 test images, 500 to validate with" in capsys.readouterr().err
    commands = [line.split()[1:] for block in blocks("sh") for line in block.splitlines()]
    assert [command[0] for command in commands] == ["eval", "eval", "report", "export"]
    for command in commands:
        assert made.swc(*command) == 0, command
    script = "import sys; sys.path.insert(0, 'members')\n" + blocks("python")[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=made.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("torch.Size([200, 19]) tensor(0.")

"""Modules of a user's own to test with: each leaves a mark when it is imported or called."""

from __future__ import annotations

from pathlib import Path

from swc.diagnostics import Span
from swc.program.datasets import DATASETS
from swc.program.model_source import ModelSource
from swc.program.spec import Budget, Member, Spec

from support.runs import Place

NETS = """
from pathlib import Path

from torch import nn

MARKS = Path(__file__).with_name("marks")
MARKS.open("a").write("imported ")


def small(width: int, num_classes: int) -> nn.Module:
    MARKS.open("a").write("called ")
    return nn.Sequential(
        nn.Conv2d(1, width, 3, bias=False), Late(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(width, num_classes),
    )


class Late(nn.Module):
    def forward(self, images):
        from {helper} import activation

        return activation()(images)
"""
SPEC = """
import "digits.sw"

ensemble tiny {{
  data digits
  param width = 8
  member own = python("{module}:small", width: width)
  member ours = wrn(depth: 10, width: 0.5)
  budget unlimited
  share conv {{
    clusters one
  }}
  train digits {{
    phase main: 1 epochs
  }}
}}
"""


def write_nets(folder: Path, module: str = "nets", helper: str = "helper") -> Path:
    """A module `nets` beside which it imports another; gives the file of marks."""
    (folder / f"{module}.py").write_text(NETS.format(helper=helper), encoding="utf-8")
    (folder / f"{helper}.py").write_text("from torch.nn import ReLU as activation\n", encoding="utf-8")
    return folder / "marks"


def own_place(folder: Path) -> Place:
    """A new folder with a spec, `tiny.sw`, whose code is not ours."""
    folder.mkdir()
    write_nets(folder)
    (folder / "tiny.sw").write_text(SPEC.format(module="nets"), encoding="utf-8")
    return Place(folder)


def marks(folder: Path) -> str:
    """What has run of the modules in a folder, and forget it."""
    path = folder / "marks"
    found = path.read_text("utf-8") if path.is_file() else ""
    path.unlink(missing_ok=True)
    return found


def spec_of(folder: Path, *factories: str, **arguments: int) -> Spec:
    """A spec in a folder, with a member for each factory."""
    span = Span(str(folder / "mine.sw"), 3, 3, 6, "  member ...")
    given = tuple(sorted(arguments.items()))
    members = tuple(Member(f"m{n}", ModelSource("python", name, given), span) for n, name in enumerate(factories))
    return Spec("mine", DATASETS["digits"], members, Budget("unlimited"), (), None)

"""Sharing members whose modules are unlike most: frozen norms, axes the other way round, a layer as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from swc.compiler.driver import Compiled, compile_file
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.clusters import NothingSharable
from swc.program.expressions import Scale, Slice
from swc.trust.importing import own_code

from swc_runtime import build

MODULES = """
from torch import nn

class Frozen(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.norm, self.body, self.head = nn.LayerNorm(64), nn.Linear(64, 8), nn.Linear(8, num_classes)
        nn.init.constant_(self.norm.weight, 3.0)
        self.norm.requires_grad_(False)

    def forward(self, x):
        return self.head(self.body(self.norm(x.flatten(1))))

class AllFrozen(Frozen):
    def __init__(self, num_classes):
        super().__init__(num_classes)
        self.head.weight.requires_grad_(False)
        self.head.bias.requires_grad_(False)

class Up(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.up, self.head = nn.ConvTranspose2d(1, 6, 3), nn.Linear(600, num_classes)

    def forward(self, x):
        return self.head(self.up(x).flatten(1))

class Root(nn.Linear):
    def __init__(self, num_classes):
        super().__init__(64, 8)
        self.fc = nn.Linear(8, num_classes)

    def forward(self, x):
        return self.fc(super().forward(x.flatten(1)))

class Matrix(nn.Module):
    def __init__(self, num_classes, axes):
        super().__init__()
        self.norm, self.head = nn.LayerNorm([8] * axes), nn.Linear(64, num_classes)

    def forward(self, x):
        return self.head(self.norm(x).flatten(1))
"""


def compiled(folder: Path, members: str, *shares: str) -> Compiled:
    (folder / "nets.py").write_text(MODULES, "utf-8")
    text = "\n".join(["ensemble e {", "  data digits", f"  {members}", "  budget unlimited", *shares, "}"])
    (folder / "e.sw").write_text(text, "utf-8")
    return compile_file(folder / "e.sw")


@pytest.mark.parametrize(("network", "role", "first"), [("Frozen", "norms", "norm"), ("AllFrozen", "heads", "head")])
def test_what_is_frozen_stays_its_members_own(network: str, role: str, first: str, tmp_path: Path) -> None:
    """Blocks by other words say so, and blocks by a role must too."""
    with pytest.raises(DiagnosticError) as caught:
        compiled(tmp_path, f'member m[2] = python("nets:{network}")', f"  share {role} as hard")
    (found,) = caught.value.diagnostics
    assert isinstance(found, NothingSharable)
    assert found.obstacles[0] == f"`m[0].{first}.weight`: weight is frozen"


def test_outputs_of_a_transposed_convolution_are_its_second_axis(tmp_path: Path) -> None:
    share = '  share "*.up" as rank_one(inputs: signs, outputs: none)'
    made = compiled(tmp_path, 'member m[2] = python("nets:Up")', share)
    tensors = {tensor.id: tensor.shape for tensor in made.graph.tensors}
    assert tensors["m[1].up/inputs"] == (1,)
    expression = next(weight.expression for weight in made.graph.weights if weight.layer == "m[1].up")
    assert isinstance(expression, Scale) and (expression.outputs, expression.inputs) == ("m[1].up/inputs", "")
    with own_code(made.spec):
        assert build(made.program)(torch.rand(2, 1, 8, 8)).shape == (2, 2, 10)


def test_a_member_that_is_itself_a_layer_is_shared(tmp_path: Path) -> None:
    made = compiled(tmp_path, 'member m[2] = python("nets:Root")', "  share linear as hard")
    assert [layer.id for layer in made.graph.layers] == ["m[0]", "m[1]"]
    with own_code(made.spec):
        assert build(made.program)(torch.rand(2, 1, 8, 8)).shape == (2, 2, 10)


def test_slices_of_other_axes_share_nothing(tmp_path: Path) -> None:
    members = 'member a = python("nets:Matrix", axes: 1) member b = python("nets:Matrix", axes: 2)'
    made = compiled(tmp_path, members, "  share norms as slices")
    assert not any(isinstance(weight.expression, Slice) for weight in made.graph.weights)
    assert len(made.graph.tensors) == 4

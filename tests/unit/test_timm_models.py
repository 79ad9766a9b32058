"""Members that are models of timm: read, shared, built, written and called alike; told where it is not installed."""

from __future__ import annotations

import pytest
import torch
from swc.compiler.driver import Compiled, compile_spec
from swc.compiler.frontend import read_members
from swc.compiler.ir.counts import count
from swc.compiler.ir.text import parse_graph, print_graph
from swc.diagnostics import Diagnostic, Sink
from swc.export.card import call_of, import_of
from swc.files.codec import decode, encode
from swc.language.semantics.check import check_text
from swc.program.program import Program
from swc.registry.model_libraries import extra_versions

from swc_runtime.ensemble import build

SPEC = """
ensemble two {
  data digits
  member a = timm("resnet10t", in_chans: 1)
  member b = timm("vit_tiny_patch16_224", img_size: 8, patch_size: 4, in_chans: 1, embed_dim: 9, depth: 2, num_heads: 3)
  budget 60% of native
  share all
}
"""


def compiled_of(text: str) -> tuple[Compiled | None, tuple[Diagnostic, ...]]:
    sink, spec = Sink(), check_text(text, "two.sw")
    tables = read_members(spec, sink)
    return (None if sink.errors else compile_spec(spec, tables)), sink.errors


def test_models_of_timm_are_read_shared_built_and_called_alike() -> None:
    pytest.importorskip("timm")
    compiled, _ = compiled_of(SPEC)
    assert compiled is not None
    assert parse_graph(print_graph(compiled.graph)) == compiled.graph
    assert decode(encode(compiled.program), Program) == compiled.program
    ensemble = build(compiled.program).eval()
    assert ensemble(torch.zeros(2, 1, 8, 8)).shape == (2, 2, 10)
    assert count(compiled.graph).parameter_scalars == sum(one.numel() for one in ensemble.parameters())
    source = compiled.spec.members[0].source
    assert import_of(source) == ("timm", "create_model", "")
    called = call_of(source, compiled.program)
    assert called == 'create_model("resnet10t", pretrained=False, num_classes=10, in_chans=1)'
    assert extra_versions((source.kind, "python"))[0].startswith("timm ")


@pytest.mark.parametrize(
    ("wrong", "code", "words"),
    [
        ('timm("resnet10x", in_chans: 1)', "SW300", "timm has no model named `resnet10x`"),
        ('timm("resnet10t", in_chan: 1)', "SW304", "in_chan"),
    ],
)
def test_mistakes_are_told(wrong: str, code: str, words: str) -> None:
    pytest.importorskip("timm")
    _, errors = compiled_of(SPEC.replace('timm("resnet10t", in_chans: 1)', wrong))
    assert [error.code for error in errors] == [code]
    assert words in errors[0].message()


def test_without_the_library_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swc.compiler.frontend.examine.find_spec", lambda name: None)
    _, errors = compiled_of(SPEC.replace("resnet10t", "resnet14t").replace("depth: 2", "depth: 3"))
    assert {error.code for error in errors} == {"SW336"}
    assert "[timm]" in errors[0].help()

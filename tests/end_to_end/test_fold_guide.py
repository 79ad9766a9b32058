"""The how-to of folding trained networks: its specs, on networks that are not trained."""

from __future__ import annotations

import re
from pathlib import Path

from safetensors.torch import save_file
from swc.compiler.driver import compile_file
from swc.compiler.ir.counts import count
from swc.running.given_weights import fold_given

from swc_runtime.ensemble import build
from swc_runtime.members.build import as_written

PAGE = (Path(__file__).parents[2] / "docs/how-to/fold_trained_models.md").read_text("utf-8")


def test_the_networks_of_the_guide_are_folded_into_its_budgets(tmp_path: Path) -> None:
    networks, folded = re.findall(r"^```sw\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for name, text in (("networks", networks), ("folded", folded)):
        (tmp_path / f"{name}.sw").write_text(text, "utf-8")
    program = compile_file(tmp_path / "networks.sw").program
    (tmp_path / "networks_safetensors").mkdir()
    for member in program.members:
        state = as_written(program, member, 0).state_dict()
        save_file(state, tmp_path / "networks_safetensors" / f"{member.name}.safetensors")
    for size, stored in (("50%", "255,576"), ("25%", "130,440")):
        compiled = compile_file(tmp_path / "folded.sw", {"size": size})
        assert f"{count(compiled.graph).parameter_scalars:,}" == stored
        assert stored in PAGE
    said = fold_given(compiled, build(compiled.program)).remarks
    assert said[0].startswith("4 members begin with given weights, and what is shared keeps ")
    assert len(said) == 1 + len(compiled.program.weights)
    assert f"{sum(p.numel() for p in build(program).parameters()):,}" in PAGE

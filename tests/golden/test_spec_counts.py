"""Every shipped spec, at each of the paper's settings, compiles to exactly these counts."""

from __future__ import annotations

import pytest
from swc.compiler.driver import Compiled, compile_file
from swc.compiler.ir.counts import count
from swc.diagnostics import DiagnosticError
from swc.system.resources import specs

# spec, params set, scalars in templates, all parameters, native scalars
COUNTS = (
    ("diverse_families", {}, 9_099_424, 9_367_147, 11_245_968),
    ("ensemble_imagenet", {}, 66_761_472, 75_234_808, 267_064_064),
    ("figure5", {}, 11_999_168, 12_107_900, 26_253_664),
    ("gradient_conflict", {}, 36_480_432, 36_808_711, 145_819_328),
    ("gradient_conflict", {"budget": "7M"}, 6_992_656, 7_320_902, 145_819_328),
    ("gradient_conflict", {"budget": "15M"}, 14_999_904, 15_328_160, 145_819_328),
    ("heterogeneous", {}, 36_499_888, 36_815_424, 141_807_296),
    ("heterogeneous", {"budget": "15M"}, 14_999_984, 15_315_457, 141_807_296),
    ("heterogeneous_grid", {}, 6_999_984, 7_315_573, 141_807_296),
    ("homogeneous", {}, 36_480_432, 36_809_820, 145_819_328),
    ("homogeneous", {"budget": "7M"}, 6_992_656, 7_321_724, 145_819_328),
    ("homogeneous", {"budget": "15M"}, 14_999_904, 15_328_920, 145_819_328),
    ("homogeneous_per_layer", {}, 119_993_216, 120_321_924, 145_819_328),
    ("homogeneous_wrn28_5", {}, 9_092_272, 9_257_808, 36_481_728),
    ("multi_depth_width", {}, 17_997_568, 18_168_607, 34_835_648),
    ("multi_depth_width", {"dataset": "cifar10", "beta": "0.5"}, 17_997_568, 18_041_527, 34_835_648),
    ("multi_width", {}, 17_997_568, 18_112_861, 26_994_448),
    ("multi_width", {"dataset": "cifar10", "beta": "0.95"}, 17_997_568, 18_031_951, 26_994_448),
    ("npas_cifar", {}, 9_111_904, 9_193_987, 36_454_832),
    ("npas_cifar", {"fraction": "50%"}, 18_201_600, 18_283_703, 36_454_832),
    ("npas_cifar", {"fraction": "100%"}, 36_454_400, 36_536_503, 36_454_832),
    ("npas_imagenet", {}, 16_688_320, 18_805_590, 66_766_016),
    ("npas_imagenet", {"fraction": "50%"}, 33_375_424, 35_492_725, 66_766_016),
    ("npas_imagenet", {"fraction": "100%"}, 66_762_688, 68_880_064, 66_766_016),
    ("quickstart", {}, 581_264, 588_235, 1_162_672),
)
IMPOSSIBLE = (
    ("heterogeneous", {"budget": "7M"}, "8239104"),
    ("npas_cifar", {"fraction": "10%"}, "3891200"),
    ("npas_imagenet", {"fraction": "10%"}, "12944576"),
)


def compiled(name: str, settings: dict[str, str]) -> Compiled:
    return compile_file(specs() / f"{name}.sw", settings)


@pytest.mark.parametrize(("name", "settings", "templates", "parameters", "native"), COUNTS)
def test_a_shipped_spec_compiles_to_its_counts(
    name: str, settings: dict[str, str], templates: int, parameters: int, native: int
) -> None:
    counts = count(compiled(name, settings).graph)
    assert (counts.template_scalars, counts.parameter_scalars, counts.native_scalars) == (templates, parameters, native)


@pytest.mark.parametrize(("name", "settings", "smallest"), IMPOSSIBLE)
def test_a_budget_below_one_template_each_is_refused_with_the_smallest_feasible(
    name: str, settings: dict[str, str], smallest: str
) -> None:
    with pytest.raises(DiagnosticError) as refused:
        compiled(name, settings)
    (diagnostic,) = refused.value.diagnostics
    assert diagnostic.code == "SW407"
    assert smallest in (diagnostic.help() or "")


def test_every_shipped_spec_is_counted_here() -> None:
    shipped = {path.stem for path in specs().glob("*.sw")}
    assert {row[0] for row in COUNTS} | {"demo", "tabm"} == shipped  # test_tabm counts that


def test_the_demo_shares_what_narrow_networks_take() -> None:
    stored = {
        name: count(compile_file(specs() / "demo.sw", {}, name).graph).parameter_scalars
        for name in ("shared", "narrow", "full")
    }
    assert stored == {"shared": 52_187, "narrow": 52_812, "full": 431_532}


@pytest.mark.parametrize("name", ["multi_width", "diverse_families", "heterogeneous_grid", "npas_imagenet"])
def test_private_scalars_are_what_torch_counts_beyond_the_shared_layers(name: str) -> None:
    import torch

    from swc_runtime.models import build_model

    made = compiled(name, {})
    total = 0
    with torch.device("meta"):
        for plan in made.program.members:
            source, data = plan.source, made.program.data
            module = build_model(source.kind, source.name, dict(source.arguments), data.num_classes, data.image_shape)
            total += sum(parameter.numel() for parameter in module.parameters())
    counts = count(made.graph)
    assert counts.private_scalars == total - counts.native_scalars

"""From text to the typed spec: values, units, ranges, scopes, defaults, and several mistakes at once."""

from __future__ import annotations

import subprocess
import sys

import pytest
from swc.diagnostics import Diagnostic, DiagnosticError, Sink
from swc.language.semantics.check import check_text
from swc.program.spec import Budget, Spec
from swc.program.training import (
    AugmentationStep,
    Loss,
    Optimiser,
    Phase,
    Schedule,
    SplitClusters,
    UntieCoefficients,
)
from swc.program.vocabulary import INITIALISATION, INITIALISATIONS

MEMBER = "member a = wrn(depth: 10, width: 1)"


def spec(items: str, **settings: str) -> Spec:
    return check_text(f"ensemble e {{ data digits {MEMBER} {items} }}", "e.sw", overrides=settings)


def trained(items: str) -> Spec:
    return spec(f"train {{ {items} }}")


def mistakes(items: str, **settings: str) -> list[str]:
    with pytest.raises(DiagnosticError) as raised:
        spec(items, **settings)
    return [d.code for d in raised.value.diagnostics]


def warnings(items: str) -> tuple[Diagnostic, ...]:
    sink = Sink()
    check_text(f"ensemble e {{ data digits {MEMBER} {items} }}", "e.sw", sink=sink)
    return sink.warnings


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("budget 18M templates", Budget("templates", 18_000_000)),
        ("budget 36.5M parameters", Budget("parameters", 36_500_000)),
        ("budget 50% of native", Budget("native", 0.5)),
        ("budget 150% of native", Budget("native", 1.5)),
        ("budget unlimited", Budget("unlimited")),
        ("param n = 2k budget n templates", Budget("templates", 2000)),
        ("param n = 25% budget n of native", Budget("native", 0.25)),
        ("param n = 25% budget n", Budget("native", 0.25)),
        ("param n = 9k parameters budget n", Budget("parameters", 9000)),
        ("param n = m templates param m = 7 budget n", Budget("templates", 7)),
    ],
)
def test_a_budget_may_be_stated_in_every_way(text: str, budget: Budget) -> None:
    assert spec(text).budget == budget


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("budget 50% templates", "SW203"),
        ("budget 0.5 of native", "SW203"),
        ("budget 0 templates", "SW202"),
        ("budget 0% of native", "SW202"),
        ("budget 1.5 templates", "SW201"),
        ("param n = 3 budget n", "SW204"),
        ('param n = "x" budget n', "SW201"),
        ("budget n", "SW101"),
    ],
)
def test_a_budget_of_another_kind_is_refused(text: str, code: str) -> None:
    assert mistakes(text) == [code]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("phase p: 0 epochs", "SW202"),
        ("phase p: 1.5 epochs", "SW201"),
        ("phase p: 50% epochs", "SW203"),
        ("phase p: 3 epochs at lr 0", "SW202"),
        ("phase p: 9 epochs after 9 epochs untie coefficients below 0.5", "SW207"),
        ("phase p: 9 epochs after 0 epochs untie coefficients below 0.5", "SW202"),
        ("phase p: 9 epochs after 1 epochs untie coefficients below 1.5", "SW202"),
        ("phase p: 9 epochs then restart", "SW130"),
        ("phase p: 9 epochs then split clusters below -2 phase q: 1 epochs", "SW202"),
        ("phase p: 9 epochs then split clusters below 0.1", "SW131"),
        ("phase p: 9 epochs then split clusters below 0 sketch 63 phase q: 1 epochs", "SW202"),
        ("phase p: 9 epochs then split clusters below 0 sketch 2M phase q: 1 epochs", "SW202"),
        ("phase p: 9 epochs then split clusters below 0 sketch 99.5 phase q: 1 epochs", "SW201"),
        ("phase p: 9 epochs then split clusters below 0 sketch 50% phase q: 1 epochs", "SW203"),
        ("phase p: 9 epochs then split clusters below 0 then restart then continue phase q: 1 epochs", "SW121"),
        ("phase p: 9 epochs then group layers in 4 clusters phase q: 1 epochs", "SW134"),
        ("phase p: 9 epochs phase p: 9 epochs", "SW121"),
        ("batch 3", "SW123"),
        ("batch 0 phase p: 1 epochs", "SW202"),
        ("batch 3 batch 2 phase p: 1 epochs", "SW121"),
        ("optimiser sgd(lr: -1) phase p: 1 epochs", "SW202"),
        ("optimiser sgd(rate: 1) phase p: 1 epochs", "SW106"),
        ("optimiser sgd(0.1) phase p: 1 epochs", "SW125"),
        ("optimiser sgd(momentum: 0) phase p: 1 epochs", "SW202"),
        ("optimiser adam phase p: 1 epochs", "SW108"),
        ("no_decay norm phase p: 1 epochs", "SW108"),
        ("no_decay none, biases phase p: 1 epochs", "SW108"),
        ("no_decay biases, norms, biases phase p: 1 epochs", "SW121"),
        ("no_decay norm, biases phase p: 1 epochs", "SW108"),
        ("schedule steps phase p: 9 epochs", "SW124"),
        ("schedule steps(at: [3, 2]) phase p: 9 epochs", "SW208"),
        ("schedule steps(at: 3) phase p: 9 epochs", "SW201"),
        ("augment crop(pad: 1), crop(pad: 2) phase p: 1 epochs", "SW121"),
        ("augment rotate phase p: 1 epochs", "SW108"),
        ("label_smoothing 1 phase p: 1 epochs", "SW202"),
        ("precision half phase p: 1 epochs", "SW108"),
        ("seed -1 phase p: 1 epochs", "SW202"),
    ],
)
def test_training_keeps_to_types_and_ranges(text: str, code: str) -> None:
    found = mistakes(f"budget unlimited share conv train {{ {text} }}")
    assert found == [code]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("clusters by depth in 0 bins", "SW202"),
        ("clusters []", "SW210"),
        ('clusters ["a"]', "SW210"),
        ("clusters [[]]", "SW210"),
        ("clusters [[1]]", "SW201"),
        ("coefficients by partners", "SW108"),
        ("templates even up to 0", "SW202"),
        ("templates even(coverage)", "SW125"),
        ("templates optimal(best)", "SW108"),
        ("templates optimal(profiled)", "SW132"),
        ("templates uneven", "SW108"),
        ("blocks grids", "SW108"),
        ("initialisation xavier", "SW108"),
        ("blocks grid blocks chain", "SW121"),
    ],
)
def test_sharing_keeps_to_types_and_ranges(text: str, code: str) -> None:
    assert mistakes(f"budget unlimited share conv {{ {text} }}") == [code]


def test_several_mistakes_are_reported_at_once() -> None:
    text = """ensemble e {
      member a = wnr(depth: 10)
      member b = wrn(depht: 10, width: 1)
      budget 50% templates
      share cnv as superwights { coefficients by levels }
      train cifer { phase p: 0 epochs }
    }"""
    with pytest.raises(DiagnosticError) as raised:
        check_text(text, "e.sw")
    codes = [d.code for d in raised.value.diagnostics]
    assert sorted(codes) == ["SW102", "SW104", "SW105", "SW106", "SW107", "SW108", "SW123", "SW202", "SW203"]
    assert all(d.span is not None and d.help() for d in raised.value.diagnostics)


def test_a_mistake_points_at_where_the_value_was_written() -> None:
    with pytest.raises(DiagnosticError) as raised:
        check_text(f"ensemble e {{ data digits {MEMBER}\n param n = 0\n budget n templates share conv }}", "e.sw")
    (found,) = raised.value.diagnostics
    assert found.span is not None and (found.span.line, found.span.column) == (2, 12)


def test_an_array_is_spelled_out() -> None:
    names = [m.name for m in spec("member m[3] = wrn(depth: 16, width: 2)").members]
    assert names == ["a", "m[0]", "m[1]", "m[2]"]


def test_sources_of_members() -> None:
    text = 'member t = torchvision("vgg11", dropout: 0.1) member p = python("nets:small", b: yes, a: "x")'
    _, vision, python = spec(text).members
    assert (vision.source.kind, vision.source.name, vision.source.arguments) == (
        "torchvision",
        "vgg11",
        (("dropout", 0.1),),
    )
    assert (python.source.kind, python.source.arguments) == ("python", (("a", "x"), ("b", True)))


def test_a_recipe_takes_arguments_and_is_overridden_in_part() -> None:
    text = f"""
    recipe r(rate: 0.1, at: [2, 4]) {{
      batch 32
      optimiser sgd(lr: rate, momentum: 0.5, weight_decay: 0)
      no_decay norms, coefficients
      schedule steps(at: at), warmup 1 epochs
      augment crop(pad: 1), flip
    }}
    ensemble e {{ data digits {MEMBER}
      param fast = 0.3
      train r(rate: fast) {{ optimiser sgd(nesterov: no) augment cutout(size: 2) phase p: 9 epochs }} }}"""
    training = check_text(text, "e.sw").training
    assert training is not None
    recipe = training.recipe
    assert recipe.batch == 32
    assert recipe.optimiser == Optimiser.of(
        "sgd", ("coefficients", "norms"), lr=0.3, momentum=0.5, nesterov=False, weight_decay=0
    )
    assert recipe.schedule == Schedule.of("steps", 1.0, at=(2.0, 4.0), factor=0.2)
    assert recipe.augmentation == (AugmentationStep.of("cutout", size=2),)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("", "", Loss()),
        ("", "loss focal", Loss.of("focal", gamma=2.0)),
        ("label_smoothing 0.1", "", Loss.of(label_smoothing=0.1)),
        ("loss cross_entropy(label_smoothing: 0.1)", "", Loss.of(label_smoothing=0.1)),
        ("loss cross_entropy(label_smoothing: 0.1)", "label_smoothing 0", Loss()),
        ("label_smoothing 0.1", "loss cross_entropy(label_smoothing: 0.2)", Loss.of(label_smoothing=0.2)),
        ("label_smoothing 0.1", "loss focal(gamma: 0.5)", Loss.of("focal", gamma=0.5)),
        ("loss focal", "label_smoothing 0.1", Loss.of(label_smoothing=0.1)),
    ],
)
def test_a_train_block_says_the_loss_in_either_way(before: str, after: str, expected: Loss) -> None:
    text = f"""recipe r {{ {before} }}
    ensemble e {{ data digits {MEMBER} train r {{ {after} phase p: 1 epochs }} }}"""
    found = check_text(text, "e.sw")
    assert found.training is not None and found.training.recipe.loss == expected
    noted = {line for line in found.defaults if "label_smoothing" in line or "gamma" in line}
    left_open = {"": {"train r: label_smoothing 0"}, "loss focal": {"loss focal: gamma 2"}}
    assert noted == (left_open.get(after, set()) if not before else left_open.get(before, set()))


def test_phases() -> None:
    text = """phase s: 4 epochs at lr 0.1
      then split clusters below 10% across reference over 3 batches sketch 4096 then continue
    phase m: 9 epochs after 2 epochs untie coefficients below 0.9"""
    training = spec(f"budget unlimited share conv train {{ {text} }}").training
    assert training is not None
    search = Phase("s", 4, 0.1, split=SplitClusters(0.1, "union", "reference", 3, 4096), carry="continue")
    assert training.phases == (search, Phase("m", 9, untie=(UntieCoefficients(2, 0.9),)))


def test_a_split_by_number_takes_a_param_and_a_whole_number() -> None:
    text = "phase s: 4 epochs then split clusters into n over 3 batches phase m: 9 epochs"
    found = spec(f"param n = 6 budget unlimited share conv train {{ {text} }}")
    assert found.training is not None
    assert found.training.phases[0].split == SplitClusters(None, batches=3, number=6)
    assert {"phase s: linkage union", "phase s: across members"} <= set(found.defaults)
    for number, code in (("0", "SW202"), ("2.5", "SW201"), ("50%", "SW203"), ("10001", "SW202"), ('"a"', "SW201")):
        with pytest.raises(DiagnosticError) as caught:
            spec(f"budget unlimited share conv train {{ {text.replace('into n', f'into {number}')} }}")
        assert caught.value.diagnostics[0].code == code


def test_a_policy_bundles_items_and_the_block_replaces_them() -> None:
    text = f"""
    policy base {{ blocks grid clusters one }}
    policy frugal(cap: 2) as base {{ templates optimal up to cap clusters per layer }}
    ensemble e {{ data digits {MEMBER} budget unlimited
      share conv as frugal(cap: 3) {{ coefficients by slot blocks chain }} }}"""
    (share,) = check_text(text, "e.sw").shares
    assert (share.policy, share.clusters.kind, share.coefficients) == ("superweights", "per_layer", "slot")
    assert (share.templates.rule, share.templates.cap, share.blocks) == ("optimal", 3, "chain")


def test_every_default_is_listed_once() -> None:
    lines = spec("budget unlimited share conv { clusters by depth } train { batch 8 phase p: 1 epochs }").defaults
    assert len(lines) == len(set(lines))
    assert "share conv: clusters by depth in 4 bins" in lines
    assert "share conv: coefficients by partner" in lines
    assert "train default: sgd lr 0.1" in lines
    assert "train default: precision auto" in lines
    assert not any("batch 128" in line for line in lines)


@pytest.mark.parametrize("word", INITIALISATIONS)
def test_the_initialisation_may_be_a_param(word: str) -> None:
    text = f"param start = {word} budget unlimited share conv {{ initialisation start }}"
    assert spec(text).shares[0].initialisation == word


def test_the_initialisation_that_is_left_open_is_the_one_that_is_noted() -> None:
    found = spec("budget unlimited share conv")
    assert found.shares[0].initialisation == INITIALISATION
    assert f"share conv: initialisation {INITIALISATION}" in found.defaults


def test_what_is_stated_is_no_default() -> None:
    text = """clusters one coefficients by slot templates even up to 3 blocks grid initialisation release"""
    lines = spec(f"budget unlimited share conv {{ {text} }}").defaults
    assert not any(line.startswith("share") for line in lines)


def test_params_are_kept_with_their_values() -> None:
    text = "param b = 3k param d = digits param c = [1, b] budget b templates share conv"
    assert spec(text).params == (("b", 3000), ("c", "[1, 3k]"), ("d", "digits"))


def test_params_may_stand_for_choices_in_any_order() -> None:
    text = "budget unlimited share conv { blocks cut coefficients by way } param cut = grid param way = slot"
    (share,) = spec(text).shares
    assert (share.blocks, share.coefficients) == ("grid", "slot")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("param x = 1", "SW140"),
        ("budget unlimited share conv { coefficients by slot } train { phase p: 3 epochs " + "after 1 epochs untie "
         "coefficients below 0.5 }", "SW142"),
        ("train { schedule steps(at: [9]) phase p: 9 epochs }", "SW211"),
    ],
)  # fmt: skip
def test_what_has_no_effect_is_warned_of(text: str, code: str) -> None:
    assert [d.code for d in warnings(text)] == [code]


def test_a_param_that_an_heir_uses_is_used() -> None:
    """`size` is of use to `b` alone, and `spare` to nobody."""
    base = f"ensemble a {{ data digits param size = 50% param spare = 1 {MEMBER} }}"
    heir = "ensemble b extends c { budget size of native share conv } ensemble c extends a {}"
    sink = Sink()
    check_text(f"{base} {heir}", "e.sw", "a", sink=sink)
    assert [(d.code, d.message()) for d in sink.diagnostics] == [("SW140", "param `spare` is not used")]


def test_a_teacher_must_have_a_name() -> None:
    with pytest.raises(DiagnosticError) as caught:
        spec('step taught(by: "")')
    assert [d.code for d in caught.value.diagnostics] == ["SW201"]


def test_a_set_of_images_in_a_folder() -> None:
    text = f'ensemble e {{ data folder("my/images", classes: 12, size: 64) {MEMBER} }}'
    data = check_text(text, "e.sw").data
    assert (data.folder, data.num_classes, data.image_shape) == ("my/images", 12, (3, 64, 64))


def test_spans_do_not_count() -> None:
    assert spec("param x = 1 budget x templates") == spec("\n\n param  x = 1\n budget x   templates")


def test_checking_imports_neither_torch_nor_numpy() -> None:
    code = (
        "import sys, swc.language.semantics.check as c; from swc.system import resources; "
        "c.check_file(resources.specs() / 'quickstart.sw'); "
        "print([m for m in ('torch', 'numpy', 'scipy', 'networkx') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"

"""Names over files: imports, `extends`, `--set`, and the choice of an ensemble."""

from __future__ import annotations

from pathlib import Path

import pytest
from swc.diagnostics import DiagnosticError, Sink
from swc.language.semantics.check import check_file, check_text, check_whole, ensembles_in
from swc.program.spec import Budget

BASE = """
ensemble base {
  data digits
  param size = 9k
  member a = wrn(depth: 10, width: 1)
  member b = wrn(depth: 10, width: 2)
  budget size templates
  share conv { clusters one }
}
"""


def codes(text: str, file: str = "e.sw", ensemble: str | None = None, **settings: str) -> list[str]:
    with pytest.raises(DiagnosticError) as raised:
        check_text(text, file, ensemble, settings)
    return [d.code for d in raised.value.diagnostics]


def file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_items_replace_in_place_and_others_are_added() -> None:
    text = (
        BASE
        + """ensemble more extends base {
      param size = 7k
      member a = wrn(depth: 16, width: 1)
      member c = wrn(depth: 10, width: 1)
      share conv { blocks grid }
      share linear as none
    }"""
    )
    spec = check_text(text, "e.sw", "more")
    assert [(m.name, dict(m.source.arguments)["depth"]) for m in spec.members] == [("a", 16), ("b", 10), ("c", 10)]
    assert spec.budget == Budget("templates", 7000)
    assert [(s.selector.kind, s.clusters.kind, s.blocks) for s in spec.shares] == [
        ("conv", "depth", "grid"),
        ("linear", "depth", "chain"),
    ]


def test_extends_goes_over_several_ensembles() -> None:
    text = BASE + "ensemble x extends base { param size = 8k } ensemble y extends x { data cifar10 }"
    spec = check_text(text, "e.sw", "y")
    assert (spec.name, spec.data.name, spec.budget.amount) == ("y", "cifar10", 8000)


def test_circles_of_extends_and_unknown_bases() -> None:
    assert "SW113" in codes("ensemble a extends b {} ensemble b extends a {}", ensemble="a")
    assert codes(BASE + "ensemble x extends bass {}", ensemble="x")[0] == "SW109"


def test_an_import_is_found_beside_the_file_before_the_shipped_ones(tmp_path: Path) -> None:
    file(tmp_path, "digits.sw", "recipe digits { batch 7 }")
    text = f'import "digits.sw"\n{BASE[:-2]} train digits {{ phase p: 1 epochs }} }}'
    beside = check_file(file(tmp_path, "e.sw", text)).training
    shipped = check_text(text, "/nowhere/e.sw").training
    assert beside is not None and shipped is not None
    assert (beside.recipe.batch, shipped.recipe.batch) == (7, 64)


def test_definitions_are_known_through_imports_of_imports(tmp_path: Path) -> None:
    file(tmp_path, "inner.sw", "recipe plain { batch 9 }")
    file(tmp_path, "outer.sw", 'import "inner.sw"\npolicy tight { blocks grid }')
    text = f'import "outer.sw"\n{BASE[:-2]} train plain {{ phase p: 1 epochs }} share linear as tight }}'
    sink = Sink()
    spec = check_file(file(tmp_path, "e.sw", text), sink=sink)
    assert spec.training is not None and spec.training.recipe.batch == 9
    assert spec.shares[1].blocks == "grid"
    assert not sink.diagnostics


def test_mistakes_in_an_imported_file_are_shown_there(tmp_path: Path) -> None:
    imported = file(tmp_path, "other.sw", "recipe plain { bach 9 }")
    with pytest.raises(DiagnosticError) as raised:
        check_file(file(tmp_path, "e.sw", 'import "other.sw"\n' + BASE))
    spans = [d.span for d in raised.value.diagnostics if d.code == "SW001"]
    assert [span.file for span in spans if span is not None] == [str(imported)]


def test_circles_of_imports(tmp_path: Path) -> None:
    file(tmp_path, "b.sw", 'import "e.sw"')
    with pytest.raises(DiagnosticError) as raised:
        check_file(file(tmp_path, "e.sw", 'import "b.sw"\n' + BASE))
    (circle,) = raised.value.diagnostics[:1]
    assert circle.code == "SW112"
    assert "e.sw -> b.sw -> e.sw" in circle.message()


def test_a_file_is_read_once_however_often_it_is_imported(tmp_path: Path) -> None:
    file(tmp_path, "r.sw", "recipe plain { batch 9 }")
    file(tmp_path, "x.sw", 'import "r.sw"')
    text = f'import "r.sw"\nimport "x.sw"\n{BASE[:-2]} train plain {{ phase p: 1 epochs }} }}'
    assert check_file(file(tmp_path, "e.sw", text)).training is not None


def test_an_unused_import_is_warned_of() -> None:
    sink = Sink()
    check_text('import "cifar.sw"\n' + BASE, "e.sw", sink=sink)
    assert [d.code for d in sink.warnings] == ["SW141"]


@pytest.mark.parametrize(
    ("param", "setting", "value"),
    [
        ("9k", "7k", 7000),
        ("9k templates", "7k", 7000),
        ("9k parameters", "7k templates", 7000),
        ("9k templates", "25%", 0.25),
        ("9k templates", "25% of native", 0.25),
        ("9k templates", "unlimited", 0),
    ],
)
def test_a_setting_replaces_a_param(param: str, setting: str, value: float) -> None:
    budget = "size" if " " in param else "size templates"
    text = f"ensemble e {{ data digits member a = wrn(depth: 10, width: 1) param size = {param} budget {budget} }}"
    assert check_text(text, "e.sw", overrides={"size": setting}).budget.amount == value


@pytest.mark.parametrize("value", ["[60", "1 data cifar10", "", "} ensemble b {", "# nothing", "1 2"])
def test_a_setting_is_one_value(value: str) -> None:
    assert codes(BASE, size=value) == ["SW206"]


def test_a_setting_keeps_its_kind_and_names_a_param() -> None:
    assert codes(BASE, size='"large"') == ["SW205"]
    assert codes(BASE, size="[1]") == ["SW205"]
    with pytest.raises(DiagnosticError) as raised:
        check_text(BASE, "e.sw", overrides={"siez": "3"})
    (found,) = raised.value.diagnostics
    assert (found.code, found.help()) == ("SW110", "did you mean `size`?")


def test_a_mistake_in_a_setting_points_at_the_setting() -> None:
    with pytest.raises(DiagnosticError) as raised:
        check_text(BASE, "e.sw", overrides={"size": "-7"})
    (found,) = raised.value.diagnostics
    assert found.span is not None
    assert (found.span.file, found.span.line, found.span.column, found.span.text) == ("--set size", 1, 1, "-7")


def test_the_ensemble_is_chosen(tmp_path: Path) -> None:
    path = file(tmp_path, "e.sw", BASE + "ensemble other extends base {}")
    assert ensembles_in(path) == ("base", "other")
    assert check_file(path, "other").name == "other"
    text = path.read_text(encoding="utf-8")
    assert codes(text) == ["SW127"]
    assert codes(text, ensemble="othr") == ["SW109"]
    assert codes("recipe r { batch 1 }") == ["SW126"]


def test_names_are_given_once() -> None:
    assert codes(BASE + BASE) == ["SW120"]
    assert codes("recipe r {} recipe r {}" + BASE) == ["SW120"]
    assert codes("policy hard {}" + BASE) == ["SW120"]


def test_params_defined_by_one_another() -> None:
    text = BASE.replace("size = 9k", "size = other\n  param other = size")
    assert "SW114" in codes(text)


def test_recipes_and_policies_are_checked_without_an_ensemble(tmp_path: Path) -> None:
    def found(text: str) -> list[str]:
        sink = Sink()
        check_whole(file(tmp_path, "definitions.sw", text), {}, sink)
        return [diagnostic.code for diagnostic in sink.diagnostics]

    assert not found("recipe r(a: 2) { batch a } policy p { blocks grid }")
    wrong = "recipe r(a: 0) { batch a } policy p as q { blocks grids }"
    assert found(wrong) == ["SW202", "SW105", "SW108"]


def test_an_import_with_a_name_no_file_system_takes_is_not_found() -> None:
    with pytest.raises(DiagnosticError) as refused:
        check_text(f'import "{"x" * 300}"\n', "here.sw")
    assert "SW111" in {diagnostic.code for diagnostic in refused.value.diagnostics}


def test_a_step_is_one_of_the_strategies_and_inherited(tmp_path: Path) -> None:
    stepped = BASE.replace("  budget", "  step sandwich(random: 1)\n  budget")
    found = check_text(stepped + "ensemble e extends base {}", "e.sw", "e").step
    assert (found.name, found.arguments) == ("sandwich", (("distil", True), ("random", 1)))
    assert str(found) == "sandwich(distil: yes, random: 1)"
    assert codes(BASE.replace("  budget", "  step sandwhich\n  budget")) == ["SW145"]
    assert codes(BASE.replace("  budget", "  step split(a: 1)\n  budget")) == ["SW106"]
    assert codes(BASE.replace("  budget", "  step split\n  step split\n  budget")) == ["SW121"]


def test_norms_and_heads_are_not_for_every_policy() -> None:
    for block in ("share norms { clusters one }", "share norms as rank_one", "share heads as shapeshifter"):
        assert codes(BASE.replace("share conv { clusters one }", block))[0] == "SW146"
    shared = BASE.replace("share conv { clusters one }", "share heads as rank_one(rate: 0.5)")
    (share,) = check_text(shared, "e.sw").shares
    assert (share.selector.kind, share.arguments) == ("heads", (("rate", 0.5),))


def test_an_array_of_a_joint_family_is_one_network() -> None:
    joint = BASE.replace("member a = wrn(depth: 10, width: 1)", "member a[3] = mimo(depth: 10, width: 1)")
    members = check_text(joint.replace("  budget", "  step joint\n  budget"), "e.sw").members
    assert [(member.name, member.host) for member in members[:3]] == [("a[0]", ""), ("a[1]", "a[0]"), ("a[2]", "a[0]")]
    assert dict(members[0].source.arguments) == {"depth": 10, "outputs": 3, "width": 1}
    alone = BASE.replace("member a = wrn", "member a = packed")
    assert dict(check_text(alone, "e.sw").members[0].source.arguments)["outputs"] == 1


def test_a_step_needs_members_that_it_is_for() -> None:
    assert codes(BASE.replace("  budget", "  step joint\n  budget")) == ["SW147"]
    assert codes(BASE.replace("  budget", "  step distilled(weight: 0.3)\n  budget")) == ["SW147"]


@pytest.mark.parametrize(
    ("chosen", "before", "after"),
    [
        ("rank_one", "share conv { clusters one }", "share conv as chosen(start: uniform)"),
        ("own", "share conv { clusters one }", "share conv as chosen"),
        ("own", "share conv { clusters one }", "share conv as outer(inside: chosen)"),
        ("wrn", "member a = wrn(", "member a = chosen("),
        ("independent", "  budget", "  step chosen\n  budget"),
        ("fast", "  budget", "  train chosen { phase p: 1 epochs }\n  budget"),
        ("flip", "  budget", "  train { augment chosen phase p: 1 epochs }\n  budget"),
        ("adamw", "  budget", "  train { optimiser chosen(lr: 0.1) phase p: 1 epochs }\n  budget"),
        ("none", "  budget", "  train { weight_average chosen phase p: 1 epochs }\n  budget"),
    ],
)
def test_a_param_may_stand_for_whatever_has_a_name(tmp_path: Path, chosen: str, before: str, after: str) -> None:
    """The spec is the one that names it outright, and no import that it needs counts as unused."""
    own = "policy own as hard {} policy outer(inside) as inside {} recipe fast { batch 16 }"
    file(tmp_path, "own.sw", own)
    imported = 'import "own.sw"\n' if chosen in ("own", "fast") else ""
    direct = imported + BASE.replace(before, after.replace("chosen", chosen))
    held = imported + BASE.replace(before, f"param chosen = {chosen}\n  {after}")
    sink = Sink()
    place = file(tmp_path, "spec.sw", held)
    found, meant = check_text(held, str(place), sink=sink), check_text(direct, str(place))
    assert (found.members, found.step, found.shares, found.training) == (
        meant.members,
        meant.step,
        meant.shares,
        meant.training,
    )
    assert not sink.diagnostics
    wrong = held.replace(f"chosen = {chosen}", "chosen = nothing_of_the_kind")
    with pytest.raises(DiagnosticError, match="nothing_of_the_kind"):
        check_text(wrong, str(place))


def test_a_number_may_have_the_name_of_a_policy() -> None:
    text = BASE.replace("share conv { clusters one }", "param low_rank = 2\n  share conv as low_rank(rank: low_rank)")
    assert check_text(text, "e.sw").shares[0].arguments[-1] == ("rank", 2)


def test_a_param_that_holds_itself_in_a_list_goes_in_a_circle() -> None:
    assert codes(BASE.replace("param size = 9k", "param size = 9k param a = [a]")) == ["SW114"]
    assert codes(BASE.replace("param size = 9k", "param size = 9k param a = [[b]] param b = [a, 1]")) == ["SW114"]


def test_a_param_inside_a_list_in_a_list_is_used() -> None:
    lists = "param w = 1 param many = [[w, 2], [3, 4]]"
    text = BASE.replace("param size = 9k", f"param size = 9k {lists}")
    sink = Sink()
    check_text(
        text.replace("member a = wrn(depth: 10, width: 1)", 'member a = python("m:f", x: many)'), "e.sw", sink=sink
    )
    assert not sink.diagnostics


def test_an_import_that_a_base_needs_is_used(tmp_path: Path) -> None:
    """Also where the base lies in a file of its own, which does not import it."""
    (tmp_path / "base.sw").write_text(
        BASE.replace("clusters one }", "clusters one }\n  train digits { phase p: 1 epochs }")
    )
    (tmp_path / "e.sw").write_text(
        'import "base.sw"\nimport "digits.sw"\nimport "cifar.sw"\nensemble x extends base {}\n'
    )
    sink = Sink()
    check_file(tmp_path / "e.sw", sink=sink)
    assert [(found.code, found.name) for found in sink.diagnostics] == [("SW141", "cifar.sw")]  # type: ignore[attr-defined]


def test_untying_in_a_search_parts_what_the_search_ties() -> None:
    """A phase that ends with a split ties by level, whatever the block says."""
    phases = (
        "phase s: 4 epochs after 2 epochs untie coefficients below 0.9 then split clusters below 0.1 phase m: 1 epochs"
    )
    sink = Sink()
    block = "clusters one coefficients by slot } train { " + phases + " }"
    check_text(BASE.replace("clusters one }", block), "e.sw", sink=sink)
    assert "SW142" not in {found.code for found in sink.diagnostics}


def test_members_of_mimo_need_a_joint_step() -> None:
    alone = BASE.replace("member a = wrn", "member a[2] = mimo")
    assert codes(alone) == ["SW148"]
    assert codes(alone.replace("  budget", "  step split\n  budget")) == ["SW148"]


def test_every_network_sees_two_images_of_each_batch() -> None:
    text = BASE.replace("member a", "member m[3]").replace("  budget", "  step split\n  budget")
    trained = text.replace("clusters one }", "clusters one } train { batch 7 phase p: 1 epochs }")
    assert codes(trained) == ["SW149"]
    check_text(trained.replace("batch 7", "batch 8"), "e.sw")


@pytest.mark.parametrize("step", ["split", "sandwich(random: 0)"])
def test_norms_see_parts_of_a_batch_only_where_the_step_shows_it_whole(step: str) -> None:
    text = BASE.replace("member a", "member m[2]").replace("clusters one }", "clusters one } TRAIN")
    trained = text.replace("TRAIN", "train { norm_batch 8 phase p: 1 epochs }")
    assert codes(trained.replace("  budget", f"  step {step}\n  budget")) == ["SW217"]
    check_text(trained.replace("  budget", "  step independent(average: yes)\n  budget"), "e.sw")


def test_what_a_policy_or_a_step_cannot_do_is_a_warning() -> None:
    split = "train { phase p: 1 epochs then split clusters below 0 phase q: 1 epochs }"
    assert warnings(BASE.replace("{ clusters one }", f"as hard {split}")) == ["SW150"]
    assert warnings(BASE.replace("{ clusters one }", split)) == []
    for stated, found in (("(random: 1)", ["SW151"]), ("(random: 0)", []), ("", [])):
        assert warnings(BASE.replace("  budget", f"  step sandwich{stated}\n  budget")) == found


def warnings(text: str) -> list[str]:
    sink = Sink()
    check_text(text, "e.sw", sink=sink)
    return [found.code for found in sink.warnings]


def test_a_shapeshifter_up_samples_in_one_of_four_ways() -> None:
    shifted = BASE.replace("share conv { clusters one }", "share conv as shapeshifter { clusters one }")
    (share,) = check_text(shifted, "e.sw").shares
    assert (share.arguments, share.clusters.kind) == ((("upsample", "bilinear"),), "one")
    (share,) = check_text(shifted.replace("shifter {", 'shifter(upsample: "mask") {'), "e.sw").shares
    assert share.arguments == (("upsample", "mask"),)
    assert codes(shifted.replace("shifter {", 'shifter(upsample: "cubic") {')) == ["SW108"]

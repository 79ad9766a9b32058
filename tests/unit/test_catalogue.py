"""Every diagnostic has a code of its own, an explanation of substance, a place in the reference, and a test."""

from __future__ import annotations

import re
from inspect import cleandoc
from pathlib import Path

import pytest
from swc.diagnostics import catalogue
from swc.diagnostics.codes import AREAS, CATALOGUE
from swc.diagnostics.diagnostic import Diagnostic
from swc.diagnostics.reference import reference

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"


def every_class() -> set[type[Diagnostic]]:
    """All subclasses that the modules of the catalogue define."""
    assert catalogue.__file__ is not None
    modules = {f"swc.diagnostics.catalogue.{path.stem}" for path in Path(catalogue.__file__).parent.glob("*.py")}
    return {found for found in _below(Diagnostic) if found.__module__ in modules}


def _below(parent: type[Diagnostic]) -> set[type[Diagnostic]]:
    children = set(parent.__subclasses__())
    return children.union(*(_below(child) for child in children)) if children else children


def test_codes_are_unique_and_well_formed() -> None:
    codes = [found.code for _, classes in AREAS for found in classes]
    assert sorted(codes) == sorted(set(codes))
    assert all(re.fullmatch(r"SW\d{3}", code) for code in codes)
    assert list(CATALOGUE) == sorted(codes)


def test_the_catalogue_is_complete() -> None:
    # attrs makes a class twice to give it slots, so classes are compared by name
    defined = {(found.__module__, found.__qualname__) for found in every_class() if "code" in vars(found)}
    assert defined == {(found.__module__, found.__qualname__) for found in CATALOGUE.values()}


@pytest.mark.parametrize("code", CATALOGUE)
def test_a_code_is_explained(code: str) -> None:
    explanation = cleandoc(CATALOGUE[code].__doc__ or "")
    first, _, rest = explanation.partition("\n\n")
    assert first.endswith("."), "the first paragraph says what happened, as a sentence"
    assert len(re.findall(r"[.?](?:\s|$)", rest)) >= 2, "the rest says why, and what to do"


def test_the_reference_is_up_to_date() -> None:
    page = (ROOT / "docs/reference/diagnostics.md").read_text(encoding="utf-8")
    assert page == reference(), "run: python -m swc.diagnostics.reference > docs/reference/diagnostics.md"


@pytest.mark.parametrize("code", CATALOGUE)
def test_a_code_is_triggered(code: str) -> None:
    """By a program in tests/language/mistakes, or by the test file named here."""
    where = TRIGGERED[code]
    path = TESTS / where
    assert path.is_file()
    text = path.read_text(encoding="utf-8")
    if where.endswith(".expected"):
        assert f"[{code}]" in text
    else:
        assert CATALOGUE[code].__name__ in text or code in text


def test_the_list_of_triggers_holds_no_more_than_the_catalogue() -> None:
    assert set(TRIGGERED) == set(CATALOGUE)


TRIGGERED = {
    "SW160": "language/test_arguments.py",
    "SW170": "unit/test_registry.py",
    "SW171": "unit/test_registry.py",
    "SW760": "language/mistakes/standard_factory.expected",
    "SW761": "cli/test_trust.py",
    "SW762": "cli/test_trust.py",
    "SW763": "unit/test_trust_code.py",
    "SW764": "cli/test_trust.py",
    "SW765": "cli/test_trust.py",
    "SW766": "cli/test_trust.py",
    "SW767": "cli/test_trust.py",
    "SW768": "cli/test_trust.py",
    "SW769": "cli/test_trust.py",
    "SW312": "unit/test_trial.py",
    "SW313": "unit/test_trial.py",
    "SW314": "unit/test_trial.py",
    "SW315": "unit/test_trial.py",
    "SW316": "unit/test_trial.py",
    "SW317": "unit/test_trial.py",
    "SW318": "unit/test_trial.py",
    "SW319": "unit/test_trial.py",
    "SW504": "runtime/test_data_looking.py",
    "SW505": "runtime/test_data_looking.py",
    "SW506": "runtime/test_data_looking.py",
    "SW780": "cli/test_damaged_runs.py",
    "SW781": "unit/test_store.py",
    "SW007": "language/test_limits.py",
    "SW008": "language/test_limits.py",
    "SW128": "unit/test_reading_limits.py",
    "SW152": "language/test_limits.py",
    "SW153": "language/test_limits.py",
    "SW154": "language/test_limits.py",
    "SW155": "language/test_limits.py",
    "SW212": "unit/test_reading_limits.py",
    "SW530": "end_to_end/test_disturbing_members.py",
    "SW531": "runtime/test_members_apart.py",
    "SW532": "runtime/test_members_apart.py",
    "SW533": "end_to_end/test_disturbing_members.py",
    "SW534": "end_to_end/test_disturbing_members.py",
    "SW535": "runtime/test_finite.py",
    "SW700": "cli/test_slim.py",
    "SW701": "cli/test_slim.py",
    "SW702": "cli/test_slim.py",
    "SW703": "cli/test_slim.py",
    "SW704": "cli/test_slim.py",
    "SW145": "language/test_names.py",
    "SW146": "language/test_names.py",
    "SW147": "language/test_names.py",
    "SW666": "end_to_end/test_rivals.py",
    "SW667": "cli/test_export.py",
    "SW507": "runtime/test_data_folders.py",
    "SW508": "runtime/test_data_folders.py",
    "SW509": "cli/test_class_names.py",
    "SW606": "cli/test_export_chance.py",
    "SW607": "cli/test_export_chance.py",
    "SW608": "cli/test_eval_bounds.py",
    "SW609": "cli/test_eval_bounds.py",
    "SW612": "cli/test_eval_bounds.py",
    "SW668": "cli/test_export_chance.py",
    "SW669": "cli/test_export_chance.py",
    "SW672": "cli/test_export_chance.py",
    "SW413": "passes/test_policies.py",
    "SW414": "passes/test_shapeshifter.py",
    "SW415": "passes/test_shapeshifter.py",
    "SW001": "language/mistakes/unexpected_word.expected",
    "SW002": "language/mistakes/unclosed_block.expected",
    "SW003": "language/mistakes/stray_character.expected",
    "SW004": "language/mistakes/malformed_number.expected",
    "SW005": "language/mistakes/unclosed_text.expected",
    "SW006": "language/mistakes/too_deep.expected",
    "SW101": "language/mistakes/unknown_param.expected",
    "SW102": "language/mistakes/unknown_family.expected",
    "SW103": "language/mistakes/unknown_data.expected",
    "SW104": "language/mistakes/unknown_recipe.expected",
    "SW105": "language/mistakes/unknown_policy.expected",
    "SW106": "language/mistakes/unknown_argument.expected",
    "SW107": "language/mistakes/unknown_selector.expected",
    "SW108": "language/mistakes/unknown_choice.expected",
    "SW109": "language/mistakes/unknown_ensemble.expected",
    "SW110": "cli/test_check.py",
    "SW111": "language/mistakes/import_not_found.expected",
    "SW112": "language/mistakes/import_cycle.expected",
    "SW113": "language/mistakes/extends_cycle.expected",
    "SW114": "language/mistakes/param_cycle.expected",
    "SW120": "language/mistakes/duplicate_definition.expected",
    "SW121": "language/mistakes/duplicate_item.expected",
    "SW122": "language/mistakes/duplicate_argument.expected",
    "SW123": "language/mistakes/missing_item.expected",
    "SW124": "language/mistakes/missing_argument.expected",
    "SW125": "language/mistakes/plain_argument.expected",
    "SW126": "cli/test_check.py",
    "SW127": "cli/test_check.py",
    "SW130": "language/mistakes/carry_without_split.expected",
    "SW131": "language/mistakes/split_at_the_end.expected",
    "SW132": "language/mistakes/profiled_without_split.expected",
    "SW148": "language/test_names.py",
    "SW149": "language/test_names.py",
    "SW150": "language/test_names.py",
    "SW151": "language/test_names.py",
    "SW134": "language/mistakes/nothing_to_group.expected",
    "SW135": "language/mistakes/groups_cannot_continue.expected",
    "SW133": "language/mistakes/sketched_profile.expected",
    "SW140": "language/mistakes/unused_param.expected",
    "SW141": "language/mistakes/unused_import.expected",
    "SW142": "language/mistakes/nothing_to_untie.expected",
    "SW143": "language/mistakes/reserved_name.expected",
    "SW144": "language/mistakes/item_without_effect.expected",
    "SW201": "language/mistakes/wrong_type.expected",
    "SW202": "language/mistakes/out_of_range.expected",
    "SW203": "language/mistakes/wrong_unit.expected",
    "SW204": "language/mistakes/budget_without_unit.expected",
    "SW205": "cli/test_check.py",
    "SW206": "cli/test_check.py",
    "SW207": "language/mistakes/untie_outside_phase.expected",
    "SW208": "language/mistakes/unordered_milestones.expected",
    "SW209": "language/mistakes/malformed_factory.expected",
    "SW210": "language/mistakes/malformed_groups.expected",
    "SW211": "language/mistakes/milestone_never_reached.expected",
    "SW300": "language/mistakes/unknown_torchvision_model.expected",
    "SW301": "language/mistakes/factory_not_found.expected",
    "SW302": "language/mistakes/factory_failed.expected",
    "SW303": "language/mistakes/no_module.expected",
    "SW304": "language/mistakes/wrong_arguments.expected",
    "SW305": "unit/test_frontend.py",
    "SW306": "language/mistakes/lazy_parameters.expected",
    "SW307": "language/mistakes/no_parameters.expected",
    "SW308": "language/mistakes/wrong_output.expected",
    "SW309": "language/mistakes/forward_failed.expected",
    "SW310": "language/mistakes/extra_state.expected",
    "SW400": "language/mistakes/nothing_selected.expected",
    "SW401": "language/mistakes/nothing_sharable.expected",
    "SW402": "language/mistakes/selected_twice.expected",
    "SW403": "language/mistakes/unlisted_layers.expected",
    "SW404": "language/mistakes/listed_twice.expected",
    "SW405": "language/mistakes/empty_list.expected",
    "SW406": "language/mistakes/bin_without_layers.expected",
    "SW407": "language/mistakes/budget_below_minimum.expected",
    "SW408": "passes/test_resharing.py",
    "SW409": "passes/test_resharing.py",
    "SW410": "passes/test_resharing.py",
    "SW411": "passes/test_resharing.py",
    "SW412": "passes/test_levels.py",
    "SW450": "passes/test_allocate.py",
    "SW451": "passes/test_allocate.py",
    "SW452": "passes/test_allocate.py",
    "SW453": "passes/test_allocate.py",
    "SW500": "runtime/test_data_sets.py",
    "SW501": "runtime/test_data_sets.py",
    "SW502": "runtime/test_data_sets.py",
    "SW503": "runtime/test_data_sets.py",
    "SW520": "runtime/test_trainer.py",
    "SW521": "runtime/test_trainer.py",
    "SW522": "runtime/test_checkpoint.py",
    "SW523": "runtime/test_checkpoint.py",
    "SW524": "runtime/test_checkpoint.py",
    "SW525": "runtime/test_checkpoint.py",
    "SW526": "runtime/test_checkpoint.py",
    "SW527": "runtime/test_records.py",
    "SW540": "end_to_end/test_refusals.py",
    "SW541": "end_to_end/test_refusals.py",
    "SW542": "end_to_end/test_refusals.py",
    "SW543": "end_to_end/test_refusals.py",
    "SW544": "end_to_end/test_refusals.py",
    "SW545": "end_to_end/test_run_folders.py",
    "SW546": "end_to_end/test_run_folders.py",
    "SW547": "end_to_end/test_run_folders.py",
    "SW555": "end_to_end/test_run_folders.py",
    "SW556": "end_to_end/test_run_folders.py",
    "SW548": "end_to_end/test_run_folders.py",
    "SW549": "end_to_end/test_refusals.py",
    "SW550": "end_to_end/test_own_members.py",
    "SW560": "runtime/test_ranks.py",
    "SW561": "runtime/test_ranks.py",
    "SW562": "end_to_end/test_ranks.py",
    "SW563": "runtime/test_ranks.py",
    "SW564": "end_to_end/test_ranks.py",
    "SW565": "end_to_end/test_ranks.py",
    "SW566": "runtime/test_ranks.py",
    "SW601": "cli/test_check.py",
    "SW602": "cli/test_check.py",
    "SW603": "cli/test_check.py",
    "SW604": "cli/test_main.py",
    "SW605": "cli/test_main.py",
    "SW610": "cli/test_main.py",
    "SW611": "cli/test_main.py",
    "SW620": "cli/test_explain.py",
    "SW621": "cli/test_fmt.py",
    "SW630": "cli/test_show_command.py",
    "SW631": "cli/test_show_command.py",
    "SW632": "cli/test_show_command.py",
    "SW633": "cli/test_show_command.py",
    "SW634": "cli/test_plot.py",
    "SW635": "cli/test_show_command.py",
    "SW636": "cli/test_plot.py",
    "SW640": "cli/test_eval.py",
    "SW641": "cli/test_eval.py",
    "SW642": "cli/test_eval.py",
    "SW643": "cli/test_eval.py",
    "SW660": "cli/test_export.py",
    "SW661": "cli/test_export.py",
    "SW662": "cli/test_export.py",
    "SW663": "cli/test_export.py",
    "SW664": "cli/test_export_python.py",
    "SW665": "cli/test_export_python.py",
    "SW670": "cli/test_sweep.py",
    "SW671": "cli/test_sweep.py",
    "SW720": "cli/test_sweep.py",
    "SW721": "cli/test_sweep.py",
    "SW722": "cli/test_sweep.py",
    "SW680": "cli/test_corrupt.py",
    "SW681": "cli/test_corrupt.py",
    "SW682": "cli/test_corrupt.py",
    "SW683": "cli/test_corrupt.py",
    "SW684": "cli/test_corrupt.py",
    "SW685": "cli/test_corrupt.py",
    "SW686": "cli/test_corrupt.py",
    "SW687": "cli/test_corrupt.py",
    "SW688": "cli/test_corrupt.py",
    "SW689": "cli/test_corrupt.py",
    "SW690": "cli/test_report.py",
    "SW691": "cli/test_report.py",
    "SW695": "cli/test_plot.py",
    "SW696": "cli/test_compare.py",
    "SW697": "cli/test_compare.py",
    "SW698": "cli/test_compare.py",
    "SW699": "cli/test_compare.py",
    "SW650": "unit/test_codec.py",
    "SW740": "unit/test_report.py",
    "SW741": "cli/test_compare.py",
    "SW742": "cli/test_main.py",
    "SW651": "unit/test_codec.py",
    "SW652": "unit/test_codec.py",
    "SW653": "unit/test_codec.py",
    "SW654": "unit/test_text.py",
}

"""The specs of the comparisons on tables, compiled with a few rows of the same columns in the place of the files."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from swc.compiler.driver import compile_file
from swc.compiler.ir.counts import count
from swc.language.semantics.check import check_file, ensembles_in

pytest.importorskip("pandas")

TABLES = Path(__file__).parents[2] / "specs/tables"
ROWS = 40
CHURN = (
    "CreditScore,Geography,Gender,Age,Tenure,Balance,NumOfProducts,HasCrCard,IsActiveMember,EstimatedSalary,Exited",
    lambda n: (
        f"{600 + n},{('France', 'Spain', 'Germany')[n % 3]},{('Male', 'Female')[n % 2]},{30 + n},{n % 9},"
        f"{1000.5 * n},{1 + n % 3},{n % 2},{n // 2 % 2},{50_000.25 + n},{n // 3 % 2}"
    ),
)
CALIFORNIA = (
    "longitude,latitude,housing_median_age,total_rooms,total_bedrooms,population,households,median_income,"
    "median_house_value,ocean_proximity",
    lambda n: (
        f"{-120 - n / 9},{35 + n / 9},{10 + n},{800 + n},{100 + n},{300 + n},{120 + n},{2 + n / 7},"
        f"{100_000 + 999 * n},{('INLAND', 'ISLAND', 'NEAR BAY', 'NEAR OCEAN', '<1H OCEAN')[n % 5]}"
    ),
)
FILES = {"churn": CHURN, "california": CALIFORNIA}
# Of TabM by the authors' package (tabm 0.0.3): sum(p.numel() for p in TabM.make(n_num_features=13, ...).parameters())
PUBLISHED = {"churn": 193_440, "california": 440_848}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import pandas

    place = tmp_path_factory.mktemp("tables")
    for name, (head, row) in FILES.items():
        (place / f"{name}.csv").write_text("\n".join((head, *map(row, range(ROWS)))) + "\n", "utf-8")
        pandas.read_csv(place / f"{name}.csv").to_csv(place / f"{name}.csv.xz", index=False)
    return place


@cache
def parameters(name: str, ensemble: str, folder: Path) -> int:
    return count(compile_file(TABLES / f"{name}.sw", {}, ensemble, data=folder).graph).parameter_scalars


@pytest.mark.parametrize("name", FILES)
def test_ensembles_have_as_many_parameters_as_that_of_the_package(name: str, folder: Path) -> None:
    assert parameters(name, "tabm", folder) == PUBLISHED[name]
    for ensemble in set(ensembles_in(TABLES / f"{name}.sw")) - {"mlp", "tabm"}:
        assert parameters(name, ensemble, folder) == pytest.approx(PUBLISHED[name], rel=0.02), ensemble


@pytest.mark.parametrize("name", FILES)
def test_all_of_a_table_train_alike(name: str) -> None:
    specs = [check_file(TABLES / f"{name}.sw", ensemble) for ensemble in ensembles_in(TABLES / f"{name}.sw")]
    assert len({spec.data for spec in specs}) == 1
    assert len({spec.training.phases for spec in specs if spec.training}) == 1
    assert {spec.step.name for spec in specs} == {"independent"}

"""The specs of the comparisons on tables, compiled with a few rows of the same columns in the place of the files."""

from __future__ import annotations

from functools import cache
from io import StringIO
from pathlib import Path

import pytest
from swc.compiler.driver import compile_file
from swc.compiler.ir.counts import count
from swc.language.semantics.check import check_file, ensembles_in

pytest.importorskip("pandas")

TABLES = Path(__file__).parents[2] / "specs/tables"
ROWS = 400  # so that every value of a category is among the training rows
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
ADULT = (
    "age,workclass,fnlwgt,education,education-num,marital-status,occupation,relationship,race,sex,capital-gain,"
    "capital-loss,hours-per-week,native-country,classification",
    lambda n: (
        f"{17 + n % 70},w{n % 9},{10_000 + n},e{n % 16},{1 + n % 15},m{n % 7},o{n % 15},r{n % 6},b{n % 5},s{n % 2},"
        f"{n * 10},{n * 5},{20 + n % 40},c{n % 42},{('<=50K', '>50K')[n // 3 % 2]}"
    ),
)
DIAMONDS = (
    "carat,cut,color,clarity,depth,table,x,y,z,log_price",
    lambda n: (
        f"{0.2 + n / 99},u{n % 5},o{n % 7},l{n % 8},{60 + n / 70},{55 + n / 60},{4 + n / 90},{4 + n / 80},{2 + n / 90},"
        f"{6 + n / 200}"
    ),
)
FILES = {
    "churn.csv.xz": CHURN,
    "california.csv.xz": CALIFORNIA,
    "adult_train.csv.xz": ADULT,
    "adult_test.csv.xz": ADULT,
    "diamonds_log.csv.xz": DIAMONDS,
}
# Of TabM by the authors' package (tabm 0.0.3): sum(p.numel() for p in TabM.make(n_num_features=13, ...).parameters())
PUBLISHED = {"churn": 193_440, "california": 440_848, "adult": 68_832, "diamonds": 54_960}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import pandas

    place = tmp_path_factory.mktemp("tables")
    for name, (head, row) in FILES.items():
        text = "\n".join((head, *map(row, range(ROWS)))) + "\n"
        pandas.read_csv(StringIO(text)).to_csv(place / name, index=False)
    return place


@cache
def parameters(name: str, ensemble: str, folder: Path) -> int:
    return count(compile_file(TABLES / f"{name}.sw", {}, ensemble, data=folder).graph).parameter_scalars


@pytest.mark.parametrize("name", PUBLISHED)
def test_ensembles_have_as_many_parameters_as_that_of_the_package(name: str, folder: Path) -> None:
    assert parameters(name, "tabm", folder) == PUBLISHED[name]
    for ensemble in set(ensembles_in(TABLES / f"{name}.sw")) - {"mlp", "tabm"}:
        assert parameters(name, ensemble, folder) == pytest.approx(PUBLISHED[name], rel=0.02), ensemble


@pytest.mark.parametrize("name", PUBLISHED)
def test_all_of_a_table_train_alike(name: str) -> None:
    specs = [check_file(TABLES / f"{name}.sw", ensemble) for ensemble in ensembles_in(TABLES / f"{name}.sw")]
    assert len({spec.data for spec in specs}) == 1
    assert len({spec.training.phases for spec in specs if spec.training}) == 1
    assert {spec.step.name for spec in specs} == {"independent"}

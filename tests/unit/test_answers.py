"""compare, recommend, dialects, export and reproduce: the answers' numbers, not their looks."""

import csv
import importlib
import math
import re
from pathlib import Path

import numpy as np
import pytest

from mcflow import Case, InputError, Study, reproductions, run
from mcflow.answers import frameworks
from mcflow.answers.comparison import compare
from mcflow.answers.recommendation import recommend
from mcflow.answers.signal import BACKWARD, FORWARD
from mcflow.answers.table import export
from mcflow.quantities import NAMES
from mcflow.reproductions.claims import Claim
from mcflow.reproductions.reproduction import FIGURES, reproduce


@pytest.fixture(scope="module")
def three():
    cases = [Case(scheme, "relu", depth=12, width=32) for scheme in ("xavier_normal", "kaiming_normal")]
    cases.append(Case("lecun_normal", "selu", depth=12, width=32))
    with run(Study(cases, networks=300)) as result:
        yield result


def test_kaiming_ranks_first_for_relu_and_xavier_halves_per_layer(three):
    ranking = compare([three]).rankings["relu"]
    assert [entry.scheme for entry in ranking] == ["kaiming_normal", "xavier_normal"]
    assert ranking[1].activations.per_layer == pytest.approx(0.5 * ranking[0].activations.per_layer, rel=1e-4)
    mean, low, high = ranking[1].behind
    assert low <= mean <= high
    assert low > 0


def test_rules_of_thumb_are_judged_with_their_number(three):
    rules = {rule.rule: rule for rule in compare([three]).rules}
    assert rules["Kaiming for relu"].verdict == "holds"
    assert rules["LeCun for selu"].verdict == "holds"
    assert "over 12 layers" in rules["LeCun for selu"].number


def test_float16_underflows_at_the_depth_that_the_rate_says(three):
    entry = compare([three]).rankings["relu"][1]
    layers, how = entry.activations.reaches["float16"]
    assert how == "underflow"
    # the root mean square falls by 2^-1/2 a layer from 2^-1/2 to 2^-14, and a little faster in a typical narrow network
    assert 22 < layers < 28


@pytest.mark.parametrize("each", frameworks.DIALECTS, ids=lambda each: f"{each.framework}-{each.name}")
def test_dialects_draw_the_variance_that_they_name(each):
    assert each.measured(seed=3) == pytest.approx(each.variance(256, 512), rel=0.02)


def test_dialects_are_the_schemes_that_they_say():
    from mcflow import schemes

    for each in frameworks.DIALECTS:
        if each.scheme:
            scheme = schemes.get(each.scheme)
            gain = math.sqrt(2.0) if each.scheme.startswith("kaiming") else 1.0
            assert scheme.weight_variance(256, 512, gain) == pytest.approx(each.variance(256, 512)), each.name


def test_recommendation_for_relu_is_kaiming():
    found = recommend("relu", depth=10, width=32, networks=50)
    assert found.best.name == "kaiming_normal"
    assert found.best.sigma_w2 == pytest.approx(2.0)
    assert "kaiming_normal_" in found.code["torch"]
    assert math.isinf(found.best.trainable_depth)


def test_gelu_needs_biases():
    found = recommend("gelu", depth=20, width=32, networks=50)
    assert found.best.sigma_w2 == pytest.approx(1.98305826, rel=1e-6)  # Roberts, Yaida & Hanin 2022
    assert found.best.bias_std**2 == pytest.approx(0.17292239, rel=1e-6)


@pytest.mark.filterwarnings("error")
def test_factors_beyond_the_range_of_numbers_are_zero_and_infinite():
    """squared_relu squares the signal at every layer: to nothing under its unstable fixed point, without end above."""
    recommendation = recommend("squared_relu", depth=20, width=32, networks=50)
    assert recommendation.best is None
    assert recommendation.reasons[0].startswith("no scheme keeps it; use normalisation")
    assert "slope 2 > 1" in recommendation.reasons[1]
    assert all("0.816497 * phi(" in line for line in recommendation.code.values())
    found = {item.name: item for item in recommendation.candidates}
    assert found["kaiming_normal"].predicted == {FORWARD: math.inf, BACKWARD: math.inf}
    assert found["kaiming_normal"].measured == {FORWARD: math.inf, BACKWARD: math.inf}
    assert found["forward-critical"].predicted[FORWARD] == pytest.approx(1.0)
    assert found["forward-critical"].measured[FORWARD] == 0.0  # where theory's fixed point is unstable, widths decide


def test_table_is_tidy_and_reads_back_the_same_numbers(three, tmp_path):
    count = export(three, tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == count == 3 * sum(name in three[three.names[0]] for name in NAMES) * 300 * 12
    row = rows[5 * 12 + 3]
    truth = three[row["case"]][row["quantity"]].sel(network=int(row["network"]), layer=int(row["layer"]))
    assert float(row["value"]) == float(truth)


def test_summary_table_has_a_row_a_statistic(three, tmp_path):
    export(three, tmp_path / "s.csv", summary=True)
    assert (tmp_path / "s.csv").read_text().splitlines()[0] == "case,layer,quantity,statistic,value"


def test_parquet_without_pyarrow_is_a_sentence(three, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pyarrow"):
        export(three, tmp_path / "t.parquet")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("summary", [False, True])
def test_parquet_reads_back_as_the_table_that_csv_holds(three, tmp_path, summary):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    count = export(three, tmp_path / "t.parquet", summary=summary)
    assert export(three, tmp_path / "t.csv", summary=summary) == count
    table = parquet.read_table(tmp_path / "t.parquet").to_pydict()
    with (tmp_path / "t.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(table) == list(rows[0])
    assert len(rows) == count
    for column, values in table.items():
        kind = {"network": int, "layer": int, "value": float}.get(column, str)
        np.testing.assert_array_equal(values, [kind(row[column]) for row in rows], err_msg=column)


def test_claims_are_judged_by_their_tolerance_or_bound():
    claim = Claim("a", "b", 1.0, 1.05, 0.01, tolerance=0.1)
    assert claim.reproduced
    assert not Claim("a", "b", 1.0, 1.2, 0.01, tolerance=0.1).reproduced
    assert Claim("a", "b", 2.0, 1.0, 0.01, bound="at most").reproduced
    assert not Claim("a", "b", 2.0, 1.0, 0.01, bound="at least").reproduced
    assert not Claim("a", "b", 1.0, np.nan, 0.01, tolerance=0.1).reproduced


def test_every_classic_is_listed_and_has_its_study_claims_and_picture():
    folder = Path(reproductions.__file__).parent
    there = {path.stem for path in folder.glob("*.py") if re.search(r"_\d{4}$", path.stem)}
    assert there == set(FIGURES)
    for name in there:
        module = importlib.import_module(f"mcflow.reproductions.{name}")
        assert re.search(rf"\b{name[-4:]}\b", module.__doc__), name  # the year of the paper
        assert module.study().cases, name
        assert callable(module.judge), name
        assert callable(module.figure), name


def test_kaiming_is_reproduced():
    assert reproduce("he_2015", draw=False).reproduced

"""verify: what it judges, what it forgives, and the sentences for what it cannot judge."""

import json

import numpy as np
import pytest

from mcflow import Case, InputError, Study, run, verify
from mcflow.answers.subject import Subject
from mcflow.answers.verdicts import _failures, _rounded
from mcflow.plural import counted
from mcflow.statistics import hypotheses


@pytest.fixture(scope="module")
def relu():
    with run(Study([Case("kaiming_normal", "relu", depth=6, width=16)], networks=400)) as result:
        yield result


def test_every_layer_and_quantity_with_a_prediction_has_a_row(relu):
    found = verify(relu)
    means = {(row["layer"], row["quantity"]) for row in found.rows if row["statistic"] == "mean"}
    assert {(layer, "gradient_second_moment") for layer in range(1, 7)} <= means
    assert {(layer, "activation_second_moment") for layer in range(1, 7)} <= means
    row = next(row for row in found.rows if row["quantity"] == "activation_second_moment")
    assert row["z"] == pytest.approx((row["measured"] - row["predicted"]) / row["standard_error"])
    assert row["tier"] == "exact"


def test_consistent_is_a_bool_for_each_case(relu):
    assert verify(relu).consistent == {"kaiming_normal-relu": True}


def test_record_is_json(relu):
    assert json.loads(json.dumps(verify(relu).record(), allow_nan=False))["consistent"] is True


def test_infinite_width_alone_breaks_where_width_is_small():
    with run(Study([Case("xavier_normal", "tanh", depth=20, width=16)], networks=4000)) as result:
        assert verify(result).all_consistent
        broken = verify(result, tier="infinite-width")
        assert not broken.all_consistent
        assert broken.verdicts[0].breaks["activation_second_moment"] > 1


def test_approximate_tiers_are_forgiven_their_expected_error():
    with run(Study([Case("xavier_uniform", "tanh", depth=8, width=32)], networks=3000)) as result:
        found = verify(result)
        assert found.all_consistent
        assert any("approximate" in warning for warning in found.verdicts[0].warnings)


def test_means_ruled_by_a_few_networks_are_judged_by_logarithms():
    with run(Study([Case("kaiming_normal", "relu", depth=60, width=16)], networks=400), method="chain") as result:
        found = verify(result)
    assert found.all_consistent
    ruled = [row for row in found.tests if row.why.startswith("the mean is ruled")]
    assert ruled
    assert min(row.effective_networks for row in ruled) < 40
    places = {(row.quantity, row.layer) for row in found.tests if row.statistic == "log_mean" and row.judged}
    assert {(row.quantity, row.layer) for row in ruled} <= places


def test_summary_files_are_judged_too():
    study = Study([Case("kaiming_normal", "relu", depth=5, width=16)], networks=400, keep="summary")
    with run(study) as result:
        found = verify(result)
    assert found.all_consistent
    assert not any(row.statistic == "law" for row in found.tests)


def test_dead_networks_are_counted_against_their_probability():
    with run(Study([Case("kaiming_normal", "relu", depth=8, width=3)], networks=2000)) as result:
        found = verify(result)
    assert found.all_consistent
    deaths = [row for row in found.tests if row.statistic == "zero_fraction"]
    assert [row.layer for row in deaths if row.quantity == "activation_second_moment"] == list(range(1, 9))


def test_equivalence_is_shown_with_many_networks_and_says_how_many_it_needs(relu):
    found = verify(relu, margin=0.5)
    assert "shown for all" in found.verdicts[0].equal
    assert "needs about" in verify(relu, margin=0.001).verdicts[0].equal


def test_a_case_without_a_prediction_is_said_to_be_unjudged():
    case = Case("orthogonal", "relu", depth=3, width=8)  # theory has its moments exactly, and no chain for them
    with run(Study([case], networks=20)) as result:
        found = verify(result, tier="exact-law")
    assert [verdict.sentence for verdict in found.verdicts] == ["no prediction: nothing to judge"]
    assert not found.tests


def test_one_network_is_a_sentence():
    with run(Study([Case(depth=3, width=8)], networks=1)) as result, pytest.raises(InputError, match="standard error"):
        verify(result)


@pytest.mark.parametrize(("option", "value"), [("alpha", 0.0), ("alpha", 1.5), ("margin", -1.0), ("tier", "exakt")])
def test_bad_options_are_sentences(relu, option, value):
    with pytest.raises(InputError, match=option):
        verify(relu, **{option: value})


def test_holm_matches_its_definition():
    p = np.array([0.01, np.nan, 0.04, 0.03, 0.005])
    np.testing.assert_allclose(hypotheses.holm(p), [0.03, np.nan, 0.06, 0.06, 0.02])


def test_skewness_correction_gives_normal_p_values_to_exponential_means():
    rng = np.random.default_rng(1)
    values = rng.exponential(size=(20_000, 60))
    z = (values.mean(axis=1) - 1.0) / (values.std(axis=1, ddof=1) / 60**0.5)
    corrected = hypotheses.skewness_corrected(z, np.full(len(z), 2.0), np.full(len(z), 60.0))
    plain, better = ((hypotheses.two_sided(t) < 0.01).mean() for t in (z, corrected))
    assert abs(better - 0.01) < 0.5 * abs(plain - 0.01)


def test_kolmogorov_smirnov_of_uniforms_is_not_small():
    assert hypotheses.kolmogorov_smirnov(np.random.default_rng(2).uniform(size=2000))[1] > 0.01
    assert hypotheses.kolmogorov_smirnov(np.random.default_rng(2).uniform(size=2000) ** 1.2)[1] < 1e-6


def test_a_difference_within_round_off_is_none():
    from mcflow.answers.verdict_rows import row

    place = ("case", 0, "active_fraction", "mean", "exact-law")
    of_one = row(place, (1.0, 3e-6, 1.0 - 2.3e-16, 0.0, 100), np.nan, 1.0, "")
    assert (of_one.z, of_one.relative_difference) == (0.0, 0.0)


@pytest.mark.parametrize(("scheme", "activation"), [("kaiming_normal", "silu"), ("xavier_normal", "tanh")])
def test_predictions_that_are_zero_but_for_round_off_are_zero(scheme, activation):
    case = Case(scheme, activation, depth=8, width=32)
    with run(Study([case], networks=200), threads=1) as result:
        found = verify(result)
    for row in found.tests:
        if row.quantity.endswith("fraction") or row.quantity.endswith("_mean"):
            assert row.predicted == 0.0 or abs(row.predicted) > 1e-13
            assert row.z is None or abs(row.z) < 100.0
            assert row.relative_difference is None or abs(row.relative_difference) < 1e4
    ones = [row for row in found.tests if (row.quantity, row.statistic) == ("active_fraction", "mean")]
    assert {row.predicted for row in ones} == {1.0}
    assert all(row.relative_difference == 0.0 for row in ones)
    assert any(row.judged for row in ones)


def test_a_predicted_share_stays_between_none_and_all():
    from mcflow.answers.allowances import _cleaned

    mean = np.array([-1e-22, -3e-9, 2e-8, 0.4, 1.0 - 2.2e-16, 1.0 + 1e-9, np.nan])
    plain = {"preactivation_second_moment": np.ones(7)}
    np.testing.assert_array_equal(_cleaned("saturated_fraction", mean, plain), [0.0, 0.0, 2e-8, 0.4, 1.0, 1.0, np.nan])


def test_words_count_one_and_many():
    assert counted(1, "case") == "1 case"
    assert counted(2, "case") == "2 cases"
    assert counted(0, "entry", "entries") == "0 entries"


def test_a_number_of_networks_that_nobody_can_run_is_not_spelled_out():
    assert _rounded(2.34e3) == "about 2 400"
    assert _rounded(3.7e307) == "more than 10^15"
    assert _rounded(np.inf) == "infinitely many"


def test_one_failing_test_fails(relu):
    rows = verify(relu).tests
    assert _failures(list(rows[:3]), [rows[0]]).startswith("1 of 3 tests fails; first in layer")
    assert _failures(list(rows[:3]), list(rows[:2])).startswith("2 of 3 tests fail; first in layer")


def test_picture_tells_forgiven_unjudged_and_failing_apart():
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    from mcflow.plots import zscores

    case = Case("xavier_uniform", "tanh", depth=12, width=16)
    with run(Study([case], networks=2000), threads=1) as result:
        found = verify(result)
        drawn = zscores.figure(Subject(result), result.names)
    rows = [row for row in found.tests if row.statistic == "mean"]
    forgiven = [row for row in rows if zscores._is_forgiven(row)]
    assert forgiven
    table, plain = (image.get_array() for image in drawn.axes[0].images)
    kinds = [label.get_text() for label in drawn.axes[0].get_yticklabels()]
    for row in forgiven:
        place = kinds.index(row.quantity.replace("_", " ")), row.layer - 1
        assert np.ma.getmaskarray(table)[place] or np.isnan(table[place])
        assert plain[place][3] == 1.0
    texts = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert texts == list(zscores.LEGEND)

"""What verify sees in single networks, extremes, spreads, cosines and histograms."""

from dataclasses import replace

import numpy as np
import pytest
from wrong_worlds import Fault, right, simulated

from mcflow import Case
from mcflow.answers import allowances
from mcflow.answers.checks import independence
from mcflow.inputs.case_inputs import inputs_of

RELU = Case("kaiming_normal", "relu", width=(24, 40, 32, 32), features=16)
TANH = replace(RELU, scheme="lecun_normal", activation="tanh", bias_std=0.2)
PAIR = replace(TANH, batch=2, correlation=0.5)


def rejected(world):
    """(quantity, statistic) of every test that fails."""
    return {(row.quantity, row.statistic) for row in world.judged().tests if row.rejected}


@pytest.mark.parametrize("case", [RELU, TANH, PAIR])
def test_right_rows_fail_no_test(case):
    assert not rejected(right(case, 600, 5))


def test_a_cosine_wrong_by_a_twentieth_is_found_in_layer_4_at_width_64():
    world = right(replace(PAIR, width=64, depth=5, bias_std=0.0), 2000, 3)
    world.rows["preactivation_correlation"][:, 3] += 0.05
    assert ("preactivation_correlation", "mean") in rejected(world)


@pytest.mark.parametrize(
    ("case", "layers"),
    [
        (Case("lecun_normal", "tanh", depth=6, width=24, batch=2, correlation=0.5), 4),
        (Case("kaiming_normal", "relu", depth=6, width=24, batch=2, correlation=-0.9), 3),
        (Case("kaiming_normal", "relu", depth=6, width=16, batch=2, correlation=0.9), 1),
        (Case("kaiming_uniform", "relu", depth=5, width=16, batch=2, correlation=0.5), 0),
    ],
)
def test_a_cosine_is_forgiven_what_it_errs_and_little_more(case, layers):
    world = right(case, 8000, 4)
    of = allowances.predict(case, inputs_of(case, 4)).of["preactivation_correlation"]
    rows = world.rows["preactivation_correlation"]
    error = np.nanstd(rows, axis=0) / np.sqrt(len(rows))
    assert (np.abs(np.nanmean(rows, axis=0) - of.mean) <= of.allowance + 4.0 * error).all()
    assert of.tier[:layers] == ["first-order"] * layers
    assert (of.allowance[:layers] < 0.01).all()
    judged = np.isfinite(of.allowance)
    assert (of.allowance[judged] < 0.51).all()


def test_dead_tanh_networks_are_impossible():
    world = right(TANH, 1000, 3)
    for name in ("activation_second_moment", "activation_mean"):
        world.rows[name][::200, 3] = 0.0
    assert ("activation_second_moment", "zero_fraction") in rejected(world)


@pytest.mark.parametrize("bias", [0.0, 0.2])
def test_relu_networks_that_die_as_they_must_are_no_fault(bias):
    world = right(Case("kaiming_normal", "relu", width=3, depth=5, bias_std=bias), 2000, 1)
    rows = [row for row in world.judged().tests if row.statistic == "zero_fraction"]
    assert {row.quantity for row in rows} >= {"activation_second_moment", "gradient_second_moment"}
    assert not any(row.rejected for row in rows)
    world.rows["activation_second_moment"][:400] = 0.0
    assert ("activation_second_moment", "zero_fraction") in rejected(world)


@pytest.mark.parametrize("case", [RELU, pytest.param(TANH, marks=pytest.mark.slow)])
def test_one_absurd_network_is_found_by_its_size(case):
    world = right(case, 600, 3)
    for name, rows in world.rows.items():
        rows[17] *= {"preactivation_fourth_moment": 25.0}.get(name, 5.0 if name.endswith("moment") else 1.0)
    found = rejected(world)
    assert any(statistic.startswith("largest") for _, statistic in found)


@pytest.mark.parametrize("case", [TANH, pytest.param(PAIR, marks=pytest.mark.slow)])
def test_an_output_gradient_of_signs_is_found_by_its_spread(case):
    found = rejected(simulated(case, 1000, 3, Fault(output="signs")))
    assert ("gradient_second_moment", "std") in found or ("gradient_second_moment", "square_score_given_below") in found
    assert all("gradient" in name for name, _ in found)
    assert not rejected(simulated(case, 1000, 3, Fault()))


def test_uniform_weights_are_told_from_normal_ones_by_the_shape_of_h():
    found = rejected(simulated(RELU, 1500, 3, Fault(weights="uniform")))
    assert ("preactivation_fourth_moment", "mean_given_size") in found


@pytest.mark.parametrize("case", [RELU, pytest.param(PAIR, marks=pytest.mark.slow)])
def test_a_histogram_of_other_networks_is_found(case):
    world = right(case, 400, 3)
    world.counts = right(replace(case, gain=1.1 * case.numeric_gain), 400, 3).counts
    assert ("preactivation_second_moment", "histogram_second_moment") in rejected(world)
    world = right(case, 400, 3)
    world.counts["gradient"][1] = world.counts["gradient"][1][::-1].copy() // 2
    assert ("gradient_second_moment", "histogram_total") in rejected(world)


def test_networks_given_to_other_rows_break_the_product_of_the_weight_gradient():
    world = right(RELU, 300, 3)
    world.rows["gradient_second_moment"] = np.roll(world.rows["gradient_second_moment"], 1, axis=0)
    assert ("weight_gradient_second_moment", "equals_product") in rejected(world)


def test_a_gain_that_drifts_is_found_by_its_trend():
    world = right(RELU, 2000, 3)
    for name in ("preactivation_second_moment", "activation_second_moment"):
        world.rows[name] = world.rows[name][np.argsort(world.rows[name][:, -1] + np.arange(2000) * 0.003)]
    assert any(statistic == "trend_over_networks" for _, statistic in rejected(world))


def test_a_summary_that_is_not_of_its_rows_is_found():
    class Other(type(right(RELU, 300, 3))):
        def __getitem__(self, name):
            found = super().__getitem__(name)
            return found.assign(gradient_second_moment_mean=1.001 * found.gradient_second_moment_mean)

    world = right(RELU, 300, 3)
    world.__class__ = Other
    assert ("gradient_second_moment", "equals_mean_of_rows") in rejected(world)


def test_equal_values_share_the_mean_of_their_ranks():
    assert independence._ranks(np.array([3.0, 1.0, 3.0, 2.0, 3.0])).tolist() == [4.0, 1.0, 4.0, 2.0, 4.0]
    values = np.random.default_rng(0).integers(0, 40, 300) / 7.0
    below, equal = (values < values[:, None]).sum(axis=1), (values == values[:, None]).sum(axis=1)
    assert np.array_equal(independence._ranks(values), below + 0.5 * (equal + 1))

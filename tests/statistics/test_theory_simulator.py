"""Theory against simulated networks: means of every quantity at |z| <= 5, and the power to see what is left out."""

import numpy as np
import pytest
from networks import plan_of

from mcflow import theory
from mcflow.inputs.case_inputs import inputs_of
from mcflow.model.case import Case
from mcflow.sampling import sample

NETWORKS = 20_000
LARGEST_Z = 5.0
CASES = [
    Case("lecun_normal", "tanh", depth=20, width=16),
    Case("kaiming_normal", "relu", width=[16, 24, 12, 16, 20, 16], features=20),
    Case("xavier_normal", "leaky_relu:0.3", width=[16, 48, 64, 32, 16], features=24),
    Case("kaiming_uniform", "relu", depth=8, width=16, batch=2),
    Case("rademacher", "tanh", depth=6, width=64),
    Case("lecun_truncated_normal", "selu", depth=8, width=64, gain=0.9),
    Case("orthogonal", "tanh", depth=6, width=32),
    Case("orthogonal", "relu", width=[16, 24, 12, 16], features=16, gain=1.4),
    Case("lecun_normal", "selu", depth=20, width=64),
    Case("xavier_normal", "gelu", width=[64, 96, 48, 64], features=48, gain=1.5, bias_std=0.3),
    Case("torch_default", "sigmoid", depth=6, width=64),
    Case("lecun_normal", "identity", depth=10, width=16, batch=2),
    Case("lecun_normal", "elu", depth=12, width=64, bias_std=0.2),
    Case("lecun_normal", "hardtanh", depth=3, width=256),
    Case("kaiming_normal", "relu6", depth=6, width=64, batch=2, bias_std=0.1),
]
# rare events and heavy tails, where a standard error of 20 000 networks says little
SKEWED = {"preactivation_fourth_moment"}


def simulate(case, networks=NETWORKS, seed=11):
    """Rows of a case and the inputs they were given."""
    inputs = inputs_of(case, seed)
    block = sample.simulate(case, inputs, seed, 0, networks, plan=plan_of(case))
    return block.rows, inputs


def scores(rows, predicted, name):
    """(layer,) z of the measured mean against the predicted one; 0 where both agree to single precision."""
    measured = rows[name]
    error = measured.std(axis=0, ddof=1) / np.sqrt(len(measured))
    difference = measured.mean(axis=0) - predicted[name].values
    size = np.abs(predicted[name].values) + np.sqrt(predicted["preactivation_second_moment"].values)
    return np.where(np.abs(difference) < 1e-6 * size, 0.0, difference / np.maximum(error, 1e-300))


def judged(predicted, name, rows):
    """Whether a test of this quantity means something: a tier of finite width, enough networks in every layer."""
    tiers = predicted["tier"].sel(quantity=name).values
    if name in SKEWED or "infinite-width" in tiers:
        return False
    return not name.endswith("fraction") or bool((np.count_nonzero(rows[name] % 1.0, axis=0) > 200).all())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.scheme}-{case.activation}-{max(case.widths)}")
def test_predicted_means_agree_with_simulated_networks(case):
    rows, inputs = simulate(case)
    predicted = theory.predict(case, inputs)
    names = [name for name in rows if name in predicted and judged(predicted, name, rows)]
    assert {"activation_second_moment", "preactivation_second_moment"} <= set(names)
    worst = {name: float(np.abs(scores(rows, predicted, name)).max()) for name in names}
    assert max(worst.values()) <= LARGEST_Z, worst


def test_infinite_width_alone_fails_where_the_full_theory_passes():
    case = CASES[0]
    rows, inputs = simulate(case)
    full = theory.predict(case, inputs)
    plain = theory.predict(case, inputs, tier="infinite-width")
    name = "activation_second_moment"
    assert np.abs(scores(rows, full, name)).max() <= LARGEST_Z
    assert np.abs(scores(rows, plain, name)).max() > 3 * LARGEST_Z


def test_a_gain_two_per_cent_off_is_seen():
    case = Case("lecun_normal", "selu", depth=20, width=64)
    rows, inputs = simulate(case)
    wrong = theory.predict(Case("lecun_normal", "selu", depth=20, width=64, gain=1.02), inputs)
    assert np.abs(scores(rows, wrong, "activation_second_moment")).max() > 3 * LARGEST_Z


@pytest.mark.parametrize(
    ("case", "tier"),  # of the spreads of both second moments
    [
        (Case("kaiming_normal", "relu", depth=6, width=64), "exact"),
        (Case("lecun_normal", "tanh", depth=10, width=64), "exact-law"),
        (Case("orthogonal", "leaky_relu:0.2", width=[32, 48, 24], features=32), "exact"),
        (Case("lecun_uniform", "leaky_relu:0.2", depth=4, width=32), "exact"),
    ],
    ids=lambda value: f"{value.scheme}-{value.activation}" if isinstance(value, Case) else "",
)
def test_exact_spread_over_networks_agrees(case, tier):
    rows, inputs = simulate(case)
    predicted = theory.predict(case, inputs)
    for name in ("preactivation_second_moment", "activation_second_moment"):
        assert predicted[name].attrs["std_tier"] == tier, name
        measured = rows[name]
        deviation = measured - measured.mean(axis=0)
        variance = measured.var(axis=0, ddof=1)
        error = np.sqrt(((deviation**4).mean(axis=0) - variance**2) / len(measured))
        expected = predicted[f"{name}_std"].values ** 2
        fixed = expected < 1e-10 * predicted[name].values ** 2  # orthogonal: |W x| does not fluctuate at all
        assert (variance[fixed] < 1e-10 * predicted[name].values[fixed] ** 2).all()
        assert (np.abs(variance - expected)[~fixed] <= LARGEST_Z * error[~fixed]).all(), name


@pytest.mark.parametrize("activation", ["relu", "leaky_relu:0.3", "tanh"])
def test_law_of_the_logarithm_agrees(activation):
    case = Case("kaiming_normal", activation, depth=10, width=24)
    rows, inputs = simulate(case)
    predicted = theory.predict(case, inputs)
    measured = np.log(rows["preactivation_second_moment"])
    mean, std = (predicted[f"preactivation_second_moment_log_{end}"].values for end in ("mean", "std"))
    assert np.abs((measured.mean(axis=0) - mean) / (std / np.sqrt(NETWORKS))).max() <= LARGEST_Z
    assert measured.std(axis=0) == pytest.approx(std, rel=0.05)


def share_scores(measured, expected):
    """z of a share of the networks against its probability."""
    return (measured - expected) / np.sqrt(expected * (1.0 - expected) / NETWORKS)


def test_share_of_dead_networks_agrees():
    case = Case("kaiming_normal", "relu", depth=8, width=4)
    rows, inputs = simulate(case)
    predicted = theory.predict(case, inputs)["dead_probability"].values
    dead = (rows["activation_second_moment"] == 0).mean(axis=0)
    assert np.abs(share_scores(dead, predicted)).max() <= LARGEST_Z
    wider = theory.predict(Case("kaiming_normal", "relu", depth=8, width=[4, 4, 4, 4, 4, 4, 4, 5]), inputs)
    assert np.abs(share_scores(dead, wider["dead_probability"].values)).max() > LARGEST_Z  # one more unit is seen

"""(Leaky) ReLU theory against networks formed in NumPy: gradients with biases, logarithms and laws, orthogonal too."""

import numpy as np
import pytest
from formed import rows_of, scores

from mcflow import theory
from mcflow.model.case import Case
from mcflow.statistics import hypotheses
from mcflow.theory import stack
from mcflow.theory.finite_width import second_moment_law

NETWORKS = 8000
LARGEST_Z = 4.5
GRADIENTS = ("gradient_second_moment", "weight_gradient_second_moment")
SECOND_MOMENTS = ("preactivation_second_moment", "activation_second_moment", *GRADIENTS)
BIASED = [
    Case("kaiming_normal", "relu", width=[4, 6, 3, 5], features=5, bias_std=0.5),
    Case("kaiming_uniform", "relu", width=[4, 6, 3, 5], features=5, bias_std=0.5),
    Case("torch_default", "leaky_relu:0.3", width=[4, 6, 3, 5], features=5, gain=1.6),
    Case("rademacher", "relu", width=[4, 6, 3, 5], features=5, bias_std=0.5, gain=1.3),
    Case("orthogonal", "relu", width=[4, 6, 3, 5], features=5, bias_std=0.5, gain=1.3),
]
ORTHOGONAL = [
    Case("orthogonal", "leaky_relu:0.2", width=[14, 16, 12], features=12, gain=1.4),
    Case("orthogonal", "relu", width=[3, 5, 5, 4], features=4, gain=1.4),
]


def identify(case):
    return f"{case.scheme}-{case.activation}"


def input_of(features):
    x = np.random.default_rng(features).standard_normal((1, features))
    return x / np.sqrt(np.mean(x**2))


def logarithms(values):
    return np.log(np.where(values > 0, values, np.nan))


def log_scores(measured, predicted, name):
    """(layer,) z of mean and standard deviation of the logarithm over live networks."""
    logs = logarithms(measured)
    count = np.isfinite(logs).sum(axis=0)
    mean, std = (predicted[f"{name}_log_{end}"].values for end in ("mean", "std"))
    deviation = logs - np.nanmean(logs, axis=0)
    variance = np.nanmean(deviation**2, axis=0)
    error = np.sqrt((np.nanmean(deviation**4, axis=0) - variance**2) / count)
    fixed = std < 1e-6  # an orthogonal layer that keeps every length
    assert np.array_equal(fixed, variance < 1e-12)
    safe = np.where(fixed, 1.0, error)
    first = (np.nanmean(logs, axis=0) - mean) / np.sqrt(np.where(fixed, 1.0, variance) / count)
    return first, np.where(fixed, 0.0, (variance - std**2) / safe)


@pytest.mark.parametrize("case", BIASED, ids=identify)
def test_gradients_are_exact_with_biases(case):
    """Means, fourth moments, deaths and active units: a row of W and its bias may change sign together."""
    inputs = input_of(case.features)
    rows, predicted = rows_of(case, inputs, NETWORKS, seed=5), theory.predict(case, inputs)
    for name in (*GRADIENTS, "active_fraction"):
        assert set(predicted["tier"].sel(quantity=name).values) == {"exact"}
        assert np.abs(scores(rows[name], predicted[name].values)).max() <= LARGEST_Z, name
    for name in GRADIENTS:
        if f"{name}_std" not in predicted:
            assert (case.scheme, name) == ("orthogonal", GRADIENTS[1])
            continue
        square = predicted[name].values ** 2 + predicted[f"{name}_std"].values ** 2
        assert np.abs(scores(rows[name] ** 2, square)).max() <= LARGEST_Z, name
    if case.activation == "relu":
        dead = rows["activation_second_moment"] == 0.0
        assert np.abs(scores(dead, predicted["dead_probability"].values)).max() <= LARGEST_Z
        assert predicted["dead_probability"].values == pytest.approx(0.5 ** np.array(case.widths))


@pytest.mark.parametrize("case", [BIASED[0], BIASED[4]], ids=identify)
def test_logarithms_of_gradients_are_known_with_biases(case):
    inputs = input_of(case.features)
    rows, predicted = rows_of(case, inputs, NETWORKS, seed=6), theory.predict(case, inputs)
    name = GRADIENTS[0]
    assert np.abs(log_scores(rows[name], predicted, name)).max() <= LARGEST_Z
    found = (
        second_moment_law.laws(stack.of_case(case, inputs), range(1, 5)) if case.scheme == "orthogonal" else {name: {}}
    )
    for layer, law in found[name].items():
        values = rows[name][:, layer - 1]
        assert hypotheses.kolmogorov_smirnov(law.cdf(np.log(values[values > 0])))[1] > 1e-4


@pytest.mark.parametrize("case", ORTHOGONAL, ids=identify)
def test_orthogonal_networks_have_log_laws(case):
    inputs = input_of(case.features)
    rows, predicted = rows_of(case, inputs, NETWORKS, seed=7), theory.predict(case, inputs)
    for name in SECOND_MOMENTS:
        assert np.abs(log_scores(rows[name], predicted, name)).max() <= LARGEST_Z, name
    assert set(predicted["tier"].sel(quantity="activation_mean").values) == {"exact"}
    assert np.abs(scores(rows["activation_mean"], predicted["activation_mean"].values)).max() <= LARGEST_Z


@pytest.mark.parametrize(
    "case", [ORTHOGONAL[0], Case("kaiming_normal", "leaky_relu:0.3", width=[5, 9, 4], features=6)], ids=identify
)
def test_whole_laws_of_leaky_networks_agree_and_see_a_gain_two_per_cent_off(case):
    inputs = input_of(case.features)
    rows = rows_of(case, inputs, 2 * NETWORKS, seed=8)
    found = second_moment_law.laws(stack.of_case(case, inputs), range(1, len(case.widths) + 1))
    wrong = second_moment_law.laws(
        stack.of_case(case, inputs, 1.02 * case.numeric_gain), range(1, len(case.widths) + 1)
    )
    assert set(found) == set(second_moment_law.QUANTITIES)
    for name, by_layer in found.items():
        for layer, law in by_layer.items():
            assert hypotheses.kolmogorov_smirnov(law.cdf(np.log(rows[name][:, layer - 1])))[1] > 1e-4, (name, layer)
    last = len(case.widths)
    for name, layer in (
        (second_moment_law.QUANTITIES[0], last),
        (second_moment_law.QUANTITIES[1], last),
        (second_moment_law.QUANTITIES[2], 1),
    ):
        assert hypotheses.kolmogorov_smirnov(wrong[name][layer].cdf(np.log(rows[name][:, layer - 1])))[1] < 1e-4, (
            name,
            layer,
        )


def test_a_gradient_under_biases_with_a_gain_two_per_cent_off_is_seen():
    case = Case("kaiming_normal", "relu", depth=6, width=24, bias_std=0.5)
    inputs = input_of(24)
    rows = rows_of(case, inputs, 3000, seed=9)
    wrong = theory.predict(Case("kaiming_normal", "relu", depth=6, width=24, bias_std=0.5, gain=1.02 * 2**0.5), inputs)
    first, _ = log_scores(rows[GRADIENTS[0]], wrong, GRADIENTS[0])
    assert np.abs(first).max() > LARGEST_Z

"""Two inputs, theory against simulated networks: cosines, their spread and the spread of a batch, |z| <= 5."""

from functools import lru_cache

import numpy as np
import pytest
from networks import plan_of

import mcflow
from mcflow import theory
from mcflow.inputs.case_inputs import inputs_of
from mcflow.model.case import Case
from mcflow.sampling import sample
from mcflow.theory.finite_width import batch

NETWORKS = 20_000
SEED = 11
LARGEST_Z = 5.0
COSINE = "preactivation_correlation"
MOMENTS = ("preactivation_second_moment", "activation_second_moment")
ACTIVATIONS = {
    "tanh": {"scheme": "lecun_normal", "gain": 1.3},
    "relu": {"scheme": "kaiming_normal"},
    "gelu": {"scheme": "xavier_normal", "gain": 1.5, "bias_std": 0.3},
}
DEPTH = {16: 5, 64: 5, 256: 2}


def case_of(activation, width, **more):
    how = {"batch": 2, "correlation": 0.6, "depth": DEPTH[width]} | ACTIVATIONS[activation] | more
    return Case(activation=activation, width=width, **how)


@lru_cache(maxsize=16)
def simulate(case):
    """Rows of the collapsed sampler and the inputs they were given."""
    inputs = inputs_of(case, SEED)
    block = sample.simulate(case, inputs, SEED, 0, NETWORKS, plan=plan_of(case), backward=False)
    return block.rows, inputs


def scores(measured, mean):
    """(layer,) z of the mean over networks."""
    return (measured.mean(axis=0) - mean) / (measured.std(axis=0, ddof=1) / np.sqrt(len(measured)))


def spread_scores(measured, std):
    """(layer,) z of the variance over networks, its standard error from the fourth moment."""
    deviation = measured - measured.mean(axis=0)
    variance = (deviation**2).mean(axis=0)
    error = np.sqrt(((deviation**4).mean(axis=0) - variance**2) / len(measured))
    return (variance - std**2) / error


def trusted(predicted, name, tier="first-order"):
    """(layer,) whether the mean is of that tier."""
    return predicted["tier"].sel(quantity=name).values == tier


@pytest.mark.parametrize("width", [16, 64, 256])
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_cosines_and_spreads_agree_with_simulated_networks(activation, width):
    case = case_of(activation, width)
    rows, inputs = simulate(case)
    predicted = theory.predict(case, inputs)
    reached = trusted(predicted, COSINE)
    assert reached[: 1 if width == 16 else 2].all()
    assert np.abs(scores(rows[COSINE], predicted[COSINE].values)[reached]).max() <= LARGEST_Z, f"seed {SEED}"
    for name in (COSINE, *MOMENTS):
        z = spread_scores(rows[name], predicted[f"{name}_std"].values)
        z = z[~np.isnan(z)]
        assert len(z) >= (1 if width == 16 else 2), name
        assert np.abs(z).max() <= LARGEST_Z, (name, SEED)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_infinite_width_fails_the_same_test(activation):
    case = case_of(activation, 16)
    rows, inputs = simulate(case)
    full = theory.predict(case, inputs)
    plain = theory.predict(case, inputs, tier="infinite-width")
    reached = trusted(full, COSINE)
    assert np.abs(scores(rows[COSINE], plain[COSINE].values)[reached]).max() > LARGEST_Z


def test_inputs_taken_as_independent_fail_the_same_test():
    """The covariance of the two inputs is seen: without it the spread of a batch is that of one, over sqrt(2)."""
    case = case_of("tanh", 64)
    rows, inputs = simulate(case)
    one = theory.predict(case_of("tanh", 64, batch=1, correlation=None), inputs[:1])
    name = "activation_second_moment"
    assert np.abs(spread_scores(rows[name], one[f"{name}_std"].values / np.sqrt(2.0))).max() > 3 * LARGEST_Z


@pytest.mark.parametrize(
    "case",
    [
        Case("lecun_normal", "tanh", depth=3, width=160, batch=4, features=12, gain=1.3),
        Case("kaiming_normal", "relu", depth=3, width=128, batch=4, features=12),
        case_of("gelu", 64, batch=6, correlation=0.9),
        Case("lecun_uniform", "selu", depth=3, width=160, batch=2, correlation=0.6),
        Case("xavier_normal", "hardtanh", depth=4, width=[64, 96, 48, 64], batch=2, raw=True, bias_std=0.2),
    ],
    ids=lambda case: f"{case.scheme}-{case.activation}-{case.batch}",
)
def test_batches_of_every_kind_agree(case):
    rows, inputs = simulate(case)
    predicted = theory.predict(case, inputs)
    tested = 0
    if trusted(predicted, COSINE).any():
        z = scores(rows[COSINE], predicted[COSINE].values)[trusted(predicted, COSINE)]
        assert np.abs(z).max() <= LARGEST_Z
    for name in (*MOMENTS, "preactivation_mean", "activation_mean"):
        z = spread_scores(rows[name], predicted[f"{name}_std"].values) if f"{name}_std" in predicted else np.zeros(0)
        z = z[~np.isnan(z)]
        tested += len(z)
        assert np.abs(z).max(initial=0.0) <= LARGEST_Z, name
    assert tested >= 4


def test_many_pairs_are_interpolated_without_loss(monkeypatch):
    inputs = np.random.default_rng(3).normal(size=(8, 20)) + 0.5
    inputs /= np.sqrt(np.mean(inputs**2, axis=1, keepdims=True))
    case = Case("lecun_normal", "tanh", depth=10, width=8192, batch=8, features=20, gain=1.3)
    fast = theory.predict(case, inputs, tier="first-order")
    monkeypatch.setattr(batch, "ANGLES", 100)
    slow = theory.predict(case, inputs, tier="first-order")
    assert trusted(slow, COSINE).all()
    assert fast[COSINE].values == pytest.approx(slow[COSINE].values, abs=1e-6)
    for name in MOMENTS:
        assert fast[f"{name}_std"].values == pytest.approx(slow[f"{name}_std"].values, rel=1e-4)


def test_equal_inputs_stay_equal_and_spread_like_one():
    case = Case("lecun_normal", "tanh", depth=10, width=64, batch=2, gain=1.5)
    inputs = np.repeat(inputs_of(case, 0)[:1], 2, axis=0)
    both = theory.predict(case, inputs, tier="first-order")
    one = theory.predict(Case("lecun_normal", "tanh", depth=10, width=64, gain=1.5), inputs[:1], tier="first-order")
    assert both[COSINE].values == pytest.approx(1.0, abs=1e-12)
    assert np.nan_to_num(both[f"{COSINE}_std"].values).max() < 1e-12
    for name in MOMENTS:
        reached = ~np.isnan(both[f"{name}_std"].values)
        assert reached[:3].all()
        assert both[f"{name}_std"].values[reached] == pytest.approx(one[f"{name}_std"].values[reached], rel=1e-6)


def test_a_run_in_memory_is_what_was_tested():
    case = case_of("relu", 16)
    result = mcflow.run(mcflow.Study([case], networks=2000, seed=SEED), None)
    measured = result["kaiming_normal-relu"][COSINE].values
    predicted = theory.predict(case, inputs_of(case, SEED))
    assert np.abs(scores(measured, predicted[COSINE].values)[trusted(predicted, COSINE)]).max() <= LARGEST_Z

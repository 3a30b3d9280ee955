"""Slopes that leave float32: their logarithms against mpmath, and layers that are saturated altogether."""

import math

import mpmath as mp
import numpy as np
import pytest
from mcflow.kernels.body import slopes
from mcflow.kernels.cpu import activations as loops
from networks import lacks_what_it_should_have, propagated, simulated

from mcflow.activations import registry as named
from mcflow.model.case import Case

A = 0.7
SCALE, ALPHA = mp.mpf("1.0507009873554804934"), mp.mpf("1.6732632423543772848")


def logistic(h):
    return 1 / (1 + mp.exp(-h))


def gate(h):
    return mp.tanh(mp.log1p(mp.exp(h)))


def inner(h):
    return 2 * mp.sqrt(2 / mp.pi) * (h + mp.mpf("0.044715") * h**3)


def inner_slope(h):
    return 2 * mp.sqrt(2 / mp.pi) * (1 + 3 * mp.mpf("0.044715") * h**2)


TRUTH = {
    "tanh": lambda h: mp.sech(h) ** 2,
    "sigmoid": lambda h: logistic(h) * logistic(-h),
    "softplus": logistic,
    "softsign": lambda h: 1 / (1 + abs(h)) ** 2,
    "erf": lambda h: 2 / mp.sqrt(mp.pi) * mp.exp(-(h**2)),
    "elu": lambda h: mp.mpf(1) if h > 0 else mp.mpf(A) * mp.exp(h),
    "celu": lambda h: mp.mpf(1) if h > 0 else mp.exp(h / mp.mpf(A)),
    "selu": lambda h: SCALE if h > 0 else SCALE * ALPHA * mp.exp(h),
    "gelu": lambda h: mp.ncdf(h) + h * mp.npdf(h),
    "gelu_tanh": lambda h: logistic(inner(h)) * (1 + h * logistic(-inner(h)) * inner_slope(h)),
    "silu": lambda h: logistic(h) * (1 + h * logistic(-h)),
    "mish": lambda h: gate(h) + h * (1 - gate(h) ** 2) * logistic(h),
}


@pytest.mark.parametrize("kind", TRUTH)
def test_logarithm_of_a_slope_is_that_of_mpmath(kind):
    assert set(TRUTH) == set(slopes.BY_KIND)
    for h in (-1e5, -1000.0, -300.0, -40.0, -21.0, -12.5, -9.0, -3.0, -0.3, 0.3, 2.0, 9.0, 50.0, 1e5):
        with mp.workdps(60):
            truth = TRUTH[kind](mp.mpf(float(np.float32(h))))
            log = mp.log(abs(truth))
        with np.errstate(all="ignore"):
            sign, found = slopes.BY_KIND[kind](np.float32(h), np.float32(0.0), np.float32(A))
        assert isinstance(found, np.float32), "float32 throughout"
        assert sign == mp.sign(truth), h
        assert abs(float(found) - float(log)) <= 6e-7 * max(1.0, abs(float(log))), h


def test_a_slope_that_falls_as_a_power_goes_on_beyond_float32():
    sign, found = slopes.softsign(np.float32(2.0**100), np.float32(500.0), np.float32(0.0))
    assert sign == 1.0
    assert abs(float(found) + 2.0 * 600.0 * math.log(2.0)) < 1e-3


def test_every_activation_whose_slope_leaves_float32_has_its_logarithm():
    """Those without one have a slope of 0, or one that stays inside float32, at every size."""
    h = np.array([-1e30, -1e25, -500.0, 500.0, 1e25, 1e30], np.float32)
    for kind in loops.BY_KIND:
        activation = named.get(kind)
        flat = np.any([(h >= low) & (h <= high) for low, high in activation.flat or [(1.0, -1.0)]], axis=0)
        if kind != "sin":
            small = (np.abs(activation.dphi(h.astype(float))) < 1e-38) & ~flat
            assert small.any() == (kind in slopes.BY_KIND), kind


SATURATING = [*sorted(set(TRUTH) - {"softplus", "elu", "celu", "selu", "gelu", "gelu_tanh", "silu", "mish"})]
ONE_SIDED = sorted(set(TRUTH) - set(SATURATING))


@pytest.mark.parametrize("activation", SATURATING)
@pytest.mark.parametrize(("gain", "batch", "tolerance"), [(150.0, 3, 2e-3), (1e3, 1, 2e-2)])
def test_gradients_through_saturated_layers_are_the_oracles(activation, gain, batch, tolerance):
    """A slope of e^-2h magnifies the rounding of h by 2h: looser where slopes are smaller."""
    case = Case("lecun_normal", activation, width=6, depth=3, batch=batch, gain=gain)
    lost = 0
    for network in range(4):
        found = {name: row[0] for name, row in simulated(case, 3, network).rows.items()}
        truth = propagated(case, 3, network)["gradient_second_moment"]
        lost += (truth < 1e-91).sum()
        if activation != "erf":  # the error of h^2 is that of h times 2h^2
            np.testing.assert_allclose(found["gradient_second_moment"], truth, rtol=tolerance, atol=1e-300)
        assert (found["gradient_second_moment"][truth > 1e-280] > 0).all()
        assert (found["active_fraction"] == 1.0).all()
    assert lost or batch > 1 or activation == "softsign"


@pytest.mark.parametrize("activation", ONE_SIDED)
def test_gradients_through_layers_of_the_bounded_side_alone_are_the_oracles(activation):
    """With one unit a layer, half the layers lie on the side where the slope dies out."""
    case = Case("lecun_normal", activation, width=1, features=4, depth=3, gain=120.0)
    saturated = 0
    for network in range(12):
        found = simulated(case, 3, network).rows["gradient_second_moment"][0]
        truth = propagated(case, 3, network)["gradient_second_moment"]
        saturated += (truth < 1e-60).sum()
        np.testing.assert_allclose(found, truth, rtol=2e-2, atol=1e-300)
    assert saturated


@pytest.mark.parametrize("activation", ["tanh", "softsign"])
def test_collapsed_gradients_through_saturated_layers_are_those_of_its_weights(activation):
    case = Case("lecun_normal", activation, width=6, depth=3, gain=150.0)
    for network in range(4):
        rows = simulated(case, 3, network, method="collapsed").rows["gradient_second_moment"][0]
        truth = propagated(case, 3, network, "collapsed")["gradient_second_moment"]
        np.testing.assert_allclose(rows, truth, rtol=1e-2, atol=1e-300)
        assert (rows > 0).all()


@pytest.mark.parametrize("gain", [300.0, 1e3])
def test_activations_that_nearly_underflow_are_divided_by_and_stay_finite(gain):
    """All units of a narrow sigmoid layer at e^-100: the norm of the next layer's inputs is a subnormal number."""
    rows = simulated(Case("lecun_normal", "sigmoid", width=3, depth=4, gain=gain), 3, 0, 400, method="collapsed").rows
    assert not lacks_what_it_should_have(rows)


def test_a_users_own_slope_is_followed_as_far_as_float64_goes():
    activation = named.register("test slopes tanh", lambda x: math.tanh(x), lambda x: 1.0 / math.cosh(x) ** 2)
    assert activation.flat == ()
    mine = simulated(Case("lecun_normal", "test slopes tanh", width=6, depth=3, gain=100.0), 3, 0, 5).rows
    truth = simulated(Case("lecun_normal", "tanh", width=6, depth=3, gain=100.0), 3, 0, 5).rows
    assert (truth["gradient_second_moment"] > 0).all()
    np.testing.assert_allclose(mine["gradient_second_moment"], truth["gradient_second_moment"], rtol=1e-2)
    assert np.array_equal(mine["active_fraction"], truth["active_fraction"])

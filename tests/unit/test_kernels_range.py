"""Networks that vanish or explode far outside float32 are reported as they are: never as 0, infinity or NaN."""

import numpy as np
import pytest
from networks import assert_same_rows, lacks_what_it_should_have, plan_of, propagated, simulated

from mcflow.model.case import Case
from mcflow.sampling import sample

DECADES = "preactivation_second_moment", "activation_second_moment", "gradient_second_moment"


def check(case, network=2, tolerance=1e-5, borderline=1):
    rows = {name: row[0] for name, row in simulated(case, 3, network).rows.items()}
    units = np.array(case.widths) * case.batch / borderline
    assert_same_rows(rows, propagated(case, 3, network), units, tolerance)
    return rows


@pytest.mark.parametrize("batch", [1, 2, 6])
@pytest.mark.parametrize(
    ("gain", "decade"), [(0.1, -39), (0.017, -78), (1e-6, -250), (1e-12, -280), (20.0, 39), (1e4, 150), (1e10, 270)]
)
def test_relu_vanishes_and_explodes_as_the_oracle_does(gain, decade, batch):
    depth = max(2, round(abs(decade) / abs(np.log10(gain**2 / 2))))
    rows = check(Case("lecun_normal", "relu", depth=depth, width=32, batch=batch, gain=gain))
    assert abs(np.log10(rows["preactivation_second_moment"][-1]) - decade) < 35
    assert abs(np.log10(rows["gradient_second_moment"][0]) - decade) < 35


@pytest.mark.parametrize(
    "activation", ["identity", "leaky_relu", "prelu", "elu:0.7", "celu:2.0", "selu", "gelu", "gelu_tanh"]
)
@pytest.mark.parametrize("gain", [1e-3, 1e-12, 1e3, 1e12])
def test_homogeneous_far_and_near_activations_are_the_oracle_at_any_size(activation, gain):
    check(Case("lecun_normal", activation, depth=6, width=32, batch=2, gain=gain))


@pytest.mark.parametrize(
    "activation", ["silu", "mish", "hardswish", "relu6", "softsign", "tanh", "hardtanh", "erf", "sin"]
)
@pytest.mark.parametrize("gain", [1e-2, 1e-5, 1e-13])
def test_activations_that_are_linear_at_zero_vanish_as_the_oracle_does(activation, gain):
    rows = check(Case("lecun_normal", activation, depth=9, width=32, batch=2, gain=gain))
    assert (rows["gradient_second_moment"] > 0).all()


@pytest.mark.parametrize("activation", ["silu", "mish", "hardswish", "softplus", "gelu"])
def test_activations_that_are_linear_far_out_explode_as_the_oracle_does(activation):
    check(Case("lecun_normal", activation, depth=9, width=32, batch=2, gain=1e9))


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "hardtanh", "erf", "relu6", "hardsigmoid", "softsign"])
def test_bounded_activations_saturate_as_the_oracle_does(activation):
    """A slope of e^-2h magnifies the rounding of h by 2h, and many are near the smallest float32: looser here."""
    check(Case("lecun_normal", activation, depth=4, width=64, batch=8, gain=30.0), tolerance=1e-3, borderline=8)


@pytest.mark.parametrize(("gain", "depth"), [(1e-3, 5), (0.05, 7), (30.0, 6)])
def test_squared_relu_leaves_float32_within_a_few_layers(gain, depth):
    check(Case("kaiming_normal", "squared_relu", depth=depth, width=32, batch=2, gain=gain), tolerance=5e-5)


@pytest.mark.parametrize("activation", ["relu", "tanh", "softplus", "gelu"])
@pytest.mark.parametrize(
    ("weight", "bias"),
    [
        (1e-30, 1.0),
        (1e-20, 1e-25),
        (1e-25, 1e-20),
        (1e-38, 1e-30),
        (1e-38, 1.0),
        (1e-60, 1e-5),
        (1e20, 1.0),
        (1e-12, 1.0),
    ],
)
def test_biases_and_weights_of_unlike_sizes_are_the_oracle(activation, weight, bias):
    check(Case(f"normal:{weight}", activation, depth=4, width=32, batch=2, bias_std=bias))


def test_one_over_float32_of_the_smallest_weights_survives():
    check(Case("normal:1e-60", "relu", depth=2, width=32))
    check(Case("normal:1e60", "relu", depth=2, width=32))


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("method", ["direct", "collapsed"])
def test_activations_below_the_smallest_normal_float32_lose_no_network(method, batch):
    """GELU of -13 to -14.4: where both units of a layer are there, one over the length of x is not a float32."""
    case = Case("normal:13", "gelu", width=[2, 16, 16], features=1, batch=batch, raw=True)
    inputs = np.linspace(1.0, 0.99, batch)[:, np.newaxis]
    rows = sample.simulate(case, inputs, 3, 0, 6000, method=method, plan=plan_of(case)).rows
    first = rows["activation_second_moment"][:, 0]
    assert np.any((first > 0.0) & (first < float(np.finfo(np.float32).smallest_normal) ** 2))
    assert not lacks_what_it_should_have(rows)


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_inputs_of_unlike_sizes_keep_their_own(size):
    """Inputs within one batch may lie thirty decades apart; the moments are those of the larger ones."""
    case = Case("lecun_normal", "tanh", depth=2, width=32, batch=2)
    inputs = np.ones((2, 32))
    inputs[1] *= size
    rows = sample.simulate(case, inputs, 3, 0, 1, plan=plan_of(case)).rows
    assert not lacks_what_it_should_have(rows)


def test_a_dead_network_has_zero_moments_and_no_correlation():
    case = Case("kaiming_normal", "relu", depth=30, width=2, batch=2)
    block = simulated(case, count=50)
    dead = block.rows["activation_second_moment"][:, -1] == 0
    assert dead.sum() > 10
    for name in (*DECADES, "weight_gradient_second_moment", "preactivation_mean", "activation_mean", "active_fraction"):
        assert not np.isnan(block.rows[name]).any(), name
    assert not block.rows["gradient_second_moment"][dead].any()
    first_dead = np.argmax(block.rows["activation_second_moment"][dead] == 0, axis=1)
    after = np.arange(30) > first_dead[:, np.newaxis]
    assert not block.rows["preactivation_second_moment"][dead][after].any()
    assert np.isnan(block.rows["preactivation_correlation"][dead][after]).all()

"""Activation loops in float32 against the float64 definitions, by their addresses as the kernels call them."""

import ctypes
import math

import numpy as np
import pytest
from mcflow.kernels.body.activations import BY_KIND
from mcflow.kernels.cpu import activations as loops

from mcflow.activations import registry as named
from mcflow.activations.formulas import PARAMETRIC, PLAIN

# Largest error in units of 6e-8 (half the spacing of float32 at 1) of max(|value|, the floor below), where it is not 4:
# products with h magnify the error of a gate, and near their zero sums cancel.
LOOSER = {
    "gelu": 16,
    "gelu_tanh": 16,
    "mish": 16,
    "silu": 8,
    "erf": 6,
    "tanh": 6,
    "sigmoid": 6,
    "softplus": 5,
    "hardswish": 10,
}
FLOOR = 0.1
EXTREMES = [0.0, -0.0, 1e-45, -1e-45, 1e-38, 1e-30, -1e-30, 5e-4, 100.0, -100.0, 1e4, -1e4]
FAR = [3e8, -3e8, 1e15, -1e15]


def values_of(address, h, parameter=0.0):
    floats = (ctypes.c_void_p,) * 3
    call = ctypes.CFUNCTYPE(None, *floats, ctypes.c_int64, ctypes.c_float)(address)
    x, d = np.empty_like(h), np.empty_like(h)
    call(h.ctypes.data, x.ctypes.data, d.ctypes.data, len(h), parameter)
    return x, d


def grid(*more):
    sizes = np.geomspace(1e-8, 80.0, 100_000)
    dense = np.linspace(-12.0, 12.0, 240_001)
    return np.concatenate([-sizes, sizes, dense, EXTREMES, *more]).astype(np.float32)


@pytest.mark.parametrize("name", [*PLAIN, *PARAMETRIC, "leaky_relu:0.2", "leaky_relu:-0.5", "elu:0.7", "celu:2.5"])
def test_loop_is_the_float64_definition(name):
    activation = named.get(name)
    parameter = 0.0 if math.isnan(activation.parameter) else activation.parameter
    h = grid() if activation.kind == "sin" else grid(FAR)
    bound = LOOSER.get(activation.kind, 4) * 6e-8
    for found, truth in zip(
        values_of(loops.code_of(activation.kind).address, h, parameter),
        (activation.phi(h.astype(float)), activation.dphi(h.astype(float))),
        strict=True,
    ):
        size = np.maximum(np.abs(truth), FLOOR)
        error = np.abs(found - truth) / size
        assert error.max() <= bound, f"{error.max() / 6e-8:.1f} at h = {h[error.argmax()]}"
        if np.any(truth):
            assert (np.abs(found - 1.02 * truth) / size).max() > bound


def test_every_activation_has_its_loop_and_its_definition():
    assert set(BY_KIND) == {*PLAIN, *PARAMETRIC}


@pytest.mark.parametrize("kind", ["leaky_relu", "relu6", "elu", "hardtanh", "softplus", "tanh", "erf", "squared_relu"])
def test_infinity_gives_the_limit(kind):
    activation = named.get(kind)
    parameter = 0.0 if math.isnan(activation.parameter) else activation.parameter
    h = np.array([-np.inf, np.inf] * 9, np.float32)
    x, d = values_of(loops.code_of(kind).address, h, parameter)
    np.testing.assert_allclose(x, activation.phi(h.astype(float)), rtol=1e-7)
    np.testing.assert_allclose(d, activation.dphi(h.astype(float)), rtol=1e-7)


@pytest.mark.parametrize("name", [*PLAIN, *PARAMETRIC])
def test_asymptotes_are_what_the_definition_does_beyond_the_range_of_float32(name):
    """Carried scaled beyond 2^+-33, an activation must be its asymptote there to float32 accuracy."""
    activation = named.get(name)
    for asymptote, size in ((activation.near_zero, 2.0**-33), (activation.far, 2.0**33)):
        if asymptote is None:
            continue
        h = np.array([-3.0, -1.0, 1.0, 3.0]) * size
        slope = np.where(h > 0, asymptote.positive, asymptote.negative)
        np.testing.assert_allclose(
            activation.phi(h), slope * np.abs(h) ** asymptote.degree, rtol=1e-7, atol=1e-7 * size
        )


def steep(x):
    return math.log1p(math.exp(8.0 * x)) - x * x / 6.0  # exp(8 x) leaves float32 within the grid, but not float64


def steep_slope(x):
    return 8.0 / (1.0 + math.exp(-8.0 * x)) - x / 3.0


def test_a_users_functions_are_computed_in_float64_with_derivative_and_without():
    h = np.linspace(-30, 30, 1001).astype(np.float32)
    x, d = values_of(loops.code_of_user("test steep", steep, steep_slope).address, h)
    truth = np.array([steep(float(v)) for v in h]), np.array([steep_slope(float(v)) for v in h])
    np.testing.assert_allclose(x, truth[0], rtol=1e-7, atol=1e-15)
    np.testing.assert_allclose(d, truth[1], rtol=1e-7, atol=1e-15)
    x, d = values_of(loops.code_of_user("test steep alone", steep, None).address, h)
    np.testing.assert_allclose(x, truth[0], rtol=1e-7, atol=1e-15)
    np.testing.assert_allclose(d, truth[1], rtol=1e-6, atol=1e-8)

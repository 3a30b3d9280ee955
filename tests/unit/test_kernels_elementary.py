"""Elementary functions in float32 against float64, over the whole range of float32 and densely where they bend."""

import numba
import numpy as np
import pytest
from mcflow.kernels.body import elementary, normal
from mcflow.kernels.cpu._compile import EXACT, compile_body
from mcflow.kernels.cpu.bodies import scalars
from scipy import special

compiled = compile_body(elementary)
SMALLEST = float(np.finfo(np.float32).smallest_subnormal)


def over(function):
    @numba.njit(**EXACT)
    def loop(x, out):
        for i in range(len(x)):
            out[i] = function(x[i])

    def evaluate(x):
        out = np.empty(len(x), np.float32)
        loop(x, out)
        return out

    return evaluate


def pair_over(function):
    @numba.njit(**EXACT)
    def loop(x, first, second):
        for i in range(len(x)):
            first[i], second[i] = function(x[i])

    def evaluate(x):
        first, second = np.empty(len(x), np.float32), np.empty(len(x), np.float32)
        loop(x, first, second)
        return first, second

    return evaluate


def every_size(low, high):
    """Finite float32 from ``low`` to ``high``: every 2003rd of all there are, a dense linear grid, and both ends."""
    patterns = np.arange(0, 1 << 32, 2003, dtype=np.uint32).view(np.float32)
    inside = patterns[np.isfinite(patterns) & (patterns >= low) & (patterns <= high)]
    ends = np.array([low, high, max(low, 0.0)], np.float32)
    return np.concatenate([inside, np.linspace(low, high, 1 << 20).astype(np.float32), ends])


def worst_ulp(found, truth):
    size = np.abs(truth).astype(np.float32)
    unit = np.maximum(np.spacing(np.minimum(size, np.finfo(np.float32).max)).astype(float), SMALLEST)
    return float((np.abs(found.astype(float) - truth) / unit).max())


def with_gain(truth):
    """What the same function would be if it were 2 % off: no bound below may let that pass."""
    return truth * 1.02


@pytest.mark.parametrize(
    ("name", "truth", "low", "high", "bound"),
    [
        ("exp", np.exp, -103.0, 88.7, 2.0),
        ("log1p_unit", np.log1p, 0.0, 1.0, 3.0),
        ("tanh", np.tanh, -3e38, 3e38, 3.0),
        ("erf", special.erf, -3e38, 3e38, 3.0),
        ("erfcx", special.erfcx, 0.0, 14.0, 6.0),
    ],
)
def test_error_is_within_the_stated_units_in_the_last_place(name, truth, low, high, bound):
    x = every_size(low, high)
    found, expected = over(getattr(compiled, name))(x), truth(x.astype(float))
    assert worst_ulp(found, expected) <= bound
    assert worst_ulp(found, with_gain(expected)) > 1000 * bound


def test_exp_and_expm1_share_a_reduction_and_keep_their_bounds():
    x = every_size(-103.0, 88.0)
    e, em1 = pair_over(compiled.exp_and_expm1)(x)
    assert worst_ulp(e, np.exp(x.astype(float))) <= 2.0
    assert worst_ulp(em1, np.expm1(x.astype(float))) <= 3.0


def test_sine_and_cosine_keep_their_absolute_error():
    x = every_size(-1e4, 1e4)
    sine, cosine = pair_over(compiled.sincos)(x)
    assert np.abs(sine - np.sin(x.astype(float))).max() <= 1.3e-7
    assert np.abs(cosine - np.cos(x.astype(float))).max() <= 1.3e-7


def test_extremes_come_out_as_the_limits():
    x = np.array([-np.inf, -3e38, -200.0, 200.0, 3e38, np.inf], np.float32)
    assert over(compiled.exp)(x).tolist() == [0.0, 0.0, 0.0, np.inf, np.inf, np.inf]
    assert over(compiled.tanh)(x).tolist() == [-1.0, -1.0, -1.0, 1.0, 1.0, 1.0]
    assert over(compiled.erf)(x).tolist() == [-1.0, -1.0, -1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("name", ["exp", "tanh", "erf"])
def test_what_is_not_a_number_stays_so(name):
    assert np.isnan(over(getattr(compiled, name))(np.array([np.nan] * 9, np.float32))).all()


def test_odd_functions_are_odd_to_the_bit():
    x = every_size(0.0, 3e38)
    for name in ("tanh", "erf"):
        evaluate = over(getattr(compiled, name))
        assert np.array_equal(evaluate(-x), -evaluate(x))


def test_logarithm_of_the_normals_keeps_its_error_near_one():
    """-2 log u of words over their whole range: the radius must be right where u -> 1, where it is smallest."""
    words = np.concatenate(
        [np.arange(1, 1 << 32, 4036, dtype=np.uint64), (1 << 32) - np.arange(1, 70_001, 2, dtype=np.uint64)]
    )
    x = words.astype(np.float32)

    scale, minus_two_log = normal.WORD_BITS, scalars.minus_two_log

    @numba.njit(**EXACT)
    def loop(x, out):
        for i in range(len(x)):
            out[i] = minus_two_log(x[i], scale)

    out = np.empty(len(x), np.float32)
    loop(x, out)
    truth = -2.0 * (np.log(x.astype(float)) - 32.0 * np.log(2.0))
    assert np.abs(out - truth).max() <= 4e-6
    near_one = truth < 0.5
    assert (np.abs(out - truth)[near_one] <= 2e-7 * truth[near_one]).all()
    assert (out >= 0).all()

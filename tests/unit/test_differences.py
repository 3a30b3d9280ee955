"""What is said of the differences between inputs, also where there is no number to say it of."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mcflow import plan
from mcflow.answers import differences, signal
from mcflow.model.case import Case
from mcflow.model.study import Study

DEPTH = 4


def summary_of(cosines, q=(1.0, 1.0, 1.0, 1.0)):
    ones = np.ones(DEPTH)
    found = {"preactivation_correlation_mean": np.array(cosines), "preactivation_second_moment_mean": np.array(q)}
    for name in ("activation_second_moment", "gradient_second_moment"):
        found |= {f"{name}_mean": ones, f"{name}_standard_error": 0.01 * ones}
    return found


def job_of(activation="tanh", batch=2, **fields):
    case = Case("lecun_normal", activation, depth=DEPTH, width=8, batch=batch, **fields)
    return plan.prepare(Study(case, networks=10), "collapsed", "cpu").jobs[0]


def test_differences_are_those_of_the_second_moment_and_the_cosine():
    start, end = differences.measured(summary_of([0.5, 0.9, 0.99, 0.999], [2.0, 1.0, 1.0, 1.0]))
    assert (start, end) == pytest.approx((math.log10(1.0), math.log10(1e-3)))


@pytest.mark.parametrize("cosines", [[0.5, 0.9, math.nan, math.nan], [math.nan] * DEPTH, [math.nan, 0.5, 0.5, 0.5]])
def test_nothing_is_measured_of_networks_without_a_cosine(cosines):
    assert differences.measured(summary_of(cosines)) is None
    said = signal.of_case(summary_of(cosines), job_of(bias_std=0.5)).sentence
    assert "under 1e-07" not in said
    assert "not a number" not in said


@pytest.mark.parametrize("last", [1.0, 1.0 + 1e-9, 1.0 - 1e-9])
def test_what_float32_cannot_tell_apart_is_said_so(last):
    said = signal.of_case(summary_of([0.5, 0.9, 0.99, last]), job_of(bias_std=0.5)).sentence
    assert "differences between inputs vanish (under 1e-07 of h^2 by layer 4)" in said


def mean_square_slope(q):
    """E phi'(sqrt(q) z)^2 of the sigmoid."""
    from scipy import integrate

    def integrand(z):
        tail = math.exp(-math.sqrt(q) * z)
        return math.exp(-z * z / 2) / math.sqrt(2 * math.pi) * (tail / (1 + tail) ** 2) ** 2

    return integrate.quad(integrand, -12, 12)[0]


def test_the_differences_of_a_sigmoid_shrink_as_its_slopes_say():
    job = job_of("sigmoid", batch=1)
    total = sum(math.log10(mean_square_slope(q)) for q in job.predicted["preactivation_second_moment"][:-1])
    assert differences.predicted(job) == (0.0, pytest.approx(total, rel=1e-6))


@pytest.mark.parametrize(("activation", "fields"), [("softplus", {"gain": 1e30}), ("sigmoid", {"gain": 1e-30})])
def test_no_size_of_the_weights_is_an_error(activation, fields):
    job = job_of(activation, batch=1, **fields)
    found = differences.predicted(job)
    assert found is None or not math.isnan(found[1])


def test_a_network_without_a_common_part_has_nothing_said():
    assert not differences.have_a_common_part(job_of("tanh"))
    assert differences.have_a_common_part(job_of("tanh", bias_std=0.1))
    assert differences.have_a_common_part(job_of("softplus"))

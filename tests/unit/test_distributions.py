"""Distributions as objects: what they say of themselves is true of the numbers that the kernels make."""

import ast
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mcflow.kernels.cpu import fill
from rows import rows_of
from scipy.integrate import quad

from mcflow import distributions, schemes
from mcflow.distributions import NORMAL, ORTHOGONAL, RADEMACHER, Distribution
from mcflow.errors import InputError

LAWS = [distributions.get(name) for name in distributions.names()]
INDEPENDENT = [law for law in LAWS if law.is_independent]


def fourth_moment(law):
    """E w^4 = d^4/du^4 E exp(i u w) at 0, by a difference that errs by u^2."""
    u = 0.02 * np.arange(-2, 3)
    return float(np.array([1.0, -4.0, 6.0, -4.0, 1.0]) @ law.wave(u)) / 0.02**4


def what_is_wrong(law, numbers):
    """In which of its statements a law of independent entries disagrees with (many,) numbers drawn from it."""
    out = []
    fourth = float(np.mean(numbers**4))
    error = float(np.std(numbers**4) / math.sqrt(numbers.size))
    if abs(fourth - 3.0 - law.excess_kurtosis) > 5.0 * error + 1e-6:
        out.append("excess_kurtosis")
    if abs(fourth_moment(law) - 3.0 - law.excess_kurtosis) > 0.02:
        out.append("wave")
    if np.abs(numbers).max() > law.largest * (1.0 + 1e-6) or (
        math.isfinite(law.largest) and np.abs(numbers).max() < 0.98 * law.largest
    ):
        out.append("largest")
    if (len(np.unique(np.abs(numbers))) > 1000) != law.is_continuous:
        out.append("is_continuous")
    return out


@pytest.mark.parametrize("law", INDEPENDENT, ids=str)
def test_a_law_is_what_its_numbers_are(law):
    numbers = rows_of(law.name, 4096, 64)[0].ravel().astype(np.float64)
    assert what_is_wrong(law, numbers) == []
    # and each wrong statement is seen
    assert "excess_kurtosis" in what_is_wrong(replace(law, excess_kurtosis=law.excess_kurtosis + 0.1), numbers)
    assert "wave" in what_is_wrong(replace(law, wave=lambda u: np.exp(-0.5 * u * u) + 0.1 * u**4), numbers)
    assert "largest" in what_is_wrong(replace(law, largest=0.5), numbers)
    assert "is_continuous" in what_is_wrong(replace(law, is_continuous=not law.is_continuous), numbers)


def test_normal_weights_alone_are_gaussian_and_two_laws_are_rotation_invariant():
    assert [law.name for law in LAWS if law.is_gaussian] == ["normal"]
    assert [law.name for law in LAWS if law.is_rotation_invariant] == ["normal", "orthogonal"]
    assert [law.name for law in LAWS if not law.is_independent] == ["orthogonal"]


def test_both_devices_know_every_law_and_make_the_same_ones_whole():
    assert set(fill.LAWS) == names_on_the_gpu() == set(distributions.names())
    for law in LAWS:
        assert fill.LAWS[law.name].whole == (not law.is_independent), law


def names_on_the_gpu():
    """The keys of ``LAWS``, read from its text: without numba-cuda it cannot be imported."""
    text = (Path(fill.__file__).parents[1] / "cuda" / "fill.py").read_text()
    (table,) = (
        statement.value
        for statement in ast.parse(text).body
        if isinstance(statement, ast.Assign) and statement.targets[0].id == "LAWS"
    )
    return {key.value for key in table.keys}


def test_a_scheme_takes_the_name_of_a_law_or_the_law_itself():
    by_name = schemes.register("by_name", lambda fan_in, fan_out: 1.0 / fan_in, "rademacher")
    by_law = schemes.register("by_law", lambda fan_in, fan_out: 1.0 / fan_in, RADEMACHER)
    assert by_name.distribution is by_law.distribution is RADEMACHER
    assert schemes.get("he_normal").distribution is NORMAL
    assert schemes.get("orthogonal").distribution is ORTHOGONAL
    for wrong in ("cauchy", replace(NORMAL, excess_kurtosis=1.0), Distribution("cauchy", 0.0, None, math.inf)):
        with pytest.raises(InputError, match="unknown distribution"):
            schemes.register("wrong", lambda fan_in, fan_out: 1.0 / fan_in, wrong)


def test_the_wave_of_a_truncated_law_is_the_integral_over_its_density():
    law = distributions.get("truncated_normal")
    density = lambda v: math.exp(-0.5 * v * v)  # noqa: E731
    mass = quad(density, -2.0, 2.0)[0]
    for u in (0.3, 1.7, 6.0):
        of_term = lambda v, u=u: density(v) * math.cos(u * v / distributions.TRUNCATED_STD)  # noqa: E731
        assert float(law.wave(np.array(u))) == pytest.approx(quad(of_term, -2.0, 2.0)[0] / mass, abs=1e-12)

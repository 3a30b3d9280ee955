"""What is asked of a user's own phi and phi', and what is found in them without being told."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mcflow.activations import registry
from mcflow.activations.registry import register
from mcflow.cli import call
from mcflow.errors import InputError


def stairs(h):
    return 0.0 if h < -0.5 else 1.0 if h < 0.25 else 3.0


def test_jumps_and_kinks_are_found_where_they_are():
    assert register("sign_found", lambda h: 1.0 if h > 0 else -1.0).jumps == (0.0,)
    assert register("stairs_found", stairs).kinks == (-0.5, 0.25)
    floors = register("floor_found", lambda h: float(math.floor(h)))
    assert set(range(-30, 31)) <= set(floors.jumps)
    assert len(floors.jumps) < 65
    assert register("abs_found", lambda h: abs(h - 0.3)).kinks == pytest.approx((0.3,), abs=1e-9)
    assert register("abs_found", lambda h: abs(h - 0.3)).jumps == ()
    shrunk = register("shrink_found", lambda h: h - 0.5 if h > 0.5 else (h + 0.5 if h < -0.5 else 0.0))
    assert shrunk.kinks == pytest.approx((-0.5, 0.5), abs=1e-9)
    slopes = register("slope_found", lambda h: abs(h), lambda h: 1.0 if h > 0 else -1.0)
    assert slopes.kinks == (0.0,)
    assert slopes.jumps == ()


@pytest.mark.parametrize(
    "smooth",
    [
        lambda h: math.tanh(h),
        lambda h: math.tanh(1000.0 * h),
        lambda h: math.sin(3000.0 * h),
        lambda h: math.exp(h),
        lambda h: h**3,
        lambda h: 1e6 + math.sin(h),
        lambda h: max(h, 0.0) ** 2,
    ],
)
def test_what_is_smooth_has_no_break(smooth):
    assert register("smooth", smooth).kinks == ()


def test_kinks_that_were_given_are_kept_and_not_doubled():
    assert register("given", stairs, kinks=(0.25, 7.0)).kinks == (-0.5, 0.25, 7.0)
    with pytest.raises(InputError, match="kinks = 'zero'; give finite numbers"):
        register("given_badly", stairs, kinks="zero")


@pytest.mark.parametrize(
    "pole",
    [lambda h: 1.0 / (h - 0.3), lambda h: math.tan(h), lambda h: 1.0 / (h - 1.0) ** 2, lambda h: 1.0 / h],
)
def test_a_pole_is_refused(pole):
    with pytest.raises(InputError, match=r"grows without bound at h = |phi\(0\) raised"):
        register("pole", pole)


@pytest.mark.parametrize("turns", [1.0, 30.0, 500.0, 20000.0])
def test_a_right_derivative_is_taken_and_a_wrong_one_refused_however_fast_phi_turns(turns):
    register("turning", lambda h: math.sin(turns * h), lambda h: turns * math.cos(turns * h))
    for wrong in (lambda h: 1.01 * turns * math.cos(turns * h), lambda h: 0.0, lambda h: -turns * math.cos(turns * h)):
        with pytest.raises(InputError, match="but the difference quotient of phi there is"):
            register("turning", lambda h: math.sin(turns * h), wrong)


def test_a_derivative_of_a_large_phi_is_taken():
    register("large", lambda h: 1e6 + math.sin(h), lambda h: math.cos(h))
    register("growing", lambda h: math.exp(h), lambda h: math.exp(h))


def test_numpy_functions_that_overflow_warn_of_nothing():
    """Warnings are errors here."""
    overflowing = register("overflowing", lambda h: 1.0 / (1.0 + np.exp(-50.0 * h)))
    assert overflowing.phi(np.array([-1e3, 1e3])).tolist() == [0.0, 1.0]
    assert overflowing.fingerprint()
    register("numpy_sign", lambda h: np.sign(h))


def test_a_module_states_its_kinks_and_theory_warns_of_nothing(tmp_path, monkeypatch, capfd):
    (tmp_path / "bent.py").write_text(
        "import numpy as np\n\nkinks = (0.125,)\n\n\n"
        "def phi(h):\n    return 1.0 if h > 0.125 else -1.0\n\n\ndef dphi(h):\n    return 0.0\n"
    )
    monkeypatch.chdir(tmp_path)
    assert registry.get("bent:phi,dphi").kinks == (0.125,)
    arguments = ["--scheme", "lecun_normal", "--activation", "bent:phi,dphi", "--depth", "3", "--width", "16"]
    assert call(["theory", *arguments, "--batch", "2"]) == 0
    assert "Warning" not in capfd.readouterr().err

"""What predict hands out: names, tiers, sentences for what cannot be predicted."""

import json
import math

import numpy as np
import pytest

from mcflow import theory
from mcflow.activations import registry
from mcflow.cli import call
from mcflow.errors import InputError
from mcflow.model.case import Case
from mcflow.quantities import NAMES
from mcflow.theory.estimate import TIERS
from mcflow.theory.infinite_width import trajectory


def test_names_are_those_of_the_file_and_every_value_has_a_tier():
    found = theory.predict(Case("kaiming_normal", "gelu", depth=5, width=32, batch=2, correlation=0.5))
    assert list(found["quantity"].values) == list(NAMES)
    assert set(found["tier"].values.ravel()) <= set(TIERS)
    for name in NAMES:
        assert found[name].dims == ("layer",)
        assert np.isfinite(found[name].values).all(), name
    assert "several inputs" in found.attrs["left_out"]
    assert found["activation_second_moment"].attrs["std_tier"] == "first-order"
    assert not any(f"{name}_std" in found for name in ("gradient_second_moment", "active_fraction"))


def test_the_tier_can_be_capped():
    case = Case("lecun_normal", "tanh", depth=5, width=16)
    for tier in TIERS[1:]:
        assert theory.predict(case, tier=tier)["activation_second_moment"].attrs["tier"] == tier
    with pytest.raises(InputError, match="unknown tier"):
        theory.predict(case, tier="second-order")


def test_several_inputs_are_averaged():
    case = Case("lecun_normal", "tanh", depth=4, width=32, batch=2, raw=True)
    inputs = np.ones((2, 32)) * np.array([[0.5], [2.0]])
    both = theory.predict(case, inputs)
    each = [theory.predict(Case("lecun_normal", "tanh", depth=4, width=32), inputs[i : i + 1]) for i in range(2)]
    for name in ("activation_second_moment", "gradient_second_moment", "saturated_fraction"):
        assert both[name].values == pytest.approx(0.5 * (each[0][name].values + each[1][name].values), rel=1e-12)


def test_many_input_norms_are_interpolated_without_loss(monkeypatch):
    inputs = np.random.default_rng(1).normal(size=(40, 16))
    case = Case("kaiming_normal", "selu", depth=20, width=16, batch=40)
    fast = trajectory.propagate(case, inputs)
    monkeypatch.setattr(trajectory, "DISTINCT", 100)
    slow = trajectory.propagate(case, inputs)
    for name in slow:
        assert fast[name] == pytest.approx(slow[name], rel=1e-10), name


def test_a_zero_input_and_extreme_gains_are_numbers():
    zero = trajectory.propagate(Case("lecun_normal", "sigmoid", depth=3, width=8), np.zeros((1, 8)))
    assert zero["activation_second_moment"][0] == 0.25
    tiny = theory.predict(Case("normal:1e-6", "tanh", depth=100, width=64))
    assert tiny["activation_second_moment_log10"][-1] == pytest.approx(100 * math.log10(64e-12), rel=1e-6)
    huge = theory.predict(Case("normal:100", "squared_relu", depth=12, width=64))
    assert np.isfinite(huge["activation_second_moment_log10"]).all()


@pytest.mark.parametrize(
    ("phi", "gain", "message"),
    [
        (lambda x: math.exp(x * x / 4), 2.0, "not finite for h"),
        (lambda x: math.log(40.0 - abs(x)), 3.0, "fails between h"),
    ],
)
def test_an_activation_without_gaussian_averages_is_refused(phi, gain, message):
    registry.register("wild", phi)
    with pytest.raises(InputError, match=message):
        theory.predict(Case("lecun_normal", "wild", depth=3, width=16, gain=gain))


def test_a_users_activation_has_the_predictions_of_the_built_in_one():
    registry.register("mytanh", lambda x: math.tanh(x), lambda x: 1.0 - math.tanh(x) ** 2)
    mine, built_in = (theory.predict(Case("lecun_normal", name, depth=4, width=32)) for name in ("mytanh", "tanh"))
    for name in ("activation_second_moment", "gradient_second_moment", "activation_second_moment_std"):
        assert mine[name].values == pytest.approx(built_in[name].values, rel=1e-8)


def test_the_command_prints_one_json_document(capsys):
    assert (
        call(["theory", "--scheme", "lecun_normal", "--activation", "tanh", "--depth", "3", "--width", "16", "--json"])
        == 0
    )
    document = json.loads(capsys.readouterr().out)
    record = document["cases"]["lecun_normal-tanh"]
    assert record["quantities"]["activation_second_moment"]["tiers"] == ["exact-law"] * 3
    assert len(record["quantities"]["gradient_second_moment"]["mean"]) == 3


def test_the_command_says_fixed_points_and_writes_the_plane(capsys, tmp_path):
    assert call(["theory", "--scheme", "lecun_normal", "--activation", "selu", "--fixed-points"]) == 0
    assert "1.0716" in capsys.readouterr().out
    path = tmp_path / "plane.csv"
    assert call(["theory", "--activation", "tanh", "--phase-diagram", str(path)]) == 0
    header, *rows = path.read_text().splitlines()
    assert header.startswith("sigma_w,sigma_b,q,chi_1")
    assert len(rows) == 41 * 41


@pytest.mark.parametrize(
    "arguments",
    [["--tier", "best"], ["--phase-diagram", "plane.txt", "--activation", "tanh"], ["--phase-diagram", "plane.csv"]],
)
def test_bad_usage_is_a_sentence_and_exit_two(arguments, capsys):
    assert call(["theory", *arguments]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1

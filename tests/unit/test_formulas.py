"""What a formula says of its activation is true of its phi, is used where it is said, and is missed where it is not."""

import math
from dataclasses import replace

import numpy as np
import pytest

from mcflow import schemes
from mcflow.activations import registry
from mcflow.activations.formulas import Asymptote
from mcflow.activations.pair_products import PairProducts
from mcflow.errors import InputError
from mcflow.mean_field import fractions, moments, pairs

EVERY = [registry.get(name) for name in [*registry.builtin_names(), "leaky_relu:-0.5", "elu:0.7", "celu:2.5"]]
TINY = 1e-6  # of h, where a sum of phi over +-h has lost ten digits


def without(activation, *fields):
    """The activation of a formula that does not say some of what is known; another key for what is kept."""
    changes = {name: type(activation).__dataclass_fields__[name].default for name in fields}
    return replace(activation, name=f"{activation.name} without {', '.join(fields)}", **changes)


def loses_its_mean(activation):
    """Whether (phi(h) + phi(-h)) / 2, as theory takes it, has lost its digits near h = 0."""
    h = TINY * np.array([1.0, 0.7, 0.3])
    plain = 0.5 * (activation.phi(h) + activation.phi(-h))
    taken = plain if activation.even_part is None else activation.even_part(h)
    # a sum that is far smaller than its two terms, and not exactly 0 as of an odd phi, is made of their round-off
    cancels = (plain != 0.0) & (np.abs(plain) < 1e-4 * np.abs(activation.phi(h)))
    return bool((cancels & (taken == plain)).any())


@pytest.mark.parametrize("activation", EVERY, ids=lambda each: each.name)
def test_no_formula_lacks_the_even_part_that_it_needs(activation):
    assert not loses_its_mean(activation)
    if activation.even_part is not None:
        h = np.linspace(-6.0, 6.0, 121)
        plain = 0.5 * (activation.phi(h) + activation.phi(-h))
        assert activation.even_part(h) == pytest.approx(plain, rel=1e-12, abs=1e-14)
        is_line = activation.near_zero.negative == -activation.near_zero.positive
        assert loses_its_mean(without(activation, "even_part")) == is_line


@pytest.mark.parametrize("activation", EVERY, ids=lambda each: each.name)
def test_closed_forms_are_what_quadrature_gives(activation):
    plain = without(activation, "averages", "pair_products", "negative_slope")
    for q in (0.2, 1.7):
        said, found = moments.moments(activation, q), moments.moments(plain, q)
        for name in ("mean", "second", "slope"):
            assert getattr(said, name)[0] == pytest.approx(getattr(found, name)[0], rel=1e-10, abs=1e-14), name
        if activation.pair_products is not None:
            for derivative in (False, True):
                said = pairs.product(activation, q, 1.1, 0.4, derivative)
                found = pairs._plane(plain, q, 1.1, 0.4, derivative, pairs.FINE)
                assert said == pytest.approx(found, rel=1e-8, abs=1e-12)


def test_theory_asks_the_activation_and_not_its_name():
    """A planted formula with the fields is answered by them, whatever it is called; without them by quadrature."""
    planted = replace(
        registry.get("tanh"),
        name="planted",
        kind="planted",
        averages=lambda q: (7.0, 8.0, 9.0),
        pair_products=PairProducts(lambda q, total, c: 5.0, lambda q, total, c: 6.0),
        torch_gain=3.0,
        kaiming_slope=1.0,
    )
    m = moments.moments(planted, 1.0)
    assert (m.mean[0], m.second[0], m.slope[0]) == (7.0, 8.0, 9.0)
    assert [pairs.product(planted, 1.0, 2.0, 0.3, derivative) for derivative in (False, True)] == [5.0, 6.0]
    assert schemes.torch_gain(planted) == 3.0
    assert schemes.kaiming_gain(planted) == 1.0
    bare = without(planted, "averages", "pair_products", "torch_gain")
    tanh = registry.get("tanh")
    assert moments.moments(bare, 1.0).second[0] == moments.moments(tanh, 1.0).second[0]
    assert pairs.product(bare, 1.0, 2.0, 0.3) == pairs.product(tanh, 1.0, 2.0, 0.3)
    with pytest.raises(InputError, match=r"calculate_gain knows .*relu.* not 'planted"):
        schemes.torch_gain(bare)


def test_a_periodic_activation_is_saturated_where_it_says():
    sine = registry.get("sin")
    h = np.linspace(-30.0, 30.0, 600_001)
    low = np.abs(sine.dphi(h)) < 0.01 * sine.dphi_max
    where = sine.saturated
    beside = np.abs((h / where.every - where.phase) - np.round(h / where.every - where.phase)) * where.every
    assert np.mean(low != (beside < where.half)) < 1e-4
    share = fractions.saturated(sine, np.array([1e3]))
    assert share == pytest.approx(2.0 * where.half / where.every, rel=1e-12)
    assert without(sine, "period").far_variance == math.inf
    assert replace(sine, period=math.pi).far_variance == sine.far_variance / 4.0


@pytest.mark.parametrize("activation", EVERY, ids=lambda each: each.name)
def test_a_negative_slope_is_that_of_phi(activation):
    h = np.array([-3.0, -1e-3, 2.0])
    a = activation.negative_slope
    is_leaky = activation.far == activation.near_zero and activation.far is not None and activation.far.degree == 1
    assert (a is not None) == is_leaky
    if a is not None:
        assert activation.phi(h) == pytest.approx(np.where(h > 0, h, a * h), rel=1e-15)
        assert activation.far == Asymptote(-a, 1.0)


def test_rules_of_thumb_name_families_of_schemes():
    usual = {each.name: each.usual_scheme for each in EVERY if each.usual_scheme}
    assert set(usual.values()) == {"xavier", "kaiming", "lecun"}
    assert all(f"{family}_normal" in schemes.names() for family in usual.values())
    assert usual["selu"] == "lecun"
    assert registry.builtin("no_such_module:phi") is None
    assert registry.builtin("swish").name == "silu"

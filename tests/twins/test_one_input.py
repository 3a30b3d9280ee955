"""The quick walk for one input against the general collapsed walk: the same networks, number for number."""

import numpy as np
import pytest
from mcflow.kernels.cpu import collapsed, launch, one_input

from mcflow.model.case import Case
from mcflow.quantities import NAMES
from mcflow.sampling import sample
from mcflow.sampling import walks as sampling_walks
from mcflow.sampling.bins import Plan

CASES = {
    "relu": Case("kaiming_normal", "relu", depth=12, width=65),
    "tanh-bias": Case("lecun_normal", "tanh", depth=8, width=[33, 7, 64, 1, 20, 2, 128, 5], bias_std=0.7, gain=1.5),
    "linear-vanishing": Case("normal:1e-9", "identity", depth=20, width=40),
    "linear-exploding": Case("normal:1e9", "identity", depth=20, width=40),
    "bias-towers": Case("normal:1e-12", "relu", depth=6, width=24, bias_std=3.0),
    "dying": Case("kaiming_normal", "relu", depth=15, width=2),
    "one-unit": Case("xavier_normal", "gelu", depth=5, width=1, features=1),
    "one-feature-small-bias": Case("lecun_normal", "tanh", depth=3, width=16, features=1, bias_std=1e-9, raw=True),
    "squared": Case("lecun_normal", "squared_relu", depth=9, width=30, features=13),
    "one-feature-towers": Case("kaiming_normal", "relu", depth=4, width=20, features=3, raw=True),
    "minus-one-feature": Case("kaiming_normal", "tanh", depth=4, width=20, features=3, raw=True),
    "minus-one-feature-almost": Case("kaiming_normal", "tanh", depth=4, width=20, features=3, raw=True),
    "zero-first": Case("kaiming_normal", "gelu", depth=4, width=20, features=3, raw=True, gain=3.0),
    "zero": Case("kaiming_normal", "tanh", depth=3, width=8, features=3, raw=True),
}
GIVEN = {
    "one-feature-towers": np.array([[1.7, 1e-10, 1e-10]]),
    "minus-one-feature": np.array([[-1.7, 1e-10, 1e-10]]),
    "minus-one-feature-almost": np.array([[-1.7, 1e-4, -2e-4]]),
    "zero-first": np.array([[-1e-42, 1.0, -0.5]]),
    "zero": np.zeros((1, 3)),
}


def simulated(name, backward):
    case = CASES[name]
    x = GIVEN.get(name, np.random.default_rng(5).normal(size=(1, case.features or case.widths[0])))
    plan = Plan(40, np.zeros(case.depth, np.int64), np.zeros(case.depth, np.int64))
    return sample.simulate(case, x, 11, 3, 60, method="collapsed", backward=backward, plan=plan)


@pytest.fixture
def walks(monkeypatch):
    """The walks that were simulated, in order."""
    taken, simulate = [], launch.simulate

    def noted(walk, *arguments):
        taken.append(walk)
        return simulate(walk, *arguments)

    monkeypatch.setattr(launch, "simulate", noted)
    monkeypatch.setattr(sampling_walks, "walk_of", sampling_walks.walk_of.__wrapped__)  # it remembers what it found
    return taken


@pytest.mark.parametrize("backward", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_both_walks_give_the_same_networks(name, backward, walks, monkeypatch):
    quick_walk = one_input.walk
    quick = simulated(name, backward)
    monkeypatch.setattr(one_input, "walk", collapsed.walk)
    general = simulated(name, backward)
    assert walks == [quick_walk, collapsed.walk]
    for quantity in NAMES:
        if quantity not in general.rows:
            assert quantity not in quick.rows
            continue
        ours, theirs = quick.rows[quantity], general.rows[quantity]
        sizes = np.where(np.isfinite(theirs), np.abs(theirs), 0.0).max(axis=0)  # a mean may be near zero
        for layer, size in enumerate(sizes):
            np.testing.assert_allclose(ours[:, layer], theirs[:, layer], rtol=2e-5, atol=2e-6 * size, err_msg=quantity)
    for kind in ("preactivation_counts", "gradient_counts"):
        ours, theirs = getattr(quick, kind), getattr(general, kind)
        if backward or kind == "preactivation_counts":
            assert theirs.sum() > 0
            assert (
                np.abs(ours - theirs).sum() <= 4 + 2e-4 * theirs.sum()
            )  # a number beside an edge may fall to either side

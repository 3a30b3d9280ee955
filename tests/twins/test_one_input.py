"""The quick walk for one input against the general collapsed walk: the same networks, number for number."""

import numpy as np
import pytest
from mcflow.kernels.cpu import collapsed, one_input

from mcflow import devices
from mcflow.blocks import QUANTITIES
from mcflow.histograms import Plan
from mcflow.study import Case

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
}


def simulated(case, backward):
    features = case.features or case.widths[0]
    x = np.random.default_rng(5).normal(size=(1, features))
    plan = Plan(40, np.zeros(case.depth, np.int64), np.zeros(case.depth, np.int64))
    return devices.simulate(case, x, 11, 3, 60, method="collapsed", backward=backward, plan=plan)


@pytest.mark.parametrize("backward", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_both_walks_give_the_same_networks(name, backward, monkeypatch):
    quick = simulated(CASES[name], backward)
    monkeypatch.setattr(one_input, "walk", collapsed.walk)
    general = simulated(CASES[name], backward)
    for quantity in QUANTITIES:
        if quantity not in general.rows:
            assert quantity not in quick.rows
            continue
        ours, theirs = quick.rows[quantity], general.rows[quantity]
        sizes = np.where(np.isfinite(theirs), np.abs(theirs), 0.0).max(axis=0)  # a mean may be near zero
        for layer, size in enumerate(sizes):
            np.testing.assert_allclose(ours[:, layer], theirs[:, layer], rtol=2e-5, atol=2e-6 * size, err_msg=quantity)

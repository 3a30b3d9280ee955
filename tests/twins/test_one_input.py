"""The walk of one collapsed input against the oracle's, which forms no weights either: number for number."""

import numpy as np
import oracle
import pytest
from networks import assert_same_rows

from mcflow.model.case import Case
from mcflow.sampling import drawn, sample
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
    "far-out": Case("lecun_normal", "gelu", depth=4, width=20, gain=1e12),
    "near-zero": Case("lecun_normal", "gelu", depth=4, width=20, gain=1e-12),
    "one-feature-towers": Case("kaiming_normal", "relu", depth=4, width=20, features=3, raw=True),
    "minus-one-feature": Case("kaiming_normal", "tanh", depth=4, width=20, features=3, raw=True),
    "zero-first": Case("kaiming_normal", "gelu", depth=4, width=20, features=3, raw=True, gain=3.0),
    "zero": Case("kaiming_normal", "tanh", depth=3, width=8, features=3, raw=True),
}
GIVEN = {
    "one-feature-towers": np.array([[1.7, 1e-10, 1e-10]]),
    "minus-one-feature": np.array([[-1.7, 1e-10, 1e-10]]),
    "zero-first": np.array([[-1e-42, 1.0, -0.5]]),
    "zero": np.zeros((1, 3)),
}
# A square doubles the rounding of every layer before it; the only unit of a layer may lie near 0, where a normal's
# rounding is absolute.
TOLERANCES = {"squared": 3e-4, "one-unit": 1e-3}
SEED, FIRST, NETWORKS = 11, 3, 12


def inputs_of(name):
    case = CASES[name]
    return GIVEN.get(name, np.random.default_rng(5).normal(size=(1, case.features or case.widths[0])))


def simulated(name, backward):
    case = CASES[name]
    plan = Plan(FIRST + NETWORKS, np.zeros(case.depth, np.int64), np.zeros(case.depth, np.int64))
    how = {"method": "collapsed", "backward": backward, "plan": plan}
    return sample.simulate(case, inputs_of(name), SEED, FIRST, NETWORKS, **how)


def truth(name, network):
    case, x = CASES[name], inputs_of(name)
    stds, bias_stds = zip(*drawn.scales_of(case, x.shape[1]), strict=True)
    act, address = case.nonlinearity, (SEED, network, case.widths)
    with np.errstate(all="ignore"):
        return oracle.collapse_one_input(stds, bias_stds, x, address, act.phi, act.dphi, act.dphi_max, act.flat)


@pytest.mark.parametrize("backward", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_networks_are_the_oracles(name, backward):
    block, units = simulated(name, backward), np.array(CASES[name].widths)
    for i in range(NETWORKS):
        row = {of: rows[i] for of, rows in block.rows.items()}
        assert_same_rows(row, truth(name, FIRST + i), units, TOLERANCES.get(name, 2e-5))

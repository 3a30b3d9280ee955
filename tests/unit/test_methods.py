"""Methods as objects: what each says of itself is what its kernel does, and a choice asks nothing but that."""

import numpy as np
import pytest
from mcflow.kernels.cpu import chain
from mcflow.kernels.recorded import SUMS

from mcflow import quantities
from mcflow.errors import InputError
from mcflow.inputs.case_inputs import inputs_of
from mcflow.methods import choice, cost, prices, registry
from mcflow.methods.collapsed import Collapsed
from mcflow.model.case import Case
from mcflow.sampling import network, sample
from mcflow.sampling.bins import Plan

CASE = Case("kaiming_normal", "relu", depth=3, width=8)


@pytest.mark.parametrize("name", registry.names())
def test_a_method_gives_and_counts_what_its_kernel_leaves(name):
    method, nothing = registry.get(name), np.zeros(3, np.int64)
    block = sample.simulate(CASE, inputs_of(CASE, 0), 0, 0, 4, method=name, plan=Plan(4, nothing, nothing))
    allowed = quantities.given(1, True, range(SUMS))
    assert set(block.rows) == {quantity.name for quantity in allowed if method.gives(quantity)}
    assert bool(block.preactivation_counts is not None and block.preactivation_counts.any()) == method.counts


def test_the_chain_gives_what_its_kernel_fills():
    filled = {quantity.name for quantity in quantities.given(1, True, chain.FILLED)}
    assert {quantity.name for quantity in quantities.ALL if registry.get("chain").gives(quantity)} == filled


@pytest.mark.parametrize("name", registry.names())
def test_a_network_can_be_drawn_again_where_its_method_says_so(name):
    if registry.get(name).can_be_drawn:
        assert len(network.draw(CASE, method=name).weights) == 3
    else:
        with pytest.raises(InputError, match="no weights to draw; draw the network by method 'collapsed' or 'direct'"):
            network.draw(CASE, method=name)


def test_a_new_method_is_chosen_for_its_cost_alone(monkeypatch):
    wide = Case("kaiming_normal", "relu", depth=3, width=512)

    class Free(Collapsed):
        name = "free"

        def cost(self, case, features, of_device):
            return 1.0

    assert choice.choose(wide, 512, "auto").method == "collapsed"
    monkeypatch.setattr(registry, "ALL", (*registry.ALL, Free()))
    assert choice.choose(wide, 512, "auto").method == "free"
    assert choice.choose(wide, 512, "free").reason == "as asked"

    class Partial(Free):
        def gives(self, quantity):
            return quantity.is_second_moment

    monkeypatch.setattr(registry, "ALL", (*registry.ALL[:-1], Partial()))
    assert choice.choose(wide, 512, "auto").method == "collapsed"  # what does not give all is for those who ask


def test_what_a_method_cannot_simulate_is_refused_with_its_reason():
    for name, case, words in (
        ("collapsed", Case("kaiming_uniform"), "exact for normal and orthogonal weights, not for uniform ones"),
        ("collapsed", Case("orthogonal", width=8, batch=5), "twice as many units as inputs"),
        ("chain", Case("orthogonal", "relu"), "for normal weights"),
        ("chain", Case("kaiming_normal", "tanh"), "not for tanh"),
        ("chain", Case("kaiming_normal", "relu", batch=2), "follows one input, not 2"),
        ("chain", Case("kaiming_normal", "relu", bias_std=0.1), "no biases"),
    ):
        with pytest.raises(InputError, match=f"method='{name}' cannot simulate .*{words}"):
            choice.choose(case, 8, name)
    with pytest.raises(InputError, match=r"unknown method 'colapsed'.*collapsed"):
        choice.choose(CASE, 8, "colapsed")


def test_a_whole_matrix_costs_more_of_everything():
    normal, whole = Case("kaiming_normal", width=256), Case("orthogonal", width=256)
    for of_device in (prices.CPU, prices.CUDA):
        assert registry.DIRECT.cost(whole, 256, of_device) > registry.DIRECT.cost(normal, 256, of_device)
    assert registry.DIRECT.work(whole, 256) > registry.DIRECT.work(normal, 256)
    more = cost.memory_needed(whole, 256, "direct", 1) - cost.memory_needed(normal, 256, "direct", 1)
    assert more == 3 * 8 * 256 * 256
    assert cost.part_size(whole, 256, "direct") < cost.part_size(normal, 256, "direct")

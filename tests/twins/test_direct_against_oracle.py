"""Direct simulation is what plain products of the same weights give, forward and backward, and bit by bit itself."""

import itertools
import math

import numba
import numpy as np
import oracle
import pytest
from networks import assert_same_rows, plan_of, propagated, simulated

from mcflow import draw, schemes
from mcflow.activations import registry
from mcflow.activations.formulas import PARAMETRIC, PLAIN
from mcflow.inputs.case_inputs import inputs_of
from mcflow.model.case import Case
from mcflow.quantities import ALL, HISTOGRAM_BINS, NAMES
from mcflow.sampling import cpu, sample
from mcflow.sampling.bins import edges
from mcflow.sampling.blocks import join

EVERY_SCHEME = [*sorted(schemes.BUILTIN), "normal:0.3", "uniform:0.2"]
UNEVEN = {"width": [37, 20, 130, 12], "features": 50, "batch": 3}


def check(case, seed=3, network=3, tolerance=1e-5, **how):
    rows = {name: row[0] for name, row in simulated(case, seed, network, 1, **how).rows.items()}
    truth = propagated(case, seed, network)
    assert_same_rows(rows, truth, np.array(case.widths) * case.batch, tolerance)
    return rows, truth


@pytest.mark.parametrize("scheme", EVERY_SCHEME)
def test_every_scheme_draws_the_oracles_weights_biases_and_output_gradient(scheme):
    case = Case(scheme, "tanh", bias_std=None if scheme == "torch_default" else 0.1, **UNEVEN)
    seed, network = (5 << 32) | 3, (1 << 33) + 3
    drawn = draw(case, seed, network, "direct")
    program = case.program_for(50)
    std = program.weight_std
    for layer, (n, n_in) in enumerate([(37, 50), (20, 37), (130, 20), (12, 130)]):
        unit = oracle.matrix(case.rule.distribution.name, n, n_in, seed, network, layer)
        np.testing.assert_allclose(drawn.weights[layer], std[layer] * unit, atol=1e-5 * std[layer])
        law = "uniform" if scheme == "torch_default" else "normal"
        bias = oracle.row(law, n, seed, network, layer, oracle.BIASES, 0) * program.bias_std[layer]
        np.testing.assert_allclose(drawn.biases[layer], bias, atol=1e-6)
    for k in range(3):
        v = oracle.row("normal", 12, seed, network, 3, oracle.OUTPUT_GRADIENT, k)
        np.testing.assert_allclose(drawn.output_gradient[k], v, atol=1e-6)


@pytest.mark.parametrize("scheme", EVERY_SCHEME)
def test_every_scheme_is_the_oracle(scheme):
    check(Case(scheme, "tanh", bias_std=None if scheme == "torch_default" else 0.1, **UNEVEN))


@pytest.mark.parametrize("activation", [*PLAIN, *PARAMETRIC, "leaky_relu:0.2", "leaky_relu:-0.5"])
def test_every_activation_is_the_oracle(activation):
    check(Case("kaiming_normal", activation, depth=5, width=33, batch=2, correlation=0.3))


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 5, 6, 20])
@pytest.mark.parametrize("scheme", ["kaiming_uniform", "xavier_normal", "orthogonal"])
def test_any_number_of_inputs_is_the_oracle(scheme, batch):
    check(Case(scheme, "gelu", width=[64, 70, 33, 16], features=15, batch=batch, bias_std=0.2))


@pytest.mark.parametrize(("width", "features"), [(1, 1), (1, 5), (2, 3), (3, 1), (5, 200), (129, 2)])
def test_odd_and_tiny_widths_are_the_oracle(width, features):
    check(Case("lecun_normal", "softplus", depth=3, width=width, features=features, batch=2))
    check(Case("rademacher", "identity", depth=3, width=width, features=features, batch=2))


def test_panels_of_a_wide_layer_are_the_oracle():
    """600 x 600 weights take several panels: kept, made again, few inputs and many."""
    for batch in (2, 20):
        check(Case("xavier_uniform", "tanh", depth=2, width=600, batch=batch))


def test_pairs_of_inputs_keep_the_cosine_they_were_given():
    rows, _ = check(Case("lecun_normal", "tanh", depth=2, width=400, batch=6, correlation=0.9))
    assert rows["preactivation_correlation"][0] == pytest.approx(0.9, abs=0.1)


def test_a_single_input_has_no_correlation():
    assert "preactivation_correlation" not in simulated(Case(width=8, depth=2)).rows
    assert set(simulated(Case(width=8, depth=2, batch=2)).rows) == set(NAMES)


@pytest.mark.parametrize("derivative", [True, False])
def test_a_users_activation_is_the_oracle(derivative):
    name = f"test wave {derivative}"
    registry.register(name, lambda x: x + math.sin(x) ** 2, (lambda x: 1.0 + math.sin(2.0 * x)) if derivative else None)
    check(Case("xavier_normal", name, depth=4, width=30, batch=3, bias_std=0.3))


def test_without_backward_pass_the_forward_rows_are_the_same_bits():
    case = Case("kaiming_normal", "gelu", depth=3, width=40, batch=2)
    both, forward = simulated(case, count=4), simulated(case, count=4, backward=False)
    backward = {quantity.name for quantity in ALL if quantity.passes == "backward"}
    assert set(both.rows) - set(forward.rows) == backward
    assert all(np.array_equal(both.rows[name], row) for name, row in forward.rows.items())
    assert forward.gradient_counts is None


@pytest.mark.parametrize("scheme", ["kaiming_normal", "orthogonal", "rademacher", "xavier_uniform"])
@pytest.mark.parametrize("batch", [1, 6])
def test_any_blocks_give_the_same_bits(scheme, batch):
    case = Case(scheme, "selu", depth=3, width=24, batch=batch, bias_std=0.1)
    plan = plan_of(case, networks=9)
    whole = simulated(case, first=0, count=12, plan=plan)
    for cuts in ([0, 1, 12], [0, 5, 6, 11, 12], list(range(13))):
        parts = [simulated(case, first=a, count=b - a, plan=plan) for a, b in itertools.pairwise(cuts)]
        joined = join(parts)
        assert all(joined.rows[name].tobytes() == row.tobytes() for name, row in whole.rows.items())
        assert np.array_equal(joined.preactivation_counts, whole.preactivation_counts)
        assert np.array_equal(joined.gradient_counts, whole.gradient_counts)


@pytest.mark.parametrize("scheme", ["kaiming_normal", "orthogonal"])
def test_any_number_of_threads_gives_the_same_bits(scheme):
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("this process may use one processor only: two threads cannot be compared with one")
    case = Case(scheme, "relu", depth=4, width=48, batch=8)
    try:
        blocks = []
        for threads in (1, 2):
            cpu.set_threads(threads)
            blocks.append(simulated(case, count=31, plan=plan_of(case, networks=17)))
    finally:
        cpu.set_threads(None)
    one, two = blocks
    assert all(one.rows[name].tobytes() == row.tobytes() for name, row in two.rows.items())
    assert np.array_equal(one.preactivation_counts, two.preactivation_counts)
    assert np.array_equal(one.gradient_counts, two.gradient_counts)


def test_weights_kept_and_weights_made_again_give_the_same_bits(monkeypatch):
    for batch in (1, 7):
        case = Case("kaiming_normal", "tanh", width=[40, 60, 30], batch=batch)
        kept = simulated(case, count=3)
        with monkeypatch.context() as patch:
            patch.setattr(cpu, "_kept_weights", lambda case: 0)
            again = simulated(case, count=3)
        assert all(kept.rows[name].tobytes() == row.tobytes() for name, row in again.rows.items())


def values_of(case, seed, network):
    """h and d of every layer by plain matrix products."""
    drawn, activation = draw(case, seed, network, "direct"), case.nonlinearity
    x, hs = drawn.inputs, []
    for w, b in zip(drawn.weights, drawn.biases, strict=True):
        hs.append(x @ w.T + b)
        x = activation.phi(hs[-1])
    delta = drawn.output_gradient
    ds = []
    for layer in reversed(range(len(hs))):
        delta = (delta if layer == len(hs) - 1 else delta @ drawn.weights[layer + 1]) * activation.dphi(hs[layer])
        ds.insert(0, delta)
    return hs, ds


@pytest.mark.parametrize(("preactivation", "gradient"), [(0, 0), (-3, 1), (2, -2)])
def test_counts_are_the_histograms_of_the_oracles_values(preactivation, gradient):
    case = Case("kaiming_normal", "tanh", width=[60, 45, 50], batch=4)
    plan = plan_of(case, 5, preactivation, gradient)
    block = simulated(case, first=2, count=6, plan=plan)  # networks 2, 3, 4 are counted; 5, 6, 7 are not
    expected = np.zeros((2, 3, HISTOGRAM_BINS), np.int64)
    for network in (2, 3, 4):
        for side, (layers, unit) in enumerate(
            zip(values_of(case, 3, network), (plan.preactivation_unit, plan.gradient_unit), strict=True)
        ):
            for layer, values in enumerate(layers):
                expected[side, layer] += np.histogram(values, edges(unit)[layer])[0]
    for counts, truth in zip((block.preactivation_counts, block.gradient_counts), expected, strict=True):
        assert np.array_equal(counts.sum(axis=1), truth.sum(axis=1))
        assert np.abs(counts - truth).sum() <= 4, "more than ties at the bins' edges"


def test_no_network_is_counted_beyond_the_plan():
    case = Case("kaiming_normal", "tanh", width=10, depth=2)
    block = simulated(case, first=5, count=3, plan=plan_of(case, networks=5))
    assert not block.preactivation_counts.any()
    assert not block.gradient_counts.any()


def test_inputs_of_any_size_are_the_oracle():
    case = Case("lecun_normal", "relu", depth=3, width=30, batch=3)
    inputs = inputs_of(case, 3)
    plain = sample.simulate(case, inputs, 3, 0, 1, plan=plan_of(case)).rows
    for exponent in (-100, 100):
        scaled = sample.simulate(case, np.ldexp(inputs, exponent), 3, 0, 1, plan=plan_of(case)).rows
        for name, power in (("preactivation_second_moment", 2), ("weight_gradient_second_moment", 2)):
            np.testing.assert_allclose(np.ldexp(scaled[name], -power * exponent), plain[name], rtol=1e-5)
        np.testing.assert_allclose(scaled["gradient_second_moment"], plain["gradient_second_moment"], rtol=1e-5)

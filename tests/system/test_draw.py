"""A network of a file, drawn again alone and propagated by plain NumPy, gives its row."""

import numpy as np
import oracle
import pytest
from networks import assert_same_rows, propagated, simulated

import mcflow
from mcflow.quantities import get


@pytest.mark.parametrize(
    ("scheme", "activation", "method", "changes"),
    [
        ("kaiming_normal", "relu", "direct", {}),
        ("kaiming_uniform", "tanh", "direct", {"bias_std": 0.3}),
        ("torch_default", "gelu", "direct", {"batch": 3}),
        ("rademacher", "selu", "direct", {"batch": 2, "correlation": 0.5}),
        ("kaiming_normal", "relu", "collapsed", {}),
        ("lecun_normal", "selu", "collapsed", {"batch": 4, "bias_std": 0.2}),
        ("xavier_normal", "gelu", "collapsed", {"width": [20, 9, 31], "depth": None, "features": 14, "batch": 3}),
        ("kaiming_normal", "tanh", "collapsed", {"width": 6, "batch": 9, "bias_std": 0.4}),
        ("orthogonal", "tanh", "collapsed", {"batch": 3, "bias_std": 0.2}),
        ("orthogonal", "relu", "collapsed", {"width": [20, 9, 31], "depth": None, "features": 14}),
    ],
)
def test_propagating_a_drawn_network_gives_its_row(tmp_path, scheme, activation, method, changes):
    case = mcflow.Case(**{"scheme": scheme, "activation": activation, "depth": 4, "width": 24, **changes})
    study = mcflow.Study([case], networks=5, seed=11)
    with mcflow.run(study, tmp_path / "study.h5", method=method) as result:
        name = result.names[0]
        network, act = result.draw(name, 3), case.nonlinearity
        group = None if case.correlation is None else 2
        truth = oracle.propagate(
            network.weights,
            network.biases,
            network.inputs,
            network.output_gradient,
            act.phi,
            act.dphi,
            act.dphi_max,
            group,
            act.flat,
        )
        rows = result[name].sel(network=3)
        for quantity, expected in truth.items():
            if quantity not in rows:
                assert get(quantity).kind == "cosine"
                continue
            scale = np.abs(expected)
            if get(quantity).scale:
                scale = np.sqrt(truth[get(quantity).scale])
            assert np.all(np.abs(rows[quantity].values - expected) <= 1e-4 * np.maximum(scale, 1e-12)), quantity


def case_of(scheme, activation, **fields):
    return mcflow.Case(scheme, activation, **{"depth": 6, "width": 24} | fields)


COLLAPSED = {
    "first-unit-almost-zero": case_of("kaiming_normal", "gelu", gain=3.0, width=64, depth=10),
    "silu": case_of("kaiming_normal", "silu", gain=8.0),
    "mish": case_of("kaiming_normal", "mish", gain=8.0),
    "selu-back": case_of("lecun_normal", "selu", gain=6.0, batch=4),
    "equal-pairs": case_of("kaiming_normal", "tanh", batch=4, correlation=1.0),
    "opposite-pairs": case_of("lecun_normal", "sin", batch=4, gain=4.0, correlation=-1.0),
    "one-unit": case_of("kaiming_normal", "tanh", depth=None, width=[24, 1, 24, 24], batch=8),
    "two-units": case_of("kaiming_normal", "relu", depth=None, width=[24, 2, 24, 24], batch=8, bias_std=0.1),
    "one-feature": case_of("lecun_normal", "tanh", batch=8, features=1),
    "multiplies-round-off": case_of("lecun_normal", "tanh", depth=20, gain=10.0, batch=3),
    "becomes-equal": case_of("lecun_normal", "sigmoid", depth=20, batch=8),
    "biases": case_of("lecun_normal", "gelu", batch=4, bias_std=0.5),
    "one-input-biases": case_of("lecun_normal", "gelu", depth=None, width=[24, 7, 13, 30], bias_std=0.5),
    "one-input-tiny": case_of("lecun_normal", "relu", gain=1e-12),
    "one-input-biases-tower": case_of("normal:1e-30", "tanh", bias_std=1.0),
    "one-input-dying": case_of("kaiming_normal", "relu", width=3),
    "tiny": case_of("lecun_normal", "relu", batch=3, gain=1e-12),
    "far": case_of("lecun_normal", "gelu", batch=3, gain=1e12),
    "biases-tower": case_of("normal:1e-30", "tanh", batch=3, bias_std=1.0),
    "saturated": case_of("lecun_normal", "tanh", batch=3, gain=12.0),
    "dying": case_of("kaiming_normal", "relu", width=3, batch=2),
    "orthogonal": case_of("orthogonal", "tanh", gain=3.0, batch=4, bias_std=0.2),
    "orthogonal-equal-pairs": case_of("orthogonal", "tanh", gain=2.0, batch=4, correlation=1.0),
    "orthogonal-one-unit": case_of("orthogonal", "tanh", depth=None, width=[24, 1, 24, 3, 24], batch=4, gain=1.5),
    "orthogonal-becomes-equal": case_of("orthogonal", "sigmoid", depth=20, batch=6),
}


def check_draws(case, networks):
    rows = simulated(case, 3, 0, networks, method="collapsed").rows
    for network in range(networks):
        truth = propagated(case, 3, network, "collapsed")
        row = {name: values[network] for name, values in rows.items()}
        assert_same_rows(row, truth, np.array(case.widths) * case.batch, 1e-4)


@pytest.mark.parametrize("what", COLLAPSED)
def test_collapsed_draws_are_their_rows(what):
    """Whatever float32 decides, round-off that a network multiplies, and sizes outside float32."""
    check_draws(COLLAPSED[what], 3)


@pytest.mark.slow
@pytest.mark.parametrize("what", COLLAPSED)
def test_forty_collapsed_draws_are_their_rows(what):
    check_draws(COLLAPSED[what], 40)


def test_completed_orthogonal_weights_are_orthogonal():
    case = mcflow.Case("orthogonal", "tanh", width=[12, 7, 20], features=9, gain=1.5)
    for weights in mcflow.draw(case, seed=2, network=1, method="collapsed").weights:
        small = weights @ weights.T if weights.shape[0] <= weights.shape[1] else weights.T @ weights
        np.testing.assert_allclose(small, 1.5**2 * np.eye(len(small)), atol=1e-5)


@pytest.mark.parametrize("changes", [{}, {"correlation": 1.0}, {"correlation": 0.99999999}, {"batch": 1}])
def test_completed_gaussian_weights_have_the_variance_of_the_scheme(changes):
    case = mcflow.Case("kaiming_normal", "tanh", **{"depth": 2, "width": 40, "batch": 2} | changes)
    drawn = [mcflow.draw(case, seed=4, network=i, method="collapsed").weights[1] for i in range(60)]
    values = np.concatenate([weights.ravel() for weights in drawn])
    z = (np.mean(values**2) / (2.0 / 40) - 1.0) * np.sqrt(len(values) / 2.0)
    assert abs(z) <= 5.0
    assert abs((1.02**2 * np.mean(values**2) / (2.0 / 40) - 1.0) * np.sqrt(len(values) / 2.0)) > 5.0


def test_a_chain_has_no_weights_to_draw():
    with pytest.raises(mcflow.InputError, match="no weights"):
        mcflow.draw(mcflow.Case(depth=2, width=8), method="chain")

"""A network of a file, drawn again alone and propagated by plain NumPy, gives its row."""

import numpy as np
import oracle
import pytest

import mcflow


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
                assert quantity == "preactivation_correlation"
                continue
            scale = np.abs(expected)
            if quantity.endswith("_mean"):
                scale = np.sqrt(truth[quantity.replace("mean", "second_moment")])
            assert np.all(np.abs(rows[quantity].values - expected) <= 1e-4 * np.maximum(scale, 1e-12)), quantity


def test_completed_orthogonal_weights_are_orthogonal():
    case = mcflow.Case("orthogonal", "tanh", width=[12, 7, 20], features=9, gain=1.5)
    for weights in mcflow.draw(case, seed=2, network=1, method="collapsed").weights:
        small = weights @ weights.T if weights.shape[0] <= weights.shape[1] else weights.T @ weights
        np.testing.assert_allclose(small, 1.5**2 * np.eye(len(small)), atol=1e-5)


def test_completed_gaussian_weights_have_the_variance_of_the_scheme():
    case = mcflow.Case("kaiming_normal", "tanh", depth=2, width=40, batch=2)
    drawn = [mcflow.draw(case, seed=4, network=i, method="collapsed").weights[1] for i in range(100)]
    values = np.concatenate([weights.ravel() for weights in drawn])
    z = (np.mean(values**2) / (2.0 / 40) - 1.0) * np.sqrt(len(values) / 2.0)
    assert abs(z) <= 5.0
    assert abs((1.02**2 * np.mean(values**2) / (2.0 / 40) - 1.0) * np.sqrt(len(values) / 2.0)) > 5.0


def test_a_chain_has_no_weights_to_draw():
    with pytest.raises(mcflow.InputError, match="no weights"):
        mcflow.draw(mcflow.Case(depth=2, width=8), method="chain")

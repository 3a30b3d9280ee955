"""One network beside its truth: rows of a block as the kernels simulate them, and as the oracle propagates them."""

import numpy as np
import oracle

from mcflow import draw
from mcflow.inputs.case_inputs import inputs_of
from mcflow.quantities import get
from mcflow.sampling import sample
from mcflow.sampling.bins import Plan

LEAST = 1e-300  # below it float64 itself loses digits


def plan_of(case, networks=0, preactivation=0, gradient=0):
    """A plan that counts ``networks`` networks in units of the powers of two given."""
    ones = np.ones(len(case.widths), np.int64)
    return Plan(networks, preactivation * ones, gradient * ones)


def simulated(case, seed=3, first=0, count=1, **how):
    """The block of networks first .. first + count - 1."""
    return sample.simulate(case, inputs_of(case, seed), seed, first, count, **{"plan": plan_of(case)} | how)


def propagated(case, seed=3, network=0, method="direct"):
    """Every quantity of one network by plain matrix products of its own drawn weights: a dict of (layer,) float64."""
    drawn, activation = draw(case, seed, network, method), case.nonlinearity
    group = None if case.correlation is None else 2
    with np.errstate(under="ignore", over="ignore", invalid="ignore"):  # a dead input has no direction
        return oracle.propagate(
            drawn.weights,
            drawn.biases,
            drawn.inputs,
            drawn.output_gradient,
            activation.phi,
            activation.dphi,
            activation.dphi_max,
            group,
            activation.flat,
        )


def assert_same_rows(rows, truth, units, tolerance=1e-5):
    """One network's rows against the oracle's: relative to ``tolerance``, means relative to the root mean square.

    A fraction may differ by one of the ``units`` (layer,) that lies on the threshold to float32 accuracy.
    """
    for name, found in rows.items():
        expected = truth[name]
        quantity = get(name)
        if quantity.kind == "fraction":
            assert (np.abs(found - expected) <= 1.01 / units).all(), name
        elif not quantity.has_size:
            known = ~np.isnan(expected) | np.isnan(found)  # a kernel carries vectors that are 0 in the oracle's float64
            np.testing.assert_allclose(found[known], expected[known], rtol=0, atol=tolerance, err_msg=name)
        else:
            size = np.abs(expected)
            if quantity.scale:
                size = np.maximum(size, np.sqrt(truth[quantity.scale]))
            beyond = np.isinf(expected)  # a fourth moment may leave float64 itself
            assert np.array_equal(found[beyond], expected[beyond]), name
            found, expected, size = found[~beyond], expected[~beyond], size[~beyond]
            difference = np.abs(found - expected)
            assert np.isfinite(difference).all(), f"{name}: {found} is not {expected}"
            assert (difference <= tolerance * size + LEAST).all(), f"{name}: {found} is not {expected}"


def lacks_what_it_should_have(rows, may_be_infinite=False):
    """The quantities of which a number is missing where nothing excuses it: cosines where a vector is 0 are none.

    ``rows`` (network, layer); the participation ratio is none where every activation is 0, and only there.
    """
    missing = np.isnan if may_be_infinite else lambda row: ~np.isfinite(row)
    found = {name for name, row in rows.items() if get(name).kind != "cosine" and missing(row).any()}
    ratio, second = rows.get("participation_ratio"), rows["activation_second_moment"]
    if ratio is not None and np.array_equal(np.isnan(ratio), second == 0.0):
        found -= {"participation_ratio"}
    return found

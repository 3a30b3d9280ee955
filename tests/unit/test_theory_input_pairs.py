"""Pairs of a large batch, counted by their angle: the same predictions as of every pair by itself, in little memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import mcflow
from mcflow.theory import input_pairs, stack


def _inputs(batch: int, features: int, same_length: bool) -> np.ndarray:
    values = np.random.default_rng(5).standard_normal((batch, features))
    values[1], values[2] = values[0], -values[0]  # equal and opposite rows
    values /= np.sqrt(np.mean(values**2, axis=1, keepdims=True))
    return values if same_length else values * np.where(np.arange(batch) % 2, 1.0, 1.5)[:, np.newaxis]


@pytest.mark.parametrize("same_length", [True, False])
@pytest.mark.parametrize(("scheme", "activation"), [("kaiming_normal", "relu"), ("lecun_normal", "tanh")])
def test_counted_pairs_predict_what_listed_pairs_do(monkeypatch, scheme, activation, same_length):
    inputs = _inputs(60, 12, same_length)
    case = mcflow.Case(scheme, activation, depth=5, width=64, batch=60, features=12, bias_std=0.1, raw=True)
    listed = mcflow.predict(case, inputs)
    monkeypatch.setattr(input_pairs, "LISTED", 100)
    counted = mcflow.predict(case, inputs)
    pairs = stack.of_case(case, inputs).pairs
    assert pairs.complete
    assert pairs.count.sum() == 60 * 59 / 2
    assert pairs.count[pairs.cosine == 1].sum() == pairs.count[pairs.cosine == -1].sum() / 2 == 1
    assert np.isfinite(listed["preactivation_correlation"].values).all()
    assert listed.data_vars.keys() == counted.data_vars.keys()
    for name, values in listed.data_vars.items():
        np.testing.assert_allclose(counted[name].values, values.values, rtol=1e-6, atol=1e-7, err_msg=str(name))


@pytest.mark.slow
def test_twenty_thousand_inputs_have_their_pairs_counted_in_little_memory():
    inputs = np.random.default_rng(6).standard_normal((20_000, 16))
    inputs /= np.sqrt(np.mean(inputs**2, axis=1, keepdims=True))
    tracemalloc.start()
    pairs = input_pairs.of_inputs(inputs, correlated=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pairs.count.sum() == 20_000 * 19_999 / 2
    length = np.linalg.norm(np.sum(inputs / np.linalg.norm(inputs, axis=1, keepdims=True), axis=0))
    mean = (length**2 - 20_000) / (20_000 * 19_999)  # |sum of unit vectors|^2 = their number + twice all cosines
    assert pairs.cosine @ pairs.count / pairs.count.sum() == pytest.approx(mean, abs=1e-9)
    assert peak < 150 << 20

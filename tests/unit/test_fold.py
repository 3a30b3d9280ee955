"""Rows folded by compiled loops are, to the bit, what NumPy makes of them, zeros and missing numbers among them."""

import numpy as np
import pytest

from mcflow.sampling import fold
from mcflow.statistics import summaries

RANDOM = np.random.default_rng(5)


def with_some(values, others, share):
    return np.where(RANDOM.random(values.shape) < share, others, values)


def kinds(networks, layers):
    """Rows of every kind that statistics of layers come in."""
    sizes = np.exp(np.linspace(-100.0, 100.0, layers))
    positive, signed = RANDOM.lognormal(size=(networks, layers)), RANDOM.normal(size=(networks, layers))
    return {
        "positive": positive * sizes,
        "signed": signed * sizes,
        "with zeros": with_some(positive, 0.0, 0.3),
        "without some numbers": with_some(signed, np.nan, 0.1),
        "without any number": np.full((networks, layers), np.nan),
        "constant": np.full((networks, layers), 0.1),
        "nothing": np.zeros((networks, layers)),
        "fractions": np.round(RANDOM.random((networks, layers)) * 512) / 512,
        "over many octaves": RANDOM.lognormal(sigma=100.0, size=(networks, layers)),
        "with infinities": with_some(positive, np.inf, 0.1),
        "subnormal": positive * 1e-315,
        "near the end": positive * 1e300,
    }


def assert_same(found, expected):
    for mine, theirs in ((found.value, expected.value), (found.logarithm, expected.logarithm)):
        for name in ("count", "mean", "spread"):
            assert getattr(mine, name).tobytes() == getattr(theirs, name).tobytes(), name
        assert np.array_equal(mine.exponent, theirs.exponent)
    assert np.array_equal(found.zeros, expected.zeros)
    assert np.array_equal(found.sketch.codes, expected.sketch.codes)
    assert np.array_equal(found.sketch.counts, expected.sketch.counts)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of the spread of infinities
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("networks", "layers"), [(1, 1), (7, 3), (500, 1), (1000, 19), (300, 130)])
def test_compiled_folds_have_the_bits_of_numpy(networks, layers, threads):
    rows = kinds(networks, layers)
    found = fold.accumulate(rows, {}, sketched=True, threads=threads)
    for name, values in rows.items():
        assert_same(found[name], summaries.accumulate(values, True))


def test_what_has_left_float64_is_folded_by_its_logarithms():
    values, log2 = np.full((40, 3), np.inf), RANDOM.normal(2000.0, 5.0, (40, 3))
    found = fold.accumulate({"far": values}, {"far": log2}, sketched=True)["far"]
    assert_same(found, summaries.accumulate(values, True, log2))


def test_most_rows_are_folded_by_the_compiled_loops(monkeypatch):
    """Or the bits would be NumPy's in any case, and slow."""
    monkeypatch.setattr(summaries, "accumulate", None)
    monkeypatch.setattr("mcflow.statistics.sketches.sketch", None)
    usual = {name: rows for name, rows in kinds(300, 20).items() if name in ("positive", "signed", "fractions")}
    assert set(fold.accumulate(usual, {}, sketched=True)) == set(usual)

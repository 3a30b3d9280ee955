"""Networks folded by compiled loops: what NumPy makes of them, and the same bits however they come."""

import itertools

import numpy as np
import pytest
from mcflow.kernels import folded as folded_numbers
from mcflow.kernels import recorded as at
from mcflow.kernels.cpu import fold as loops

from mcflow.sampling.fold import Folding, KeptRows
from mcflow.sampling.part import fold
from mcflow.sampling.recorded import Recorded, Sizes
from mcflow.sampling.rows import Keeping, block_of
from mcflow.statistics import magnitudes, sketches, summaries

GROUP = 32
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
        "over some octaves": RANDOM.lognormal(sigma=3.0, size=(networks, layers)),
        "over many octaves": RANDOM.lognormal(sigma=40.0, size=(networks, layers)),
        "with infinities": with_some(positive, np.inf, 0.1),
        "subnormal": positive * 1e-315,
        "near the end": positive * 1e300,
    }


def folded(rows, log2=None, size=GROUP, threads=1):
    folding = Folding(size, sketched=True, threads=threads)
    folding.add_groups(KeptRows(rows, log2 or {}))
    return folding.result()


def assert_like(found, values, log2=None):
    """The same counts, zeros and sketch as NumPy's, and moments to round-off."""
    expected = summaries.accumulate(values, True, log2)
    for mine, theirs in ((found.value, expected.value), (found.logarithm, expected.logarithm)):
        assert np.array_equal(mine.count, theirs.count)
        scale = np.ldexp(1.0, np.asarray(mine.exponent) - np.asarray(theirs.exponent))
        size = np.abs(np.nan_to_num(theirs.mean, posinf=0.0, neginf=0.0)) + theirs.spread
        for name in ("mean", "spread"):
            one, other = getattr(mine, name) * scale, getattr(theirs, name)
            finite = np.isfinite(other)
            assert np.array_equal(np.isfinite(one), finite), name
            assert np.all(np.abs(one - other)[finite] <= 3e-14 * np.sqrt(len(values)) * size[finite]), name
    assert np.array_equal(found.zeros, expected.zeros)
    assert np.array_equal(found.sketch.codes, expected.sketch.codes)
    assert np.array_equal(found.sketch.counts, expected.sketch.counts)


def assert_same_bits(one, other):
    for name, of in one.items():
        for mine, theirs in ((of.value, other[name].value), (of.logarithm, other[name].logarithm)):
            for field in ("count", "mean", "spread"):
                assert getattr(mine, field).tobytes() == getattr(theirs, field).tobytes(), (name, field)
            assert np.array_equal(mine.exponent, theirs.exponent)
        assert np.array_equal(of.zeros, other[name].zeros)
        assert np.array_equal(of.sketch.codes, other[name].sketch.codes)
        assert np.array_equal(of.sketch.counts, other[name].sketch.counts)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of the spread of infinities
@pytest.mark.parametrize("kind", kinds(1, 1))
@pytest.mark.parametrize(("networks", "layers"), [(1, 1), (7, 3), (500, 1), (1000, 19)])
def test_folds_are_what_numpy_makes_of_the_rows(kind, networks, layers):
    values = kinds(networks, layers)[kind]
    assert_like(folded({kind: values})[kind], values)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_threads_change_no_bit():
    rows = kinds(300, 13)
    assert_same_bits(folded(rows), folded(rows, threads=3))


def test_what_has_left_float64_is_folded_by_its_logarithms():
    values, log2 = np.full((40, 3), np.inf), RANDOM.normal(2000.0, 5.0, (40, 3))
    assert_like(folded({"far": values}, {"far": log2})["far"], values, log2)
    values = with_some(RANDOM.lognormal(size=(100, 3)), 0.0, 0.5)  # zeros, of which those of the last layer are none
    log2 = magnitudes.log2_of(values)
    log2[values[:, 2] == 0, 2] = -2000.0
    assert_like(folded({"lost": values}, {"lost": log2})["lost"], values, log2)


def test_most_rows_are_folded_by_the_compiled_loops(monkeypatch):
    """Or the bits would be NumPy's in any case, and slow."""
    monkeypatch.setattr(summaries, "accumulate", None)
    monkeypatch.setattr(sketches, "sketch", None)
    usual = {name: rows for name, rows in kinds(300, 20).items() if name not in ODD}
    assert set(folded(usual)) == set(usual)


ODD = ("over many octaves", "with infinities", "subnormal", "near the end")


def recorded(networks, layers=9, first=0, seed=3, exponents=False):
    """A block as a device leaves it: the numbers depend on the network alone."""
    rows = [np.random.default_rng([seed, first + i]) for i in range(networks)]
    sums = np.stack([each.lognormal(sigma=2.0, size=(at.SUMS, layers)) for each in rows], axis=1)
    powers = np.zeros((at.EXPONENTS, networks, layers))
    if exponents:
        powers = np.stack([each.integers(-300, 300, (at.EXPONENTS, layers)) for each in rows], axis=1).astype(float)
    counts = np.full((2, layers, at.BINS), networks)
    sizes = Sizes(np.full(layers, 48.0), np.full(layers, 16), 3, 3)
    return Recorded(first, sums, powers, counts, sizes, range(at.SUMS), True)


def part_of(blocks, first, count):
    folding = Folding(GROUP, sketched=True)
    for block in blocks:
        folding.add(block)
    return folding.part(first, count)


@pytest.mark.parametrize("exponents", [False, True])
def test_sums_fold_as_their_rows_do(exponents):
    block = recorded(200, exponents=exponents)
    rows = block_of(block)
    assert bool(rows.log2) == exponents
    assert_same_bits(part_of([block], 0, 200).accumulators, folded(rows.rows, rows.log2))


@pytest.mark.parametrize("exponents", [False, True])
def test_blocks_and_parts_change_no_bit(exponents):
    """Any cuts into blocks; parts of any power of two of groups; the last group is a short one."""
    networks = 11 * GROUP + 5
    whole = part_of([recorded(networks, exponents=exponents)], 0, networks)
    cut = [0, 1, 8, 40, 41, 130, 300, networks]
    blocks = [recorded(b - a, first=a, exponents=exponents) for a, b in itertools.pairwise(cut)]
    assert_same_bits(whole.accumulators, part_of(blocks, 0, networks).accumulators)
    assert np.array_equal(whole.preactivation_counts, np.full((9, at.BINS), networks))
    for size in (1, 2, 4, 8):
        parts, first = [], 0
        while first < networks:
            count = min(GROUP * size, networks - first)
            while count > GROUP and count & (count - 1):
                count = GROUP << (count // GROUP).bit_length() - 1
            parts.append(part_of([recorded(count, first=first, exponents=exponents)], first, count))
            first += count
        assert_same_bits(whole.accumulators, fold(parts).accumulators)


def test_kept_rows_do_not_depend_on_blocks():
    whole = block_of(recorded(90, exponents=True))
    keeping = Keeping(90, block_of(recorded(7, exponents=True)), threads=2)
    for first, count in ((7, 1), (8, 60), (68, 22)):
        keeping.add(recorded(count, first=first, exponents=True))
    part = keeping.part(0, 90)
    assert list(part.rows) == list(whole.rows)
    for name, values in whole.rows.items():
        assert part.rows[name].tobytes() == values.tobytes()
        assert (name in part.log2) == (name in whole.log2)
        np.testing.assert_array_equal(part.log2.get(name, 0), whole.log2.get(name, 0))
    assert np.array_equal(part.preactivation_counts, np.full((9, at.BINS), 90))


def test_logarithms_of_the_loops_are_right_to_two_units_in_the_last_place():
    values = np.exp(RANDOM.uniform(-270.0, 270.0, (4096, 4)))
    values[:97] = np.array([1.0, 1.0 + 2.0**-52, 1.0 - 2.0**-53, np.sqrt(0.5)])
    for network in range(0, 4096, 97):
        results, odd = np.empty((folded_numbers.RESULTS, 1, 4)), np.ones((1, 4), bool)
        by_layer = values[network].reshape(4, 1, 1)
        loops.fold_groups(by_layer, np.empty(1), results, np.empty((2, 1, 4), np.int64), odd)
        assert not odd.any()
        truth = np.log(values[network])
        assert np.all(np.abs(results[folded_numbers.LOG_MEAN, 0] - truth) <= 2 * np.spacing(np.abs(truth)))


def test_a_fold_of_a_gain_wrong_by_two_per_cent_is_seen():
    """What is folded is what was recorded: two per cent in one layer move that layer's mean by as much."""
    block, other = recorded(400), recorded(400)
    other.sums[at.H_TWO, :, 4] *= 1.02
    name = "preactivation_second_moment"
    mine, theirs = (part_of([each], 0, 400).accumulators[name].value.mean for each in (block, other))
    np.testing.assert_allclose(theirs / mine, [1.0] * 4 + [1.02] + [1.0] * 4, rtol=1e-14)


def test_networks_after_a_short_group_are_folded_too():
    """Where shards are missing, short parts may lie in the middle."""
    rows = block_of(recorded(150)).rows
    folding = Folding(GROUP, sketched=False)
    for start, stop in ((0, 40), (40, 104), (104, 150)):
        folding.add_groups(KeptRows({name: values[start:stop] for name, values in rows.items()}, {}))
    found = folding.result()["preactivation_second_moment"].value
    assert found.count.tolist() == [150] * 9
    np.testing.assert_allclose(found.mean, rows["preactivation_second_moment"].mean(axis=0), rtol=1e-13)


def test_what_lies_beside_histograms_is_merged_few_times(monkeypatch):
    """And the sketch is the same: hundreds of groups would each be merged with all that came before."""
    lengths, merge = [], sketches.merge

    def counted(first, second):
        lengths.append(len(first.codes) + len(second.codes))
        return merge(first, second)

    values = RANDOM.lognormal(sigma=60.0, size=(64 * GROUP, 2))
    expected = summaries.accumulate(values, True)
    monkeypatch.setattr(sketches, "merge", counted)
    found = folded({"wide": values})["wide"]
    assert np.array_equal(found.sketch.codes, expected.sketch.codes)
    assert np.array_equal(found.sketch.counts, expected.sketch.counts)
    assert sum(lengths) < 12 * len(expected.sketch.codes)

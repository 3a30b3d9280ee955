"""Folding on the GPU in Numba's simulator: the processor's fold of the same sums. Run by test_cuda_simulator.py."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from mcflow.kernels import recorded as at

from mcflow.model.case import Case
from mcflow.sampling.recorded import Recorded, Sizes

LAYERS, GROUP = 3, 4
CASE = Case("kaiming_normal", "tanh", batch=3, width=[5, 4, 6], features=3)
COUNTED = 2  # in every bin of the histograms, by every network


def random(networks):
    """A generator for each network: its numbers depend on it alone."""
    return [np.random.default_rng([7, network]) for network in range(networks)]


def sums_of(kind, networks):
    """float32 sums and int32 exponents (column, network, layer) as the device leaves them."""
    each = random(networks)
    sums = np.stack([one.lognormal(sigma=1.0, size=(at.SUMS, LAYERS)) for one in each], axis=1)
    exponents = np.zeros((at.EXPONENTS, networks, LAYERS), np.int32)
    if kind == "of either sign":
        sums *= np.stack([one.choice([-1.0, 1.0], (at.SUMS, LAYERS)) for one in each], axis=1)
    elif kind == "zeros and no numbers":
        chosen = np.stack([one.random((at.SUMS, LAYERS)) for one in each], axis=1)
        sums[chosen < 0.3] = 0.0  # the participation ratio has 0 / 0 and x / 0
        sums[(chosen > 0.9)] = np.nan
    elif kind == "nothing":
        sums[:] = 0.0
    elif kind == "exponents":
        exponents[:] = np.stack([one.integers(-90, 90, (at.EXPONENTS, LAYERS)) for one in each], axis=1)
    elif kind == "far exponents":
        exponents[:] = np.stack([one.integers(-2000, 2000, (at.EXPONENTS, LAYERS)) for one in each], axis=1)
        exponents[:, :GROUP] = 0  # and a group that has none
        exponents[:, GROUP:, 0] = 0
    elif kind == "at the edge":
        exponents[:] = np.stack([one.integers(-202, 202, (at.EXPONENTS, LAYERS)) for one in each], axis=1)
    elif kind == "infinite":
        sums[at.X_FOUR, 1, 1] = sums[at.H_TWO, 2, 0] = np.inf
    return sums.astype(np.float32), exponents


KINDS = (
    "plain",
    "of either sign",
    "zeros and no numbers",
    "nothing",
    "exponents",
    "far exponents",
    "at the edge",
    "infinite",
)


class Given:
    """Stands for a kernel: leaves sums that are given."""

    def __init__(self, sums, exponents):
        self.sums, self.exponents = sums, exponents

    def __getitem__(self, launch):
        return self

    def __call__(self, address, architecture, inputs, nonlinearity, results, scratch):
        here = slice(address.first, address.first + address.networks)
        results.sums[: address.networks] = np.moveaxis(self.sums[:, here], 0, 2)
        results.exponents[: address.networks] = np.moveaxis(self.exponents[:, here], 0, 2)
        results.counts[...] = np.full((2, LAYERS, at.BINS), COUNTED * address.networks) + results.counts[...]


@pytest.fixture
def give(monkeypatch):
    """Let the device leave the sums of a kind; returns them."""
    from mcflow.sampling import cuda

    real = cuda.work_of

    def given(kind, networks):
        sums, exponents = sums_of(kind, networks)
        monkeypatch.setattr(cuda, "work_of", lambda *a, **k: real(*a, **k)._replace(kernel=Given(sums, exponents)))
        return sums, exponents

    return given


def on_device(first, count, size=GROUP, case=CASE, **more):
    from networks import plan_of

    from mcflow.inputs.case_inputs import inputs_of
    from mcflow.sampling import cuda

    how = {"method": "direct", "backward": True, "plan": plan_of(case), **more}
    return cuda.record_groups(case, inputs_of(case, 3), 3, first, count, group=size, threads=2, **how)


def part_of(blocks, count, size=GROUP):
    from mcflow.sampling.fold import Folding

    folding = Folding(size, sketched=True)
    for block in blocks:
        folding.add(block)
    return folding.part(0, count)


def on_processor(sums, exponents, size=GROUP):
    """The part that the processor folds of the same sums."""
    networks = sums.shape[1]
    counts = np.full((2, LAYERS, at.BINS), COUNTED * networks)
    floats = sums.astype(np.float64), exponents.astype(np.float64)
    block = Recorded(0, *floats, counts, Sizes.of(CASE, 3), range(at.SUMS), True)
    return part_of([block], networks, size)


def assert_twins(mine, truth):
    """Counts, zeros and sketches equal; moments as near as two orders of a sum are."""
    assert mine.accumulators.keys() == truth.accumulators.keys()
    for name, of in mine.accumulators.items():
        theirs = truth.accumulators[name]
        assert np.array_equal(of.zeros, theirs.zeros), name
        assert np.array_equal(of.sketch.codes, theirs.sketch.codes), name
        assert np.array_equal(of.sketch.counts, theirs.sketch.counts), name
        for one, other in ((of.value, theirs.value), (of.logarithm, theirs.logarithm)):
            assert np.array_equal(one.count, other.count), name
            assert np.array_equal(np.broadcast_to(one.exponent, LAYERS), np.broadcast_to(other.exponent, LAYERS)), name
            size = np.nan_to_num(np.abs(other.mean)) + np.nan_to_num(other.spread)
            for field in ("mean", "spread"):
                found, expected = getattr(one, field), getattr(other, field)
                finite = np.isfinite(expected)
                assert np.array_equal(np.isfinite(found), finite), name
                assert np.all(np.abs(found - expected)[finite] <= 1e-13 * size[finite]), name
    assert all(a is b or np.array_equal(a, b) for a, b in zip(mine.histograms, truth.histograms, strict=True))


def assert_same_bits(one, other):
    for name, of in one.accumulators.items():
        theirs = other.accumulators[name]
        for mine, same in ((of.value, theirs.value), (of.logarithm, theirs.logarithm)):
            for field in ("count", "mean", "spread", "exponent"):
                assert np.asarray(getattr(mine, field)).tobytes() == np.asarray(getattr(same, field)).tobytes(), name
        assert np.array_equal(of.zeros, theirs.zeros)
        assert np.array_equal(of.sketch.codes, theirs.sketch.codes)
        assert np.array_equal(of.sketch.counts, theirs.sketch.counts)
    assert all(np.array_equal(a, b) for a, b in zip(one.histograms, other.histograms, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_a_fold_on_the_device_is_the_processors(kind, give):
    sums, exponents = give(kind, 11)
    assert_twins(part_of([on_device(0, 11)], 11), on_processor(sums, exponents))


def test_one_network_and_groups_of_one_are_the_processors(give):
    sums, exponents = give("exponents", 3)
    assert_twins(part_of([on_device(0, 3, size=1)], 3, size=1), on_processor(sums, exponents, size=1))
    assert_twins(part_of([on_device(0, 1)], 1), on_processor(sums[:, :1], exponents[:, :1]))


@pytest.mark.parametrize(("backward", "method"), [(True, "direct"), (False, "collapsed")])
def test_networks_walked_and_folded_on_the_device_are_its_sums_folded_by_the_processor(backward, method, monkeypatch):
    """Whatever was in its memory before."""
    from mcflow.kernels.cuda._compile import cuda as device
    from networks import plan_of

    from mcflow.inputs.case_inputs import inputs_of
    from mcflow.sampling import cuda

    real = device.device_array

    def used(shape, dtype, **more):
        array = real(shape, dtype, **more)
        array[...] = np.full(shape, np.nan if np.dtype(dtype).kind == "f" else 77, dtype)
        return array

    monkeypatch.setattr(device, "device_array", used)
    how = {"method": method, "backward": backward, "plan": plan_of(CASE)}
    sums = cuda.record(CASE, inputs_of(CASE, 3), 3, 0, 3, threads=2, **how)
    assert np.isfinite(sums.sums[: at.D_TWO]).all()
    mine, truth = part_of([on_device(0, 3, size=2, **how)], 3, size=2), part_of([sums], 3, size=2)
    assert len(mine.accumulators) == (13 if backward else 10)
    assert_twins(mine, truth)


@pytest.mark.parametrize("kind", ["of either sign", "far exponents"])
def test_blocks_launches_and_threads_change_no_bit(kind, give, monkeypatch):
    from mcflow.kernels.cuda import launch

    give(kind, 18)
    whole = part_of([on_device(0, 18)], 18)
    assert_same_bits(whole, part_of([on_device(a, b - a) for a, b in itertools.pairwise([0, 4, 12, 18])], 18))
    monkeypatch.setattr(launch, "_FOLDING_THREADS", 7)
    for networks in (1, 5, 9):  # a group a launch, one, two
        monkeypatch.setattr(launch, "room_for", lambda *_, n=networks: launch.Room(1, n, 1 << 20))
        assert_same_bits(whole, part_of([on_device(0, 18)], 18))


def test_histograms_without_room_are_counted_on_the_processor(give, monkeypatch):
    from mcflow.kernels.cuda import launch

    sums, exponents = give("exponents", 11)
    whole = part_of([on_device(0, 11)], 11)
    for counts in (1, 300, 3000):  # none of the columns, those of few keys
        monkeypatch.setattr(launch, "_MOST_COUNTS", counts)
        block = on_device(0, 11)
        assert block.waiting.any()
        assert sum(len(table.counts) for table in block.counted) <= counts
        assert_same_bits(whole, part_of([block], 11))
    assert_twins(whole, on_processor(sums, exponents))


def test_only_groups_that_numpy_has_to_fold_are_copied(give):
    give("plain", 11)
    assert not on_device(0, 11).kept
    sums, exponents = give("far exponents", 11)
    block = on_device(0, 11)
    assert list(block.kept) == [1, 2]  # the first group has numbers that are all near
    assert block.kept[2].first == 8
    assert np.array_equal(block.kept[2].sums, sums[:, 8:])
    assert np.array_equal(block.kept[2].exponents, exponents[:, 8:])


def test_a_gain_wrong_by_two_per_cent_is_seen(give):
    sums, _ = give("plain", 11)
    sums[at.H_TWO, :, 1] *= np.float32(1.02)
    mine, truth = part_of([on_device(0, 11)], 11), on_processor(*sums_of("plain", 11))
    name = "preactivation_second_moment"
    means = [part.accumulators[name].value.mean for part in (mine, truth)]
    np.testing.assert_allclose(means[0] / means[1], [1.0, 1.02, 1.0], rtol=1e-6)


def test_blocks_within_groups_are_refused(give):
    from mcflow.sampling.fold import Folding

    give("plain", 12)
    folding = Folding(GROUP, sketched=True)
    folding.add(on_device(0, 6))
    with pytest.raises(ValueError, match="not whole groups"):
        folding.add(on_device(6, 6))
    with pytest.raises(ValueError, match="groups of 3"):
        Folding(GROUP, sketched=True).add(on_device(0, 12, size=3))


class CudaAPIError(Exception):
    """As the driver's: it is known by its name."""


def test_a_device_lost_between_kernel_and_fold_is_said_so(give, monkeypatch):
    from mcflow.kernels.cuda import fold, launch

    from mcflow.errors import Unfinished

    give("plain", 11)
    for lost in (fold.fold_groups, fold.count_waiting):
        real = launch._assembled

        def gone(kernel, lost=lost, real=real):
            if kernel is lost:
                raise CudaAPIError("[719] Call to cuLaunchKernel results in CUDA_ERROR_LAUNCH_FAILED")
            return real(kernel)

        with monkeypatch.context() as here:
            here.setattr(launch, "_assembled", gone)
            with pytest.raises(Unfinished, match=r"the GPU was lost .* the parts written so far are whole"):
                on_device(0, 11)


def test_too_little_memory_for_the_fold_halves_what_is_held_and_changes_no_bit(give, monkeypatch):
    from mcflow.kernels.cuda import launch
    from mcflow.kernels.cuda._compile import cuda

    from mcflow.errors import Unfinished

    give("exponents", 18)
    whole = part_of([on_device(0, 18)], 18)
    real, asked = cuda.device_array, []
    least = 2 * 8 * 7 * LAYERS * 13  # bytes of the results of two groups

    def short(shape, dtype, **more):
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        asked.append(size)
        if size > least:
            raise CudaAPIError("[2] Call to cuMemAlloc results in CUDA_ERROR_OUT_OF_MEMORY")
        return real(shape, dtype, **more)

    monkeypatch.setattr(cuda, "device_array", short)
    monkeypatch.setattr(launch, "_MOST_COUNTS", 1 << 20)
    assert_same_bits(whole, part_of([on_device(0, 18)], 18))
    assert max(asked) > least
    least = 0
    with pytest.raises(Unfinished, match="too little memory for one network"):
        on_device(0, 18)


def test_a_part_is_folded_in_blocks_of_whole_groups(give, monkeypatch):
    """Through the unit of work: what is left to a second thread is on the host."""
    import types

    from networks import plan_of

    from mcflow.files import part_image
    from mcflow.inputs.case_inputs import inputs_of
    from mcflow.running import work
    from mcflow.sampling import cuda, devices

    asked = []

    def record_groups(*arguments, **more):
        asked.append(arguments[3:5])
        return cuda.record_groups(*arguments, threads=2, **more)

    device = types.SimpleNamespace(name="cuda", record_groups=record_groups)
    monkeypatch.setattr(devices, "get", lambda name: device)
    sums, exponents = give("far exponents", 22)
    job = types.SimpleNamespace(
        case=CASE, inputs=inputs_of(CASE, 3), method="direct", device="cuda", plan=plan_of(CASE), group=GROUP
    )
    piece = work.Piece(0, 0, 22)
    assignment = work.Assignment(piece, job, 3, True, "summary", "0" * 16, None)
    pace = work.Pace({0: -6})
    with ThreadPoolExecutor(1) as behind:
        image = work.compute(assignment, pace, lambda: None, lambda count: None, behind).result()
    assert asked[0] == (0, 8)
    assert all(first % GROUP == 0 for first, _ in asked)
    assert sum(count for _, count in asked) == 22
    assert_twins(part_image.decode(image), on_processor(sums, exponents))

"""CUDA kernels in Numba's simulator: the oracle's networks, and the processor's. Run by test_cuda_simulator.py."""

import types

import numpy as np
import pytest

# A relative difference that float32 sums and another order of them explain.
SAME = 2e-5
THREADS = 2
THREADS_OF_TILES = 4


def on_cuda(case, seed=3, first=3, count=1, inputs=None, threads=THREADS, **how):
    from networks import plan_of

    from mcflow.inputs.case_inputs import inputs_of
    from mcflow.sampling import cuda, rows

    values = inputs_of(case, seed) if inputs is None else inputs
    how = {"plan": plan_of(case), "method": "direct", "backward": True} | how
    return rows.block_of(cuda.record(case, values, seed, first, count, threads=threads, **how))


def on_processor(case, seed=3, first=3, count=1, inputs=None, **how):
    from networks import plan_of

    from mcflow.inputs.case_inputs import inputs_of
    from mcflow.sampling import sample

    values = inputs_of(case, seed) if inputs is None else inputs
    return sample.simulate(case, values, seed, first, count, **{"plan": plan_of(case)} | how)


def assert_twins(case, threads=THREADS, **how):
    """Both devices give the same rows and counts."""
    from networks import assert_same_rows

    from mcflow.quantities import get

    mine, truth = on_cuda(case, threads=threads, **how), on_processor(case, **how)
    units = np.array(case.widths) * case.batch
    assert mine.rows.keys() == truth.rows.keys()
    for i in range(mine.count):
        rows = {name: row[i] for name, row in mine.rows.items()}
        assert_same_rows(rows, {name: row[i] for name, row in truth.rows.items()}, units, SAME)
    assert mine.log2.keys() == truth.log2.keys()
    for name, logs in mine.log2.items():
        if get(name).kind == "moment":
            np.testing.assert_allclose(logs, truth.log2[name], rtol=0, atol=2 * SAME)
    for mine_counts, counts in (
        (mine.preactivation_counts, truth.preactivation_counts),
        (mine.gradient_counts, truth.gradient_counts),
    ):
        if counts is not None:
            assert mine_counts.sum() == counts.sum()
            assert np.abs(mine_counts - counts).sum() <= 4, "more than ties at the bins' edges"
    return mine


def case_of(scheme="kaiming_normal", activation="tanh", batch=1, **fields):
    from mcflow.model.case import Case

    return Case(scheme, activation, batch=batch, **{"width": [9, 7, 5], "features": 6} | fields)


@pytest.mark.parametrize(
    ("scheme", "activation", "batch"),
    [
        ("kaiming_normal", "relu", 1),
        ("xavier_uniform", "gelu", 3),
        ("lecun_truncated_normal", "selu", 2),
        ("rademacher", "leaky_relu:0.2", 2),
        ("torch_default", "tanh", 1),
        ("kaiming_normal", "silu", 9),  # tiles
        ("rademacher", "tanh", 10),  # tiles
    ],
)
def test_direct_networks_are_the_oracles(scheme, activation, batch):
    from networks import assert_same_rows, propagated

    case = case_of(scheme, activation, batch, bias_std=None if scheme == "torch_default" else 0.2)
    threads = THREADS if batch < 9 else THREADS_OF_TILES
    rows = {name: row[0] for name, row in on_cuda(case, threads=threads).rows.items()}
    assert_same_rows(rows, propagated(case, 3, 3), np.array(case.widths) * batch, SAME)


@pytest.mark.parametrize(
    ("scheme", "activation", "batch", "bias"),
    [
        ("kaiming_normal", "relu", 1, 0.0),
        ("kaiming_normal", "tanh", 3, 0.3),
        ("lecun_normal", "gelu", 7, 0.0),  # more inputs than units
        ("orthogonal", "selu", 1, 0.0),
        ("orthogonal", "tanh", 2, 0.3),
    ],
)
def test_collapsed_networks_are_the_processors(scheme, activation, batch, bias):
    assert_twins(case_of(scheme, activation, batch, bias_std=bias), method="collapsed")


COLLAPSED = {"method": "collapsed"}
ONE_INPUT, OTHER_INPUT = np.array([0.3, -1.2, 0.7, 0.1, 2.0, -0.5]), np.array([1.0, 0.2, -0.3, 1.5, -0.7, 0.4])


@pytest.mark.parametrize("bias", [0.0, 0.3])
@pytest.mark.parametrize("scheme", ["lecun_normal", "orthogonal"])
def test_equal_and_opposite_inputs_are_the_processors(scheme, bias):
    """With one direction alone, however much a network multiplies round-off: it makes none between them."""
    one = np.stack([ONE_INPUT, ONE_INPUT, -ONE_INPUT])
    case = case_of(scheme, "tanh", 3, bias_std=bias, gain=10.0, width=[9, 12, 8])
    block = assert_twins(case, inputs=one, **COLLAPSED)
    if bias == 0.0:
        np.testing.assert_allclose(block.rows["preactivation_correlation"], -1 / 3, rtol=1e-6)
    many = np.stack([ONE_INPUT, ONE_INPUT, OTHER_INPUT, np.zeros(6), OTHER_INPUT])[: 5 if scheme != "orthogonal" else 3]
    assert_twins(case_of(scheme, "tanh", len(many), bias_std=bias), inputs=many, **COLLAPSED)


@pytest.mark.parametrize("bias", [0.0, 0.3])
def test_inputs_through_one_unit_or_one_feature_are_the_processors(bias):
    assert_twins(case_of("kaiming_normal", "relu", 3, bias_std=bias, width=[7, 1, 6, 5]), **COLLAPSED)
    assert_twins(case_of("kaiming_normal", "tanh", 4, bias_std=bias, features=1), **COLLAPSED)


def test_inputs_that_become_equal_are_the_processors():
    """Forward: where they are equal but for round-off, it alone says along which direction a gradient is remembered."""
    case = case_of("lecun_normal", "sigmoid", 3, width=[9] * 24)
    assert_twins(case, backward=False, **COLLAPSED)
    assert all(np.isfinite(row).all() for row in on_cuda(case, **COLLAPSED).rows.values())


def test_inputs_of_unlike_sizes_are_the_processors():
    inputs = np.stack([ONE_INPUT, 1e-20 * OTHER_INPUT, 1e-30 * ONE_INPUT])
    for scheme in ("kaiming_normal", "orthogonal"):
        case = case_of(scheme, "relu", 3)
        rows, truth = (made(case, inputs=inputs, **COLLAPSED).rows for made in (on_cuda, on_processor))
        for name in ("active_fraction", "gradient_second_moment"):  # in which the small inputs count as the large one
            np.testing.assert_allclose(rows[name], truth[name], rtol=SAME)


@pytest.mark.parametrize(
    ("width", "features", "batch", "bias"),
    [
        ([6, 6], 6, 3, 0.0),  # square
        ([9, 5, 7], 6, 1, 0.2),  # tall, wide, tall
        ([3, 1, 2], 5, 3, 0.3),  # less than a panel of reflections, and a single unit
        ([4, 8, 8], 13, 1, 0.0),  # whole panels
        ([11], 3, 10, 0.1),
    ],
)
def test_direct_orthogonal_networks_are_the_processors(width, features, batch, bias):
    from networks import assert_same_rows, propagated

    case = case_of("orthogonal", "tanh", batch, bias_std=bias, width=width, features=features)
    rows = {name: row[0] for name, row in assert_twins(case).rows.items()}
    assert_same_rows(rows, propagated(case, 3, 3), np.array(width) * batch, SAME)


@pytest.mark.parametrize(
    ("activation", "std", "method"),
    [
        ("relu", 1e-9, "direct"),
        ("relu", 1e9, "collapsed"),
        ("squared_relu", 1e9, "direct"),
        ("tanh", 1e-9, "collapsed"),
        ("tanh", 1e9, "direct"),
        ("relu", 1e60, "direct"),  # and outside float64
        ("relu", 1e-60, "collapsed"),
    ],
)
def test_values_far_outside_float32_are_the_processors(activation, std, method):
    case = case_of(f"normal:{std}", activation, 2, width=[6, 6, 6, 6], features=4)
    mine = assert_twins(case, method=method)
    assert ("preactivation_second_moment" in mine.log2) == (std in (1e60, 1e-60))


def test_biases_that_tower_above_the_weights_are_the_processors():
    assert_twins(case_of("normal:1e-30", "identity", 2, bias_std=1.0), method="direct")
    # with one input: several become equal, and beside equal inputs the basis is a matter of rounding
    assert_twins(case_of("normal:1e-30", "identity", 1, bias_std=1.0), method="collapsed")


def test_only_the_chain_is_left_to_the_processor():
    from mcflow import schemes
    from mcflow.sampling import cuda

    for scheme in schemes.BUILTIN:
        case = case_of(scheme)
        assert [cuda.why_not(case, method) == "" for method in ("direct", "collapsed", "chain")] == [True, True, False]


def test_inputs_of_any_size_and_zero_inputs_are_the_processors():
    case = case_of("lecun_normal", "tanh", 2)
    inputs = np.linspace(-1.0, 1.0, 12).reshape(2, 6)
    for scale in (1e-40, 1e40):
        assert_twins(case, inputs=scale * inputs)
    zero = case_of("lecun_normal", "tanh", 1)
    for method in ("direct", "collapsed"):
        assert_twins(zero, inputs=np.zeros((1, 6)), method=method)


def test_counts_forward_only_and_far_addresses_are_the_processors():
    from networks import plan_of

    case = case_of("kaiming_normal", "relu", 4, correlation=0.5)
    for method in ("direct", "collapsed"):
        assert_twins(case, method=method, count=2, plan=plan_of(case, 4))
    assert_twins(case, backward=False)
    assert_twins(case, seed=(7 << 32) | 5, first=(3 << 32) + 1)


@pytest.mark.parametrize("derivative", [True, False])
def test_a_users_activation_is_the_processors(derivative):
    import math

    from mcflow.activations import registry

    name = f"cuda wave {derivative}"
    registry.register(name, lambda x: x + math.sin(x) ** 2, (lambda x: 1.0 + math.sin(2.0 * x)) if derivative else None)
    assert_twins(case_of(activation=name))


@pytest.mark.parametrize("scheme", ["kaiming_normal", "orthogonal"])
def test_any_block_gives_the_same_bits(scheme):
    from mcflow.sampling.blocks import join

    case = case_of(scheme, "relu", 2, width=[5, 4], features=3)
    whole = on_cuda(case, first=0, count=3)
    parts = join([on_cuda(case, first=0, count=1), on_cuda(case, first=1, count=2)])
    assert all(whole.rows[name].tobytes() == row.tobytes() for name, row in parts.rows.items())


@pytest.mark.parametrize(
    ("scheme", "method"), [("kaiming_normal", "direct"), ("kaiming_normal", "collapsed"), ("orthogonal", "direct")]
)
def test_any_number_of_threads_gives_the_same_network(scheme, method):
    case = case_of(scheme, "tanh", 2, width=[5, 4], features=3)
    few = on_cuda(case, method=method)
    for threads in (1, 5, 16):  # one; a number that divides nothing; more than there are units
        many = on_cuda(case, method=method, threads=threads)
        for name, row in few.rows.items():
            np.testing.assert_allclose(many.rows[name], row, rtol=1e-5, atol=1e-6)


def test_philox_is_that_of_the_processor_to_the_bit():
    from mcflow.kernels.body import rng
    from mcflow.kernels.cuda import bodies, smoke
    from mcflow.kernels.cuda.rng import round_keys

    from mcflow.sampling.cuda_detection import KNOWN_WORDS

    assert smoke.words() == KNOWN_WORDS
    generator = np.random.default_rng(5)
    for _ in range(20):
        counter, seed = generator.integers(0, 1 << 32, 4), generator.integers(0, 1 << 64, dtype=np.uint64)
        words = rng.philox(*map(np.uint64, counter), *rng.key_of(seed))
        assert [int(w) for w in bodies.philox(*map(np.uint32, counter), round_keys(seed))] == [int(w) for w in words]


def test_nothing_is_kept_on_disk_where_nothing_is_compiled():
    from mcflow.kernels.cuda import disk_cache

    from mcflow.sampling.cuda_detection import describe

    assert disk_cache.folder() is None
    shown = describe()
    assert (shown["kernel_cache"], shown["cached_kernels"]) == (None, 0)


def template(name, **contents):
    """A module of kernel templates with these names in it."""
    module = types.ModuleType(name)
    for key, value in contents.items():
        if isinstance(value, types.FunctionType):
            value.__module__ = name
        setattr(module, key, value)
    return module


def a_kernel(x):
    x[0] = THREADS + size()  # noqa: F821


def test_two_things_under_one_name_are_not_put_into_one_kernel():
    from mcflow.kernels.cuda import _compile

    one, other = template("one", size=lambda: 1), template("other", size=lambda: 2)
    with pytest.raises(ValueError, match="one and other each have their own 'size': a kernel sees one"):
        _compile.assemble(a_kernel, 32, one, other)
    with pytest.raises(ValueError, match="their own 'THREADS'"):
        _compile.assemble(a_kernel, 32, template("one", THREADS=32), template("other", THREADS=64))
    with pytest.raises(ValueError, match="their own 'THREADS'"):  # equal, but another type is other code
        _compile.assemble(a_kernel, 32, template("one", THREADS=32), template("other", THREADS=np.float32(32)))


@pytest.mark.parametrize(("method", "batch"), [("direct", 2), ("collapsed", 2), ("one_input", 1), ("in_registers", 1)])
def test_every_placeholder_has_its_value_in_a_kernel_and_no_other_name_has(method, batch):
    from mcflow.kernels.cuda import activations, build, placeholders

    plan = build.plan_for(method, "normal", False, batch, True, [4, 3], [5, 4], build.Machine(threads=THREADS))
    placed = {name for name in vars(placeholders) if not name.startswith("_")}
    assert build.values_of(plan, activations.code_of("relu")).keys() == placed


def test_equal_placeholders_are_fine_and_unequal_ones_where_the_build_gives_the_name():
    from mcflow.kernels.cuda import _compile

    one, other = template("one", THREADS=32, size=lambda: 1), template("other", THREADS=32)
    kernel = _compile.assemble(a_kernel, 32, one, other)
    out = np.zeros(1)
    kernel[1, 1](out)
    assert out[0] == 33
    kernel = _compile.assemble(a_kernel, 32, one, template("other", THREADS=16), THREADS=64)
    kernel[1, 1](out)
    assert out[0] == 65


def test_out_of_memory_halves_what_runs_at_a_time_and_a_lost_device_is_forgotten(monkeypatch, tmp_path):
    from mcflow.kernels.cuda import launch

    from mcflow.errors import Unfinished
    from mcflow.sampling import cuda_verdict

    class CudaAPIError(Exception):
        pass

    asked = []
    real = launch.simulate

    def short_of_memory(work, first, count, room, counts):
        asked.append(room.blocks)
        if room.blocks > 1:
            raise CudaAPIError("[2] Call to cuMemAlloc results in CUDA_ERROR_OUT_OF_MEMORY")
        return real(work, first, count, room, counts)

    monkeypatch.setattr(launch, "simulate", short_of_memory)
    case = case_of("kaiming_normal", "relu")
    block = on_cuda(case, count=2)
    assert asked == [2, 1]
    assert block.count == 2

    def no_memory_at_all(*arguments):
        raise CudaAPIError("[2] Call to cuMemAlloc results in CUDA_ERROR_OUT_OF_MEMORY")

    monkeypatch.setattr(launch, "simulate", no_memory_at_all)
    with pytest.raises(Unfinished, match="too little memory for one network"):
        on_cuda(case_of("orthogonal", "relu"), count=2)

    def lost(*arguments):
        raise CudaAPIError("[719] Call to cuStreamSynchronize results in CUDA_ERROR_LAUNCH_FAILED")

    monkeypatch.setattr(launch, "simulate", lost)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    key = cuda_verdict.key()
    assert cuda_verdict.remember(key, {"reason": "", "devices": [{"name": "stand-in"}]})
    assert cuda_verdict.remembered(key)
    with pytest.raises(Unfinished, match="the GPU was lost"):
        on_cuda(case)
    assert cuda_verdict.remembered(key) is None  # the next run tries a first kernel, and may take the processor


@pytest.mark.parametrize(
    ("activation", "gain", "batch", "method"),
    [
        ("sigmoid", 300.0, 1, "collapsed"),  # saturated altogether: slopes from logarithms
        ("tanh", 150.0, 2, "direct"),
        ("elu", 1e12, 1, "direct"),  # far out, unit by unit
        ("hardtanh", 40.0, 2, "direct"),
        ("sin", 1e5, 1, "direct"),
    ],
)
def test_saturated_and_far_layers_are_the_processors(activation, gain, batch, method):
    from networks import assert_same_rows

    # the rounding of an angle is all there is of it a layer later
    width = [3] if activation == "sin" else [1, 3, 2]
    case = case_of("lecun_normal", activation, batch, gain=gain, width=width, features=3)
    rows = {name: row[0] for name, row in on_cuda(case, method=method).rows.items()}
    truth = {name: row[0] for name, row in on_processor(case, method=method).rows.items()}
    tolerance = {"sigmoid": 2e-3, "tanh": 2e-3, "sin": 5e-2}.get(activation, SAME)
    assert_same_rows(rows, truth, np.array(width) * batch, tolerance)


def test_a_layer_of_zeros_far_out_is_phi_of_zero_as_on_the_processor():
    case = case_of("normal:1e12", "mish", width=[3, 2], features=3)
    assert_twins(case, inputs=np.zeros((1, 3)))

"""Every CUDA kernel compiled without a GPU: for three generations, float32 throughout, and little that spills."""

import importlib.util

import pytest

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("numba_cuda") is None,
        reason="numba-cuda is not installed: kernels are not compiled to PTX (pip install 'mcflow[cuda]')",
    ),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # numba-cuda's own, with NumPy 2.5
]

GENERATIONS = [pytest.param((7, 5), marks=pytest.mark.slow), pytest.param((8, 0), marks=pytest.mark.slow), (9, 0)]
# Bytes a thread may keep in local memory: what lives through the whole kernel and is not needed in the loops.
MOST_STACK = 1024
# What a kernel is made for: which of ``build.METHODS``, distribution, activation, inputs.
KERNELS = [
    ("direct", "normal", "relu", 1),
    ("direct", "rademacher", "gelu", 3),
    pytest.param("direct", "uniform", "tanh", 128, marks=pytest.mark.slow),
    pytest.param("direct", "orthogonal", "relu", 1, marks=pytest.mark.slow),
    ("direct", "orthogonal", "tanh", 20),
    pytest.param("one_input", "normal", "selu", 1, marks=pytest.mark.slow),
    ("in_registers", "normal", "selu", 1),
    ("collapsed", "orthogonal", "tanh", 4),
]


@pytest.mark.parametrize("cc", GENERATIONS)
@pytest.mark.parametrize(("method", "distribution", "activation", "batch"), KERNELS)
def test_kernel_is_float32_throughout_and_fits_the_machine(method, distribution, activation, batch, cc):
    import cuda_code
    from mcflow.kernels.cuda import activations, build

    plan = build.plan_for(method, distribution, False, batch, True, [512, 512, 10], [512, 512, 512], build.Machine(cc))
    ptx = cuda_code.kernel_ptx(plan, activations.code_of(activation), cc)
    assert ".f64" not in ptx
    said = cuda_code.assembled(ptx, cc, build.registers_of(plan))
    assert said["stack"] <= MOST_STACK, said
    assert said["shared"] + build.dynamic_bytes(plan) <= 48 << 10, said


@pytest.mark.parametrize("cc", GENERATIONS)
@pytest.mark.parametrize(
    ("width", "threads", "bars"),
    [(512, 32, False), *(pytest.param(*of, marks=pytest.mark.slow) for of in ((1000, 32, False), (1400, 64, True)))],
)
def test_one_input_stays_in_the_registers_of_a_warp_that_waits_for_nobody(width, threads, bars, cc):
    import cuda_code
    from mcflow.kernels.cuda import activations, build

    plan = build.plan_for("in_registers", "normal", False, 1, True, [width, width], [width, width])
    assert plan.threads == threads
    ptx = cuda_code.kernel_ptx(plan, activations.code_of("relu", flats=1), cc)
    assert ("bar.sync" in ptx) == bars
    assert "shfl.sync.bfly" in ptx
    said = cuda_code.assembled(ptx, cc, build.registers_of(plan))
    # what lives through the whole kernel: three arrays of a thread alone are 192 and 384 bytes
    assert said["stack"] <= (64 if cc >= (9, 0) else 320), said
    assert said["shared"] <= 32 * threads * bars, said


@pytest.mark.parametrize("cc", GENERATIONS)
@pytest.mark.parametrize(("name", "atomic"), [("fold_groups", False), ("count_waiting", True)])
def test_folding_keeps_its_numbers_in_registers_and_adds_atomically_whole_numbers_alone(name, atomic, cc):
    import cuda_code
    from mcflow.kernels.cuda import fold, launch

    ptx = cuda_code.fold_ptx(getattr(fold, name), cc)
    atoms = {line.split()[0] for line in cuda_code.instructions(ptx) if line.startswith(("atom", "red"))}
    assert bool(atoms) == atomic
    assert all(".f" not in line for line in atoms), atoms
    assert "div.rn.f64" in ptx  # as NumPy divides: keys are the processor's
    said = cuda_code.assembled(ptx, cc, launch._FOLDING_REGISTERS)
    assert said["stack"] <= 128, said
    assert said["shared"] == 0, said


def test_every_activation_and_distribution_is_float32():
    import cuda_code
    import numba
    from mcflow.kernels.body.activations import BY_KIND
    from mcflow.kernels.body.scalars import uint32
    from mcflow.kernels.cuda import activations, fill
    from mcflow.kernels.cuda._compile import cuda, inner

    floats = numba.types.Array(numba.float32, 1, "C")
    for kind in BY_KIND:
        function = activations.code_of(kind).phi_and_slope

        def of_h(out, h, a):
            i = cuda.grid(1)
            out[i], h[i] = function(h[i], a)  # noqa: B023

        assert ".f64" not in cuda_code.ptx_of(of_h, numba.void(floats, floats, numba.float32), (9, 0)), kind
        if activations.code_of(kind).has_slopes:
            slope = activations.code_of(kind).log_slope

            def of_slope(out, h, a):
                i = cuda.grid(1)
                out[i], h[i] = slope(h[i], a, a)  # noqa: B023

            assert ".f64" not in cuda_code.ptx_of(of_slope, numba.void(floats, floats, numba.float32), (9, 0)), kind
    for name, law in fill.LAWS.items():
        four = inner(law.four)

        def of_words(out, a, b):
            out[0], out[1], out[2], out[3] = four(uint32(a), uint32(b), uint32(a), uint32(b), 3)  # noqa: B023

        assert ".f64" not in cuda_code.ptx_of(of_words, numba.void(floats, numba.uint32, numba.uint32), (9, 0)), name


@pytest.mark.parametrize(
    ("distribution", "counted"), [("normal", 42), ("orthogonal", 42), ("truncated_normal", 46), ("uniform", 30)]
)
def test_a_weight_takes_the_instructions_that_the_documentation_counts(distribution, counted):
    import cuda_code
    import numba
    from mcflow.kernels.body.scalars import uint32
    from mcflow.kernels.cuda import bodies, fill
    from mcflow.kernels.cuda._compile import inner

    philox, four = bodies.philox, inner(fill.LAWS[distribution].four)

    def of_address(out, group, row, keys):
        zero = uint32(0)
        a, b, c, d = philox(group, row, zero, zero, keys)
        out[0], out[1], out[2], out[3] = four(a, b, c, d, 0)

    word, keys = numba.uint32, numba.types.UniTuple(numba.uint32, 20)
    ptx = cuda_code.ptx_of(of_address, numba.void(numba.types.Array(numba.float32, 1, "C"), word, word, keys), (9, 0))
    assert abs(len(cuda_code.instructions(ptx)) / 4 - counted) <= 1
    assert ("lg2.approx" in ptx) == (distribution != "uniform")


def test_row_stack_is_lent_and_taken_back(monkeypatch):
    import numpy
    from mcflow.kernels.cuda import _compile

    lent = []
    real = importlib.import_module
    monkeypatch.delitem(vars(numpy), "row_stack", raising=False)  # as in NumPy 2.5
    monkeypatch.setattr(importlib, "import_module", lambda name: lent.append(hasattr(numpy, "row_stack")) or real(name))
    _compile._import_cuda()
    assert lent
    assert all(lent)
    assert not hasattr(numpy, "row_stack")
    assert hasattr(numpy, "vstack")
    monkeypatch.undo()
    smoke = importlib.import_module("mcflow.kernels.cuda.smoke")
    import cuda_code
    import numba

    words, keys = numba.types.Array(numba.uint32, 1, "C"), numba.types.UniTuple(numba.uint32, 20)
    assert ".entry" in cuda_code.ptx_of(smoke._write_words.py_func, numba.void(words, keys), (9, 0))

"""The loops over weights as machine code, counted without a GPU: what docs/cuda.md says of them is what they are."""

import importlib.util

import pytest
from machine_code import count, disassembler, loops_over_weights

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("numba_cuda") is None,
        reason="numba-cuda is not installed: kernels are not compiled to machine code (pip install 'mcflow[cuda]')",
    ),
    pytest.mark.skipif(
        disassembler() is None,
        reason="nvdisasm is not installed: machine code is not read (pip install nvidia-cuda-nvdisasm)",
    ),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # numba-cuda's own, with NumPy 2.5
]

WEIGHTS = 8  # that a thread makes in one turn of a loop, of two counters
# Distribution, inputs, compute capability; instructions a weight going forward and back, tensor core's included.
LOOPS = [
    ("normal", 1, (9, 0), 25.7, 25.2),
    pytest.param("normal", 16, (9, 0), 31.0, 31.0, marks=pytest.mark.slow),
    pytest.param("normal", 1, (8, 0), 24.6, 24.1, marks=pytest.mark.slow),
    pytest.param("normal", 1, (7, 5), 24.6, 24.1, marks=pytest.mark.slow),
    pytest.param("uniform", 1, (9, 0), 15.0, 15.0, marks=pytest.mark.slow),
    pytest.param("truncated_normal", 1, (9, 0), 29.8, 29.2, marks=pytest.mark.slow),
    pytest.param("normal", 3, (9, 0), 28.0, 28.5, marks=pytest.mark.slow),
    pytest.param("normal", 16, (8, 0), 31.0, 29.0, marks=pytest.mark.slow),
    pytest.param("normal", 8, (9, 0), 29.1, 28.5, marks=pytest.mark.slow),
    pytest.param("uniform", 16, (9, 0), 20.9, 20.0, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("distribution", "batch", "cc", "forward", "backward"), LOOPS)
def test_a_weight_takes_as_few_instructions_as_documented(distribution, batch, cc, forward, backward, tmp_path):
    import cuda_code
    from mcflow.kernels.cuda import activations, build

    plan = build.plan_for("direct", distribution, False, batch, True, [512, 512], [512, 512], build.Machine(cc))
    ptx = cuda_code.kernel_ptx(plan, activations.code_of("relu"), cc)
    code, _ = cuda_code.machine_code_of(ptx, cc, build.registers_of(plan))
    loops = loops_over_weights(code, tmp_path)
    assert len(loops) == 2
    for loop, most in zip(loops, (forward, backward), strict=True):
        assert sum(loop.values()) <= WEIGHTS * most, loop
        assert count(loop, "LDL", "STL", "CALL") == 0, "something of a loop over weights is in local memory"
        assert bool(count(loop, "HMMA")) == (batch > 2)


@pytest.mark.parametrize(("cc", "has_them"), [((7, 5), False), ((8, 0), True)])
def test_tensor_cores_multiply_where_a_device_has_them(cc, has_them):
    import cuda_code
    from mcflow.kernels.cuda import activations, build

    plan = build.plan_for("direct", "uniform", False, 3, False, [64], [64], build.Machine(cc))
    ptx = cuda_code.kernel_ptx(plan, activations.code_of("identity"), cc)
    assert ("mma.sync" in ptx) == has_them == plan.on_cores


def test_a_loop_is_found_and_told_from_others(tmp_path):
    """The planted loop has words, and a store to local memory that the count sees."""
    import cuda_code
    import numba
    from mcflow.kernels.cuda import bodies
    from mcflow.kernels.cuda._compile import cuda

    philox = bodies.philox

    def kernel(out, keys, n):
        for i in range(n):
            kept = cuda.local.array(64, numba.uint32)
            for j in range(n):
                a, b, c, d = philox(numba.uint32(j), numba.uint32(i), numba.uint32(0), numba.uint32(0), keys)
                kept[a % numba.uint32(64)] = b ^ c ^ d
            out[i] = kept[n]

    words = numba.types.Array(numba.uint32, 1, "C"), numba.types.UniTuple(numba.uint32, 20)
    ptx = cuda_code.ptx_of(kernel, numba.void(*words, numba.int32), (9, 0))
    code, _ = cuda_code.machine_code_of(ptx, (9, 0), 64)
    from machine_code import loops

    planted = [loop for loop in loops(code, tmp_path) if count(loop, "STL")]
    assert len(planted) == 1
    assert count(planted[0], "IMAD.WIDE", "IMAD.HI") >= 14

"""The hot loops are vector code: packed float32 arithmetic on wide registers, no call into a scalar libm."""

import platform
import re

import llvmlite.binding as llvm
import numba
import numpy as np
import pytest
from compiled import entry
from mcflow.kernels.body.activations import BY_KIND
from mcflow.kernels.cpu import activations, bodies, fill, nonlinearity, one_input, sums, vectors
from mcflow.kernels.cpu._compile import copy_with, loop

MACHINE = platform.machine().lower()
# instructions on whole registers of single precision, and of double precision
PATTERNS = {
    "x86_64": (r"v\w+ps\s.*%[yz]mm", r"v\w+pd\s.*%[yz]mm"),
    "amd64": (r"v\w+ps\s.*%[yz]mm", r"v\w+pd\s.*%[yz]mm"),
    "arm64": (r"f\w+(\.4s|\s+v\d+\.4s)", r"f\w+(\.2d|\s+v\d+\.2d)"),
    "aarch64": (r"f\w+(\.4s|\s+v\d+\.4s)", r"f\w+(\.2d|\s+v\d+\.2d)"),
}
# a scalar function of libm, called by name or through a register that was loaded with its address
LIBM = re.compile(r"[\s$:](expf?|logf?|log1pf?|tanhf?|erff?|sinf?|cosf?|sqrtf?)\b")

pytestmark = pytest.mark.skipif(
    MACHINE not in PATTERNS, reason=f"vector registers of {MACHINE} are not known to this test"
)


def wide(assembly, double=False):
    """How many instructions work on whole vector registers."""
    return len(re.findall(PATTERNS[MACHINE][double], assembly))


def assembly_of_loop(signature, function):
    return loop(*signature, cache=False)(function)._library.get_asm_str()


@pytest.mark.parametrize("name", ["normal", "uniform", "truncated_normal"])
def test_rows_of_random_numbers_are_filled_by_vector_code(name):
    assembly = assembly_of_loop(fill.SIGNATURE, copy_with(fill._independent, name, pair=fill.LAWS[name].made))
    assert wide(assembly) >= {"normal": 60, "uniform": 8, "truncated_normal": 60}[name]
    assert not LIBM.search(assembly)


@pytest.mark.parametrize("kind", sorted({function.__name__ for function in BY_KIND.values()} - {"identity"}))
def test_activation_is_vector_code(kind):
    body = getattr(bodies.nonlinearities, kind)
    assembly = assembly_of_loop(activations.SIGNATURE, copy_with(activations._loop, kind, body=body))
    assert wide(assembly) >= 2
    assert not LIBM.search(assembly)


def assembly_of(function, *arguments):
    function = entry(function)
    function.compile(tuple(numba.typeof(argument) for argument in arguments))
    return "\n".join(function.inspect_asm().values())


def test_products_and_sums_are_vector_code():
    floats, length = np.ones(64, np.float32), 64
    start = np.int64(0)
    one = np.float32(1.0)
    assert wide(assembly_of(vectors.dot, floats, start, floats, start, length)) >= 4
    assert wide(assembly_of(vectors.dot_four, floats, start, floats, start, start, length)) >= 4
    four = assembly_of(vectors.add_four, floats, start, floats, start, start, (one, one, one, one), length)
    assert wide(four) >= 4
    assert wide(assembly_of(sums._sums, floats, length), double=True) >= 4
    assert wide(assembly_of(sums.sum_of_squares, floats, start, length), double=True) >= 2
    assert wide(assembly_of(sums._mean_sums, floats, length), double=True) >= 2
    assert wide(assembly_of(nonlinearity._counts, floats, floats, length, one, one, one)) >= 2
    combined = assembly_of(one_input._combine, floats, floats, floats, floats, one, one, length)
    assert wide(combined, double=True) >= 1
    assert wide(combined) >= 2


@pytest.mark.skipif(not llvm.get_host_cpu_features().get("avx512f"), reason="this processor has no 512-bit registers")
def test_vectors_fill_the_registers():
    """LLVM takes half a register on Intel's AVX-512 processors unless asked; plain Numba is the witness there."""
    signature = (numba.types.CPointer(numba.float32), numba.int64)

    def double(x, n):
        for i in range(n):
            x[i] = x[i] + x[i]

    assert "%zmm" in assembly_of_loop(signature, double)


def test_a_loop_that_calls_libm_would_be_noticed():
    """The guard itself: math.exp in a loop is scalar calls, and is seen."""
    import math

    def slow(h, x, d, n, a):
        for i in range(n):
            x[i] = math.exp(h[i])

    assert LIBM.search(assembly_of_loop(activations.SIGNATURE, slow))

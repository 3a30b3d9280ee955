"""Blocks of networks on the processor: arguments, memory and threads of its kernels."""

from __future__ import annotations

import functools
import math
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mcflow.errors import InputError
from mcflow.kernels.recorded import BINS, SUMS
from mcflow.methods import registry as methods
from mcflow.sampling import walks
from mcflow.sampling.arguments import exponent_of, group_of, parameter_of, split
from mcflow.sampling.compiler import compiler, why_not_compiled
from mcflow.sampling.recorded import Recorded, Sizes

if TYPE_CHECKING:
    from mcflow.activations.registry import Activation
    from mcflow.model.case import Case
    from mcflow.sampling.bins import Plan
# float32 weights that a thread may keep for the backward pass instead of making them again (docs/benchmarks.md): 64 MiB
# where they are dear to make. Where making them is as fast as reading memory, no more than stays in the last cache.
KEPT_DEAR = 1 << 24
KEPT_CHEAP = 1 << 22
LAST_CACHE = Path("/sys/devices/system/cpu/cpu0/cache/index3/size")  # "32768K"
FEW_INPUTS_TO_KEEP = 16  # with more inputs the products want the caches for themselves
_held = threading.local()  # of each thread that calls: how many threads its kernels run on, and their memory


def set_threads(threads: int | None) -> int:
    """Set how many threads kernels run on that this thread calls (None: all it may use); returns the number."""
    most = most_threads()
    if threads is not None and not 1 <= threads <= most:
        raise InputError(f"threads = {threads} is out of range; this process may use 1 to {most}")
    _held.threads = threads or most
    return threads or most


def threads() -> int:
    """How many threads this thread's kernels run on: what it has set, or all it may use."""
    return getattr(_held, "threads", None) or most_threads()


def most_threads() -> int:
    """How many threads this process may use: NUMBA_NUM_THREADS, or as many as it may have cores."""
    return int(compiler().config.NUMBA_NUM_THREADS)


def record(
    case: Case,
    inputs: NDArray[np.float64],
    seed: int,
    first: int,
    count: int,
    *,
    method: str,
    backward: bool,
    plan: Plan,
) -> Recorded:
    """What the networks first .. first + count - 1 of a case leave: ``sample.record`` on the processor."""
    from threadpoolctl import threadpool_limits

    from mcflow.kernels.cpu import direct, launch
    from mcflow.kernels.cpu.sums import RECORDED
    from mcflow.kernels.cpu.tuples import Block as KernelBlock
    from mcflow.kernels.cpu.tuples import Memory

    walk = walks.walk_of(method, len(inputs) == 1 and case.rule.distribution.is_gaussian)
    layers = len(case.widths)
    lanes = max(1, min(threads(), count))
    rows = np.empty((RECORDED, count, layers))
    counts = np.zeros((lanes, 2, layers, BINS), np.int64)
    arguments = kernel_arguments(case, inputs, seed, first, plan)
    size = 0
    if methods.get(method).makes_weights:
        size = direct.floats_for(arguments[1], len(inputs), _kept_weights(case) if backward else 0)
    memory = Memory(backward, _lines(lanes, size), np.empty((0, 0, 0, 0), np.float32))
    with threadpool_limits(1, "blas"):  # the threads are ours; a BLAS of several would also change the bits
        launch.simulate(walk.compiled, KernelBlock(*arguments, memory), rows, counts)
    sizes = Sizes.of(case, inputs.shape[1], walk.are_means)
    return Recorded(first, rows[:SUMS], rows[SUMS:], counts.sum(axis=0), sizes, walk.filled, backward)


def kernel_arguments(case: Case, inputs: NDArray[np.float64], seed: int, first: int, plan: Plan) -> Any:
    """The ``Address``, ``Architecture``, ``Inputs``, ``Nonlinearity`` and ``Counting`` of the processor's kernels."""
    from mcflow.kernels.cpu.tuples import Address

    return (
        Address(np.uint64(seed), first),
        architecture_of(case, inputs.shape[1]),
        _inputs(case, inputs),
        _nonlinearity(case.nonlinearity),
        _counting(plan),
    )


def _kept_weights(case: Case) -> int:
    """How many weights a thread may keep for the backward pass: fewer where it is cheaper to make them again."""
    if not case.rule.distribution.is_independent:
        return KEPT_DEAR
    if case.batch > FEW_INPUTS_TO_KEEP:
        return 0
    return KEPT_DEAR if case.rule.distribution.is_dear else _kept_in_cache()


def _lines(rows: int, length: int) -> NDArray[np.float32]:
    """Uninitialised (rows, length), from the start of a cache line: the memory of the call before where it is enough.

    Fresh memory costs a tenth of a small block: the system clears every page of it. NumPy asks for huge pages. It stays
    with the thread that calls, at most ``KEPT_DEAR`` numbers and a panel for each row.
    """
    line = 16
    if getattr(_held, "floats", None) is None or len(_held.floats) < rows * length + line:
        _held.floats = None  # before the larger one is made: not both at once
        _held.floats = np.empty(rows * length + line, np.float32)
    start = -(_held.floats.ctypes.data // 4) % line
    held: NDArray[np.float32] = _held.floats[start : start + rows * length].reshape(rows, length)
    return held


@functools.cache
def _kept_in_cache() -> int:
    """Weights for each processor that half the last-level cache holds; KEPT_CHEAP where its size is not told."""
    try:
        bytes_of_cache = int(LAST_CACHE.read_text().strip().removesuffix("K")) * 1024
    except (OSError, ValueError):
        return KEPT_CHEAP
    return min(KEPT_DEAR, max(KEPT_CHEAP, bytes_of_cache // (2 * 4 * (os.cpu_count() or 1))))


def architecture_of(case: Case, features: int) -> Any:
    """The layers of a case as the processor's kernels take them."""
    from mcflow.kernels.cpu.fill import distribution
    from mcflow.kernels.cpu.tuples import Architecture

    program = case.program_for(features)
    mantissa, exponent = split(program.weight_std)
    weights = distribution(case.rule.distribution.name)
    normals = distribution("normal").address
    biases = distribution("uniform").address if program.biases_are_uniform else normals
    return Architecture(
        weights.address,
        weights.padding,
        weights.whole,
        biases,
        normals,
        program.fan_in,
        program.width,
        mantissa.astype(np.float32),
        exponent,
        program.bias_std.astype(np.float32),
    )


def _inputs(case: Case, inputs: NDArray[np.float64]) -> Any:
    from mcflow.kernels.cpu.tuples import Inputs

    size = math.sqrt(float(np.mean(np.square(inputs / max(np.abs(inputs).max(), 1e-300))))) * float(
        np.abs(inputs).max()
    )
    exponent = exponent_of(size)
    return Inputs(np.ascontiguousarray(np.ldexp(inputs, -exponent), dtype=np.float32), exponent, group_of(case))


def _nonlinearity(activation: Activation) -> Any:
    from mcflow.activations.registry import ends_of
    from mcflow.kernels.cpu import activations
    from mcflow.kernels.cpu.tuples import Nonlinearity

    code = activations.code_of(activation.kind) if activation.scalar is None else _code_of_user(activation)
    return Nonlinearity(code.address, parameter_of(activation), *ends_of(activation), code.slopes)


def compile_activation(activation: Activation) -> None:
    """Compile a user's own functions before anything is written; InputError where they cannot be."""
    if not activation.is_builtin:
        _code_of_user(activation)


def _code_of_user(activation: Activation) -> Any:
    """Compile a user's own functions and the loop of their slopes; InputError where Numba cannot."""
    from mcflow.kernels.cpu import activations

    assert activation.scalar is not None
    try:
        key = f"{activation.name} {activation.fingerprint()} {id(activation.scalar[0])}"
        phi, dphi = activation.scalar
        return activations.code_of_user(key, phi, dphi)
    except Exception as error:  # Numba raises what its own code does on what it was not made for
        raise InputError(
            f"activation {activation.name!r} cannot be compiled ({why_not_compiled(error)}); use arithmetic, if, math "
            "and such functions of NumPy as np.tanh on one float, and call no other function of your own"
        ) from None


def _counting(plan: Plan) -> Any:
    from mcflow.kernels.cpu.tuples import Counting

    return Counting(
        int(plan.networks),
        np.asarray(plan.preactivation_exponent, np.int64),
        np.asarray(plan.gradient_exponent, np.int64),
    )


def describe() -> dict[str, Any]:
    """The processor, its threads and instruction sets, and the cache of compiled kernels."""
    numba = compiler()
    import llvmlite.binding as llvm

    from mcflow.kernels.cpu import _compile

    features = llvm.get_host_cpu_features()
    simd = [name for name in ("avx512f", "avx2", "avx", "sse4.2", "neon") if features.get(name)]
    return {
        "name": llvm.get_host_cpu_name(),
        "simd": simd,
        "cores": os.cpu_count(),
        "threads": numba.config.NUMBA_NUM_THREADS,
        "threading_layer": "none: NUMBA_DISABLE_JIT is set" if numba.config.DISABLE_JIT else "threads of Python",
        "kernel_cache": str(_compile.CACHE_FOLDER) if _compile.CACHE_FOLDER else None,
    }


def ceilings(rate: Callable[[Callable[[int], float]], tuple[float, float]]) -> dict[str, float]:
    """One core's best rates, each measured by ``rate(work)``: Philox words, normals, uniforms, sgemm operations."""
    from threadpoolctl import threadpool_limits

    from mcflow.kernels.cpu import ceilings as kernels
    from mcflow.kernels.cpu.fill import distribution

    words, numbers = np.empty((4, 128), np.uint32), np.empty(512, np.float32)
    normal, uniform = distribution("normal").address, distribution("uniform").address
    a, b, c = (np.full((1024, 1024), 0.5, np.float32) for _ in range(3))
    with threadpool_limits(1, "blas"):
        return {
            "words_per_second": rate(lambda times: kernels.make_words(words, 1000 * times))[0],
            "normals_per_second": rate(lambda times: kernels.make_numbers(normal, numbers, 1000 * times))[0],
            "uniforms_per_second": rate(lambda times: kernels.make_numbers(uniform, numbers, 1000 * times))[0],
            "sgemm_flops": rate(lambda times: kernels.multiply_square(a, b, c, times))[0],
        }

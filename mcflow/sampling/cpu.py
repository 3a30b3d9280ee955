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
from mcflow.quantities import BACKWARD, QUANTITIES
from mcflow.sampling.arguments import PLAIN_EXPONENT, split
from mcflow.sampling.blocks import Block, scale
from mcflow.sampling.compiler import compiler

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


def simulate(
    case: Case,
    inputs: NDArray[np.float64],
    seed: int,
    first: int,
    count: int,
    *,
    method: str,
    backward: bool,
    plan: Plan,
) -> Block:
    """Statistics of the networks first .. first + count - 1 of a case: ``sample.simulate`` on the processor."""
    from threadpoolctl import threadpool_limits

    from mcflow.kernels.cpu import chain, collapsed, direct, launch, one_input
    from mcflow.kernels.cpu.sums import BINS, RECORDED
    from mcflow.kernels.cpu.tuples import Memory

    layers = len(case.widths)
    lanes = max(1, min(threads(), count))
    rows = np.empty((RECORDED, count, layers))
    counts = np.zeros((lanes, 2, layers, BINS), np.int64)
    arguments = kernel_arguments(case, inputs, seed, first, plan)
    size = 0
    if method == "direct":
        size = direct.floats_for(arguments[1], len(inputs), _kept_weights(case) if backward else 0)
    memory = Memory(backward, _lines(lanes, size), np.empty((0, 0, 0, 0), np.float32))
    walk = {"direct": direct.walk, "collapsed": collapsed.walk, "chain": chain.walk}[method]
    if method == "collapsed" and len(inputs) == 1 and case.rule.distribution == "normal":
        walk = one_input.walk  # the same numbers, sooner
    with threadpool_limits(1, "blas"):  # the threads are ours; a BLAS of several would also change the bits
        launch.simulate(walk, *arguments, memory, rows, counts)
    absent = tuple(name for name in QUANTITIES if method == "chain" and not name.endswith("second_moment"))
    return _block(first, rows, counts, case, backward, arguments[2].exponent, absent)


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
    distribution = case.rule.distribution
    if distribution == "orthogonal":
        return KEPT_DEAR
    if case.batch > FEW_INPUTS_TO_KEEP:
        return 0
    return KEPT_DEAR if distribution in ("normal", "truncated_normal") else _kept_in_cache()


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


def _block(
    first: int,
    rows: NDArray[np.float64],
    counts: NDArray[np.int64],
    case: Case,
    backward: bool,
    input_exponent: int,
    absent: tuple[str, ...],
) -> Block:
    missing = set(absent) | set(() if backward else BACKWARD)
    missing |= {"preactivation_correlation"} if case.batch < 2 else set()
    kept = {name: rows[i] for i, name in enumerate(QUANTITIES) if name not in missing}
    of_h, of_x, of_d = rows[len(QUANTITIES) :]
    below = np.concatenate([np.full((len(of_x), 1), float(input_exponent)), of_x[:, :-1]], axis=1)
    log2 = scale(kept, [of_h, of_x, of_d if backward else None, below])
    total = counts.sum(axis=0)
    return Block(first, kept, total[0], total[1] if backward else None, log2)


def architecture_of(case: Case, features: int) -> Any:
    """The layers of a case as the processor's kernels take them."""
    from mcflow.kernels.cpu.fill import distribution
    from mcflow.kernels.cpu.tuples import Architecture

    layers = case.layers(features)
    bias = np.sqrt([case.bias_variance(int(n)) for n in layers.fan_in])
    mantissa, exponent = split(layers.weight_std)
    weights = distribution(case.rule.distribution)
    normals = distribution("normal").address
    biases = distribution("uniform").address if case.biases_are_uniform else normals
    return Architecture(
        weights.address,
        weights.padding,
        weights.whole,
        biases,
        normals,
        layers.fan_in,
        layers.width,
        mantissa.astype(np.float32),
        exponent,
        bias.astype(np.float32),
    )


def _inputs(case: Case, inputs: NDArray[np.float64]) -> Any:
    from mcflow.kernels.cpu.tuples import Inputs

    size = math.sqrt(float(np.mean(np.square(inputs / max(np.abs(inputs).max(), 1e-300))))) * float(
        np.abs(inputs).max()
    )
    exponent = math.frexp(size)[1]
    if abs(exponent) < PLAIN_EXPONENT:
        exponent = 0
    group = 2 if case.correlation is not None else max(2, len(inputs))
    return Inputs(np.ascontiguousarray(np.ldexp(inputs, -exponent), dtype=np.float32), exponent, group)


def _nonlinearity(activation: Activation) -> Any:
    from mcflow.activations.registry import ends_of
    from mcflow.kernels.cpu import activations
    from mcflow.kernels.cpu.nonlinearity import Nonlinearity

    if activation.scalar is None:
        address, slopes = activations.address_of(activation.kind), activations.address_of_slopes(activation.kind)
    else:
        address, slopes = _addresses_of_user(activation)
    parameter = 0.0 if math.isnan(activation.parameter) else activation.parameter
    ends = ends_of(activation)
    return Nonlinearity(address, np.float32(parameter), *ends, slopes)


def compile_activation(activation: Activation) -> None:
    """Compile a user's own functions before anything is written; InputError where they cannot be."""
    if not activation.is_builtin:
        _addresses_of_user(activation)


def _addresses_of_user(activation: Activation) -> tuple[int, int]:
    """Compile a user's own functions and the loop of their slopes; InputError where Numba cannot."""
    from numba.core.errors import NumbaError

    from mcflow.kernels.cpu import activations

    assert activation.scalar is not None
    try:
        key = f"{activation.name} {activation.fingerprint()} {id(activation.scalar[0])}"
        phi, dphi = activation.scalar
        return activations.address_of_user(key, phi, dphi), activations.address_of_user_slopes(key, dphi)
    except NumbaError as error:
        reason = str(error).strip().splitlines()[-1].strip() or type(error).__name__
        raise InputError(
            f"activation {activation.name!r} cannot be compiled ({reason}); use floats, arithmetic and math only"
        ) from None


def _counting(plan: Plan) -> Any:
    from mcflow.kernels.cpu.tuples import Counting

    return Counting(
        int(plan.networks),
        np.asarray(plan.preactivation_exponent, np.int64),
        np.asarray(plan.gradient_exponent, np.int64),
    )


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

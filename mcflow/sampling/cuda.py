"""Blocks of networks on one GPU: memory, launches and copies, and the rows that come back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mcflow.errors import InputError, Unfinished
from mcflow.kernels.recorded import BINS, EXPONENTS, SUMS
from mcflow.sampling.blocks import Block
from mcflow.sampling.rows import Sizes, block_of

if TYPE_CHECKING:
    from mcflow.activations.registry import Activation
    from mcflow.model.case import Case
    from mcflow.sampling.bins import Plan

METHODS = ("direct", "collapsed")  # that the kernels know
_LAUNCHES = 4  # of a block: while one computes, the rows of the one before are copied and read
_LEAST_LAUNCH = 256  # networks; fewer are not worth a launch of their own
_MEMORY_SHARE = 0.5  # of what is free, for the scratch of all blocks of threads
_RESIDENT = 2048  # threads that a multiprocessor holds
_SHARED_OF_MULTIPROCESSOR = 100 << 10  # bytes, of the smallest that count (compute capability 8.6)
_SIMULATED_THREADS = 4


def why_not(case: Case, method: str) -> str:
    """Why the GPU's kernels cannot simulate a case, or an empty string: the processor does it then."""
    return "" if method in METHODS else f"method {method} has no kernel there, and is quick on the processor"


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
    threads: int | None = None,
) -> Block:
    """What ``devices.simulate`` promises, on the current GPU. ``threads`` of a block are for tests.

    Where memory is short, fewer blocks of threads run at a time. Raises Unfinished where the device is lost.
    """
    from mcflow.kernels.cuda._compile import cuda

    job = _job(case, inputs, seed, method, backward, plan, threads)
    layers = len(case.widths)
    counts = cuda.to_device(np.zeros((2, layers, BINS), np.int32))
    blocks = min(count, _blocks_at_a_time(job.plan, layers))
    while True:
        try:
            sums, exponents = _launch_all(job, first, count, layers, blocks, counts)
            total = counts.copy_to_host().astype(np.int64)
            break
        except Exception as error:
            if _is_a(error, "NumbaError") and case.nonlinearity.scalar is not None:
                raise InputError(
                    f"activation {case.activation!r} cannot be compiled for the GPU ({_last_line(error)}); "
                    "use floats, arithmetic and math only, or --device cpu"
                ) from None
            if not _is_a(error, "CudaDriverError", "CudaAPIError", "CudaRuntimeError", "CUDAError"):
                raise
            if "OUT_OF_MEMORY" not in str(error).upper():
                sentence = f"the GPU was lost ({_last_line(error)}); the parts written so far are whole"
                raise Unfinished(sentence) from None
            if blocks == 1:
                raise Unfinished(
                    "the GPU has too little memory for one network of this case; give --device cpu, or a smaller "
                    "width, depth or batch"
                ) from None
            blocks //= 2
            counts = cuda.to_device(np.zeros((2, layers, BINS), np.int32))
    sizes = Sizes.of(case, inputs.shape[1])
    return block_of(first, sums, exponents, total, sizes, range(SUMS), backward)


@dataclass(frozen=True)
class _Job:
    """A case as its kernel takes it: the kernel's plan, the kernel, and its constant arguments."""

    plan: Any
    kernel: Any
    layers: Any
    inputs: Any
    nonlinearity: Any
    seed: np.uint64
    counted: int


def _job(
    case: Case, values: NDArray[np.float64], seed: int, method: str, backward: bool, plan: Plan, threads: int | None
) -> _Job:
    from mcflow.kernels.cuda import build
    from mcflow.kernels.cuda._compile import SIMULATED, cuda
    from mcflow.kernels.cuda.tuples import Inputs, Layers
    from mcflow.sampling.arguments import PLAIN_EXPONENT, group_of, split

    if SIMULATED and threads is None:
        threads = _SIMULATED_THREADS
    layers = case.layers(values.shape[1])
    mantissa, exponent = split(layers.weight_std)
    bias = np.sqrt([case.bias_variance(int(n)) for n in layers.fan_in])
    units = np.stack([plan.preactivation_exponent, plan.gradient_exponent])
    batch = len(values)
    largest = float(np.abs(values).max())
    shift = math.frexp(largest)[1] if largest > 0 else 0
    shift = 0 if abs(shift) < PLAIN_EXPONENT else shift
    kernel_plan = build.plan_for(
        method,
        case.rule.distribution.name,
        case.biases_are_uniform,
        batch,
        backward,
        layers.width.tolist(),
        layers.fan_in.tolist(),
        threads,
    )
    key, code, nonlinearity = _nonlinearity(case.nonlinearity)
    return _Job(
        kernel_plan,
        build.kernel_for(kernel_plan, key, code),
        Layers(
            cuda.to_device(layers.fan_in.astype(np.int32)),
            cuda.to_device(layers.width.astype(np.int32)),
            cuda.to_device(mantissa.astype(np.float32)),
            cuda.to_device(exponent.astype(np.int32)),
            cuda.to_device(bias.astype(np.float32)),
            cuda.to_device(units.astype(np.int32)),
        ),
        Inputs(cuda.to_device(np.ldexp(values, -shift).T.astype(np.float32).ravel()), shift, group_of(case)),
        nonlinearity,
        np.uint64(seed),
        plan.networks,
    )


def _nonlinearity(activation: Activation) -> tuple[str, Any, Any]:
    """A name for the activation's code, that code, and what the kernels are told of it."""
    from mcflow.activations.registry import ends_of
    from mcflow.kernels.cuda import activations
    from mcflow.kernels.cuda._compile import cuda
    from mcflow.kernels.cuda.tuples import Nonlinearity

    threshold, asymptotes, is_homogeneous, period, flat = ends_of(activation)
    flats = len(activation.flat)
    if activation.scalar is None:
        key, code = f"{activation.kind} {flats}", activations.code_of(activation.kind, period, flats)
    else:
        key = f"{activation.name} {activation.fingerprint()} {id(activation.scalar[0])}"
        if key not in _user_code:
            _user_code[key] = activations.code_of_user(*activation.scalar, flats)
        code = _user_code[key]
    parameter = np.float32(0.0 if math.isnan(activation.parameter) else activation.parameter)
    ends = cuda.to_device(asymptotes), is_homogeneous, cuda.to_device(flat)
    return key, code, Nonlinearity(parameter, threshold, *ends)


_user_code: dict[str, Any] = {}


def _launch_all(
    job: _Job, first: int, count: int, layers: int, blocks: int, counts: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums and exponents (column, network, layer) of all networks, in float64.

    Launches on two streams, each copied and read while the next computes.
    """
    from mcflow.kernels.cuda._compile import cuda

    step = max(_LEAST_LAUNCH, blocks, -(-count // _LAUNCHES))
    lanes = [_Lane(job, min(step, count), layers, blocks, cuda.stream()) for _ in range(1 if step >= count else 2)]
    sums, exponents = np.empty((SUMS, count, layers)), np.empty((EXPONENTS, count, layers))
    waiting: list[tuple[_Lane, slice]] = []

    def read(lane: _Lane, networks: slice) -> None:
        lane.stream.synchronize()
        here = networks.stop - networks.start
        sums[:, networks] = np.moveaxis(lane.host_sums[:here], 2, 0)
        exponents[:, networks] = np.moveaxis(lane.host_exponents[:here], 2, 0)

    for number, start in enumerate(range(0, count, step)):
        lane = lanes[number % len(lanes)]
        if len(waiting) == len(lanes):
            read(*waiting.pop(0))
        networks = min(step, count - start)
        lane.launch(job, first + start, networks, counts)
        waiting.append((lane, slice(start, start + networks)))
    for lane, chosen in waiting:
        read(lane, chosen)
    return sums, exponents


class _Lane:
    """A stream with its own scratch and results, on the device and in memory that the device can copy to by itself."""

    def __init__(self, job: _Job, networks: int, layers: int, blocks: int, stream: Any) -> None:
        from mcflow.kernels.cuda import build
        from mcflow.kernels.cuda._compile import cuda

        self.stream = stream
        size, self.tape = build.scratch_floats(job.plan, layers)
        self.blocks = blocks
        self.floats = cuda.device_array((blocks, size), np.float32)
        self.carried = cuda.device_array((blocks, 3, layers + 1), np.int32)
        self.sums = cuda.to_device(np.zeros((networks, layers, SUMS), np.float32))
        self.exponents = cuda.to_device(np.zeros((networks, layers, EXPONENTS), np.int32))
        self.host_sums = cuda.pinned_array((networks, layers, SUMS), np.float32)
        self.host_exponents = cuda.pinned_array((networks, layers, EXPONENTS), np.int32)

    def launch(self, job: _Job, first: int, networks: int, counts: Any) -> None:
        """Queue a launch and the copy of its rows; returns at once."""
        from mcflow.kernels.cuda import build
        from mcflow.kernels.cuda.tuples import Address, Results, Scratch

        address = Address(job.seed, first, networks, job.counted)
        results = Results(self.sums, self.exponents, counts)
        scratch = Scratch(self.floats, self.carried, job.plan.longest, self.tape)
        grid = min(self.blocks, networks)
        kernel = job.kernel[grid, job.plan.threads, self.stream, build.dynamic_bytes(job.plan)]
        kernel(address, job.layers, job.inputs, job.nonlinearity, results, scratch)
        self.sums.copy_to_host(self.host_sums, stream=self.stream)
        self.exponents.copy_to_host(self.host_exponents, stream=self.stream)


def _blocks_at_a_time(plan: Any, layers: int) -> int:
    """Blocks of threads that fill the device, as far as their scratch fits its memory."""
    from mcflow.kernels.cuda import build
    from mcflow.kernels.cuda._compile import SIMULATED, cuda

    if SIMULATED:
        return 2
    device = cuda.get_current_device()
    resident = max(1, _RESIDENT // plan.threads)
    if build.dynamic_bytes(plan):
        resident = max(1, min(resident, _SHARED_OF_MULTIPROCESSOR // build.dynamic_bytes(plan)))
    floats, _ = build.scratch_floats(plan, layers)
    free = cuda.current_context().get_memory_info()[0]
    fitting = int(_MEMORY_SHARE * free / (2 * 4 * floats))
    return max(1, min(int(device.MULTIPROCESSOR_COUNT) * resident, fitting))


def _is_a(error: Exception, *names: str) -> bool:
    """Whether a class of one of these names is among the error's: they have moved between versions of numba-cuda."""
    return any(kind.__name__ in names for kind in type(error).__mro__)


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__

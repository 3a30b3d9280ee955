"""Blocks of networks on one GPU: what their kernel is told, and the sums that come back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mcflow.errors import InputError, Unfinished, option
from mcflow.kernels.recorded import BINS, SUMS
from mcflow.sampling.arguments import exponent_of, group_of, parameter_of, split
from mcflow.sampling.compiler import why_not_compiled
from mcflow.sampling.recorded import Recorded, Sizes

if TYPE_CHECKING:
    from mcflow.activations.registry import Activation
    from mcflow.model.case import Case
    from mcflow.sampling.bins import Plan

METHODS = ("direct", "collapsed")  # that the kernels know
_SIMULATED_THREADS = 4


def why_not(case: Case, method: str) -> str:
    """Why the GPU's kernels cannot simulate a case, or an empty string: the processor does it then."""
    return "" if method in METHODS else f"method {method} has no kernel there, and is quick on the processor"


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
    threads: int | None = None,
) -> Recorded:
    """What ``sample.record`` promises, on the current GPU. ``threads`` of a block are for tests.

    Where memory is short, fewer blocks of threads run at a time. Raises Unfinished where the device is lost.
    """
    from mcflow.kernels.cuda import launch
    from mcflow.kernels.cuda._compile import cuda

    work = work_of(case, inputs, seed, method, backward, plan, threads)
    layers = len(case.widths)
    counts = cuda.to_device(np.zeros((2, layers, BINS), np.int32))
    blocks = min(count, launch.blocks_at_a_time(work.plan, layers))
    while True:
        try:
            sums, exponents = launch.simulate(work, first, count, blocks, counts)
            total = counts.copy_to_host().astype(np.int64)
            break
        except Exception as error:
            if not _is_a(error, "CudaDriverError", "CudaAPIError", "CudaRuntimeError", "CUDAError"):
                if case.nonlinearity.scalar is not None:
                    raise InputError(_not_compiled(case.activation, error)) from None
                raise
            if "OUT_OF_MEMORY" not in str(error).upper():
                sentence = f"the GPU was lost ({_last_line(error)}); the parts written so far are whole"
                raise Unfinished(sentence) from None
            if blocks == 1:
                raise Unfinished(
                    f"the GPU has too little memory for one network of this case; give {option('device', 'cpu')}, or a "
                    "smaller width, depth or batch"
                ) from None
            blocks //= 2
            counts = cuda.to_device(np.zeros((2, layers, BINS), np.int32))
    sizes = Sizes.of(case, inputs.shape[1])
    return Recorded(first, sums, exponents, total, sizes, range(SUMS), backward)


def work_of(
    case: Case, values: NDArray[np.float64], seed: int, method: str, backward: bool, plan: Plan, threads: int | None
) -> Any:
    """A case as its kernel takes it: the kernel, its plan, and the arguments that all launches share."""
    from mcflow.kernels.cuda import build
    from mcflow.kernels.cuda._compile import SIMULATED, cuda
    from mcflow.kernels.cuda.tuples import Architecture, Inputs, Work

    if SIMULATED and threads is None:
        threads = _SIMULATED_THREADS
    program = case.program_for(values.shape[1])
    mantissa, exponent = split(program.weight_std)
    units = np.stack([plan.preactivation_exponent, plan.gradient_exponent])
    batch = len(values)
    shift = exponent_of(float(np.abs(values).max()))
    kernel_plan = build.plan_for(
        method,
        case.rule.distribution.name,
        program.biases_are_uniform,
        batch,
        backward,
        program.width.tolist(),
        program.fan_in.tolist(),
        threads,
    )
    key, code, nonlinearity = _nonlinearity(case.nonlinearity)
    return Work(
        kernel_plan,
        build.kernel_for(kernel_plan, key, code),
        Architecture(
            cuda.to_device(program.fan_in.astype(np.int32)),
            cuda.to_device(program.width.astype(np.int32)),
            cuda.to_device(mantissa.astype(np.float32)),
            cuda.to_device(exponent.astype(np.int32)),
            cuda.to_device(program.bias_std.astype(np.float32)),
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
    ends = cuda.to_device(asymptotes), is_homogeneous, cuda.to_device(flat)
    return key, code, Nonlinearity(parameter_of(activation), threshold, *ends)


_user_code: dict[str, Any] = {}


def _not_compiled(activation: str, error: Exception) -> str:
    """What is wrong with a user's function, where the processor may compile it: numba-cuda knows less of NumPy."""
    return (
        f"activation {activation!r} cannot be compiled for the GPU ({why_not_compiled(error)}); use arithmetic, if and "
        f"math, of which it knows more than of NumPy, or {option('device', 'cpu')}"
    )


def _is_a(error: Exception, *names: str) -> bool:
    """Whether a class of one of these names is among the error's: they have moved between versions of numba-cuda."""
    return any(kind.__name__ in names for kind in type(error).__mro__)


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__

"""Blocks of networks on one GPU: what their kernel is told, and the rows that come back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mcflow.errors import InputError, Unfinished
from mcflow.quantities import BACKWARD, QUANTITIES
from mcflow.sampling.blocks import Block, scale

if TYPE_CHECKING:
    from mcflow.activations.registry import Activation
    from mcflow.model.case import Case
    from mcflow.sampling.bins import Plan

_SIMULATED_THREADS = 4


def why_not(case: Case, method: str) -> str:
    """Why the GPU's kernels cannot simulate a case, or an empty string: the processor does it then."""
    if method == "chain":
        return "the chain of norms is a matter of milliseconds on the processor"
    return ""


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
    from mcflow.kernels.cuda import launch
    from mcflow.kernels.cuda._compile import cuda
    from mcflow.kernels.cuda.tuples import BINS

    job = _job(case, inputs, seed, method, backward, plan, threads)
    layers = len(case.widths)
    counts = cuda.to_device(np.zeros((2, layers, BINS), np.int32))
    blocks = min(count, launch.blocks_at_a_time(job.work.plan, layers))

    def read(sums: NDArray[np.float32], exponents: NDArray[np.int32]) -> Any:
        return rows_of(sums, exponents, job.width, job.fan_in, job)

    while True:
        try:
            pieces = launch.simulate(job.work, first, count, blocks, counts, read)
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
    rows = {name: np.concatenate([piece[name] for piece, _ in pieces]) for name in pieces[0][0]}
    exponents = np.concatenate([piece for _, piece in pieces], axis=1)
    missing = set() if backward else set(BACKWARD)
    if case.batch < 2:
        missing.add("preactivation_correlation")
    kept = {name: rows[name] for name in QUANTITIES if name not in missing}
    of_h, of_x, of_d, below = exponents
    log2 = scale(kept, [of_h, of_x, of_d if backward else None, below])
    return Block(first, kept, total[0], total[1] if backward else None, log2)


@dataclass(frozen=True)
class _Job:
    """A case as its kernel takes it, and what its sums are divided by."""

    work: Any
    width: NDArray[np.int64]
    fan_in: NDArray[np.int64]
    group: int


def _job(
    case: Case, values: NDArray[np.float64], seed: int, method: str, backward: bool, plan: Plan, threads: int | None
) -> _Job:
    from mcflow.kernels.cuda import build
    from mcflow.kernels.cuda._compile import SIMULATED, cuda
    from mcflow.kernels.cuda.tuples import Inputs, Layers, Work
    from mcflow.sampling.arguments import PLAIN_EXPONENT, split

    if SIMULATED and threads is None:
        threads = _SIMULATED_THREADS
    program = case.program_for(values.shape[1])
    mantissa, exponent = split(program.weight_std)
    units = np.stack([plan.preactivation_exponent, plan.gradient_exponent])
    batch = len(values)
    largest = float(np.abs(values).max())
    shift = math.frexp(largest)[1] if largest > 0 else 0
    shift = 0 if abs(shift) < PLAIN_EXPONENT else shift
    group = 2 if case.correlation is not None else max(2, batch)
    kernel_plan = build.plan_for(
        method,
        case.rule.distribution,
        program.biases_are_uniform,
        batch,
        backward,
        program.width.tolist(),
        program.fan_in.tolist(),
        threads,
    )
    key, code, nonlinearity = _nonlinearity(case.nonlinearity)
    work = Work(
        kernel_plan,
        build.kernel_for(kernel_plan, key, code),
        Layers(
            cuda.to_device(program.fan_in.astype(np.int32)),
            cuda.to_device(program.width.astype(np.int32)),
            cuda.to_device(mantissa.astype(np.float32)),
            cuda.to_device(exponent.astype(np.int32)),
            cuda.to_device(program.bias_std.astype(np.float32)),
            cuda.to_device(units.astype(np.int32)),
        ),
        Inputs(cuda.to_device(np.ldexp(values, -shift).T.astype(np.float32).ravel()), shift, group),
        nonlinearity,
        np.uint64(seed),
        plan.networks,
    )
    return _Job(work, program.width, program.fan_in, group)


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


def rows_of(
    sums: NDArray[np.float32], exponents: NDArray[np.int32], width: NDArray[Any], fan_in: NDArray[Any], job: _Job
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    """Every quantity (network, layer) in float64 without its power of two, and the exponents (kind, network, layer)."""
    from mcflow.kernels.cuda import tuples as at

    batch = job.work.plan.batch
    s, e = np.moveaxis(sums.astype(np.float64), 2, 0), np.moveaxis(exponents.astype(np.float64), 2, 0)
    length = (width * batch).astype(np.float64)
    with np.errstate(all="ignore"):
        rows = {
            "preactivation_mean": s[at.H_ONE] / length,
            "preactivation_second_moment": s[at.H_TWO] / length,
            "preactivation_fourth_moment": s[at.H_FOUR] / length,
            "activation_mean": s[at.X_ONE] / length,
            "activation_second_moment": s[at.X_TWO] / length,
            "active_fraction": s[at.ACTIVE] / length,
            "saturated_fraction": s[at.SATURATED] / length,
            "gradient_second_moment": s[at.D_TWO] / length,
            "weight_gradient_second_moment": s[at.D_PRODUCT] / (length * fan_in),
        }
        group = job.group
        pairs = batch // group * group
        rows["preactivation_correlation"] = (s[at.COSINES] - pairs) / max(1, pairs * (group - 1))
    kinds = [at.H_EXPONENT, at.X_EXPONENT, at.D_EXPONENT, at.IN_EXPONENT]
    return {name: np.ascontiguousarray(values) for name, values in rows.items()}, np.ascontiguousarray(e[kinds])


def _is_a(error: Exception, *names: str) -> bool:
    """Whether a class of one of these names is among the error's: they have moved between versions of numba-cuda."""
    return any(kind.__name__ in names for kind in type(error).__mro__)


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__

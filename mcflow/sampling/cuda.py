"""Blocks of networks on one GPU: what their kernel is told, and the sums that come back."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mcflow import quantities
from mcflow.errors import InputError, Unfinished, option
from mcflow.kernels.recorded import BINS, SUMS
from mcflow.sampling import cuda_verdict
from mcflow.sampling.arguments import exponent_of, group_of, parameter_of, split
from mcflow.sampling.compiler import why_not_compiled
from mcflow.sampling.grouped import Counted, Grouped
from mcflow.sampling.recorded import Recorded, Sizes

if TYPE_CHECKING:
    from mcflow.activations.registry import Activation
    from mcflow.model.case import Case
    from mcflow.quantities import Quantity
    from mcflow.sampling.bins import Plan

METHODS = ("direct", "collapsed")  # that the kernels know
# A simulated block, and the compute capability of what simulates it.
_SIMULATED_THREADS, _SIMULATED_CAPABILITY = 4, (0, 0)


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

    Where memory is short, less is held at a time. Raises Unfinished where the device is lost.
    """
    from mcflow.kernels.cuda import launch

    work = work_of(case, inputs, seed, method, backward, plan, threads)
    (sums, exponents), counts = _computed(case, work, count, functools.partial(launch.simulate, work, first, count))
    sizes = Sizes.of(case, inputs.shape[1])
    return Recorded(first, sums, exponents, counts, sizes, range(SUMS), backward)


def record_groups(
    case: Case,
    inputs: NDArray[np.float64],
    seed: int,
    first: int,
    count: int,
    *,
    group: int,
    method: str,
    backward: bool,
    plan: Plan,
    threads: int | None = None,
) -> Grouped:
    """What ``sample.record_groups`` promises, folded where it was computed: no sums but of odd columns come here.

    Memory and what is raised are those of ``record``.
    """
    from mcflow.kernels.cuda import launch

    work = work_of(case, inputs, seed, method, backward, plan, threads)
    sizes = Sizes.of(case, inputs.shape[1])
    made = quantities.given(sizes.inputs, backward, range(SUMS))
    recipe = _recipe(made, sizes)

    def compute(room: Any, counts: Any) -> Any:
        return launch.fold_networks(work, first, count, room, counts, recipe, group)

    found, counts = _computed(case, work, count, compute)
    kept: dict[int, Recorded] = {}
    before = 0  # groups of the launches before
    for each in found:
        for number, of_group in each.kept.items():
            sums, exponents = (np.moveaxis(of, 2, 0).astype(np.float64) for of in of_group)
            start = first + (before + number) * group
            uncounted = np.zeros_like(counts)
            kept[before + number] = Recorded(start, sums, exponents, uncounted, sizes, range(SUMS), backward)
        before += len(each.odd)
    forward, of_gradients = counts
    return Grouped(
        first,
        count,
        group,
        tuple(quantity.name for quantity in made),
        np.concatenate([each.results for each in found]),
        np.concatenate([each.odd for each in found]),
        np.concatenate([each.waiting for each in found]),
        [Counted(*each.table) for each in found],
        kept,
        (forward, of_gradients if backward else None),
    )


def _computed(case: Case, work: Any, count: int, compute: Callable[[Any, Any], Any]) -> tuple[Any, NDArray[np.int64]]:
    """What ``compute(room, counts)`` gives, and the counts int64 (2, L, BINS), in as much room as there is."""
    from mcflow.kernels.cuda import launch
    from mcflow.kernels.cuda._compile import cuda

    layers = len(case.widths)
    room = launch.room_for(work.plan, layers, count)
    while True:
        try:
            counts = cuda.to_device(np.zeros((2, layers, BINS), np.int32))
            return compute(room, counts), counts.copy_to_host().astype(np.int64)
        except Exception as error:
            if not _is_a(error, "CudaDriverError", "CudaAPIError", "CudaRuntimeError", "CUDAError"):
                if case.nonlinearity.scalar is not None:
                    raise InputError(_not_compiled(case.activation, error)) from None
                raise
            if "OUT_OF_MEMORY" not in str(error).upper():
                cuda_verdict.forget(cuda_verdict.key())  # the next run looks again
                sentence = f"the GPU was lost ({_last_line(error)}); the parts written so far are whole"
                raise Unfinished(sentence) from None
        less = launch.halved(room)
        if less is None:
            raise Unfinished(
                f"the GPU has too little memory for one network of this case; give {option('device', 'cpu')}, or a "
                "smaller width, depth or batch"
            )
        room = less


def _recipe(made: Sequence[Quantity], sizes: Sizes) -> Any:
    """How quantities are made of sums, as the device takes it: ``kernels/cuda/fold.py``."""
    from mcflow.kernels.cuda._compile import cuda
    from mcflow.kernels.cuda.fold import Recipe

    less, divisors = zip(*(sizes.less_and_divisor(quantity) for quantity in made), strict=True)
    return Recipe(
        cuda.to_device(_filled_up([quantity.numerator for quantity in made])),
        cuda.to_device(_filled_up([quantity.denominator for quantity in made])),
        cuda.to_device(np.array(less)),
        cuda.to_device(np.ascontiguousarray(np.stack(divisors, axis=1), dtype=np.float64)),
        cuda.to_device(np.array([quantity.powers for quantity in made], np.int32)),
    )


def _filled_up(columns: Sequence[tuple[int, ...]]) -> NDArray[np.int32]:
    """int32 (quantity, term), -1 where a quantity has fewer terms than others."""
    longest = max(1, *map(len, columns))
    return np.array([[*of, *[-1] * (longest - len(of))] for of in columns], np.int32)


def work_of(
    case: Case, values: NDArray[np.float64], seed: int, method: str, backward: bool, plan: Plan, threads: int | None
) -> Any:
    """A case as its kernel takes it: the kernel, its plan, and the arguments that all launches share."""
    from mcflow.kernels.cuda import build
    from mcflow.kernels.cuda._compile import SIMULATED, cuda
    from mcflow.kernels.cuda.rng import round_keys
    from mcflow.kernels.cuda.tuples import Architecture, Inputs, Work

    if SIMULATED and threads is None:
        threads = _SIMULATED_THREADS
    capability = _SIMULATED_CAPABILITY if SIMULATED else cuda.get_current_device().compute_capability
    program = case.program_for(values.shape[1])
    mantissa, exponent = split(program.weight_std)
    units = np.stack([plan.preactivation_exponent, plan.gradient_exponent])
    batch = len(values)
    shift = exponent_of(float(np.abs(values).max()))
    key, code, nonlinearity = _nonlinearity(case.nonlinearity)
    shared = {
        "architecture": Architecture(
            cuda.to_device(program.fan_in.astype(np.int32)),
            cuda.to_device(program.width.astype(np.int32)),
            cuda.to_device(mantissa.astype(np.float32)),
            cuda.to_device(exponent.astype(np.int32)),
            cuda.to_device(program.bias_std.astype(np.float32)),
            cuda.to_device(units.astype(np.int32)),
        ),
        "inputs": Inputs(cuda.to_device(np.ldexp(values, -shift).T.astype(np.float32).ravel()), shift, group_of(case)),
        "nonlinearity": nonlinearity,
        "keys": round_keys(seed),
        "counted": plan.networks,
    }
    machine = build.Machine(tuple(capability), threads)
    law, sizes = case.rule.distribution.name, (program.width.tolist(), program.fan_in.tolist(), machine)
    rest = None
    for name in build.kernels_of(method, law, batch):  # the last is the first that is launched
        of_kernel = build.plan_for(name, law, program.biases_are_uniform, batch, backward, *sizes)
        rest = Work(of_kernel, build.kernel_for(of_kernel, key, code), **shared, rest=rest)
    return rest


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

"""What one network was made of, as the kernels made it: random numbers, weights, and what a collapsed walk leaves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mcflow.kernels.recorded import BINS
from mcflow.sampling import cpu, walks
from mcflow.sampling.bins import Plan

if TYPE_CHECKING:
    from mcflow.model.case import Case


def draw_weights(case: Case, features: int, seed: int, network: int) -> list[NDArray[np.float64]]:
    """The weights of every layer of a directly simulated network, (width_l, fan_in_l) float64."""
    from threadpoolctl import threadpool_limits

    from mcflow.kernels.cpu import direct
    from mcflow.kernels.cpu.tuples import Address

    address, architecture = Address(np.uint64(seed), network), cpu.architecture_of(case, features)
    weights = []
    for layer, n_in in enumerate(architecture.fan_in.tolist()):
        with threadpool_limits(1, "blas"):
            unit = direct.draw_weights(address, architecture, layer)[:, :n_in]
        std = math.ldexp(float(architecture.weight_std[layer]), int(architecture.weight_exponent[layer]))
        weights.append(std * unit.astype(np.float64))
    return weights


def draw_numbers(
    seed: int, network: int, layer: int, stream: str, shape: tuple[int, int], distribution: str = "normal"
) -> NDArray[np.float64]:
    """(rows, n) unit-variance numbers of one stream of a network (a name in ``kernels/body/rng.py``)."""
    from mcflow.kernels.body import rng
    from mcflow.kernels.cpu import direct, fill
    from mcflow.kernels.cpu.tuples import Address

    rows, n = shape
    law, place = fill.distribution(distribution), getattr(rng, stream)
    return direct.draw_rows(Address(np.uint64(seed), network), law, n, layer, place, rows).astype(np.float64)


def scales_of(case: Case, features: int) -> list[tuple[float, float]]:
    """The standard deviations of weights and biases of every layer, as the kernels round them."""
    layers = cpu.architecture_of(case, features)
    std = np.ldexp(layers.weight_std.astype(np.float64), layers.weight_exponent)
    return list(zip(std.tolist(), layers.bias_std.astype(np.float64).tolist(), strict=True))


@dataclass(frozen=True)
class Record:
    """What a collapsed walk did to one layer, in its own float32 numbers made float64; columns are inputs.

    ``basis`` and ``basis_of_gradients``: the reflections v_j (numbers from j on) and tau_j of the layer's inputs and of
    its gradients; of one input through normal weights its direction, with its entry for the biases, and nothing.
    ``preactivations`` h, biases included, and ``back`` W^T delta (none for the first layer), unscaled.
    """

    basis: tuple[NDArray[np.float64], NDArray[np.float64]]
    basis_of_gradients: tuple[NDArray[np.float64], NDArray[np.float64]]
    preactivations: NDArray[np.float64]
    back: NDArray[np.float64]


def records_of(case: Case, inputs: NDArray[np.float64], seed: int, network: int) -> list[Record]:
    """Every layer of a collapsed network as the processor walks through it, forward and backward."""
    from threadpoolctl import threadpool_limits

    from mcflow.kernels.cpu import completion, launch
    from mcflow.kernels.cpu.sums import RECORDED
    from mcflow.kernels.cpu.tuples import Block, Memory

    program, batch = case.program_for(inputs.shape[1]), len(inputs)
    depth, length = program.depth, program.widest + 1 + completion.BESIDE
    record = np.zeros((depth, completion.PLANES, batch, length), np.float32)
    nothing = np.zeros(depth, np.int64)
    arguments = cpu.kernel_arguments(case, inputs, seed, network, Plan(0, nothing, nothing))
    rows, counts = np.empty((RECORDED, 1, depth)), np.zeros((1, 2, depth, BINS), np.int64)
    memory = Memory(True, np.empty((1, 0), np.float32), record)
    walk = walks.walk_of("collapsed", batch == 1 and case.rule.distribution.is_gaussian)
    with threadpool_limits(1, "blas"):
        launch.simulate(walk.compiled, Block(*arguments, memory), rows, counts)
    return [_read(layer.astype(np.float64)) for layer in record]


def _read(record: NDArray[np.float64]) -> Record:
    from mcflow.kernels.cpu import completion

    numbers = np.swapaxes(record[:, :, : -completion.BESIDE], 1, 2)
    tau, exponent = record[:, :, completion.TAU], record[:, 0, completion.EXPONENT].astype(int)
    return Record(
        (numbers[completion.INPUTS], tau[completion.INPUTS]),
        (numbers[completion.GRADIENTS], tau[completion.GRADIENTS]),
        np.ldexp(numbers[completion.PREACTIVATIONS], exponent[completion.PREACTIVATIONS]),
        np.ldexp(numbers[completion.BACK], exponent[completion.BACK]),
    )

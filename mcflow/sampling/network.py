"""One network of a study drawn again alone: its weights, biases, inputs and output gradient as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcflow.bounds import whole_number
from mcflow.errors import InputError
from mcflow.methods import choice, registry
from mcflow.model.case import Case, require_case
from mcflow.model.study import MAX_NETWORKS, MAX_SEED
from mcflow.sampling import compiler, drawn

_DRAWN = " or ".join(repr(method.name) for method in reversed(registry.ALL) if method.can_be_drawn)

_NAMED = 4  # matrices whose shapes a prompt shows


@dataclass(frozen=True)
class Network:
    """A drawn network: ``weights[l]`` (width_l, fan_in_l), ``biases[l]`` (width_l,), ``inputs`` (batch, features).

    ``output_gradient`` is (batch, width_L): the v of the loss sum_i v_i x_L,i. All float64.
    """

    weights: list[NDArray[np.float64]]
    biases: list[NDArray[np.float64]]
    inputs: NDArray[np.float64]
    output_gradient: NDArray[np.float64]

    def __repr__(self) -> str:
        shapes = " ".join(f"{n}x{n_in}" for n, n_in in (weights.shape for weights in self.weights[:_NAMED]))
        more = "" if len(self.weights) <= _NAMED else f" and {len(self.weights) - _NAMED} more"
        batch, features = self.inputs.shape
        return f"<mcflow.Network of weights {shapes}{more}; inputs: {batch} of {features} features>"


def draw(case: Case, seed: int = 0, network: int = 0, method: str = "auto") -> Network:
    """Draw network ``network`` of a study with that seed again: plain NumPy propagation of it gives its row.

    ``method`` is the one that simulated the case: ``auto`` is what a run on the processor takes by itself, and the
    ``method`` attribute of a case's group says which it was (``Result.draw`` reads it). A collapsed network never had
    weights: it gets some that do to its inputs and gradients just what was sampled, distributed as the scheme's.

    Raises InputError for a seed or network out of range, an unknown method, or inputs that cannot be had.
    """
    require_case(case, "draw")
    if method != choice.AUTO and not registry.get(method).can_be_drawn:
        raise InputError(f"a {method} of norms has no weights to draw; draw the network by method {_DRAWN}")
    seed, network = whole_number("seed", seed, 0, MAX_SEED), whole_number("network", network, 0, MAX_NETWORKS - 1)
    compiler.require_compiler()
    from mcflow.inputs.case_inputs import inputs_of

    inputs = np.array(inputs_of(case, seed))
    if method == choice.AUTO:
        method = choice.choose(case, inputs.shape[1], "auto").method
    shape = (case.batch, case.widths[-1])
    gradient = drawn.draw_numbers(seed, network, len(case.widths) - 1, "OUTPUT_GRADIENT", shape)
    if not registry.get(method).makes_weights:
        from mcflow.sampling import collapsed_weights

        weights, biases = collapsed_weights.complete(case, inputs, gradient, seed, network)
        return Network(weights, biases, inputs, gradient)
    weights = drawn.draw_weights(case, inputs.shape[1], seed, network)
    return Network(weights, draw_biases(case, inputs.shape[1], seed, network), inputs, gradient)


def draw_biases(case: Case, features: int, seed: int, network: int) -> list[NDArray[np.float64]]:
    """The biases of every layer, (width_l,) float64; zeros where the case has none."""
    program = case.program_for(features)
    law = "uniform" if program.biases_are_uniform else "normal"
    biases = []
    for layer, (n, std) in enumerate(zip(program.widths, program.bias_std.astype(np.float32).tolist(), strict=True)):
        biases.append(std * drawn.draw_numbers(seed, network, layer, "BIASES", (1, n), law)[0])
    return biases

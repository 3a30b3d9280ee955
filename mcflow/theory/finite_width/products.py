"""(Leaky) ReLU and one input: second moments as products of independent factors, and what follows for logarithms.

Signs are fair coins: with normal or orthogonal weights and no biases every second moment is its infinite-width scale
times one ``Length`` and one ``Share`` a layer. Biases leave that true of gradients alone.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcflow.mean_field.quadrature import Array
from mcflow.theory.finite_width.factors import Length, Share
from mcflow.theory.stack import Stack, log_mean

Factor = Length | Share
H, X, D = "preactivation_second_moment", "activation_second_moment", "gradient_second_moment"


@dataclass(frozen=True)
class Product:
    """One quantity of one input, given that it is not 0: in layer l the scale times ``steps[start:stop]``.

    ``log_scale``, ``start`` and ``stop`` are (layer,).
    """

    log_scale: Array
    steps: tuple[Factor, ...]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]

    def of_layer(self, layer: int) -> Counter[Factor]:
        """How often each factor stands in the product of layer ``layer``, counted from 0."""
        return Counter(self.steps[self.start[layer] : self.stop[layer]])

    def total(self, of: str) -> Array:
        """(layer,) sums over the factors of one of their averages; of ``root_mean`` the sum of logarithms."""
        values = np.array([getattr(step.averages, of) for step in self.steps])
        sums = np.concatenate([[0.0], np.cumsum(np.log(values) if of == "root_mean" else values)])
        return np.asarray(sums[self.stop] - sums[self.start])


def coins_are_fair(stack: Stack) -> bool:
    """Whether the signs of one input's preactivations are independent fair coins, independent of all sizes.

    A row of W_l and its bias may change sign together. h must have no atom at 0: sign weights need a bias.
    """
    return stack.activation.negative_slope == 1.0 or stack.distribution.is_continuous or stack.has_bias


def products(stack: Stack) -> dict[str, Product]:
    """By quantity; empty where second moments are not such products: another activation, other weights."""
    slope = stack.activation.negative_slope
    if slope is None or not stack.distribution.is_rotation_invariant:
        return {}
    orthogonal = not stack.distribution.is_independent
    width, fan_in = stack.width.astype(int).tolist(), stack.fan_in.astype(int).tolist()
    kept = [Share(n, slope) for n in width]
    # |W^T d|: n_l of max(n_l, n_(l+1)) columns; the cotangent above the last layer is normal
    back = [Length(n, max(n, m) if orthogonal and m else 0) for n, m in zip(width, [*width[1:], 0], strict=True)]
    into = [Length(n, max(n, m) if orthogonal else 0) for n, m in zip(width, fan_in, strict=True)]
    layer, zero = np.arange(stack.depth), np.zeros(stack.depth, dtype=np.int64)
    gain = np.cumsum(np.log(stack.backward)[::-1])[::-1]
    out = {D: Product(gain, _interleaved(back, kept), 2 * layer, zero + 2 * stack.depth)}
    if not stack.has_bias:
        scale, steps = math.log(stack.input_moment[0]) + np.cumsum(np.log(stack.forward)), _interleaved(into, kept)
        out |= {H: Product(scale, steps, zero, 2 * layer + 1), X: Product(scale, steps, zero, 2 * layer + 2)}
    return out


def _interleaved(lengths: list[Length], shares: list[Share]) -> tuple[Factor, ...]:
    return tuple(factor for pair in zip(lengths, shares, strict=True) for factor in pair)


def log_laws(stack: Stack) -> dict[str, tuple[Array, Array]]:
    """quantity -> (layer,) mean and variance of its natural logarithm over the networks where it is not 0."""
    out = {
        name: (product.log_scale + product.total("log_mean"), product.total("log_variance"))
        for name, product in products(stack).items()
    }
    if X in out:  # x_(l-1) and d_l are independent
        mean = np.concatenate([[math.log(stack.input_moment[0])], out[X][0][:-1]])
        variance = np.concatenate([[0.0], out[X][1][:-1]])
        out["weight_gradient_second_moment"] = out[D][0] + mean, out[D][1] + variance
    return out


def log_mean_magnitude(stack: Stack) -> Array | None:
    """(layer,) log E |h| of one unit over networks, dead ones too, and inputs; None where it is not known.

    h is |h| times an entry of a uniform direction, whose mean magnitude is Gamma(n/2) / (sqrt(pi) Gamma((n + 1)/2)).
    """
    from scipy.special import gammaln

    product = products(stack).get(H)
    if product is None:
        return None
    inputs = float(log_mean(0.5 * np.log(stack.input_moment))) - 0.5 * math.log(stack.input_moment[0])
    half = 0.5 * stack.width
    entry = gammaln(half) - gammaln(half + 0.5) - 0.5 * math.log(math.pi) + 0.5 * np.log(stack.width)
    return np.asarray(inputs + 0.5 * product.log_scale + product.total("root_mean") + entry)

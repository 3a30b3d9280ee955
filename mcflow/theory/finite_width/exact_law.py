"""The exact law at finite width: Gaussian weights and one input make the variance of h a Markov chain in depth.

G_(l+1) = sigma_b^2 + (sigma_w^2 / n_l) sum_j phi(sqrt(G_l) z_j)^2 with z_j independent N(0, 1). The law of G is held as
a functional: weights on Chebyshev points of panels in log G, such that E F(G) = sum weight F(point) for smooth F. A
layer multiplies the weights by E[cardinal function(log G') | G], from the characteristic function of one term.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc

from mcflow.activations.registry import Activation
from mcflow.mean_field import quadrature
from mcflow.mean_field.evaluation import slopes, values
from mcflow.mean_field.moments import Moments, moments
from mcflow.mean_field.quadrature import Array
from mcflow.mean_field.refinement import resolve

POINTS = 12  # Chebyshev points a panel: with panels of a few standard deviations, 1e-9
WIDEST = 1.0  # of a panel in log G
BLOCK = 32  # frequencies that are added at a time
PRODUCT = 8  # rows, kinds times blocks, of a product of matrices: fewer leave most of a core idle
HIGHEST = 80.0  # frequency, in inverse standard deviations of the law: what lies above only wiggles within 1 % of one
MARGIN = 1.0  # standard deviations below the lowest possible value that are looked at
LEAST = 1e-3  # of one unit's mean: a smaller variance counts as this one, without biases
DECAYED = 1e-13  # of |characteristic function| at the last frequency
NEGLIGIBLE = 1e-14  # share of the law in a panel that is dropped
REACH = 9.5  # in z
MOST_PANELS = 500  # of quadrature in z, of a user's function
RESOLVED = 1e-6  # by how much total probability may miss 1
SMALLEST, LARGEST = math.log(1e-38), math.log(1e38)
Law = dict[int, Array]  # panel -> (point,) weights


class Unresolved(ArithmeticError):
    """The law has jumps or tails that the expansion does not resolve; the message says which."""


@dataclass
class Transition:
    """The step from the variance G at a layer of ``width`` units to the next layer's, rows computed when asked for.

    ``weight_variance`` and ``bias_variance`` are sigma_w^2 and sigma_b^2 of the next layer. Panel j covers
    [j, j + 1] ``step`` in log G.
    """

    activation: Activation
    width: int
    weight_variance: float
    bias_variance: float
    step: float
    rows: dict[int, dict[int, Array]] = field(default_factory=dict)
    tilted_rows: dict[int, dict[int, Array]] = field(default_factory=dict)
    dead: dict[int, Array] = field(default_factory=dict)  # panel -> (point,) P(G' = 0)

    def row(self, panel: int) -> dict[int, Array]:
        """target panel -> (point, target point) matrix of E[cardinal function | G at the point]."""
        if panel not in self.rows:
            spread, jump = self._spread(np.exp(points_of(panel, self.step)), tilted=False)
            self.rows[panel] = {j: block[0] for j, block in spread.items()}
            self.dead[panel] = jump if self.bias_variance == 0 else np.zeros(POINTS)
        return self.rows[panel]

    def tilted(self, panel: int) -> dict[int, Array]:
        """target panel -> (4, point, target point): as ``row``, with a sum over the layer's units inside the average.

        The sums, d = phi'(h), p = phi(h): sum d^2 p^2, sum d^2, (sum h d p)^2 and sum h^2 d^2.
        """
        if panel not in self.tilted_rows:
            self.tilted_rows[panel], _ = self._spread(np.exp(points_of(panel, self.step)), tilted=True)
        return self.tilted_rows[panel]

    def _spread(self, g: Array, tilted: bool) -> tuple[dict[int, Array], Array]:
        term, weights = self._terms(g, tilted)
        w = weights[0]
        mean = np.sum(term * w, axis=1)
        deviation = np.sqrt(np.maximum(np.sum((term - mean[:, None]) ** 2 * w, axis=1), 0.0))
        if not (deviation > 1e-9 * mean).all():
            raise Unresolved("the activation is constant where preactivations lie")
        unit = (term - mean[:, None]) / (deviation[:, None] * math.sqrt(self.width))
        # units with phi(h) = 0 exactly: all off at once is a jump of the law, where every tilt is 0
        jump = np.sum((term == self.bias_variance) * w, axis=1) ** self.width
        at = (self.bias_variance - mean) * math.sqrt(self.width) / deviation
        low, high = max(-14.0, float(at.min()) - MARGIN), 16.0 + 100.0 / math.sqrt(self.width)
        spacing = 2.0 * math.pi / (high - low)
        waves = self._waves(unit, weights, spacing, jump, at)
        count = max(64, 2 * waves.shape[2])
        u = low + (high - low) * np.arange(count) / count
        density = _densities(waves, low, spacing, count)
        value = mean[:, None] + u * (deviation / math.sqrt(self.width))[:, None]
        # what the window smears beyond the lowest possible value belongs there
        floor = (
            mean[:, None] * LEAST / self.width if self.bias_variance == 0 else np.full_like(value, self.bias_variance)
        )
        keep = (value > floor) | (np.abs(density).max(axis=0) > 1e-12)
        value = np.maximum(value, floor)
        targets = _collect(density, np.log(value), keep, self.step)
        if self.bias_variance > 0 and jump.max() > 0 and not tilted:
            where = np.full((len(g), 1), math.log(self.bias_variance))
            _merge(targets, _collect(jump[None, :, None], where, np.ones_like(where, dtype=bool), self.step))
        return targets, jump

    def _terms(self, g: Array, tilted: bool) -> tuple[Array, list[Array]]:
        """(point, node) values of sigma_w^2 phi(sqrt(g) z)^2 + sigma_b^2, and weights of nodes: plain, then tilts.

        The tilts are d^2 p^2, d^2, h d p, h^2 d^2 and (h d p)^2. Weights are (1, node) where they are one for all.
        """
        root = np.sqrt(g)
        z, w = quadrature.panels(_edges(self.activation, g), 24)
        w = w * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
        w = w / w.sum(axis=1, keepdims=True)
        h = root[:, None] * z
        phi = values(self.activation, h)
        weights = [w]
        if tilted:
            dphi = slopes(self.activation, h)
            product = h * dphi * phi
            weights += [w * t for t in (dphi**2 * phi**2, dphi**2, product, (h * dphi) ** 2, product**2)]
        return self.weight_variance * phi * phi + self.bias_variance, weights

    def _waves(
        self, unit: Array, weights: list[Array], spacing: float, jump: Array, at: Array
    ) -> NDArray[np.complex128]:
        """(1 or 4, point, frequency) of E exp(i t u)^n - jump exp(i t at), or with each tilt, at t = 0, spacing, ...

        Ends where it has decayed; where it has not by HIGHEST a smooth window ends it: flat at low t, so that every
        average of a smooth function is kept.
        """
        block = _Block(spacing * unit, np.stack(np.broadcast_arrays(*weights, unit)[:-1], axis=1))
        n, done = self.width, 0
        found: list[NDArray[np.complex128]] = []
        while done * spacing < HIGHEST:
            for averages in block.next_ones():
                t = (done + np.arange(BLOCK)) * spacing
                done += BLOCK
                one, *tilts = averages.transpose(1, 0, 2)  # (point, frequency) each
                if not tilts:
                    found.append((one**n - jump[:, None] * np.exp(1j * at[:, None] * t))[None])
                else:
                    a, b, c, d, e = tilts
                    most = one ** (n - 1)
                    pair = n * (n - 1) * c * c * one ** (n - 2) if n > 1 else 0.0
                    found.append(np.stack([n * a * most, n * b * most, pair + n * e * most, n * d * most]))
                first = np.abs(found[0][..., 0]).max(axis=1)[:, None, None] + 1e-300
                if np.abs(found[-1][..., -2:] / first).max() < DECAYED:
                    return np.concatenate(found, axis=2)
                if done * spacing >= HIGHEST:
                    break
        window = 0.5 * erfc(20.0 * (np.arange(done) / done - 0.75))
        return np.concatenate(found, axis=2) * window


class _Block:
    """Averages of exp(i k angle), k = 0, 1, ..., BLOCK at a time: (point, kind, node) ``table`` of weights."""

    def __init__(self, angle: Array, table: Array) -> None:
        turn = np.exp(1j * angle)
        powers = np.empty((len(turn), BLOCK, turn.shape[1]), dtype=np.complex128)
        powers[:, 0] = 1.0
        for k in range(1, BLOCK):
            np.multiply(powers[:, k - 1], turn, out=powers[:, k])
        self._powers = powers.transpose(0, 2, 1)
        self._leap = powers[:, -1] * turn  # from a block to the next
        self._weights = table.astype(np.complex128)

    def next_ones(self) -> Iterator[NDArray[np.complex128]]:
        """(point, kind, frequency) of the next blocks: as many as make one product of matrices worth its while."""
        point, kinds, nodes = self._weights.shape
        together = max(1, PRODUCT // kinds)
        weights = np.empty((point, together, kinds, nodes), dtype=np.complex128)
        for place in range(together):
            weights[:, place] = self._weights
            self._weights = self._weights * self._leap[:, None]
        averages = weights.reshape(point, together * kinds, nodes) @ self._powers
        yield from averages.reshape(point, together, kinds, BLOCK).transpose(1, 0, 2, 3)


def _densities(waves: NDArray[np.complex128], low: float, spacing: float, count: int) -> Array:
    """(kind, point, place) of the functions whose waves at t = 0, spacing, ... are given, at ``count`` places a period.

    The places begin at ``low``; the waves at -t are the conjugates.
    """
    turned = waves * np.exp(-1j * spacing * low * np.arange(waves.shape[2]))
    turned[..., 0] *= 0.5
    return np.asarray(np.fft.fft(turned, count, axis=2).real * (2.0 / count))


def _edges(activation: Activation, g: Array) -> Array:
    """(point, edge) edges in z of panels for each G of a panel of the law; (1, edge) where one set does for all.

    Kinks away from 0 lie elsewhere in z for each of them. Fewer edges end in panels of no width.
    """
    if activation.is_builtin:
        each_of = g.tolist() if _moving(activation) else g[-1:].tolist()
        edges = [quadrature.edges_of(math.sqrt(each), activation.kinks, REACH) for each in each_of]
        most = max(len(each) for each in edges)
        return np.stack([np.pad(each, (0, most - len(each)), mode="edge") for each in edges])
    edges = [quadrature.edges_of(math.sqrt(each), activation.kinks, REACH) for each in g.tolist()]
    if not _moving(activation):
        edges = edges[-1:]
    finest = [resolve(activation, activation.scalar, each).edges for each in (float(g[0]), float(g[-1]))]
    edges += [each[np.abs(each) < REACH] for each in (finest if _moving(activation) else finest[-1:])]
    together = np.unique(np.concatenate(edges))
    if len(together) > MOST_PANELS:
        raise Unresolved(f"{activation.name} has structure too fine for it: {len(together)} panels of quadrature")
    return together[None]


def _moving(activation: Activation) -> bool:
    return any(kink != 0.0 for kink in activation.kinks)


@lru_cache(maxsize=64)
def _transition(
    activation: Activation, scalar: object, width: int, weight_variance: float, bias_variance: float, step: float
) -> Transition:
    return Transition(activation, width, weight_variance, bias_variance, step)


def points_of(panel: int, step: float) -> Array:
    """(point,) values of log G in a panel."""
    return quadrature.chebyshev(POINTS, panel * step, (panel + 1) * step)


def _collect(weights: Array, logs: Array, keep: NDArray[np.bool_], step: float) -> dict[int, Array]:
    """target panel -> (kind, row, point): (kind, row, place) weights at ``logs``, moved to points of their panels.

    ``logs`` (row, place) do not fall along a row, so that the places of one panel are neighbours.
    """
    row, place = np.nonzero(keep)
    if not len(row):
        return {}
    at = logs[row, place] / step
    panel = np.floor(at)
    cardinal = quadrature.interpolation(quadrature.chebyshev(POINTS, 0.0, 1.0), at - panel)
    target = panel.astype(np.int64)
    starts = np.flatnonzero(np.append(True, (np.diff(target) != 0) | (np.diff(row) != 0)))
    moved = np.add.reduceat(weights[:, row, place, None] * cardinal, starts, axis=1)
    out: dict[int, Array] = {}
    for j in np.unique(target).tolist():
        mine = target[starts] == j
        out[j] = np.zeros((len(weights), len(logs), POINTS))
        out[j][:, row[starts[mine]]] = moved[:, mine]
    return out


def _merge(into: dict[int, Array], other: dict[int, Array]) -> None:
    for j, block in other.items():
        into[j] = into[j] + block if j in into else block


def start(variance: float, step: float) -> Law:
    """The law of a variance that is known."""
    where = np.full((1, 1), math.log(variance))
    return {j: block[0, 0] for j, block in _collect(np.ones((1, 1, 1)), where, np.ones((1, 1), bool), step).items()}


def advance(law: Law, transition: Transition) -> Law:
    """The law a layer on. Raises Unresolved where it cannot be had."""
    out: dict[int, Array] = {}
    missed = 0.0
    for panel, weights in law.items():
        total = np.zeros(POINTS)
        for target, matrix in transition.row(panel).items():
            add = weights @ matrix
            out[target] = out[target] + add if target in out else add
            total += matrix.sum(axis=1)
        missed += float(np.abs(weights) @ np.abs(total + transition.dead[panel] - 1.0))
    if missed > RESOLVED:
        raise Unresolved(f"the law at width {transition.width} is not resolved: {missed:.1g} of it is missed")
    kept = {j: w for j, w in out.items() if np.abs(w).sum() > NEGLIGIBLE}
    if kept and not SMALLEST < min(kept) * transition.step < max(kept) * transition.step < LARGEST:
        raise Unresolved("the variance leaves 1e-38 .. 1e38")
    return kept


@dataclass(frozen=True)
class Chain:
    """The laws of G_1 .. G_L of one input, and what expectations under them need."""

    activation: Activation
    width: Array
    step: float
    laws: tuple[Law, ...]
    transitions: tuple[Transition, ...]  # (layer - 1,) from each layer to the next

    def at(self, layer: int) -> tuple[Array, Array]:
        """(points of log G, weights) of layer ``layer`` (from 0), by growing G."""
        law = self.laws[layer]
        panels = sorted(law)
        return np.concatenate([points_of(j, self.step) for j in panels]), np.concatenate([law[j] for j in panels])

    def variance(self, panel: int) -> Array:
        """(point,) G in a panel."""
        return np.exp(points_of(panel, self.step))

    def moments_of(self, panel: int) -> list[Moments]:
        """The Gaussian averages at every point of a panel."""
        return [moments(self.activation, g) for g in self.variance(panel).tolist()]


def chain(activation: Activation, width: Array, forward: Array, bias_variance: Array, input_moment: float) -> Chain:
    """The exact laws of the variance of h, layers 1..L. Raises Unresolved where a law has jumps or leaves float64."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):  # thousands of small products: threads only wait for each other
        return _chain(activation, width, forward, bias_variance, input_moment)


def _chain(activation: Activation, width: Array, forward: Array, bias_variance: Array, input_moment: float) -> Chain:
    step = min(WIDEST, 4.0 * math.sqrt(2.0 / float(width.max())))
    law = start(float(forward[0] * input_moment + bias_variance[0]), step)
    laws, transitions = [law], []
    for layer in range(1, len(width)):
        transition = _transition(
            activation,
            activation.scalar,
            int(width[layer - 1]),
            float(forward[layer]),
            float(bias_variance[layer]),
            step,
        )
        law = advance(law, transition)
        laws.append(law)
        transitions.append(transition)
    return Chain(activation, width, step, tuple(laws), tuple(transitions))

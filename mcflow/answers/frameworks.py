"""What torch.nn.init, Keras and JAX draw under each name, and the line of their code that does what is recommended.

From the frameworks' own definitions: torch.nn.init and torch.nn.Linear.reset_parameters (PyTorch 2), keras.initializers
(Keras 3), jax.nn.initializers. They need not be installed: the laws are drawn again with NumPy to measure the variance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mcflow.activations.registry import Activation
from mcflow.distributions import TRUNCATED_STD

Draw = Callable[[np.random.Generator, int, int], NDArray[np.float64]]
Variance = Callable[[int, int], float]

FAN_IN, FAN_OUT = 256, 512  # of the layer on which variances are told: unequal, so that the fans can be told apart


@dataclass(frozen=True)
class Dialect:
    """What a name draws for a (fan_out, fan_in) layer: in words, the variance of one weight, and a draw of the matrix.

    ``scheme`` is mcflow's name of the same law, empty where it has none.
    """

    framework: str
    name: str
    words: str
    variance: Variance
    draw: Draw
    scheme: str = ""

    def measured(self, seed: int = 0, fan_in: int = FAN_IN, fan_out: int = FAN_OUT) -> float:
        """Mean square of one drawn matrix of 131072 weights: within 1 % of the variance."""
        return float(np.mean(self.draw(np.random.default_rng(seed), fan_in, fan_out) ** 2))


def _normal(variance: Variance) -> Draw:
    return lambda rng, i, o: rng.normal(size=(o, i)) * math.sqrt(variance(i, o))


def _uniform(variance: Variance) -> Draw:
    return lambda rng, i, o: rng.uniform(-1.0, 1.0, (o, i)) * math.sqrt(3.0 * variance(i, o))


def _truncated(std: Variance, cut: float) -> Draw:
    """Normal of standard deviation ``std`` cut at +-``cut`` of them by drawing again."""

    def draw(rng: np.random.Generator, i: int, o: int) -> NDArray[np.float64]:
        z = rng.normal(size=(o, i))
        while (outside := np.abs(z) > cut).any():
            z[outside] = rng.normal(size=int(outside.sum()))
        return z * std(i, o)

    return draw


def _haar(rng: np.random.Generator, i: int, o: int) -> NDArray[np.float64]:
    q, r = np.linalg.qr(rng.normal(size=(max(i, o), min(i, o))))
    q = q * np.sign(np.diagonal(r))
    return q if o >= i else q.T


def _of(framework: str, name: str, words: str, kind: str, variance: Variance, scheme: str = "") -> Dialect:
    parent = lambda i, o: math.sqrt(variance(i, o)) / TRUNCATED_STD  # noqa: E731
    draw = {"normal": _normal, "uniform": _uniform}[kind](variance) if kind != "truncated" else _truncated(parent, 2.0)
    return Dialect(framework, name, words, variance, draw, scheme)


def _one(i: int, o: int) -> float:
    return 1.0 / i


def _two(i: int, o: int) -> float:
    return 2.0 / i


def _average(i: int, o: int) -> float:
    return 2.0 / (i + o)


def _families(framework: str, ending: str, untouched: dict[str, tuple[str, str]]) -> list[Dialect]:
    """Glorot, He and LeCun as Keras and JAX have them, whose normal laws are truncated.

    ``untouched`` holds of a layer's default the words and the scheme.
    """
    found = []
    for name, family, variance in (("glorot", "xavier", _average), ("he", "kaiming", _two), ("lecun", "lecun", _one)):
        for law, kind, words in (
            ("normal", "truncated", "truncated at 2 std, rescaled to the named variance"),
            ("uniform", "uniform", "uniform"),
        ):
            scheme = f"{family}_{'truncated_normal' if kind == 'truncated' else kind}"
            more, scheme = untouched.get(f"{name}_{law}", ("", scheme))
            words = f"{words}; {more}" if more else words
            found.append(_of(framework, f"{name}_{law}{ending}", words, kind, variance, scheme))
    return found


CUT = TRUNCATED_STD**2  # variance of a standard normal cut at +-2

DIALECTS: tuple[Dialect, ...] = (
    _of("torch", "xavier_normal_", "normal, gain 1", "normal", _average, "xavier_normal"),
    _of("torch", "xavier_uniform_", "uniform, gain 1", "uniform", _average, "xavier_uniform"),
    _of("torch", "kaiming_normal_", "normal, fan_in; its default a = 0: gain sqrt 2", "normal", _two, "kaiming_normal"),
    _of("torch", "kaiming_uniform_", "uniform, fan_in; its default a = 0: gain sqrt 2", "uniform", _two,
        "kaiming_uniform"),
    _of("torch", "kaiming_uniform_(a=sqrt(5))", "uniform, gain sqrt(1/3): what torch.nn.Linear does untouched",
        "uniform", lambda i, o: 1.0 / (3.0 * i), "torch_default"),
    Dialect("torch", "orthogonal_", "Haar, rows or columns orthonormal", lambda i, o: 1.0 / max(i, o), _haar,
            "orthogonal"),
    Dialect("torch", "trunc_normal_(std=0.02)", "cut at the absolute bounds +-2, that is 100 std: not cut at all",
            lambda i, o: 0.02**2, _truncated(lambda i, o: 0.02, 100.0), "normal:0.02"),
    _of("torch", "normal_(std=0.02)", "normal, whatever the fans", "normal", lambda i, o: 0.02**2, "normal:0.02"),
    *_families("keras", "", {"glorot_uniform": ("with zero biases what Dense does untouched", "keras_default")}),
    Dialect("keras", "TruncatedNormal(stddev=0.05)", "truncated at 2 std and not rescaled: 23 % less variance",
            lambda i, o: CUT * 0.05**2, _truncated(lambda i, o: 0.05, 2.0)),
    _of("keras", "VarianceScaling()", "its default: truncated, scale 1, fan_in", "truncated", _one,
        "lecun_truncated_normal"),
    Dialect("keras", "Orthogonal()", "Haar, rows or columns orthonormal", lambda i, o: 1.0 / max(i, o), _haar,
            "orthogonal"),
    *_families("jax", "()", {"lecun_normal": ("what flax.linen.Dense does untouched", "lecun_truncated_normal")}),
    _of("jax", 'variance_scaling(1, "fan_in", "normal")', "normal, not truncated", "normal", _one, "lecun_normal"),
    Dialect("jax", "truncated_normal(stddev=0.01)", "truncated at 2 std and not rescaled: 23 % less variance",
            lambda i, o: CUT * 0.01**2, _truncated(lambda i, o: 0.01, 2.0)),
    Dialect("jax", "orthogonal()", "Haar, rows or columns orthonormal", lambda i, o: 1.0 / max(i, o), _haar,
            "orthogonal"),
)  # fmt: skip


def code(activation: Activation, weight_variance: float, bias_variance: float = 0.0) -> dict[str, str]:
    """framework -> a line of code that draws normal weights of variance ``weight_variance`` / fan_in.

    ``weight_variance`` is sigma_w^2. Biases are zero, or normal of ``bias_variance``.
    """
    gain, std = math.sqrt(weight_variance), math.sqrt(bias_variance)
    named = _torch_nonlinearity(activation, weight_variance)
    if named:
        torch = f"torch.nn.init.kaiming_normal_(layer.weight, {named})"
    else:
        torch = f"torch.nn.init.normal_(layer.weight, std={gain:.6g} / math.sqrt(layer.in_features))"
    torch += "; " + (f"torch.nn.init.normal_(layer.bias, std={std:.6g})" if std else "torch.nn.init.zeros_(layer.bias)")
    keras = (
        f"keras.layers.Dense(units, kernel_initializer=keras.initializers.VarianceScaling({weight_variance:.6g}, "
        '"fan_in", "untruncated_normal")'
    )
    keras += f", bias_initializer=keras.initializers.RandomNormal(stddev={std:.6g}))" if std else ")"
    jax = f'kernel_init = jax.nn.initializers.variance_scaling({weight_variance:.6g}, "fan_in", "normal")'
    jax += f"; bias_init = jax.nn.initializers.normal({std:.6g})" if std else "; bias_init = jax.nn.initializers.zeros"
    return {"torch": torch, "keras": keras, "jax": jax}


def code_of_normalisation(scale: float) -> dict[str, str]:
    """framework -> a line that normalises the preactivations h and multiplies an phi of them by ``scale``."""
    return {
        "torch": f"x = {scale:.6g} * phi(torch.nn.functional.rms_norm(layer(x), (layer.out_features,)))",
        "keras": f"x = {scale:.6g} * phi(keras.layers.LayerNormalization(center=False, scale=False)(dense(x)))",
        "jax": f"h = x @ w + b; x = {scale:.6g} * phi(h * jax.lax.rsqrt((h**2).mean(-1, keepdims=True)))",
    }


def _torch_nonlinearity(activation: Activation, weight_variance: float) -> str:
    slope = activation.negative_slope
    if slope is not None and abs(weight_variance - 2.0 / (1.0 + slope * slope)) < 1e-9:
        return 'nonlinearity="relu"' if slope == 0.0 else f'a={slope:g}, nonlinearity="leaky_relu"'
    return 'nonlinearity="linear"' if abs(weight_variance - 1.0) < 1e-9 else ""

"""Initialisation schemes by name: the variance and the distribution of one weight, and the textbook gain."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from mcflow import distributions
from mcflow.activations import registry
from mcflow.activations.registry import Activation
from mcflow.bounds import whole_number
from mcflow.distributions import NORMAL, ORTHOGONAL, RADEMACHER, TRUNCATED_NORMAL, UNIFORM, Distribution
from mcflow.errors import InputError, nearest

FanVariance = Callable[[int, int], float]

MODES = ("fan_in", "fan_out", "fan_avg")


@dataclass(frozen=True)
class Scheme:
    """A rule that draws the weights of a layer.

    ``variance(fan_in, fan_out)`` is the variance of one weight at gain 1; ``textbook_gain(activation)`` is the factor
    on the standard deviation that ``gain="scheme"`` stands for. ``takes_mode`` marks the schemes whose fan is chosen
    by ``mode``. ``uniform_bias`` marks the frameworks' default that draws biases U(+-1/sqrt(fan_in)) too.
    ``formula`` is the variance with the textbook gain, ``meaning`` a line on the scheme; empty where it was registered.
    """

    name: str
    distribution: Distribution
    variance: FanVariance
    textbook_gain: Callable[[Activation], float]
    takes_mode: bool = False
    uniform_bias: bool = False
    formula: str = field(default="", compare=False)
    meaning: str = field(default="", compare=False)

    def is_by_fan_in(self, mode: str = "fan_in") -> bool:
        """Whether the variance of a weight at gain 1 is 1/fan_in (where fan_in is not below fan_out)."""
        if self.takes_mode:
            return mode == "fan_in"
        return self.variance(64, 64) == self.variance(64, 32) == 1.0 / 64

    def weight_variance(self, fan_in: int, fan_out: int, gain: float, mode: str = "fan_in") -> float:
        """Variance of one weight of a (fan_out, fan_in) layer, dimensionless."""
        fan_in, fan_out = whole_number("fan_in", fan_in, 1), whole_number("fan_out", fan_out, 1)
        if self.takes_mode:
            fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
            return gain * gain / fan
        return gain * gain * self.variance(fan_in, fan_out)


def _one(activation: Activation) -> float:
    return 1.0


def kaiming_gain(activation: Activation) -> float:
    """sqrt(2 / (1 + a^2)) for leaky ReLU of slope a, else sqrt(2) (He et al. 2015, eq. 10 and 15)."""
    return math.sqrt(2.0 / (1.0 + activation.kaiming_slope**2))


def torch_gain(activation: Activation) -> float:
    """``torch.nn.init.calculate_gain`` of the activation; InputError where torch has none."""
    if activation.torch_gain is None:
        known = ", ".join(name for name in registry.builtin_names() if registry.get(name).torch_gain is not None)
        raise InputError(f"gain 'torch': torch.nn.init.calculate_gain knows {known}, not {activation.name!r}")
    return activation.torch_gain


def _fan_avg(fan_in: int, fan_out: int) -> float:
    return 2.0 / (fan_in + fan_out)


def _fan_in(fan_in: int, fan_out: int) -> float:
    return 1.0 / fan_in


def _builtin() -> dict[str, Scheme]:
    table: dict[str, Scheme] = {}
    for law in (NORMAL, UNIFORM, TRUNCATED_NORMAL):
        for family, variance, gain, formula, meaning in (
            ("xavier", _fan_avg, _one, "2 / (fan_in + fan_out)", "Glorot & Bengio 2010, for tanh"),
            ("kaiming", _fan_in, kaiming_gain, "2 / ((1 + a^2) fan_in)", "He et al. 2015, for (leaky) ReLU of slope a"),
            ("lecun", _fan_in, _one, "1 / fan_in", "LeCun et al. 1998; for SELU"),
        ):
            name = f"{family}_{law}"
            words = f"{meaning}; {law.name.replace('_', ' ')}"
            takes_mode = family == "kaiming"
            table[name] = Scheme(name, law, variance, gain, takes_mode, formula=formula, meaning=words)
    for scheme in (
        Scheme(
            "orthogonal", ORTHOGONAL, lambda i, o: 1.0 / max(i, o), _one, formula="1 / max(fan_in, fan_out)",
            meaning="Saxe et al. 2014: orthonormal rows or columns",
        ),
        Scheme("rademacher", RADEMACHER, _fan_in, _one, formula="1 / fan_in", meaning="signs: +-1 / sqrt(fan_in)"),
        Scheme(
            "torch_default", UNIFORM, lambda i, o: 1.0 / (3.0 * i), _one, uniform_bias=True, formula="1 / (3 fan_in)",
            meaning="torch.nn.Linear: kaiming_uniform_ with a = sqrt(5), and biases",
        ),
        Scheme(
            "keras_default", UNIFORM, _fan_avg, _one, formula="2 / (fan_in + fan_out)",
            meaning="keras.layers.Dense: glorot_uniform, no biases",
        ),
    ):  # fmt: skip
        table[scheme.name] = scheme
    return table


BUILTIN = _builtin()
ALIASES = {"glorot": "xavier", "he": "kaiming"}
_registered: dict[str, Scheme] = {}


def names() -> list[str]:
    """Every name that ``get`` knows, sorted; ``normal:STD`` and ``uniform:STD`` come besides."""
    return sorted({*BUILTIN, *_registered})


def is_builtin(name: str) -> bool:
    """Whether a scheme's name says all of it: it is not one that was registered."""
    return name in BUILTIN or ":" in name


def get(name: str) -> Scheme:
    """The scheme called ``name``; InputError with the nearest names where there is none."""
    if name in _registered:
        return _registered[name]
    family, underscore, rest = name.lower().partition("_")
    translated = ALIASES.get(family, family) + underscore + rest
    if translated in BUILTIN:
        return BUILTIN[translated]
    kind, colon, text = translated.partition(":")
    if kind in ("normal", "uniform"):
        return _plain(kind, text if colon else "")
    members = [known for known in BUILTIN if known.startswith(f"{translated}_")]
    if members:
        raise InputError(f"{name!r} is a family of schemes; name one: {', '.join(members)}")
    raise InputError(f"unknown scheme {name!r}; {nearest(name, [*names(), 'normal:STD', 'uniform:STD'])}")


def _plain(kind: str, text: str) -> Scheme:
    try:
        std = float(text)
    except ValueError:
        std = math.nan
    if not (math.isfinite(std) and std > 0):
        raise InputError(f"scheme '{kind}:{text}': the standard deviation must be a positive number, as in {kind}:0.05")
    return Scheme(f"{kind}:{std!r}", distributions.get(kind), lambda i, o: std * std, _one)


def register(name: str, variance: FanVariance, distribution: str | Distribution = "normal") -> Scheme:
    """Make a scheme of one's own known under ``name``.

    ``variance(fan_in, fan_out)`` returns the variance of one weight at gain 1; ``distribution`` is one of
    ``distributions.names()``, or that object. Raises InputError where the name is built in, the distribution unknown,
    or the variance is not a positive finite number at fan_in = fan_out = 64.
    """
    if name in BUILTIN or ":" in name:
        raise InputError(f"scheme {name!r} is built in or has a colon; register yours under another name")
    law = distributions.get(distribution)
    try:
        value = float(variance(64, 64))
    except Exception as error:
        raise InputError(f"scheme {name!r}: variance(64, 64) raised {type(error).__name__}: {error}") from None
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"scheme {name!r}: variance(64, 64) = {value}; it must be a positive finite number")
    scheme = Scheme(name, law, variance, _one)
    _registered[name] = scheme
    return scheme

"""One thing that is simulated, predicted and judged: scheme, activation, architecture, inputs. Frozen, validated."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from mcflow import schemes
from mcflow.activations import given, registry
from mcflow.errors import InputError, nearest

DEFAULT_WIDTH = 256
DEFAULT_DEPTH = 30
MAX_DEPTH = 65_535  # sixteen bits of the random address hold the layer
GAIN_WORDS = ("scheme", "torch", "critical", "critical-gradient")


def whole_number(name: str, value: object, low: int, high: int | None = None) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise InputError(f"{name} must be a whole number, not {value!r}")
    if value < low or (high is not None and value > high):
        bound = f"at least {low}" if high is None else f"between {low} and {high}"
        raise InputError(f"{name} = {value} is out of range; it must be {bound}")
    return int(value)


def real_number(name: str, value: object, low: float, high: float | None = None) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a number, not {value!r}") from None
    if not math.isfinite(number) or number < low or (high is not None and number > high):
        bound = f"{low:g} or more" if high is None else f"between {low:g} and {high:g}"
        raise InputError(f"{name} = {value} is out of range; it must be {bound}")
    return number


def _place_of(inputs: object) -> str:
    """The word or path that ``inputs`` is; rows themselves are refused, for no text of a study could repeat them."""
    if isinstance(inputs, (str, Path)):
        return str(inputs)
    raise InputError(
        f"inputs is a {type(inputs).__name__}, which the text of a study cannot carry; save the rows, name the file: "
        "numpy.save('rows.npy', rows), then inputs='rows.npy'"
    )


@dataclass(frozen=True)
class Layers:
    """The dense layers 1..L of a case as arrays of length L: sizes are counts, weight_std is dimensionless."""

    width: NDArray[np.int64]
    fan_in: NDArray[np.int64]
    fan_out: NDArray[np.int64]
    weight_std: NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """Scheme x activation x architecture x inputs: one thing that is simulated, predicted and judged.

    ``width`` is one width for all layers or a list of them (then ``depth`` may be left out). ``features`` is the input
    size (default: the first width, or what the inputs give). ``inputs`` is ``gaussian``, ``sphere``, ``digits`` or a
    file; ``batch`` how many of them; ``correlation`` makes them come in pairs of that cosine. ``gain`` is ``scheme``,
    ``torch``, ``critical`` (keeps the second moment of activations), ``critical-gradient`` or a number.
    ``bias_std`` None leaves the biases to the scheme (zero in all but ``torch_default``).

    ``activation`` is a name, or a plain Python function phi or a pair (phi, dphi), which is registered: under
    ``module:phi,dphi`` where a module holds it, under its own name where not; as an attribute it is that name.

    Raises InputError for anything that is not such a case.
    """

    scheme: str = "kaiming_normal"
    activation: str = "relu"
    depth: int | None = None
    width: int | Sequence[int] = DEFAULT_WIDTH
    features: int | None = None
    batch: int = 1
    inputs: str = "gaussian"
    correlation: float | None = None
    gain: str | float = "scheme"
    mode: str = "fan_in"
    bias_std: float | None = None
    raw: bool = False

    if TYPE_CHECKING:  # what may be given is wider than what is kept

        def __init__(
            self,
            scheme: str = ...,
            activation: given.Given = ...,
            depth: int | None = ...,
            width: int | Sequence[int] = ...,
            features: int | None = ...,
            batch: int = ...,
            inputs: str | Path = ...,
            correlation: float | None = ...,
            gain: str | float = ...,
            mode: str = ...,
            bias_std: float | None = ...,
            raw: bool = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        put = self._put
        put("scheme", schemes.get(str(self.scheme)).name)
        put("activation", given.resolve(self.activation).name)
        self._check_sizes()
        if self.mode not in schemes.MODES:
            raise InputError(f"unknown mode {self.mode!r}; {nearest(str(self.mode), schemes.MODES)}")
        put("gain", self._checked_gain())
        if self.bias_std is not None:
            put("bias_std", real_number("bias_std", self.bias_std, 0.0))
        if self.correlation is not None:
            put("correlation", real_number("correlation", self.correlation, -1.0, 1.0))
            if self.batch < 2 or self.batch % 2:
                raise InputError(f"correlation needs inputs in pairs; batch = {self.batch} must be even")
            if self.inputs not in ("gaussian", "sphere"):
                raise InputError(f"correlation is for gaussian or sphere inputs, not {self.inputs!r}")
        if not isinstance(self.raw, bool):
            raise InputError(f"raw must be true or false, not {self.raw!r}")

    def _put(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # the one way into a frozen instance

    def _check_sizes(self) -> None:
        put = self._put
        put("batch", whole_number("batch", self.batch, 1))
        put("inputs", _place_of(self.inputs))
        if self.features is not None:
            put("features", whole_number("features", self.features, 1))
        if isinstance(self.width, (int, np.integer)):
            put("width", whole_number("width", self.width, 1))
            put("depth", whole_number("depth", DEFAULT_DEPTH if self.depth is None else self.depth, 1, MAX_DEPTH))
            return
        if isinstance(self.width, (str, bytes)) or not isinstance(self.width, Iterable):
            raise InputError(f"width must be a whole number or a list of them, not {self.width!r}")
        widths = tuple(whole_number("width", width, 1) for width in self.width)
        if not widths:
            raise InputError("the list of widths is empty; give one width a layer")
        if self.depth is not None and self.depth != len(widths):
            raise InputError(f"{len(widths)} widths do not fit depth {self.depth}; give one width a layer, or one")
        put("depth", whole_number("depth", len(widths), 1, MAX_DEPTH))
        put("width", widths[0] if len(set(widths)) == 1 else widths)

    def _checked_gain(self) -> str | float:
        if isinstance(self.gain, str) and self.gain in GAIN_WORDS:
            return self.gain
        try:
            gain = float(self.gain)
        except (TypeError, ValueError):
            known = ", ".join(GAIN_WORDS)
            raise InputError(f"unknown gain {self.gain!r}; give {known} or a positive number") from None
        if not (math.isfinite(gain) and gain > 0):
            raise InputError(f"gain = {self.gain} is out of range; it must be a positive number")
        return gain

    @property
    def widths(self) -> tuple[int, ...]:
        """The width of each layer 1..L."""
        depth = cast(int, self.depth)  # a number once __post_init__ has run
        return (self.width,) * depth if isinstance(self.width, int) else tuple(self.width)

    @property
    def nonlinearity(self) -> registry.Activation:
        """The activation itself, of which ``activation`` is the name."""
        return registry.get(self.activation)

    @property
    def rule(self) -> schemes.Scheme:
        """The scheme itself, of which ``scheme`` is the name."""
        return schemes.get(self.scheme)

    @cached_property
    def numeric_gain(self) -> float:
        """The gain as a number: the factor on the scheme's standard deviation.

        Raises InputError where torch has no gain for the activation, or theory finds no critical one.
        """
        if isinstance(self.gain, float):
            return self.gain
        if self.gain == "torch":
            return schemes.torch_gain(self.nonlinearity)
        if self.gain == "scheme":
            return self.rule.textbook_gain(self.nonlinearity)
        return self.critical_gain(of="gradient" if self.gain == "critical-gradient" else "forward")

    def critical_gain(self, of: str = "forward") -> float:
        """The gain that keeps the ``forward`` variance or that of the ``gradient``; InputError where there is none."""
        from mcflow.model import gains  # SciPy: loaded only when a gain must be solved for

        fans = list(zip((self.features or self.widths[0], *self.widths[:-1]), self.widths, strict=True))
        weights = [self.rule.weight_variance(i, o, 1.0, self.mode) for i, o in fans]
        biases = [self.bias_variance(i) for i, _ in fans]
        return gains.critical_gain_of_layers(self.nonlinearity, fans, weights, biases, of)

    def layers(self, features: int) -> Layers:
        """Sizes and weight_std of each layer for inputs of ``features`` entries."""
        width = np.asarray(self.widths, dtype=np.int64)
        fan_in = np.concatenate([[features], width[:-1]]).astype(np.int64)
        std = []
        for i, o in zip(fan_in.tolist(), width.tolist(), strict=True):
            variance = self.rule.weight_variance(i, o, self.numeric_gain, self.mode)
            if not (math.isfinite(variance) and variance > 0):
                raise InputError(
                    f"scheme {self.scheme}: the weight variance of a {o} x {i} layer is {variance}; it must be positive"
                )
            std.append(math.sqrt(variance))
        return Layers(width, fan_in, width.copy(), np.asarray(std))

    def bias_variance(self, fan_in: int) -> float:
        """Variance of one bias of a layer with ``fan_in`` inputs."""
        if self.bias_std is not None:
            return self.bias_std**2
        return 1.0 / (3.0 * fan_in) if self.rule.uniform_bias else 0.0

    @property
    def biases_are_uniform(self) -> bool:
        """Whether biases are drawn from a uniform law, that of the scheme, and not from a normal one."""
        return self.bias_std is None and self.rule.uniform_bias

    def record(self) -> dict[str, Any]:
        """The fields as plain TOML values, those at their default left out."""
        out: dict[str, Any] = {"scheme": self.scheme, "activation": self.activation}
        for item in fields(self)[2:]:
            value = getattr(self, item.name)
            if item.name == "depth" and not isinstance(self.width, int):
                continue
            if item.name in ("depth", "width") or value != item.default:
                out[item.name] = list(value) if isinstance(value, tuple) else value
        return out

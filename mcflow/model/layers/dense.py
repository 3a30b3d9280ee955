"""``dense``: a matrix and biases on the features of each column."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from mcflow import schemes
from mcflow.bounds import real_number, whole_number
from mcflow.errors import InputError
from mcflow.model.ops import Fans, Shape

GAIN_WORDS = ("scheme", "torch")


@dataclass(frozen=True)
class Dense:
    """``units`` sums of all features. What is None is the case's: scheme, gain, standard deviation of the biases."""

    word: ClassVar[str] = "dense"
    options: ClassVar[tuple[str, ...]] = ("scheme", "gain", "bias_std")

    units: int
    scheme: str | None = None
    gain: str | float | None = None
    bias_std: float | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__  # the one way into a frozen instance
        put(self, "units", whole_number("dense", self.units, 1))
        if self.scheme is not None:
            put(self, "scheme", schemes.get(str(self.scheme)).name)
        if self.gain is not None and self.gain not in GAIN_WORDS:
            put(self, "gain", _positive(self.gain))
        if self.bias_std is not None:
            put(self, "bias_std", real_number("bias_std", self.bias_std, 0.0))

    def out(self, shape: Shape) -> Shape:
        """The shape that it makes of ``shape``."""
        return Shape(self.units, shape.positions)

    def fans(self, shape: Shape) -> Fans:
        """The true fans, which for a dense layer are also those of every framework."""
        return Fans(shape.features, self.units)

    def record(self) -> dict[str, Any]:
        """The TOML form: the word with its main value, and the options that are given."""
        given = {name: getattr(self, name) for name in self.options if getattr(self, name) is not None}
        return {self.word: self.units, **given}


def dense(
    units: int, scheme: str | None = None, gain: str | float | None = None, bias_std: float | None = None
) -> Dense:
    """A layer of ``units`` sums of all features below it.

    ``scheme``, ``gain`` (``scheme``, ``torch`` or a number) and ``bias_std`` replace those of the case for this layer.
    Raises InputError for values out of range and unknown schemes.
    """
    return Dense(units, scheme, gain, bias_std)


def _positive(value: object) -> float:
    try:
        gain = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        gain = math.nan
    if not (math.isfinite(gain) and gain > 0):
        raise InputError(f"gain {value!r} of a layer: give {' or '.join(GAIN_WORDS)}, or a positive number")
    return gain

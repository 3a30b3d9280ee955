"""What theory expects of a case: per quantity and layer the highest tier there is, and how far that tier may err."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mcflow import quantities, schemes, theory
from mcflow.errors import InputError, nearest
from mcflow.model.case import Case
from mcflow.quantities import NAMES
from mcflow.statistics import magnitudes
from mcflow.theory import prediction, stack
from mcflow.theory.estimate import TIERS
from mcflow.theory.finite_width import sign_atoms
from mcflow.theory.infinite_width import first_layer, trajectory
from mcflow.theory.stack import Stack

if TYPE_CHECKING:
    import xarray

Floats = NDArray[np.float64]

# Of a cosine c, times 1 - c^2 and sums of 1/width up to a half: measured over seven activations, widths 8 to 64, 24 or
# 30 layers and cosines -0.9 to 0.99, infinite width errs by at most 1.45 (GELU and ReLU at 0.99), mostly by 0.2 to 0.6.
CORRELATION_ERROR = 2.5
CORRELATION_NEXT = 4.0  # times 1/width and the first order's own shift: its next order is up to 3 of them in layer 1
UNSEEN = 1.0 / 3.0  # the next order is the square of the first, of which this many sums of 1/width may have cancelled
UNIFORM_BIAS = 0.4  # times its share of the variance, squared: h is not Gaussian then, and its E h^4 is 40 % less
ROUND_OFF = 1e-12  # of theory's numbers, relative to the size of what is averaged
SPREAD_ERROR = 0.08  # the next order changes a variance by at most 15 % where the first is trusted, a root by half
CORRELATION_ROUNDING = 1e-6  # float32 inputs: their cosine is what was asked for to this
HOPELESS = 0.5  # an approximation that may err by half of the value is not judged


@dataclass
class Expected:
    """Predictions for one quantity, (layer,) each; NaN where there is none.

    ``tier`` names the tier of each layer's mean; ``allowance`` is how far it may err, in the unit of the quantity: 0
    for exact ones; ``std_allowance`` says the same of the standard deviation. ``log_mean`` and ``log_std`` are of the
    natural logarithm where it is finite, always exact.
    ``mean``, ``allowance`` and ``std`` are multiples of 2**exponent, 0 but near the ends of float64 and beyond.
    """

    mean: Floats
    tier: list[str]
    allowance: Floats
    std: Floats
    std_allowance: Floats
    log_mean: Floats
    log_std: Floats
    exponent: NDArray[np.int64]

    @property
    def log10(self) -> Floats:
        """(layer,) decimal logarithms of the size of the mean."""
        return magnitudes.LOG10_2 * (magnitudes.log2_of(self.mean) + self.exponent)


@dataclass
class Sayings:
    """What theory says of one case, by quantity, without the case: it can be sent to another process.

    ``relative_std`` is by quantity the standard deviation over networks as a share of the mean, (layer,), NaN where
    theory has none: of one input, the largest, and an upper bound for all. ``left_out`` says in clauses what the
    prediction leaves out.
    """

    of: dict[str, Expected]
    relative_std: dict[str, Floats]
    left_out: list[str]

    def beside(self, layers: Stack) -> Prediction:
        """The prediction of the case that has these layers."""
        return Prediction(self.of, self.relative_std, self.left_out, layers)


@dataclass
class Prediction(Sayings):
    """All that theory says of one case, and the layers it says it of."""

    stack: Stack

    @property
    def sayings(self) -> Sayings:
        """The same without the layers."""
        return Sayings(self.of, self.relative_std, self.left_out)


def predict(case: Case, inputs: Floats, tier: str | None = None) -> Prediction:
    """The prediction of the highest tier in every layer, or of ``tier`` alone, for (batch, features) ``inputs``.

    An approximation asked for by name has no allowance: then it is judged as if it were exact, to see where it breaks.
    Raises InputError for an unknown tier, or an activation that theory cannot average.
    """
    if tier is not None and tier not in TIERS:
        raise InputError(f"unknown tier {tier!r}; {nearest(str(tier), TIERS)}")
    values = np.ascontiguousarray(inputs, dtype=np.float64)
    scheme = None if schemes.is_builtin(case.scheme) else case.rule
    return _predict(case, (case.nonlinearity.scalar, scheme), values.tobytes(), values.shape, tier)


@lru_cache(maxsize=64)
def _predict(case: Case, functions: object, data: bytes, shape: tuple[int, ...], tier: str | None) -> Prediction:
    """The same, remembered: an exact law takes seconds, and every picture of a study asks again."""
    inputs = np.frombuffer(data).reshape(shape)
    layers = stack.of_case(case, inputs)
    found = theory.predict(case, inputs, tier or "exact")
    plain = _at_infinite_width(layers)
    largest = np.argmax(layers.input_moment)  # the mean of several inputs scatters no more than one of them
    one = found if len(inputs) == 1 else theory.predict(case, inputs[[largest]], tier or "exact")
    out = Prediction({}, _relative_std(one), [text for text in [str(found.attrs["left_out"])] if text], layers)
    for name in NAMES:
        if name in found:
            expected = _expected(name, found, layers, plain, tier)
            if not np.isnan(expected.mean).all():
                out.of[name] = expected
    return out


def _at_infinite_width(layers: Stack) -> dict[str, Floats]:
    """Infinite width's means by quantity, NaN where it has none, and NAME_log10 of those that can leave float64."""
    plain = {name: np.full(layers.depth, np.nan) for name in NAMES}
    for name, estimate in prediction.infinite_width(layers, trajectory.trajectory(layers)).items():
        plain[name] = estimate.mean
        if estimate.log10 is not None:
            plain[f"{name}_log10"] = estimate.log10
    return plain


def _relative_std(found: xarray.Dataset) -> dict[str, Floats]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            name: found[f"{name}_std"].values / np.abs(found[name].values) for name in NAMES if f"{name}_std" in found
        }


def _expected(name: str, found: xarray.Dataset, layers: Stack, plain: dict[str, Floats], tier: str | None) -> Expected:
    depth = layers.depth
    tiers = [str(each) for each in found["tier"].sel(quantity=name).values]
    wanted = np.array([tier in (None, each) for each in tiers])

    def values(suffix: str = "", only: tuple[str, ...] = TIERS) -> Floats:
        there = found[name + suffix].values if name + suffix in found else np.full(depth, np.nan)
        return np.where(wanted & np.isin(tiers, only), there, np.nan)

    exponent = _exponent(name, found, plain)
    mean = magnitudes.carried(values(), _log2(values), exponent)
    std = magnitudes.carried(values("_std"), None, exponent)
    std = np.where(np.isfinite(std), std, np.nan)  # beyond float64 there is none
    unit = _carried(name, plain, exponent)
    allowance = np.zeros(depth)
    if tier is None:
        allowance = _allowance(name, np.array(tiers), mean, layers, unit)
    exact = ("exact", "exact-law")
    return Expected(
        _cleaned(name, mean, unit),
        tiers,
        allowance,
        std,
        _std_allowance(found[name], std, layers) if tier is None else np.zeros(depth),
        values("_log_mean", exact),
        values("_log_std", exact),
        exponent,
    )


def _cleaned(name: str, mean: Floats, plain: dict[str, Floats]) -> Floats:
    """Predictions that are 0, or 1 for a share, but for the round-off of theory's quadrature, are just that."""
    kind = quantities.get(name).kind
    if kind == "moment":
        return mean
    mean = np.where(np.abs(mean) < ROUND_OFF * _scale(name, plain), 0.0, mean)
    if kind != "fraction":
        return mean
    return np.clip(np.where(np.abs(mean - 1.0) < ROUND_OFF, 1.0, mean), 0.0, 1.0)  # a first order may leave 0 .. 1


def _std_allowance(found: xarray.DataArray, std: Floats, layers: Stack) -> Floats:
    """(layer,) how far a predicted standard deviation may err: nothing where it is exact."""
    if found.attrs.get("std_tier", "") in ("exact", "exact-law"):
        return np.zeros(layers.depth)
    share = UNIFORM_BIAS if layers.uniform_bias else 0.0
    few = abs(layers.kurtosis) / layers.fan_in.min()  # terms in a sum: it is not normal
    return std * (SPREAD_ERROR + np.sum(1.0 / layers.width) + share + few)


def _log2(values: Callable[[str], Floats]) -> Floats:
    """(layer,) logarithms of the mean: theory's where it has left float64, elsewhere those of the plain value."""
    plain, log10 = values(""), values("_log10")
    there = magnitudes.log2_of(plain)
    return np.where(np.isfinite(there) & np.isfinite(plain), there, log10 / magnitudes.LOG10_2)


def _exponent(name: str, found: xarray.Dataset, plain: dict[str, Floats]) -> NDArray[np.int64]:
    """(layer,) the power of two that a quantity is best compared in; of a mean, by the root mean square."""
    quantity = quantities.get(name)
    if quantity.kind == "moment":
        of = found[f"{name}_log10"].values if f"{name}_log10" in found else plain[f"{name}_log10"]
        return magnitudes.unit_of(np.where(np.isnan(of), plain[f"{name}_log10"], of) / magnitudes.LOG10_2)
    if quantity.scale:
        return magnitudes.unit_of(0.5 * plain[f"{quantity.scale}_log10"] / magnitudes.LOG10_2)
    return np.zeros(len(found["layer"]), np.int64)


def _carried(name: str, plain: dict[str, Floats], exponent: NDArray[np.int64]) -> dict[str, Floats]:
    """Infinite width's predictions, with what the errors of a quantity are relative to as multiples of 2**exponent."""
    if not exponent.any():
        return plain
    scale = quantities.get(name).scale
    power, second = (2, scale) if scale else (1, name)
    logs = plain[f"{second}_log10"] / magnitudes.LOG10_2
    out = plain | {second: magnitudes.carried(plain[second], logs, power * exponent)}
    return out if power == 1 else out | {name: magnitudes.carried(plain[name], None, exponent)}


def _allowance(name: str, tiers: NDArray[np.str_], mean: Floats, layers: Stack, plain: dict[str, Floats]) -> Floats:
    """(layer,) how far a prediction may err, in the quantity's unit; infinite where nothing can be said."""
    quantity = quantities.get(name)
    if quantity.symmetric:
        return np.zeros(layers.depth)
    below = np.cumsum(1.0 / layers.width)
    if quantity.kind == "cosine":
        return _cosine_allowance(tiers, mean, layers, plain[name], below)
    scale = _scale(name, plain)
    backward = quantity.passes == "backward"
    total = np.full(layers.depth, below[-1]) if backward else below
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = np.abs(mean - plain[name]) / scale
    relative = shift**2 + (UNSEEN * total) ** 2
    if layers.uniform_bias:
        with np.errstate(over="ignore"):
            share = layers.bias_variance * 10.0 ** -plain["preactivation_second_moment_log10"]
        relative = relative + UNIFORM_BIAS * (np.full(layers.depth, share.max()) if backward else share) ** 2
    relative = relative + _left_out_by_laws(name, layers)
    # infinite width stands where the first order was tried, and its next order is too large for it to be trusted
    relative = np.where((tiers == "infinite-width") | ~(relative <= HOPELESS), np.inf, relative)
    with np.errstate(invalid="ignore"):  # nothing over nothing: a gradient that is 0 for certain
        return np.where(np.isin(tiers, ("exact", "exact-law")), 0.0, relative * scale)


def _left_out_by_laws(name: str, layers: Stack) -> Floats:
    """(layer,) relative errors that no order in 1/width has: an h_1 that is not Gaussian, sums of signs, deaths."""
    excess = 0.0 if first_layer.laws(layers) is not None else first_layer.excess(layers)
    out = np.full(layers.depth, (UNSEEN * excess) ** 2)
    atoms = sign_atoms.shares(layers)
    if quantities.get(name).passes == "backward":
        return out + np.cumsum(atoms[::-1])[::-1]
    out = out + UNSEEN * (1.0 - layers.alive)
    return out + atoms if quantities.get(name).kind == "fraction" else out


def _cosine_allowance(tiers: NDArray[np.str_], mean: Floats, layers: Stack, plain: Floats, below: Floats) -> Floats:
    """(layer,) how far a mean cosine may err: everything that moves it is proportional to 1 - c^2."""
    scale = np.maximum(1.0 - plain * plain, 0.0)
    shift = np.abs(mean - plain)
    with np.errstate(invalid="ignore", divide="ignore"):
        square = np.where(shift > 0, shift * shift / scale, 0.0)
    first = square + scale * (UNSEEN * below) ** 2 + CORRELATION_NEXT * shift / np.minimum.accumulate(layers.width)
    absolute = np.where(tiers == "first-order", first, CORRELATION_ERROR * scale * below)
    hopeless = (absolute > HOPELESS) | ((tiers != "first-order") & (below > HOPELESS))
    return np.where(hopeless, np.inf, absolute) + CORRELATION_ROUNDING


def _scale(name: str, plain: dict[str, Floats]) -> Floats:
    """(layer,) the size that errors of a quantity are relative to: itself, a root mean square, or 1."""
    quantity = quantities.get(name)
    if quantity.kind == "moment":
        return np.abs(plain[name])
    if quantity.scale:
        return np.sqrt(plain[quantity.scale])
    return np.ones_like(next(iter(plain.values())))

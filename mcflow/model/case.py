"""One thing that is simulated, predicted and judged: scheme, activation, architecture, inputs. Frozen, validated."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from mcflow import schemes
from mcflow.activations import given, registry
from mcflow.bounds import real_number, whole_number
from mcflow.errors import InputError, nearest
from mcflow.model import dense_stack, expression
from mcflow.model.layers import vocabulary
from mcflow.model.layers.act import Act
from mcflow.model.layers.dense import Dense
from mcflow.model.layers.vocabulary import Layer
from mcflow.model.program import Defaults, Program, lower

DEFAULT_WIDTH = 256
DEFAULT_DEPTH = 30
MAX_DEPTH = 65_535  # sixteen bits of the random address hold the layer
_NAME = re.compile(r"[^\W_][\w.+:=,-]{0,99}")
_TAKEN = ("inputs", "continuation")  # what else stands beside the cases of a file
GAIN_WORDS = ("scheme", "torch", "critical", "critical-gradient")


def _place_of(inputs: object) -> str:
    """The word or path that ``inputs`` is; rows themselves are refused, for no text of a study could repeat them."""
    if isinstance(inputs, (str, Path)):
        return str(inputs)
    raise InputError(
        f"inputs is a {type(inputs).__name__}, which the text of a study cannot carry; save the rows, name the file: "
        "numpy.save('rows.npy', rows), then inputs='rows.npy'"
    )


@dataclass(frozen=True)
class Case:
    """Scheme x activation x architecture x inputs: one thing that is simulated, predicted and judged.

    ``width`` is one width for all layers or a list of them (then ``depth`` may be left out). ``features`` is the input
    size (default: the first width, or what the inputs give). ``inputs`` is ``gaussian``, ``sphere``, ``digits`` or a
    file; ``batch`` how many of them; ``correlation`` makes them come in pairs of that cosine (one pair by default).
    ``gain`` is ``scheme``, ``torch``, ``critical`` (keeps the second moment of activations), ``critical-gradient`` or a
    number, which may be written as arithmetic, ``'sqrt(1.5)'``. ``bias_std`` None leaves the biases to the scheme (zero
    in all but ``torch_default``). ``sigma_w2`` = fan_in Var W and ``sigma_b2`` = Var b, in the words of mean field
    theory, stand for gain = sqrt(sigma_w2) and bias_std = sqrt(sigma_b2), and are kept as these. ``name`` is what the
    case is called in files and tables in the place of SCHEME-ACTIVATION; it is no part of what is equal.

    ``layers`` says the architecture layer by layer (see ``mcflow.layers``), ``shape`` then what one input is:
    ``(features,)``. Layers that are [dense, act] x depth and say nothing of their own are the case of that width and
    depth: equal to it, with the same file.

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
    layers: Sequence[Layer | str | Mapping[str, Any]] | None = None
    shape: Sequence[int] | None = None
    sigma_w2: float | None = field(default=None, repr=False)
    sigma_b2: float | None = field(default=None, repr=False)
    name: str | None = field(default=None, compare=False)

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
            layers: Sequence[Layer | str | Mapping[str, Any]] | None = ...,
            shape: Sequence[int] | None = ...,
            sigma_w2: float | str | None = ...,
            sigma_b2: float | str | None = ...,
            name: str | None = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        put = self._put
        if self.name is not None:
            _check_name(self.name)
        put("scheme", schemes.get(str(self.scheme)).name)
        put("activation", given.resolve(self.activation).name)
        self._check_sizes()
        if self.mode not in schemes.MODES:
            raise InputError(f"unknown mode {self.mode!r}; {nearest(str(self.mode), schemes.MODES)}")
        self._check_variances()
        put("gain", self._checked_gain())
        if self.bias_std is not None:
            put("bias_std", real_number("bias_std", self.bias_std, 0.0))
        if self.layers is not None:
            self._check_layers()
        if self.correlation is not None:
            put("correlation", real_number("correlation", self.correlation, -1.0, 1.0))
            if self.batch == 1:
                put("batch", 2)
            if self.batch % 2:
                raise InputError(f"correlation needs inputs in pairs; batch = {self.batch} must be even")
            if self.inputs not in ("gaussian", "sphere"):
                raise InputError(f"correlation is for gaussian or sphere inputs, not {self.inputs!r}")
        if not isinstance(self.raw, bool):
            raise InputError(f"raw must be true or false, not {self.raw!r}")

    def _check_variances(self) -> None:
        """sigma_w^2 and sigma_b^2 are other words for the gain and the biases' standard deviation."""
        for variance, stated, default in (("sigma_w2", "gain", "scheme"), ("sigma_b2", "bias_std", None)):
            given_as = getattr(self, variance)
            if given_as is None:
                continue
            if getattr(self, stated) != default:
                raise InputError(f"{variance} and {stated} say the same thing; give one of them")
            value = expression.number(variance, given_as) if isinstance(given_as, str) else given_as
            self._put(stated, math.sqrt(real_number(variance, value, 0.0)))
            self._put(variance, None)
            if variance == "sigma_w2" and not self.rule.is_by_fan_in(self.mode):
                raise InputError(
                    f"sigma_w2 is fan_in times the variance of a weight, which {self.scheme} does not go by; "
                    "give it with lecun_normal, kaiming_normal, orthogonal or another scheme by fan_in"
                )

    def _put(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # the one way into a frozen instance

    def _check_sizes(self) -> None:
        put = self._put
        put("batch", whole_number("batch", self.batch, 1))
        put("inputs", _place_of(self.inputs))
        if self.depth is not None:
            put("depth", whole_number("depth", self.depth, 1, MAX_DEPTH))
        if self.features is not None:
            put("features", whole_number("features", self.features, 1))
        if self.shape is not None:
            self._check_shape()
        if self.layers is not None:
            self._check_widths_of_layers()
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

    def _check_shape(self) -> None:
        """A shape of one number is another word for the features."""
        shape = [self.shape] if isinstance(self.shape, (int, np.integer)) else self.shape
        if isinstance(shape, (str, bytes)) or not isinstance(shape, Sequence) or len(shape) != 1:
            raise InputError(f"shape = {self.shape!r}: inputs that can be run have features alone, as in shape = [512]")
        features = whole_number("shape", shape[0], 1)
        if self.features not in (None, features):
            raise InputError(f"shape = [{features}] and features = {self.features} differ; give one of them")
        self._put("features", features)
        self._put("shape", None)

    def _check_widths_of_layers(self) -> None:
        layers = vocabulary.read(self.layers)
        widths = dense_stack.widths_of(layers, self.activation, MAX_DEPTH)
        shortened = widths[0] if len(set(widths)) == 1 else widths
        stated = self.width if isinstance(self.width, (int, np.integer)) else tuple(self.width)
        if (stated, self.depth) not in ((DEFAULT_WIDTH, None), (shortened, len(widths))):
            raise InputError("layers give the widths and the depth; leave width and depth out")
        self._put("layers", layers)
        self._put("width", shortened)
        self._put("depth", len(widths))

    def _check_layers(self) -> None:
        layers = cast(tuple[Layer, ...], self.layers)
        dense_stack.refuse_mixtures(layers, self.scheme, self.bias_std)
        if dense_stack.is_plain(layers, self.scheme):
            self._put("layers", None)
        elif self.gain in ("critical", "critical-gradient") and dense_stack.has_gains(layers):
            raise InputError(f"gain {self.gain!r} is solved for all layers at once; leave out the gains of the layers")

    def _checked_gain(self) -> str | float:
        if isinstance(self.gain, str) and self.gain in GAIN_WORDS:
            return self.gain
        try:
            gain = expression.number("gain", self.gain) if isinstance(self.gain, str) else float(self.gain)
        except (TypeError, ValueError):
            known = nearest(str(self.gain), GAIN_WORDS)
            raise InputError(
                f"unknown gain {self.gain!r}; {known.rstrip('?')}, or a positive number, which may be written as "
                "'sqrt(1.5)'"
            ) from None
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

        if self.layers is not None and dense_stack.has_gains(cast(tuple[Layer, ...], self.layers)):
            raise InputError("a critical gain is solved for all layers at once; some layers have a gain of their own")
        program = self.program_for(self.features_or_width, 1.0)
        fans = [weights.fans for weights in program.weights]
        variances = program.weight_variance.tolist(), program.bias_variance.tolist()
        return gains.critical_gain_of_layers(self.nonlinearity, fans, *variances, of)

    @property
    def scheme_names(self) -> tuple[str, ...]:
        """The names of all schemes that layers of the case use, sorted."""
        if self.layers is None:
            return (self.scheme,)
        return tuple(sorted(dense_stack.schemes_of(cast(tuple[Layer, ...], self.layers), self.scheme)))

    @property
    def features_or_width(self) -> int:
        """The input size that the case states, or the first width."""
        return self.features or self.widths[0]

    @property
    def program(self) -> Program:
        """What a network of the case does, op by op, for inputs of the size that it states, or of the first width."""
        return self.program_for(self.features_or_width)

    def program_for(self, features: int, gain: float | None = None) -> Program:
        """The program for inputs of ``features`` entries; ``gain`` replaces the case's own, not that of a layer."""
        features = whole_number("features", features, 1)
        chosen = self._gain_of_layers() if gain is None else gain
        defaults = Defaults(self.scheme, self.nonlinearity, chosen, self.mode, self.bias_std)
        layers = None if self.layers is None else cast(tuple[Layer, ...], self.layers)
        rules = tuple(map(schemes.get, self.scheme_names))
        return _lowered(layers, () if layers else self.widths, features, defaults, rules)

    def _gain_of_layers(self) -> float | None:
        """The gain of layers without their own; None is the textbook one of each layer's scheme."""
        return None if self.gain == "scheme" and self.layers is not None else self.numeric_gain

    def record(self) -> dict[str, Any]:
        """The fields as plain TOML values, those at their default left out."""
        out: dict[str, Any] = {"scheme": self.scheme, "activation": self.activation}
        for item in fields(self)[2:]:
            value = getattr(self, item.name)
            if item.name == "depth" and not isinstance(self.width, int):
                continue
            if item.name in ("depth", "width") and self.layers is not None:
                continue
            if item.name == "layers" and value is not None:
                value = tuple(layer.record() for layer in value)
            if item.name in ("depth", "width") or value != item.default:
                out[item.name] = list(value) if isinstance(value, tuple) else value
        return out


@lru_cache(maxsize=256)  # more than most studies have cases, which are asked in turn
def _lowered(
    layers: tuple[Layer, ...] | None,
    widths: tuple[int, ...],
    features: int,
    defaults: Defaults,
    rules: tuple[schemes.Scheme, ...],  # here for the cache alone: a name may be registered anew
) -> Program:
    if layers is None:
        kinds = {width: Dense(width) for width in widths}
        layers = tuple(layer for width in widths for layer in (kinds[width], Act()))
    return lower(vocabulary.unroll(layers), features, defaults)


def _check_name(name: object) -> None:
    """InputError for what cannot be the name of a group in a file, or of a file."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in _TAKEN:
        raise InputError(
            f"name = {name!r:.60}: give up to 100 letters, digits and . _ - + : = , that begin with a letter or a digit"
        )


def require_case(given: object, function: str) -> None:
    """InputError where something else is given to a function that takes a case."""
    if not isinstance(given, Case):
        raise InputError(f"{function} takes a case, as in mcflow.{function}(mcflow.Case(...)), not {given!r:.60}")

"""Which lists of layers can be run today: dense stacks of one activation, one distribution and one law of biases."""

from __future__ import annotations

from collections.abc import Sequence

from mcflow import schemes
from mcflow.errors import InputError
from mcflow.model.layers import vocabulary
from mcflow.model.layers.act import Act
from mcflow.model.layers.dense import Dense
from mcflow.model.layers.vocabulary import Layer


def widths_of(layers: Sequence[Layer], activation: str, most: int) -> tuple[int, ...]:
    """The width of each ``dense`` of a list in which an ``act`` follows every one, and none stands elsewhere.

    Raises InputError for any other list, for another activation than the case's, and for more than ``most`` layers.
    """
    if not layers:
        raise InputError("the list of layers is empty; give some, as in [dense(64), act()]")
    depth = vocabulary.count(layers, Dense.word)
    if max(depth, vocabulary.count(layers, Act.word)) > most:
        raise InputError(f"the layers hold {depth} times dense; at most {most} can be run")
    widths: list[int] = []
    before = ""
    for layer, name in vocabulary.unroll(layers):
        if layer.word == before or not (widths or isinstance(layer, Dense)):
            wrong = f"{name} follows no dense" if isinstance(layer, Act) else f"{name} follows no act"
            raise InputError(f"layers can be run where dense and act alternate; {wrong}: write dense(n), act(), ...")
        if isinstance(layer, Dense):
            widths.append(layer.units)
        elif layer.name not in (None, activation):
            raise InputError(
                f"{name} is {layer.name} and the case's activation is {activation}; one network has one activation"
            )
        before = layer.word
    if before != Act.word:
        raise InputError("layers can be run where an act follows every dense, and the last dense has none; add act()")
    return tuple(widths)


def refuse_mixtures(layers: Sequence[Layer], scheme: str, bias_std: float | None) -> None:
    """InputError where a layer's weights, or its biases, are of another distribution than the case's."""
    own = schemes.get(scheme)
    laws = set()
    for layer in distinct(layers):
        if not isinstance(layer, Dense):
            continue
        rule = schemes.get(layer.scheme or scheme)
        if rule.distribution != own.distribution:
            raise InputError(
                f"a layer's scheme {rule.name} draws {rule.distribution} weights and the case's scheme {own.name} "
                f"{own.distribution} ones; one network has one distribution: give the case a scheme of it"
            )
        std = bias_std if layer.bias_std is None else layer.bias_std
        laws |= {"uniform"} if std is None and rule.uniform_bias else {"normal"} if std else set()
    if len(laws) > 1:
        raise InputError("some layers have uniform biases of their scheme and some normal ones; give each a bias_std")


def distinct(layers: Sequence[Layer]) -> set[Dense | Act]:
    """Each kind of layer once, of whatever repeats it stands in."""
    found: set[Dense | Act] = set()
    for item in layers:
        found |= {item} if isinstance(item, Dense | Act) else distinct(item.items)
    return found


def is_plain(layers: Sequence[Layer], scheme: str) -> bool:
    """Whether no layer says anything that the case does not say itself."""
    return all(
        layer.scheme in (None, scheme) and layer.gain is None and layer.bias_std is None
        for layer in distinct(layers)
        if isinstance(layer, Dense)
    )


def schemes_of(layers: Sequence[Layer], scheme: str) -> set[str]:
    """The names of all schemes that the layers use, that of the case among them where one of them leaves it out."""
    return {layer.scheme or scheme for layer in distinct(layers) if isinstance(layer, Dense)}


def has_gains(layers: Sequence[Layer]) -> bool:
    """Whether a layer has a gain of its own."""
    return any(isinstance(layer, Dense) and layer.gain is not None for layer in distinct(layers))

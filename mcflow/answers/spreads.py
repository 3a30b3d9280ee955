"""How far second moments scatter over networks: what tells a mean that a few networks rule from one that all make."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mcflow import quantities
from mcflow.answers.allowances import Prediction

if TYPE_CHECKING:
    import xarray

Floats = NDArray[np.float64]

FORWARD = "preactivation_second_moment"


def spreads(dataset: xarray.Dataset, prediction: Prediction) -> dict[str, Floats]:
    """quantity -> (layer,) standard deviation of a moment's natural logarithm over networks, the widest that is known.

    The measured one knows only networks that were drawn; theory's, which stands for those that were not, is that of a
    log-normal law of the predicted relative spread. Infinite where theory cannot reach the networks that make it.
    """
    moments = [name for name in prediction.of if quantities.get(name).kind == "moment"]
    wide = {name: _predicted(name, prediction) for name in moments}
    if FORWARD in wide:
        for name in moments:
            other, power = quantities.get(name).follows or ("", 0.0)
            if other in wide:
                wide[name] = np.fmax(wide[name], power * wide[other])
        # d^2 follows the sizes of every layer that it has come through: without a spread of its own, the widest
        widest = np.fmax.reduce(wide[FORWARD])
        for name in moments:
            if quantities.get(name).passes == "backward":
                wide[name] = np.where(np.isnan(wide[name]) & np.isfinite(prediction.of[name].mean), widest, wide[name])
    return {name: np.nan_to_num(_wider(wide[name], name, dataset), nan=0.0, posinf=np.inf) for name in moments}


def _wider(predicted: Floats, name: str, dataset: xarray.Dataset) -> Floats:
    measured = f"{name}_log_std"
    return np.fmax(predicted, np.asarray(dataset[measured].values)) if measured in dataset else predicted


def _predicted(name: str, prediction: Prediction) -> Floats:
    of = prediction.of[name]
    relative = prediction.relative_std.get(name, np.full(len(of.mean), np.nan))
    with np.errstate(over="ignore"):
        implied = np.sqrt(np.log1p(relative**2))
    # theory follows the law itself there, and yet has no spread: it comes from networks rarer than it resolves
    lost = (
        (np.array(of.tier) == "exact-law")
        & np.isnan(relative)
        & (not quantities.get(name).heavy)
        & (quantities.get(name).passes == "forward")
    )
    return np.where(lost, np.inf, np.fmax(implied, of.log_std))

"""Pictures of a study, one figure a file; matplotlib is loaded when one is drawn."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from mcflow.errors import InputError, nearest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mcflow.files.result import Result

FIGURES = {
    "flow": "activation and gradient flow against depth, theory on top, a band over networks",
    "histograms": "preactivations and gradients layer by layer (Glorot & Bengio 2010, figures 6 and 7)",
    "correlation": "what becomes of the correlation of two inputs, and of their gradients",
    "participation": "the share of a layer that carries its activations",
    "zscores": "measured against predicted, in standard errors, for every quantity and layer",
    "law": "the second moment over networks against its exact density",
    "phase": "the plane of sigma_w and sigma_b: order, chaos, the edge between them, depth scales",
}
FORMATS = ("png", "svg", "pdf")


class NothingToDraw(InputError):
    """The study does not hold what this figure shows."""


def draw(name: str, result: Result) -> Figure:
    """Figure ``name`` of a study. Raises NothingToDraw, or InputError for an unknown figure or without matplotlib."""
    if name not in FIGURES:
        raise InputError(f"unknown figure {name!r}; {nearest(name, FIGURES)}")
    from mcflow.plots import style

    style.require_matplotlib()
    with style.applied():
        figure: Figure = importlib.import_module(f"mcflow.plots.{name}").figure(result)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure as its suffix says: .png, .svg or .pdf. Raises InputError where it cannot be written."""
    from mcflow.plots import style

    if path.suffix.removeprefix(".") not in FORMATS:
        raise InputError(f"{path}: unknown kind of picture; name it .png, .svg or .pdf")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with style.applied():
            figure.savefig(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None

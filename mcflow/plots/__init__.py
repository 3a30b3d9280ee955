"""Pictures of a study, one figure a file; matplotlib is loaded when one is drawn."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcflow.errors import InputError, nearest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mcflow.answers.subject import Subject
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


def plot(result: Result, figure: str = "flow", *, cases: str | Iterable[str] | None = None, ax: Any = None) -> Figure:
    """A figure of a study, one of FIGURES: ``flow``, ``histograms``, ``correlation``, ``zscores`` and so on.

    ``cases`` is one name or several, and None all that have networks; verdicts in ``zscores`` are those of the whole
    study whatever is drawn. With ``ax`` the figure goes into given matplotlib axes, one for each of its panels (one
    axes, or an array of them), and their figure is returned; without, into a figure of its own, which no window shows.

    Raises NothingToDraw, an InputError, where the study has nothing for it, UnknownCase for a name that no case has,
    and InputError for an unknown figure, another number of axes than there are panels, or without matplotlib.
    """
    from mcflow.answers.subject import Subject
    from mcflow.files.missing import no_networks, without_networks
    from mcflow.files.result import require_result
    from mcflow.plots import style

    require_result(result, "plot")
    if figure not in FIGURES:
        raise InputError(f"unknown figure {figure!r}; {nearest(str(figure), FIGURES)}")
    style.require_matplotlib()
    names = _names(result, cases)
    for name in names:
        result.require(name)
    subject = Subject(result)
    empty = set(without_networks(subject)) & set(names)
    if empty and (cases is not None or empty == set(names)):
        raise NothingToDraw(no_networks(sorted(empty)))
    return draw(subject, figure, names, ax)


def draw(subject: Subject, figure: str, names: list[str] | None = None, ax: Any = None) -> Figure:
    """As ``plot``, of a study that others look at too; ``names`` None are all of its cases. Empty ones are left out."""
    from mcflow.files.missing import no_networks, without_networks
    from mcflow.plots import caption, style

    style.require_matplotlib()
    wanted = subject.names if names is None else names
    empty = set(without_networks(subject))
    names = [name for name in wanted if name not in empty]
    if wanted and not names:
        raise NothingToDraw(no_networks(wanted))
    with style.applied():
        module = importlib.import_module(f"mcflow.plots.{figure}")
        drawn: Figure = module.figure(subject, names, ax)
        if ax is None:  # a figure of somebody else's has a caption of theirs
            said = (caption.of_study(subject, names), module.SAYS, module.left_out(subject, names))
            style.say_below(drawn, [text for text in said if text])
    return drawn


def _names(result: Result, cases: str | Iterable[str] | None) -> list[str]:
    if cases is None:
        return list(result.names)
    if not isinstance(cases, Iterable):
        raise InputError(f"cases = {cases!r} is no name; give names of cases, as in {result.names[0]!r}")
    names = [cases] if isinstance(cases, str) else list(cases)
    if not names:
        raise InputError(f"cases is empty; give names of cases, as in [{result.names[0]!r}], or leave it out")
    return names


def save(figure: Figure, path: Path, dpi: float | None = None) -> None:
    """Write a figure as its suffix says: .png, .svg or .pdf. Raises InputError where it cannot be written."""
    from mcflow.plots import style

    if path.suffix.removeprefix(".") not in FORMATS:
        raise InputError(f"{path}: unknown kind of picture; name it .png, .svg or .pdf")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with style.applied():
            options: Any = {} if dpi is None else {"dpi": dpi}
            figure.savefig(path, **options)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None

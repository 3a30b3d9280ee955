"""How pictures look: lines told apart by dash and marker as well as by colour; matplotlib is asked for here."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mcflow.errors import InputError
from mcflow.plural import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure as Figure

# Okabe & Ito 2008: eight colours that the colour-blind can tell apart, the pale yellow left out
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#555555")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5)), (0, (8, 2)), (0, (3, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
FARTHEST = 280.0  # decades: beyond, logarithms are drawn
THEORY: dict[str, Any] = {"color": "black", "linewidth": 1.1, "linestyle": (0, (2, 1.6)), "zorder": 5}
SETTINGS: Any = {  # matplotlib types its keys one by one
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "legend.framealpha": 0.75,
    "legend.edgecolor": "none",
    "legend.fontsize": 8.0,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.0,
    "savefig.dpi": 110,
    "svg.fonttype": "none",
    "svg.hashsalt": "mcflow",
}


LOOKS: dict[str, Any] = {
    "paper": {},
    "slides": {
        "font.size": 12.0,
        "axes.titlesize": 13.0,
        "legend.fontsize": 10.5,
        "lines.linewidth": 2.2,
        "lines.markersize": 6.0,
    },
}


def have_matplotlib() -> bool:
    """Whether the ``plot`` extra is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def require_matplotlib() -> None:
    """InputError where the ``plot`` extra is not installed."""
    if not have_matplotlib():
        raise InputError("pictures need matplotlib, which is not installed; pip install 'mcflow[plot]'")


@contextlib.contextmanager
def applied() -> Iterator[None]:
    """The settings above, for as long as something is drawn or saved; what the user has set stays the user's."""
    import matplotlib

    now, unset = matplotlib.rcParams, matplotlib.rcParamsDefault
    ours = {key: value for key, value in SETTINGS.items() if now[key] == unset[key]}
    with matplotlib.rc_context(ours):
        yield


def say_below(drawn: Figure, sentences: Sequence[str]) -> None:
    """A caption in small type below the panels, in lines that the figure is wide enough for."""
    import textwrap

    letters = max(40, int(drawn.get_figwidth() * 17))
    lines = textwrap.wrap("; ".join(sentences), letters)
    drawn.supxlabel("\n".join(lines), fontsize=7.0, color="#555555", linespacing=1.3)


@contextlib.contextmanager
def look(name: str) -> Iterator[None]:
    """Settings of one of ``LOOKS`` before ours, for as long as something is drawn or saved."""
    import matplotlib

    with matplotlib.rc_context(LOOKS[name]):
        yield


def adapt(drawn: Figure, title: str | None, inches: tuple[float, float] | None) -> None:
    """Give a figure of ours a title and a size of the user's."""
    if inches is not None:
        drawn.set_size_inches(*inches)
    if title:
        drawn.suptitle(title)


def own_settings() -> dict[str, Any]:
    """What this process has set of matplotlib beyond its own files of settings: a picture made elsewhere needs it."""
    import matplotlib

    there, before = matplotlib.rcParams, matplotlib.rcParamsOrig
    # to ask for the backend would choose one
    return {key: there[key] for key in there if not key.startswith("backend") and there[key] != before.get(key)}


@contextlib.contextmanager
def as_set(settings: Any) -> Iterator[None]:
    """Those of ``own_settings``, for as long as something is drawn for another process."""
    import matplotlib

    with matplotlib.rc_context(settings):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that size in inches, drawn without a window or a global state."""
    from matplotlib.figure import Figure as Figure

    return Figure(figsize=(width, height), layout="constrained")


def panels(
    count: int, columns: int, size: tuple[float, float], ax: Any = None, **options: Any
) -> tuple[Figure, list[Axes]]:
    """``count`` axes, row by row, in a new figure of ``size`` inches and so many ``columns``, or those of ``ax``.

    ``options`` are those of ``subplots``. Raises InputError where ``ax`` is not as many axes as there are panels.
    """
    if ax is None:
        drawn = new_figure(*size)
        grid = drawn.subplots(-(-count // columns), columns, squeeze=False, **options).ravel().tolist()
        for surplus in grid[count:]:
            surplus.remove()
        return drawn, grid[:count]
    given = np.ravel(np.asarray(ax, dtype=object)).tolist()
    if not all(hasattr(each, "plot") and hasattr(each, "get_figure") for each in given):
        raise InputError(f"ax is a {type(ax).__name__}, not axes of matplotlib; give ax=plt.subplots()[1]")
    if len(given) != count:
        shape = "" if count == 1 else f"1, {count}"
        raise InputError(
            f"this figure has {counted(count, 'panel')} for these cases, and ax is {len(given)}; "
            f"give ax=plt.subplots({shape})[1], or other cases"
        )
    return given[0].get_figure(), given


def line(number: int) -> dict[str, Any]:
    """Colour, dash and marker of line ``number``."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": DASHES[number % len(DASHES)],
        "marker": MARKERS[number % len(MARKERS)],
    }


def marks(count: int) -> slice:
    """Which of ``count`` points carry a marker: about ten."""
    return slice(0, None, max(1, count // 10))


def layer_axis(axes: Axes) -> None:
    """The x axis of layers, which are whole numbers."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("layer")
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))


def is_far(logs: Sequence[NDArray[np.float64]]) -> bool:
    """Whether decimal logarithms are of numbers that an axis of float64 cannot hold with room around them."""
    return any(bool((np.abs(each[np.isfinite(each)]) > FARTHEST).any()) for each in logs)


def powers_of_ten(axis: Axis) -> None:
    """An axis whose values are decimal logarithms: marked with the powers of ten themselves."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(6))
    axis.set_major_formatter(FuncFormatter(lambda value, place: f"$10^{{{value:g}}}$"))


def few_ticks(axes: Axes) -> None:
    """A logarithmic x axis of about a decade: a few plain numbers, where powers of ten would run into each other."""
    from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter

    low, high = axes.get_xlim()
    axes.xaxis.set_minor_formatter(NullFormatter())
    if high / low < 20.0:
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def log_axis(axes: Axes, values: Sequence[NDArray[np.float64]]) -> None:
    """A logarithmic y axis where the values span more than a factor of 5; at least a decade is shown."""
    positive = np.concatenate([value[np.isfinite(value) & (value > 0)] for value in values])
    if not len(positive):
        return
    low, high = float(positive.min()), float(positive.max())
    if high / low > 5.0:
        axes.set_yscale("log")
    else:
        axes.set_ylim(0.0, 1.25 * high)

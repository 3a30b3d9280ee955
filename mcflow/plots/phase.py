"""The phase diagram: order and chaos in the plane of sigma_w and sigma_b, depth scales, and where the cases lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mcflow.mean_field import phase_diagram
from mcflow.plots import NothingToDraw, caption, style
from mcflow.theory import stack

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mcflow.answers.subject import Subject

LARGEST = 4
SAYS = "infinite width; contours: depth scales of gradients, in layers"
POINTS = 31
DEPTH_SCALES = (3.0, 10.0, 30.0)  # layers, contours of 1 / |ln chi_1|


def figure(subject: Subject, names: Sequence[str], ax: Any = None) -> Figure:
    """A panel for each activation: the factor of gradients per layer, contours of their depth scale, the edge."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(subject.case(name).activation, []).append(name)
    activations = list(groups)[:LARGEST]
    if not activations:
        raise NothingToDraw("no case to place in the plane")
    drawn, grid = style.panels(len(activations), len(activations), (1.2 + 3.9 * len(activations), 3.7), ax)
    image: Any = None
    for axes, activation in zip(grid, activations, strict=True):
        points = {name: _place(subject, name) for name in groups[activation]}
        image = panel(axes, subject.case(groups[activation][0]).nonlinearity, points)
        axes.set_title(activation)
        axes.set_xlabel("sigma_w")
        axes.legend(loc="upper left", fontsize=7)
    grid[0].set_ylabel("sigma_b")
    bar = drawn.colorbar(image, ax=grid)
    bar.set_label("chi_1, factor of gradients per layer")
    return drawn


def left_out(subject: Subject, names: Sequence[str]) -> str:
    """How many activations of how many are drawn, where it is not all."""
    return caption.some_of(LARGEST, len({subject.case(name).activation for name in names}), "activation")


def figure_of_plane(plane: phase_diagram.Plane, activation: str) -> Figure:
    """The plane of one activation alone: the decimal logarithm of chi_1 in colours, and the edge of chaos."""
    style.require_matplotlib()
    with style.applied():
        drawn = style.new_figure(6.4, 4.8)
        axes = drawn.subplots()
        with np.errstate(divide="ignore"):
            colour = np.clip(np.log10(plane.chi_1), -1.0, 1.0)
        mesh = axes.pcolormesh(
            plane.sigma_w, plane.sigma_b, colour, cmap="RdBu_r", vmin=-1.0, vmax=1.0, shading="nearest"
        )
        drawn.colorbar(mesh, label="log10 chi_1 (gradients vanish < 0 < explode)")
        draw_edge(axes, plane)
        axes.set(xlabel="sigma_w", ylabel="sigma_b", title=activation)
        axes.set_xlim(plane.sigma_w[0], plane.sigma_w[-1])
        axes.set_ylim(plane.sigma_b[0], plane.sigma_b[-1])
        axes.grid(visible=False)
        if plane.edge:
            axes.legend(loc="upper left")
    return drawn


def _place(subject: Subject, name: str) -> tuple[float, float]:
    """(sigma_w, sigma_b) of a case, root mean squares over its layers."""
    layers = stack.of_case(subject.case(name), subject.inputs(name))
    return float(np.sqrt(layers.forward.mean())), float(np.sqrt(layers.bias_variance.mean()))


def panel(axes: Any, activation: Any, points: dict[str, tuple[float, float]]) -> Any:
    """Draw the plane of one activation with labelled points on it; returns the image for a colour bar."""
    widest = max([2.2, *(1.2 * w for w, _ in points.values())])
    tallest = max([1.0, *(1.2 * b for _, b in points.values())])
    sigma_w, sigma_b = np.linspace(0.3, widest, POINTS), np.linspace(0.0, tallest, POINTS)
    plane = phase_diagram.plane(activation, sigma_w, sigma_b)
    chi = np.where(np.isfinite(plane.chi_1), plane.chi_1, np.nan)
    image = axes.pcolormesh(
        plane.sigma_w, plane.sigma_b, np.clip(chi, 0.0, 2.0), cmap="PuOr_r", vmin=0.0, vmax=2.0, shading="nearest"
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 1.0 / np.abs(np.log(chi))
    lines = axes.contour(
        plane.sigma_w, plane.sigma_b, scale, levels=DEPTH_SCALES, colors="0.25", linewidths=0.8, linestyles="dotted"
    )
    axes.clabel(lines, fmt=lambda value: f"{value:g} layers", fontsize=6.5)
    draw_edge(axes, plane)
    for number, (name, (w, b)) in enumerate(points.items()):
        look = {**style.line(number), "linestyle": "none", "markersize": 7.0, "markeredgecolor": "white"}
        axes.plot(w, b, label=name, clip_on=False, zorder=6, **look)
    axes.set_xlim(sigma_w[0], sigma_w[-1])
    axes.set_ylim(0.0, tallest)
    axes.grid(visible=False)
    return image


def draw_edge(axes: Any, plane: phase_diagram.Plane) -> None:
    """Draw the edge of chaos: solid where q stays at its fixed point, dashed where no signal keeps that q."""
    looks = {True: ("solid", "edge of chaos"), False: ("dashed", "edge of chaos, q unstable")}
    named: set[bool] = set()
    for piece in plane.edge:
        style_of_line, label = looks[piece.stable]
        axes.plot(
            piece.sigma_w,
            piece.sigma_b,
            color="black",
            linewidth=2.0,
            linestyle=style_of_line,
            label="_" if piece.stable in named else label,
        )
        named.add(piece.stable)

"""The edge of chaos in pictures is the edge of chaos, with no chord where a part of it is unstable."""

from __future__ import annotations

import numpy as np
import pytest

from mcflow.activations import registry
from mcflow.mean_field import critical, phase_diagram

pytest.importorskip("matplotlib")
BIASES = (0.1, 0.05**0.5, 0.1**0.5, 0.6)


def drawn(lines, sigma_b):
    """Every sigma_w at which a drawn line of an edge of chaos crosses ``sigma_b``, and whether it is dashed."""
    found = []
    for line in lines:
        w, b = (np.asarray(values, dtype=float) for values in (line.get_xdata(), line.get_ydata()))
        for i in np.flatnonzero((b[1:] - sigma_b) * (b[:-1] - sigma_b) <= 0.0):
            share = (sigma_b - b[i]) / (b[i + 1] - b[i]) if b[i + 1] != b[i] else 0.0
            found.append((w[i] + share * (w[i + 1] - w[i]), line.get_linestyle() != "-"))
    return found


def edge_lines(axes):
    return [line for line in axes.lines if line.get_color() == "black" and line.get_linestyle() in ("-", "--")]


def figure_of_command(name):
    from mcflow.plots.phase import figure_of_plane

    activation = registry.get(name)
    return figure_of_plane(phase_diagram.plane(activation, np.linspace(0.1, 3.0, 4), np.linspace(0.0, 1.0, 4)), name)


@pytest.mark.parametrize("name", ["gelu", "silu", "mish", "hardswish", "relu", "squared_relu"])
def test_the_drawn_line_is_the_edge_and_dashed_where_q_is_unstable(name):
    lines = edge_lines(figure_of_command(name).axes[0])
    assert lines
    for sigma_b in BIASES:
        points = [p for p in critical.edge_of_chaos(name, sigma_b**2) if 0.1 < p.sigma_w < 3.0]
        crossings = drawn(lines, sigma_b)
        for point in points:
            near = min(crossings, key=lambda each: abs(each[0] - point.sigma_w))
            assert near[0] == pytest.approx(point.sigma_w, abs=1e-3)
            assert near[1] == (abs(point.chi_parallel) > 1.0 + 1e-9)
        for w, _ in crossings:  # and nothing is drawn where there is no edge
            if 0.1 < w < 3.0:
                assert min(abs(w - point.sigma_w) for point in points) < 1e-3


def test_the_edge_of_gelu_at_small_biases():
    lines = edge_lines(figure_of_command("gelu").axes[0])
    for sigma_b, sigma_w in ((0.1, 1.727), (0.224, 1.517), (0.316, 1.441)):
        assert [w for w, _ in drawn(lines, sigma_b)] == pytest.approx([sigma_w], abs=2e-3)


def test_the_plot_of_a_study_draws_the_same_line():
    from matplotlib.figure import Figure

    from mcflow.plots import phase

    axes = Figure().subplots()
    phase.panel(axes, registry.get("gelu"), {"case": (1.5, 0.2)})
    assert [w for w, _ in drawn(edge_lines(axes), 0.224)] == pytest.approx([1.517], abs=2e-3)
    assert {line.get_label() for line in axes.lines} >= {"edge of chaos", "edge of chaos, q unstable"}

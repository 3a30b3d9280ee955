"""What is recorded of every layer: the names in the order of the rows, and how each grows."""

from __future__ import annotations

FORWARD = (
    "preactivation_mean",
    "preactivation_second_moment",
    "preactivation_fourth_moment",
    "activation_mean",
    "activation_second_moment",
    "active_fraction",
    "saturated_fraction",
    "preactivation_correlation",
)
BACKWARD = ("gradient_second_moment", "weight_gradient_second_moment")
QUANTITIES = FORWARD + BACKWARD
# By which power of h, of x, of d and of the layer's inputs a quantity grows; the others are shares and cosines.
POWERS = {
    "preactivation_mean": (1, 0, 0, 0),
    "preactivation_second_moment": (2, 0, 0, 0),
    "preactivation_fourth_moment": (4, 0, 0, 0),
    "activation_mean": (0, 1, 0, 0),
    "activation_second_moment": (0, 2, 0, 0),
    "gradient_second_moment": (0, 0, 2, 0),
    "weight_gradient_second_moment": (0, 0, 2, 2),
}
HISTOGRAM_BINS = 66  # 64 of equal width between two that collect everything beyond
HISTOGRAM_REACH = 6.0  # the inner bins span -6 .. 6 units of the layer's scale

"""Numbers that published activations are defined by."""

from __future__ import annotations

import math

SELU_ALPHA = 1.6732632423543772848170429916717  # Klambauer et al. 2017, eq. 14
SELU_SCALE = 1.0507009873554804934193349852946  # Klambauer et al. 2017, eq. 14
GELU_TANH_CUBIC = 0.044715  # Hendrycks & Gimpel 2016, section 2
SQRT_2_OVER_PI = math.sqrt(2.0 / math.pi)
